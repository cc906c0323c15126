"""FastCGI programs that say late, wrongly or never that their answer is complete, when its length is known all the same: they
are held back for a moment (faults.md 110), and harm nobody after that."""

import re
import signal
import threading
import time

import pytest

from support import gateway_peers as gateways
from support.processes import wait_until
from test_gateway_clients import gateway, peer, pool, route  # noqa: F401 (a fixture)

pytestmark = pytest.mark.timeout(90)
WHOLE = gateways.stdout(b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi")
FINE = gateways.answer("fastcgi", b"there")


class Program(gateways.RawGatewayPeer):
    """Says what `tails` has for the path behind a whole answer, the first time; other paths are answered well."""

    def __init__(self, tails):
        self.tails, self.release, self.ended = dict(tails), threading.Event(), 0
        super().__init__("fastcgi", self.serve)

    def serve(self, connection, request):
        path = gateways.variables_of("fastcgi", request)[b"REQUEST_URI"].decode()
        if path not in self.tails:
            connection.sendall(FINE)
            return True
        head, late, tail = self.tails[path]
        connection.sendall(head if late else head + tail)
        if late:
            self.release.wait(30)
            connection.sendall(tail)
        self.ended += 1
        return late


def program(peer, **tails):  # noqa: F811
    return peer(Program, {"/" + name: tail for name, tail in tails.items()})


@pytest.mark.parametrize("shared", [False, True])
def test_the_next_request_of_a_client_waits_for_no_late_end(serve, peer, shared):  # noqa: F811
    behind = program(peer, late=(WHOLE, True, gateways.end()))
    server = gateway(serve, route("fastcgi", "api", before=pool(behind, keepalive=8 if shared else 0)))
    with server.connect() as client:
        began = time.monotonic()
        assert client.request("GET", "/late").text == "hi"
        assert client.request("GET", "/other").text == "there"
        assert time.monotonic() - began < 1
        assert len(behind.open) >= 1 and behind.ended == 0  # it may work on
        behind.release.set()
        wait_until(lambda: behind.ended == 1)
        assert client.request("POST", "/other", body=b"x").text == "there"


def test_a_stop_waits_for_a_late_end_as_long_as_for_requests(serve, peer):  # noqa: F811
    behind = program(peer, never=(WHOLE, True, gateways.end()))
    server = gateway(serve, route("fastcgi", behind, before='[shutdown]\ngrace = "1s"\n'), allow=("CW0523",))
    assert server.get("/never").text == "hi"
    began = time.monotonic()
    server.signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    assert re.search(r"\[CW0523\] 1 program behind FastCGI routes worked on", server.log.text)
    assert 0.8 < time.monotonic() - began < 5
    behind.release.set()


def test_a_missing_end_costs_no_later_request(serve, peer):  # noqa: F811
    behind = program(peer, never=(WHOLE, True, gateways.end()))
    server = gateway(serve, route("fastcgi", behind, more=', timeout = "1s"'), allow=("CW0605",))
    with server.connect() as client:
        assert client.request("GET", "/never").text == "hi"
        wait_until(lambda: "has not ended its answer to GET /never within timeout" in server.log.text)
        assert client.request("GET", "/other").text == "there"
    behind.release.set()


def test_a_late_fault_is_said_as_it_was(serve, peer):  # noqa: F811
    behind = program(peer, late=(WHOLE, True, gateways.end(application=3)))
    server = gateway(serve, route("fastcgi", behind), allow=("CW0604",))
    with server.connect() as client:
        assert client.request("GET", "/late").text == "hi"
        behind.release.set()
        wait_until(lambda: "did not end its answer to GET /late as it should; the client had all of it" in server.log.text)
        assert client.request("GET", "/other").text == "there"


TAILS = {
    "no end": b"",
    "half a record": gateways.record(gateways.STDERR, b"x" * 50)[:20],
    "garbage": b"\xff" * 100,
    "another id": gateways.record(gateways.STDOUT, b"x", identity=8) + gateways.end(),
    "a status": gateways.end(application=1),
}
HEADS = {
    "204": ("GET", b"Status: 204\r\n\r\n"),
    "304": ("GET", b"Status: 304\r\nETag: \"a\"\r\n\r\n"),
    "204 to POST": ("POST", b"Status: 204\r\n\r\n"),
    "HEAD": ("HEAD", b"Content-Length: 5\r\n\r\n"),
}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("head", HEADS)
def test_what_follows_an_answer_without_a_body_is_looked_at(serve, peer, head, tail):  # noqa: F811
    method, text = HEADS[head]
    behind = program(peer, bad=(gateways.stdout(text), False, TAILS[tail]))
    server = gateway(serve, route("fastcgi", behind), allow=("CW0604", "CW0608"))
    with server.connect() as client:
        assert client.request(method, "/bad", body=b"x" if method == "POST" else b"").status == 502
        assert client.request("GET", "/other").text == "there"
    wait_until(lambda: "CW0604" in server.log.text)


def test_an_answer_without_a_body_needs_its_end_no_longer_than_a_moment(serve, peer):  # noqa: F811
    behind = program(peer, late=(gateways.stdout(b"Status: 204\r\n\r\n"), True, gateways.end()))
    server = gateway(serve, route("fastcgi", behind))
    with server.connect() as client:
        began = time.monotonic()
        assert client.request("GET", "/late").status == 204
        assert client.request("GET", "/other").text == "there"
        assert time.monotonic() - began < 1
        behind.release.set()
        wait_until(lambda: behind.ended == 1)


@pytest.mark.parametrize("noise", [gateways.record(gateways.STDERR, b"still here\n"), gateways.record(gateways.STDOUT)])
def test_what_is_no_part_of_an_answer_is_no_progress(serve, peer, noise):  # noqa: F811
    """`timeout` is for silence; empty records and the error stream break none."""
    stop = threading.Event()

    def script(connection, _request):
        connection.sendall(gateways.record(gateways.STDOUT, b"Content-Type: text/plain\r\n\r\nsome"))
        while not stop.wait(0.2):
            connection.sendall(noise)

    behind = peer(gateways.RawGatewayPeer, "fastcgi", script)
    server = gateway(serve, route("fastcgi", behind, more=', timeout = "1s"'), allow=("CW0605", "CW0608"))
    try:
        with server.connect(timeout=20) as client:
            began = time.monotonic()
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            with pytest.raises(Exception):  # noqa: B017 (a cut, however it shows)
                client.read_response()
            assert time.monotonic() - began < 4
    finally:
        stop.set()


@pytest.mark.parametrize(("status", "answered"), [("200", 504), ("401", 401)])
def test_an_authorizer_that_does_not_end(serve, peer, status, answered):  # noqa: F811
    """It lets nobody in before it is done; who is refused waits no longer than for other answers."""
    head = gateways.stdout(f"Status: {status}\r\nContent-Length: 2\r\n\r\nno".encode())
    guard, behind = program(peer, x=(head, True, gateways.end())), program(peer)
    auth = f'auth = {{ fastcgi = {{ to = "{guard.url}", timeout = "1s" }} }}\n'
    server = gateway(serve, route("fastcgi", behind) + auth, allow=("CW0605",))
    with server.connect() as client:
        began = time.monotonic()
        assert client.request("GET", "/x").status == answered
        assert (time.monotonic() - began < 0.9) == (answered == 401)
        assert client.request("GET", "/other").text == "there"
    assert len(behind.requests) == 1
    wait_until(lambda: "CW0605" in server.log.text)
    guard.release.set()
