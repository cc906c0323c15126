"""Connections: keep-alive, pipelining, Expect, early responses, half-closed and impatient clients."""

import hashlib
import json
import os
import re
import signal
import time
from email.utils import parsedate_to_datetime

import pytest

from support.client import Closed, chunked
from support.processes import wait_until

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module", params=[False, True], ids=["", "validated"])
def server(serve_module, request):
    return serve_module("kit", workers=2, validated=request.param)


def test_keep_alive_serves_many_requests_on_one_connection(server):
    with server.connect() as client:
        for number in range(50):
            assert client.request("GET", f"/{number}").text == f"kit /{number}"


def test_connection_close_is_obeyed_and_announced(server):
    with server.connect() as client:
        response = client.request("GET", "/", [("Connection", "close")])
        assert response.status == 200 and response.get("Connection") == "close"
        assert client.closed_by_server()


def test_http_1_0_closes_unless_asked_not_to(server):
    with server.connect() as client:
        client.send("GET / HTTP/1.0\r\n\r\n")
        assert client.read_response().status == 200
        assert client.closed_by_server()
    with server.connect() as client:
        for _ in range(2):
            client.send("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            response = client.read_response()
            assert response.text == "kit /x" and response.get("Connection").lower() == "keep-alive"


def test_http_1_0_never_gets_chunks(server):
    with server.connect() as client:
        client.send("GET /stream?count=3&size=10 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        response = client.read_response()
        assert response.get("Transfer-Encoding") is None
        assert response.body == b"a" * 10 + b"b" * 10 + b"c" * 10


def test_two_pipelined_requests_are_answered_in_order(server):
    with server.connect() as client:
        client.send("GET /sleep?s=0.3 HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_response().text == "slept"
        assert client.read_response().text == "kit /second"


def test_a_hundred_pipelined_requests(server):
    with server.connect() as client:
        client.send("".join(f"GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n" for number in range(100)))
        for number in range(100):
            assert client.read_response().text == f"kit /{number}"


def test_pipelined_bodies_keep_their_frames(server):
    with server.connect() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                    b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"de", b"fgh") +
                    b"POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nGET GET /end HTTP/1.1\r\nHost: a\r\n\r\n")
        assert [client.read_response().text for _ in range(4)] == ["abc", "defgh", "ignored", "kit /end"]


def test_good_then_bad(server):
    with server.connect() as client:
        client.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\nGET /bad HTTP/1.1\r\nHost : a\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_response().text == "kit /good"
        refused = client.read_response()
        assert refused.status == 400 and refused.get("Connection") == "close"
        assert client.closed_by_server()


def test_empty_lines_before_a_request_are_forgiven(server):
    with server.connect() as client:
        client.send("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_response().status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
def test_a_body_with_any_method_never_becomes_a_request(server, method):
    with server.connect() as client:
        body = b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"
        response = client.request(method, "/ignore", body=body)
        assert response.status == 200
        assert client.request("GET", "/next").text == "kit /next"


def test_date_is_now(server):
    response = server.get()
    assert abs(parsedate_to_datetime(response.get("Date")).timestamp() - time.time()) < 3


def test_head_has_the_length_and_no_body(server):
    with server.connect() as client:
        response = client.request("HEAD", "/big?n=5000")
        assert response.get("Content-Length") == "5000"
        assert client.request("GET", "/").status == 200


def test_options_star(server):
    with server.connect() as client:
        client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_response().status in (200, 204)


def test_absolute_form_beats_host(server):
    with server.connect() as client:
        client.send("GET http://b.example:81/environ?x=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        values = json.loads(client.read_response().body)
        assert values["HTTP_HOST"] == "b.example:81" and values["PATH_INFO"] == "/environ"


def test_trace_and_connect_are_refused(server):
    for request in ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"):
        with server.connect() as client:
            client.send(request)
            response = client.read_response()
            assert response.status == 405 and response.get("Allow")


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "foo/2"])
def test_unknown_upgrades_are_ignored(server, upgrade):
    with server.connect() as client:
        response = client.request("GET", "/", [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", upgrade), ("HTTP2-Settings", "AAMAAABk")])
        assert response.status == 200 and response.get("Upgrade") is None


class TestExpect:
    def test_100_comes_when_the_body_is_wanted(self, server):
        with server.connect() as client:
            client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            assert client.read_head().status == 100
            client.send("hello")
            assert client.read_response().text == "hello"
            assert client.request("GET", "/next").text == "kit /next"

    def test_no_100_when_the_body_is_there_already(self, server):
        with server.connect() as client:
            client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello")
            first = client.read_head()
            if first.status == 100:
                first = client.read_head()
            assert first.status == 200

    def test_final_status_first_when_too_large(self, server):
        with server.connect() as client:
            client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\nExpect: 100-continue\r\n\r\n")
            assert client.read_head().status == 413

    def test_http_1_0_never_gets_a_100(self, server):
        with server.connect() as client:
            client.send("POST /echo HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            client.socket.settimeout(0.5)
            with pytest.raises(TimeoutError):
                client.fill()
            client.socket.settimeout(10)
            client.send("hello")
            assert client.read_head().status == 200

    def test_other_expectations_fail(self, server):
        with server.connect() as client:
            client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: miracles\r\n\r\n")
            assert client.read_head().status == 417


def test_refusals_reach_a_client_that_is_still_sending(server):
    """Lingering close: a reset would eat the response."""
    for _ in range(5):
        with server.connect() as client:
            client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n")
            try:
                for _ in range(20):
                    client.send(b"x" * 65536)
            except (BrokenPipeError, ConnectionResetError):
                pass
            response = client.read_head()
            assert response.status == 413 and response.get("Connection") == "close"


def test_a_client_may_finish_sending_and_still_read(server):
    with server.connect() as client:
        client.send("GET /sleep?s=0.3 HTTP/1.1\r\nHost: a\r\n\r\n")
        client.finish_sending()
        assert client.read_response().text == "slept"
        assert client.closed_by_server()


def test_a_short_body_never_reaches_the_app(server):
    before = server.out.count(r"POST /digest")
    with server.connect() as client:
        client.send("POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
        client.finish_sending()
        assert b" 200 " not in client.read_to_end()
    assert server.is_healthy()
    assert not re.search(r'"POST /digest HTTP/1.1" 200', "\n".join(server.out.lines[before:]))


def test_clients_that_vanish_leave_nothing(server):
    for number in range(50):
        client = server.connect()
        client.send("GET /sleep?s=0.01 HTTP/1.1\r\nHost: a\r\n\r\n"[: 10 + number])
        client.reset()
    assert server.is_healthy()


def test_large_responses_arrive_whole(server):
    with server.connect() as client:
        for size in (65535, 65536, 65537, 1 << 20, 20 << 20):
            body = client.request("GET", f"/big?n={size}").body
            assert len(body) == size and body[:256] == bytes(range(256)) and body[-1] == (size - 1) % 256


def test_large_bodies_arrive_whole(server):
    data = bytes(range(256)) * 40000
    with server.connect() as client:
        for size in (0, 1, 65535, 65536, 65537, len(data)):
            response = client.request("POST", "/digest", body=data[:size], headers=[("Content-Length", str(size))] if not size else [])
            assert response.text == f"{size} {hashlib.sha256(data[:size]).hexdigest()}"
        client.send("POST /digest HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(chunked(*[data[start : start + 100_000] for start in range(0, len(data), 100_000)]))
        assert client.read_response().text == f"{len(data)} {hashlib.sha256(data).hexdigest()}"


def test_pieces_come_as_the_app_yields_them(server):
    with server.connect() as client:
        client.send("GET /stream?count=3&size=5&pause=0.4 HTTP/1.1\r\nHost: a\r\n\r\n")
        began = time.monotonic()
        head = client.read_head()
        assert head.get("Transfer-Encoding") == "chunked"
        assert client.read_line() == "5" and client.read_exactly(7) == b"aaaaa\r\n"
        assert time.monotonic() - began < 0.35
        client.read_chunks()
        assert time.monotonic() - began > 0.7


def test_trailers_are_accepted_and_kept_out_of_the_environ(server):
    with server.connect() as client:
        client.send(b"POST /environ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"x", trailers="X-Checksum: 1\r\n"))
        assert b"CHECKSUM" not in client.read_response().body
        assert client.request("GET", "/next").status == 200


def test_a_response_cut_short_is_seen_as_such(server):
    """No terminating chunk when the worker dies in the middle."""
    with server.connect() as client:
        client.send("GET /stream?count=100&size=1000&pause=0.2 HTTP/1.1\r\nHost: a\r\n\r\n")
        client.read_head()
        assert int(client.read_line(), 16) == 1000
        client.read_exactly(1002)
        server.allow += [r"CW05\d\d", r"CW08\d\d", r"worker"]
        for pid in server.named("worker"):
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(Closed):
            client.read_chunks()
    wait_until(lambda: server.get("/").status == 200, 10, "a new worker")
