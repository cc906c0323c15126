"""Answers that come before the request's body was read: what is left of it never becomes a request (faults.md 31, 32)."""

import pytest

from support.client import chunked
from support.places import reachable

pytestmark = pytest.mark.timeout(60)
EVIL = b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def server(serve_module, tmp_path_factory):
    files = reachable(tmp_path_factory.mktemp("files"))
    (files / "small.txt").write_text("small file\n")
    return serve_module("kit", config=f'[[site]]\n[[site.route]]\nmatch = {{ path = "/files/*" }}\nstatic = {{ root = "{files}" }}\n')


def head(fields):
    return f"POST /files/small.txt HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n".encode()


def evil(size):
    return (EVIL * (size // len(EVIL) + 1))[:size]


def refusal(client):
    """A file takes no POST: 405 without a look at the body."""
    response = client.read_response()
    assert response.status == 405 and response.get("Allow")
    return response


@pytest.mark.parametrize("body", [
    (head("Content-Length: 5"), b"hello"),
    (head("Content-Length: 65536"), evil(65536)),
    (head("Transfer-Encoding: chunked"), chunked(evil(30_000), evil(30_000), trailers="X: y\r\n")),
], ids=["short", "64 KiB", "chunked"])
@pytest.mark.parametrize("together", [True, False])
def test_a_body_of_up_to_64_kib_is_dropped_and_the_connection_kept(server, body, together):
    with server.connect() as client:
        if together:
            client.send(body[0] + body[1] + NEXT)
        else:
            client.send(body[0])
            client.send(body[1][:3])
            client.send(body[1][3:] + NEXT)
        assert refusal(client).get("Connection") is None
        assert client.read_response().text == "kit /next"
        assert client.closed_by_server()


def test_a_longer_body_closes_the_connection(server):
    with server.connect() as client:
        try:
            client.send(head("Content-Length: 1000000") + evil(1_000_000))
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert refusal(client).get("Connection") == "close"
        assert client.read_to_end() == b""


def test_a_longer_chunked_body_ends_the_connection_without_another_answer(server):
    """The head promised to keep the connection: the length was not known then."""
    with server.connect() as client:
        try:
            client.send(head("Transfer-Encoding: chunked") + chunked(*[evil(20_000)] * 10) + NEXT)
        except (BrokenPipeError, ConnectionResetError):
            pass
        refusal(client)
        assert client.read_to_end() == b""


def test_a_broken_chunk_behind_the_answer_ends_the_connection(server):
    with server.connect() as client:
        client.send(head("Transfer-Encoding: chunked") + b"5\r\nhelloXX" + EVIL)
        refusal(client)
        assert client.read_to_end() == b""


@pytest.mark.parametrize("fields", ["Content-Length: 5\r\nExpect: 100-continue", "Transfer-Encoding: chunked\r\nExpect: 100-continue"])
def test_who_waits_for_100_gets_the_final_answer_and_a_close(server, fields):
    with server.connect() as client:
        client.send(head(fields))
        assert client.read_head().status == 405
        client.read_exactly(0)
        assert b"HTTP/1.1" not in client.read_to_end()


def test_a_refused_body_is_never_asked_for(server):
    """413 comes instead of 100, and at once."""
    with server.connect() as client:
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n")
        response = client.read_response()
        assert response.status == 413 and response.get("Connection") == "close"
        assert client.read_to_end() == b""
