"""Limits and deadlines: what is too large, too many, too slow."""

import time

import pytest

from support import processes
from support.client import Closed, chunked

pytestmark = pytest.mark.timeout(90)
REFUSED = [r"CW05\d\d", r"limit", r"slow"]


@pytest.fixture(scope="module")
def small(serve_module):
    """Small limits, short deadlines."""
    config = """
[limits]
body = "10KB"
header = "4KB"
header_count = 20
header_timeout = "1s"
keepalive = "2s"
"""
    return serve_module("kit", config=config, allow=REFUSED)


def test_a_long_request_line_gets_414(small):
    with small.connect() as client:
        client.send("GET /" + "x" * 8000 + " HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_head().status == 414
    assert small.get("/" + "x" * 2000).status == 200


def test_with_a_larger_limit_one_field_may_be_longer(serve):
    """Half of it; and 16 KB in any case."""
    server = serve("kit", config='[limits]\nheader = "200KB"\n', allow=REFUSED)
    assert server.get("/", [("X-Long", "x" * 99_000)]).status == 200
    assert server.get("/", [("X-Long", "x" * 103_000)]).status == 431
    assert server.get("/?" + "x" * 99_000).status == 200
    assert server.get("/?" + "x" * 103_000).status == 414


def test_large_headers_get_431(small):
    with small.connect() as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX: " + "x" * 5000 + "\r\n\r\n")
        assert client.read_head().status == 431


def test_many_headers_get_431(small):
    fields = "".join(f"X-{number}: 1\r\n" for number in range(25))
    with small.connect() as client:
        client.send(f"GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
        assert client.read_head().status == 431


def test_body_limit_by_length(small):
    assert small.request("POST", "/digest", body=b"x" * 10240).status == 200
    with small.connect() as client:
        client.send("POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 10241\r\n\r\n")
        response = client.read_head()
        assert response.status == 413 and response.get("Connection") == "close"


def test_body_limit_by_chunks(small):
    with small.connect() as client:
        client.send(b"POST /digest HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(*[b"x" * 1000] * 11))
        response = client.read_response()
        assert response.status == 413 and response.get("Connection") == "close" and client.closed_by_server()


def test_many_tiny_chunks_are_refused_in_time(serve):
    server = serve("kit", allow=REFUSED)
    with server.connect(timeout=20) as client:
        client.send("POST /digest HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(100):
                client.send(b"1;" + b"x" * 1000 + b"\r\nx\r\n" + b"1\r\nx\r\n" * 5000)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert client.read_head().status in (400, 413)


def test_the_header_deadline_is_absolute(small):
    """A byte every 0.1 s does not push the deadline off."""
    with small.connect(timeout=0.1) as client:
        began = time.monotonic()
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ")
        while not client.buffer:
            assert time.monotonic() - began < 4, "no 408 after 4 s"
            client.send("x")
            try:
                client.fill()
            except TimeoutError:
                pass
        assert client.read_head().status == 408 and time.monotonic() - began > 0.7


def test_a_slow_header_gets_408(small):
    with small.connect() as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n")
        began = time.monotonic()
        response = client.read_response()
        assert response.status == 408 and response.get("Connection") == "close"
        assert 0.7 < time.monotonic() - began < 3


def test_a_silent_connection_is_closed_silently(small):
    """Nothing was asked, so nothing is answered."""
    with small.connect() as client:
        assert client.read_to_end() == b""


def test_idle_keep_alive_ends_at_its_deadline(small):
    with small.connect() as client:
        client.request("GET", "/")
        began = time.monotonic()
        assert client.closed_by_server(6)
        assert 1.5 < time.monotonic() - began < 4


def test_slow_body_gets_408_and_never_holds_a_worker(serve):
    server = serve("kit", workers=1, allow=REFUSED)
    slow = [server.connect(timeout=40) for _ in range(20)]
    for client in slow:
        client.send("POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n12345")
    began = time.monotonic()
    for _ in range(20):
        assert server.get("/").status == 200
    assert time.monotonic() - began < 3, "slow senders held the only worker"
    assert slow[0].read_head().status == 408
    assert time.monotonic() - began < 30
    for client in slow:
        client.close()


def test_a_client_that_does_not_read_costs_little(serve, sanitized):
    """Memory stays bounded, others are served, and the worker is free again when the client goes."""
    server = serve("kit", workers=2, allow=REFUSED)
    front = server.named("front")[0]
    server.get("/big?n=30000000")
    before = processes.memory(front)
    with server.connect(receive_buffer=4096) as slow:
        slow.send("GET /big?n=100000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        slow.read_head()
        for number in range(50):
            assert server.get(f"/{number}").status == 200
        assert sanitized or processes.memory(front) - before < 8 << 20  # a sanitizer keeps what was freed
        slow.reset()
    with server.connect() as first, server.connect() as second:
        for client in (first, second):
            client.send("GET /sleep?s=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        began = time.monotonic()
        assert [client.read_response().text for client in (first, second)] == ["slept", "slept"]
        assert time.monotonic() - began < 1.9, "a worker is still held"


@pytest.mark.long
@pytest.mark.timeout(200)
def test_a_client_that_does_not_read_is_cut_off(serve):
    server = serve("kit", workers=1, timeout="10m", allow=REFUSED)
    with server.connect(receive_buffer=4096, timeout=100) as slow:
        slow.send("GET /big?n=100000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        slow.read_head()
        assert server.request("GET", "/", timeout=150).status in (200, 503)
        processes.wait_until(lambda: server.request("GET", "/", timeout=30).status == 200, 100, "the worker")
        assert len(slow.read_to_end()) < 30000000


def test_a_client_reading_slowly_but_steadily_gets_everything(serve):
    server = serve("kit")
    with server.connect(receive_buffer=8192) as client:
        client.send("GET /big?n=2000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        head = client.read_head()
        got = len(client.buffer)
        while got < int(head.get("Content-Length")):
            data = client.socket.recv(60000)
            assert data
            got += len(data)
            time.sleep(0.002)


def test_connection_limit(serve):
    """Ten connections in the middle of a request: an eleventh waits until one of them ends."""
    server = serve("kit", config='[limits]\nconnections = 10\n', fronts=1, allow=REFUSED + [r"connection"])
    held = [server.connect() for _ in range(10)]
    for client in held:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n")
    time.sleep(0.2)
    with server.connect(timeout=1) as extra:
        extra.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises(TimeoutError):
            extra.read_response()
        held[0].close()
        extra.socket.settimeout(10)
        assert extra.read_response().status == 200
    for client in held:
        client.close()
    processes.wait_until(lambda: server.is_healthy(), 10, "room again")


def test_a_newcomer_is_worth_more_than_an_idle_connection(serve):
    server = serve("kit", config='[limits]\nconnections = 10\n', fronts=1, allow=REFUSED + [r"connection"])
    held = [server.connect() for _ in range(10)]
    for client in held:
        assert client.request("GET", "/").status == 200
    with server.connect(timeout=10) as extra:
        assert extra.request("GET", "/").status == 200
    assert held[0].closed_by_server(), "the one that was idle for longest"
    for client in held:
        client.close()


class TestQueue:
    def test_beyond_the_queue_503_with_retry_after(self, serve):
        server = serve("kit", workers=1, queue=2, queue_timeout="20s", fronts=1, allow=[r"CW0511", r"queue"])
        clients = [server.connect(timeout=30) for _ in range(8)]
        clients[0].send("GET /sleep?s=1.5 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.3)
        for client in clients[1:]:
            client.send("GET /queued HTTP/1.1\r\nHost: a\r\n\r\n")
        answers = [client.read_response() for client in clients]
        assert answers[0].status == 200
        refused = [answer for answer in answers if answer.status == 503]
        assert len(refused) == 5, "one runs, two wait"
        assert all(int(answer.get("Retry-After")) >= 1 for answer in refused)
        for client in clients:
            client.close()

    def test_queue_timeout(self, serve):
        server = serve("kit", workers=1, queue=10, queue_timeout="500ms", allow=[r"CW05\d\d", r"queue"])
        with server.connect() as first, server.connect() as second:
            first.send("GET /sleep?s=3 HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.3)
            began = time.monotonic()
            second.send("GET /queued HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = second.read_response()
            assert answer.status == 503 and answer.get("Retry-After")
            assert time.monotonic() - began < 2
            assert first.read_response().text == "slept"

    def test_who_leaves_while_queued_is_never_run(self, serve):
        server = serve("kit", workers=1, allow=[])
        with server.connect() as first:
            first.send("GET /sleep?s=1 HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.3)
            for number in range(5):
                client = server.connect()
                client.send(f"GET /log?text=ghost{number} HTTP/1.1\r\nHost: a\r\n\r\n")
                time.sleep(0.05)
                client.reset()
            assert first.read_response().text == "slept"
        server.get("/log?text=alive")
        server.log.wait_for("errors alive")
        assert "ghost" not in server.log.text


REFUSED_REQUESTS = [
    (b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", "400, bare carriage return in head"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x1b[31m\r\n\r\n", "400, control byte in head"),
    (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505, HTTP version not supported"),
    (b"POST /digest HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400, malformed chunk size"),
]


@pytest.mark.parametrize("level", ["debug", "info"])
def test_why_a_request_was_refused(serve, level):
    """For who asks, with a line of our own words; else whoever sends nonsense would fill the log."""
    server = serve("kit", config=f'[log]\nlevel = "{level}"\n')
    for request, why in REFUSED_REQUESTS:
        with server.connect() as client:
            client.send(request)
            assert client.read_response().status == int(why[:3])
        if level == "debug":
            server.log.wait_for(rf"debug 127\.0\.0\.1: {why}")
    server.stop()
    assert server.log.count(r"127\.0\.0\.1: [45]") == (len(REFUSED_REQUESTS) if level == "debug" else 0)
