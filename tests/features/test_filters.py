"""Static files that go through a FastCGI program in the filter role: `filter` of a route (FastCGI 1.0, section 6.4)."""

import hashlib
import json
import os
import threading
import time

import pytest

from support import gateway_peers as gateways
from support.client import Closed
from support.processes import wait_until
from test_gateway_clients import gateway, peer  # noqa: F401 (a fixture)

pytestmark = pytest.mark.timeout(90)
SIZES = [0, 1, 65_535, 65_536, 70_000, 5_000_001]


@pytest.fixture
def site(folder):
    place = folder / "files"
    (place / "filter").mkdir(parents=True)
    for folder in (place, place / "filter"):
        folder.chmod(0o755)
    return place


@pytest.fixture
def filtered(serve, site):
    def start(to, keepalive="", more="", **options):
        config = f'[upstream.filters]\nservers = ["{to}"]\n{keepalive}\n[[site]]\n[[site.route]]\nmatch = {{ path = "/*" }}\n'
        config += f'static = {{ root = "{site}" }}\nfilter = {{ fastcgi = {{ to = "filters"{more} }} }}\n'
        return gateway(serve, config, **options)

    return start


def put(site, content, name="page"):
    file = site / name
    file.write_bytes(content)
    file.chmod(0o644)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    return file


