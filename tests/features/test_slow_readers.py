"""Clients that read slowly hold no worker: of what it answers is kept what they do not take yet."""

import signal

import pytest

from support import processes
from support.gateways import END, GatewayClient, fastcgi_request, variables_of
from support.processes import wait_until
from test_uploads import everything_below, spooled_files

pytestmark = [pytest.mark.wsgi, pytest.mark.timeout(90)]
LONG = 20 << 20
BLOCK = bytes(range(256)) * 256


def ask_and_not_read(server, target):
    client = server.connect(receive_buffer=4096, timeout=30)
    client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.read_head().status == 200
    return client


def test_a_long_answer_leaves_the_worker_free(serve, spool, sanitized):
    server = serve("kit", workers=1, fronts=1, environment={"TMPDIR": str(spool)})
    (front,) = server.named("front")
    server.request("GET", f"/big?n={LONG}")
    before = processes.memory(front)
    with ask_and_not_read(server, f"/big?n={LONG}") as slow:
        assert server.get("/other").text == "kit /other"
        assert spooled_files(server, spool) and not everything_below(spool)
        assert sanitized or processes.memory(front) - before < 8 << 20  # the sanitizer keeps freed memory
        assert slow.read_exactly(LONG) == BLOCK * (LONG // len(BLOCK))
        assert slow.request("GET", "/next").text == "kit /next"
    wait_until(lambda: not spooled_files(server, spool), 5, "the spool file to be closed")


def test_pieces_without_a_length_too(serve):
    server = serve("kit", workers=1)
    with ask_and_not_read(server, "/stream?count=100&size=100000") as slow:
        assert server.get("/other").text == "kit /other"
        body, _ = slow.read_chunks()
    assert body == b"".join(b"%c" % (97 + number % 26) * 100_000 for number in range(100))


def test_who_leaves_takes_what_is_kept_along(serve, spool):
    server = serve("kit", workers=1, environment={"TMPDIR": str(spool)})
    slow = [ask_and_not_read(server, f"/big?n={LONG}") for _ in range(5)]
    assert server.is_healthy()
    assert len(spooled_files(server, spool)) == 5
    for client in slow:
        client.reset()
    wait_until(lambda: not spooled_files(server, spool), 5, "the spool files to be closed")


def test_a_server_that_ends_finishes_them(serve):
    server = serve("kit", workers=1)
    with ask_and_not_read(server, f"/big?n={LONG}") as slow:
        assert server.is_healthy()
        server.signal(signal.SIGTERM)
        server.log.wait_for("SIGTERM")
        assert len(slow.read_exactly(LONG)) == LONG
    server.wait_exit()


def test_a_worker_that_dies_later_is_not_missed(serve):
    server = serve("kit", workers=1, allow=[r"CW05\d\d", r"worker"])
    with ask_and_not_read(server, f"/big?n={LONG}") as slow:
        assert server.get("/kill?signal=KILL").status == 502
        assert len(slow.read_exactly(LONG)) == LONG


def test_many_answers_on_one_fastcgi_connection(serve):
    """They share what is unsent of it; none of them holds a worker while the web server does not read."""
    count, size = 24, 2_000_000
    server = serve("kit", workers=1, fronts=1, listen={"addr": "127.0.0.1:0", "protocol": "fastcgi"})
    with GatewayClient(server.address, "fastcgi", receive_buffer=4096) as slow:
        for number in range(1, count + 1):
            slow.send(fastcgi_request(variables_of("GET", f"/big?n={size}"), request_id=number, keep=True))
        for _ in range(3):
            with GatewayClient(server.address, "fastcgi") as other:
                assert other.ask(target="/other").text == "kit /other"
        outputs, ended = {number: bytearray() for number in range(1, count + 1)}, set()
        while len(ended) < count:
            kind, number, content = slow.read_record()
            if kind == END:
                ended.add(number)
            else:
                outputs[number] += content
    expected = (BLOCK * (size // len(BLOCK) + 1))[:size]
    assert all(output.partition(b"\r\n\r\n")[2] == expected for output in outputs.values())
