"""Servers behind us that take no connection, nothing of a request, or too long: what the client gets, and when (faults.md 103, 109)."""

import contextlib
import os
import select
import socket
import time

import pytest

from support import gateway_peers as gateways
from support import peers, processes
from test_gateway_clients import gateway, peer, route  # noqa: F401 (a fixture)

pytestmark = pytest.mark.timeout(90)
TIMES = ', timeout = "1s", connect_timeout = "300ms"'


@pytest.fixture(params=["proxy", "uwsgi", "scgi", "fastcgi"])
def protocol(request):
    return request.param


def url(protocol, server):
    """The address of a RawPeer, or of a socket that listens."""
    if isinstance(server, socket.socket):
        name = server.getsockname()
        if isinstance(name, str):
            return f"unix:{name}"
        return ("http://" if protocol == "proxy" else "") + "%s:%d" % name
    return server.url


def pool(protocol, *servers):
    urls = ", ".join(f'"{url(protocol, server)}"' for server in servers)
    return f'[upstream.api]\nservers = [{urls}]\nbalance = "round_robin"'


def good(peer, protocol):  # noqa: F811
    if protocol == "proxy":
        return peer(peers.RawPeer, peers.answering(peers.response(b"good"), keep=False))
    return peer(gateways.RawGatewayPeer, protocol, gateways.answering(gateways.answer(protocol, b"good")))


def timed(server, *arguments, **options):
    began = time.monotonic()
    return server.request(*arguments, **options), time.monotonic() - began


@contextlib.contextmanager
def full_listener(family, place):
    """One that accepts nothing, with as many connections as the kernel keeps for it."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family))
        listener.bind(place)
        if family == socket.AF_UNIX:
            os.chmod(place, 0o777)  # for the front's user
        listener.listen(0)
        while True:
            client = stack.enter_context(socket.socket(family))
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(listener.getsockname())
            if not select.select([], [client], [], 0.2)[1]:  # in the line for good; a unix socket is refused a place in it
                break
            if family == socket.AF_UNIX and not connected(client):
                break
        yield listener


def connected(client):
    try:
        return bool(client.getpeername())
    except OSError:
        return False


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX], ids=["tcp", "unix"])
def test_no_room_in_its_line(serve, peer, folder, protocol, family):  # noqa: F811
    """Nothing was sent: whatever the method, the next one is asked."""
    place = ("127.0.0.1", 0) if family == socket.AF_INET else f"{folder}/full"
    with full_listener(family, place) as full:
        alone = gateway(serve, route(protocol, url(protocol, full), more=TIMES), allow=[r"\[CW060[23]\]"])
        answer, seconds = timed(alone)
        if family == socket.AF_INET:
            assert answer.status == 504 and 0.25 < seconds < 3
        else:
            assert answer.status == 502 and seconds < 3  # the kernel says at once that there is no room
        config = route(protocol, "api", more=TIMES, before=pool(protocol, full, good(peer, protocol)))
        both = gateway(serve, config, allow=[r"\[CW060[23]\]"])
        for method in ("GET", "POST"):
            answers = [timed(both, method, body=b"x" * (method == "POST")) for _ in range(2)]
            assert [answer.text for answer, _ in answers] == ["good", "good"] and max(seconds for _, seconds in answers) < 3
        reason = "Connection timed out" if family == socket.AF_INET else "its backlog is full"
        both.log.wait_for(rf"\[CW0602\] upstream api: .* cannot be reached: {reason}")


@pytest.mark.parametrize("takes", ["nothing", "all"])
def test_no_answer_in_time(serve, peer, protocol, takes):  # noqa: F811
    """Nobody knows what it has done with the request: no other is asked, even where that did no harm."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        silent = listener
        if takes == "all":
            kind = (peers.RawPeer,) if protocol == "proxy" else (gateways.RawGatewayPeer, protocol)
            silent = peer(*kind, lambda *_: None)
        other = good(peer, protocol)
        server = gateway(serve, route(protocol, "api", more=TIMES, before=pool(protocol, silent, other)), allow=[r"\[CW0605\]"])
        body = b"x" * (16 << 20)  # more than the kernel's buffers hold
        answer, seconds = timed(server, "PUT", body=body)
        assert answer.status == 504 and 0.9 < seconds < 5 and other.requests == []
        assert server.request("PUT", body=body).text == "good"


BUFFERS = 24 << 20  # more than those of the kernel, two for each of two connections


@pytest.mark.parametrize("timeout", ["60s", "500ms"])
def test_what_it_does_not_take_of_an_upload(serve, protocol, sanitized, timeout):
    """It stays with the client. Once it is too late, and that was said, what still comes is dropped for a while, so that the
    client sees the answer: for 64 MiB. It never is in our memory."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = gateway(serve, route(protocol, url(protocol, silent), more=f', buffer = false, timeout = "{timeout}"'),
                         allow=[r"\[CW060[45]\]"])
        front = server.named("front")[0]
        before = processes.memory(front)
        with server.connect() as client:
            client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n\r\n")
            sent, is_over = send_while_it_goes(client, 100 << 20, 0.5 if timeout == "60s" else 5)
        if timeout == "60s":
            assert sent < BUFFERS and not is_over
        else:
            assert 64 << 20 <= sent < (64 << 20) + BUFFERS and is_over
        assert sanitized or processes.peak_memory(front) - before < 4 << 20


def send_while_it_goes(client, most, patience):
    """How much the server takes, and whether it has closed."""
    sent = 0
    client.socket.setblocking(False)
    while sent < most and select.select([], [client.socket], [], patience)[1]:
        try:
            sent += client.socket.send(b"x" * 65536)
        except BlockingIOError:
            continue
        except OSError:
            return sent, True
    return sent, False