@pytest.mark.parametrize("keepalive", ["", "keepalive = 4"])
def test_an_app_as_a_filter(serve, site, filtered, keepalive):
    """Both ends are ours: what one sends as FCGI_DATA the app reads as cutwater.fcgi_data."""
    behind = serve("kit", listen={"addr": "127.0.0.1:0", "protocol": "fastcgi"})
    host, port = behind.addresses[0]
    server = filtered(f"{host}:{port}", keepalive)
    for one in (behind, server):
        one.check_leaks = not keepalive  # of kept connections
    with server.connect() as client:
        for size in SIZES:
            data, body = os.urandom(size), os.urandom(size // 3)
            put(site, data, f"filter/{size}")
            for method, sent in (("GET", b""), ("POST", body)):
                answer = client.request(method, f"/filter/{size}", body=sent)
                assert answer.status == 200, answer
                seen = json.loads(answer.body)
                assert (seen["data"], seen["body"]) == (sha256(data), sha256(sent)) and seen["behind"] == 0
                assert (seen["FCGI_ROLE"], seen["FCGI_DATA_LENGTH"], seen["FCGI_DATA_LAST_MOD"]) == ("FILTER", str(size), "1700000000")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("keepalive", ["", "keepalive = 4"])
def test_a_program_on_libfcgi(peer, folder, site, filtered, keepalive):  # noqa: F811
    behind = peer(gateways.libfcgi, folder)
    server = filtered(behind.url, keepalive=keepalive, allow=[r"\[CW060[48]\]"])
    put(site, b"", "index.html")
    with server.connect() as client:
        for size in SIZES:
            put(site, b"ab\n" * (size // 3), f"{size}.txt")
            answer = client.request("GET", f"/{size}.txt", [("Range", "bytes=0-3"), ("If-None-Match", "*")])
            assert (answer.status, answer.get("X-Length"), answer.get("X-Input")) == (200, str(size // 3 * 3), "0")
            assert answer.get("X-Modified") == "1700000000" and answer.get("ETag") is None
            assert answer.body == b"AB\n" * (size // 3)
            answer = client.request("POST", f"/{size}.txt", body=b"x" * 100_000)
            assert (answer.body, answer.get("X-Input")) == (b"AB\n" * (size // 3), "100000")
            assert client.request("HEAD", f"/{size}.txt").get("X-Length") == str(size // 3 * 3)
            answer = client.request("GET", f"/{size}.txt?early")
            assert (answer.status, answer.body) == (200, b"")
            assert client.request("POST", f"/{size}.txt", body=b"x").body == b"AB\n" * (size // 3)
        assert client.request("GET", "/").get("X-Length") == "0"
        assert client.request("GET", "/nothing").status == 404
        assert client.request("PUT", "/3.txt", body=b"x").status == 405
    with server.connect() as client:
        client.send("GET /5000001.txt?die HTTP/1.1\r\nHost: a\r\n\r\n")
        try:
            assert client.read_response().status == 502
        except Closed:
            pass


class RawFilter(gateways.RawGatewayPeer):
    """`script` gets the request up to the end of FCGI_STDIN and whatever came with it."""

    def __init__(self, script):
        super().__init__("fastcgi", script)

    def size_of(self, received):
        return len(received) if super().size_of(received) else 0


def data_of(connection, received):
    """How much FCGI_DATA comes, up to its end or that of the connection; and whether its own came."""
    count = 0
    while True:
        records, used = gateways.records_of(received)
        received = received[used:]
        for kind, _, content in records:
            if kind == gateways.DATA and not content:
                return count, True
            count += len(content) if kind == gateways.DATA else 0
        more = connection.recv(1 << 20)
        if not more:
            return count, False
        received += more


def test_a_file_that_becomes_shorter(peer, site, filtered):  # noqa: F811
    """Never padded, never taken for whole (faults.md 57): 502, or a cut; and the program is not to blame."""
    gate, seen = threading.Event(), []

    def script(connection, request):
        if b"begun" in request:
            connection.sendall(gateways.stdout(b"Content-Type: text/plain\r\n\r\nbegun"))
        gate.wait(20)
        seen.append(data_of(connection, request))
        return False

    behind = peer(RawFilter, script)
    server = filtered(behind.url, allow=[r"\[CW0609\]"])
    for number, target in enumerate(["/big0", "/big1?begun"]):
        gate.clear()
        file = put(site, b"x" * (64 << 20), f"big{number}")
        with server.connect() as client:
            client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
            if number:
                assert client.read_head().status == 200
            else:
                behind.wait_for_requests(1)
            os.truncate(file, 1000)
            gate.set()
            if number:
                with pytest.raises(Closed):
                    while client.read_exactly(1):
                        pass
            else:
                assert client.read_response().status == 502
    wait_until(lambda: len(seen) == 2)
    assert [ended for _, ended in seen] == [False, False]
    assert server.log.count(r"\[CW0609\] upstream filters: the file for /big") >= 1


def test_a_program_that_takes_nothing_more(peer, site, filtered):  # noqa: F811
    """One `timeout`, as for the body of a request."""
    gate = threading.Event()
    behind = peer(RawFilter, lambda *_: gate.wait(30) and False)
    server = filtered(behind.url, more=', timeout = "2s"', allow=[r"\[CW0605\]"])
    put(site, b"x" * (64 << 20), "big")
    began = time.monotonic()
    assert server.get("/big").status == 504
    assert 1.9 < time.monotonic() - began < 5
    gate.set()


def test_back_pressure(peer, site, filtered, sanitized):  # noqa: F811
    """A program that does not read holds the reading of the file back; a client that does not read holds nobody back."""
    gate, sent = threading.Event(), []
    put(site, b"x" * (64 << 20), "big")

    def script(connection, request):
        gate.wait(20)
        sent.append(data_of(connection, request))
        output = gateways.stdout(b"Content-Length: %d\n\n" % (32 << 20) + b"y" * (32 << 20)) + gateways.end()
        for at in range(0, len(output), 65536):
            connection.sendall(output[at : at + 65536])
            sent.append(65536)
        return False

    behind = peer(RawFilter, script)
    server = filtered(behind.url)
    front = server.named("front")[0]
    before = memory(front)
    with server.connect() as client:
        client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        behind.wait_for_requests(1)
        assert sanitized or memory(front) - before < 16 << 10
        gate.set()
        client.read_head()
        wait_until(lambda: sum(sent[1:]) > 32 << 20, 30, "the program to be free")
        assert sent[0] == (64 << 20, True)
        assert sanitized or memory(front) - before < 16 << 10
        assert client.read_exactly(32 << 20) == b"y" * (32 << 20)


def memory(pid):
    """KiB that are its own."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_Dirty"))
