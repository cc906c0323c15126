"""Files that are truncated, replaced, deleted or grown while they are sent: the old content whole, or a visible cut.

Never filled up to the length that was announced, never bytes of another file, never a dead front (faults.md 57). How a file travels depends on its size.
"""

import os
import time

import pytest

from support.client import Closed
from support.places import reachable

pytestmark = pytest.mark.timeout(60)
WAYS = {"kept in memory": 3000, "read": 40_000, "sendfile": 20_000_000}
SMALL = 1000  # what is left, or comes instead


def truncate(path):
    os.truncate(path, SMALL)


def replace(path):
    other = path.with_suffix(".new")
    other.write_bytes(b"y" * SMALL)
    os.rename(other, path)


def delete(path):
    path.unlink()


def grow(path):
    with open(path, "ab") as file:
        file.write(b"z" * 5000)


CHANGES = [truncate, replace, delete, grow]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return reachable(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def server(serve_module, root):
    route = f'[[site]]\n[[site.route]]\nmatch = {{ path = "/files/*" }}\nstatic = {{ root = "{root}" }}\n'
    return serve_module("kit", config=route)


@pytest.fixture
def path(root):
    """A name that the front has never seen: it believes what it knows of one for a second."""
    path = root / f"{time.monotonic_ns()}.bin"
    yield path
    path.unlink(missing_ok=True)


def fill(path, size):
    """Not touched for an hour: only such files are kept in memory."""
    path.write_bytes(b"x" * size)
    os.utime(path, (time.time() - 3600,) * 2)


def read_body(client, size):
    """The body, and whether it was cut."""
    try:
        return client.read_exactly(size), False
    except Closed:
        return None, True


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("target", ["/files/{path.name}", "/file?path={path}"], ids=["static", "file_wrapper"])
def test_while_it_is_sent(server, path, target, change):
    fronts = server.named("front")
    fill(path, WAYS["sendfile"])
    with server.connect(receive_buffer=8192) as client:
        client.send(f"GET {target.format(path=path)} HTTP/1.1\r\nHost: a\r\n\r\n")
        size = int(client.read_head().get("Content-Length"))
        assert size == WAYS["sendfile"]
        begun = client.read_exactly(1000)
        change(path)
        body, cut = read_body(client, size - 1000)
        assert cut == (change is truncate)
        if not cut:
            assert set(begun + body) == {ord("x")}
            assert client.request("GET", "/next").text == "kit /next"  # and not a byte more
    assert server.named("front") == fronts and server.is_healthy()


@pytest.mark.parametrize("change", CHANGES)
def test_no_length_is_made_up(server, path, change):
    """What sendfile has handed to the kernel are the file's own pages, so a truncation may blank them on their way; the
    response is cut all the same, never filled up to its length."""
    fill(path, WAYS["sendfile"])
    with server.connect(receive_buffer=8192) as client:
        client.send(f"GET /files/{path.name} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        size = int(client.read_head().get("Content-Length"))
        change(path)
        body = client.read_to_end()
        assert set(body) <= {ord("x"), 0 if change is truncate else ord("x")}
        assert len(body) <= size and (len(body) == size) == (change is not truncate)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("way", ["kept in memory", "read"])
def test_of_a_file_known_a_moment_ago(server, path, way, change):
    """Within the second in which the front believes what it knows: the old content whole, or cut where it ends now."""
    fronts = server.named("front")
    fill(path, WAYS[way])
    with server.connect() as client:
        assert client.request("GET", f"/files/{path.name}").body == b"x" * WAYS[way]
        change(path)
        client.send(f"GET /files/{path.name} HTTP/1.1\r\nHost: a\r\n\r\n")
        head = client.read_head()
        if head.status == 404:  # a slow machine: looked at anew already
            assert change is delete
            return
        size = int(head.get("Content-Length"))
        body, cut = read_body(client, size)
        assert cut == (change is truncate and way == "read" and size == WAYS[way])
        if not cut:
            new = {truncate: b"x" * SMALL, replace: b"y" * SMALL, grow: b"x" * WAYS[way] + b"z" * 5000}.get(change)
            assert body in (b"x" * WAYS[way], new)
            assert client.request("GET", "/next").text == "kit /next"
    assert server.named("front") == fronts and server.is_healthy()
