"""Connections to FastCGI servers behind us: what is kept, for how long, and what a server that ends them costs."""

import contextlib
import threading

import pytest

from support import gateway_peers as gateways
from support.processes import wait_until
from test_gateway_clients import gateway, peer, pool, route  # noqa: F401 (a fixture)

pytestmark = pytest.mark.timeout(90)


def keeps(request):
    """Whether the server is told to keep the connection."""
    kind, identity, content = gateways.records_of(request)[0][0]
    assert (kind, identity, content[:2], content[3:]) == (gateways.BEGIN, 1, b"\0\1", b"\0" * 5)
    return content[2] == 1


MANY = 32  # so many requests at work, and connections are kept
QUICK = gateways.answer("fastcgi", b"x")


@contextlib.contextmanager
def many_at_work(server, behind):
    """Whose answers have begun: they wait for nothing that a kept connection could hold."""
    let_end = threading.Event()
    behind.script = busy_with(behind.script, let_end)
    with contextlib.ExitStack() as stack:
        stack.callback(let_end.set)
        for client in [stack.enter_context(server.connect()) for _ in range(MANY)]:
            client.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
            client.read_head()
        behind.requests.clear()
        yield
        let_end.set()
        wait_until(lambda: not behind.open, 10, "the long ones to end")


def busy_with(script, let_end):
    def begin_or_answer(connection, request):
        if b"/long" not in request:
            return script(connection, request)
        connection.sendall(gateways.stdout(b"Content-Type: text/plain\r\n\r\nbegun"))
        let_end.wait(60)
        connection.sendall(gateways.end())
        return False

    return begin_or_answer


def test_fastcgi_connections_are_not_kept_while_few_requests_run(serve, peer):  # noqa: F811
    """Who has its connection for itself cannot be behind a page that works on although it has said that it is done."""
    behind = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(QUICK, True))
    server = gateway(serve, route("fastcgi", behind))
    for _ in range(5):
        assert server.get("/").text == "x"
    assert behind.accepted == 5 and not any(map(keeps, behind.requests))


def test_fastcgi_connections_are_kept_for_a_moment_while_many_run(serve, peer):  # noqa: F811
    """A process of php-fpm that holds an idle connection serves nobody else."""
    behind = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(QUICK, True))
    server = gateway(serve, route("fastcgi", behind))
    with many_at_work(server, behind), server.connect() as client:
        for _ in range(40):
            assert client.request("GET", "/").text == "x"
        assert behind.accepted < MANY + 40 and all(map(keeps, behind.requests))
        wait_until(lambda: len(behind.open) == MANY, 5, "the connection to be closed")
        assert behind.asked == 0


def test_a_post_gets_a_new_fastcgi_connection_and_nothing_is_held_meanwhile(serve, peer):  # noqa: F811
    behind = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(gateways.answer("fastcgi", b"x"), True))
    server = gateway(serve, route("fastcgi", behind))
    with many_at_work(server, behind), server.connect() as client:
        for _ in range(20):
            assert client.request("GET", "/").text == "x"
            before = behind.accepted
            assert client.request("POST", "/", body=b"y").text == "x"
            assert behind.accepted == before + 1
            wait_until(lambda: len(behind.open) <= MANY + 1, 5, "what the GET was on to be closed")


def test_fastcgi_connections_are_not_kept_where_keepalive_is_0(serve, peer):  # noqa: F811
    behind = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(gateways.answer("fastcgi", b"x"), True))
    server = gateway(serve, route("fastcgi", "api", before=pool(behind, keepalive=0)))
    for _ in range(3):
        assert server.get("/").text == "x"
    assert behind.accepted == 3 and not any(map(keeps, behind.requests))


def test_what_a_fastcgi_server_dies_of_is_not_asked_twice(serve, peer):  # noqa: F811
    """Not on a kept connection either: it had the request, and took its time."""
    taken = set()

    def script(connection, _request):
        if connection in taken:
            threading.Event().wait(0.5)
            return False
        taken.add(connection)
        connection.sendall(gateways.answer("fastcgi", b"x"))
        return True

    behind = peer(gateways.RawGatewayPeer, "fastcgi", script)
    server = gateway(serve, route("fastcgi", "api", before=pool(behind, keepalive=8)), allow=[r"\[CW0604\]"])
    assert server.get("/").text == "x"
    wait_until(lambda: behind.asked, 5, "whether it multiplexes")
    assert server.get("/").status == 502 and len(behind.requests) == 2


def test_of_a_fastcgi_server_that_takes_no_second_request_none_is_kept_for_a_while(serve, peer):  # noqa: F811
    """It says nothing and closes. Each GET is answered, on another connection."""
    taken = set()

    def script(connection, _request):
        if connection in taken:
            return False
        taken.add(connection)
        connection.sendall(gateways.answer("fastcgi", b"x"))
        return True

    behind = peer(gateways.RawGatewayPeer, "fastcgi", script)
    server = gateway(serve, route("fastcgi", behind))
    with many_at_work(server, behind), server.connect() as client:
        asked = 0
        while len(behind.requests) == asked:  # none had to be sent again
            assert asked < 100
            assert client.request("GET", "/").text == "x"
            asked += 1
        before = len(behind.requests)
        for _ in range(10):
            assert client.request("GET", "/").text == "x"
        assert len(behind.requests) == before + 10 and not any(map(keeps, behind.requests[before:]))


def test_a_server_that_ends_connections_it_should_keep(serve, peer):  # noqa: F811
    """It is not asked to take a POST on one."""
    behind = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(gateways.answer("fastcgi", b"x")))
    server = gateway(serve, route("fastcgi", "api", before=pool(behind, keepalive=8)))
    with server.connect() as client:
        for _ in range(50):
            assert client.request("POST", "/", body=b"y").text == "x"
            assert client.request("GET", "/").text == "x"


def test_a_kept_connection_that_ends_costs_no_request(serve, peer):  # noqa: F811
    behind = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(gateways.answer("fastcgi", b"x"), True))
    server = gateway(serve, route("fastcgi", "api", before=pool(behind, keepalive=8)))
    for _ in range(3):
        assert server.get("/").text == "x"
        with behind.lock:
            open_ones = list(behind.open)
        for connection in open_ones:
            with contextlib.suppress(OSError):  # one of the time before, on its way out
                connection.shutdown(2)
    assert behind.accepted >= 2
