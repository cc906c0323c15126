"""WebSockets of an ASGI application of our own workers: a real client, and raw bytes for what no client sends."""

import asyncio
import contextlib
import os
import random
import signal
import struct
import time
import zlib

import httpx
import pytest
from websockets.asyncio.client import connect as connect_asynchronously
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from support import apps
from support.client import Client, Closed
from support.processes import memory, wait_until
from support.websocket import BINARY, CLOSE, COMPRESSED, KEY, PING, PONG, RawSocket, deflated, frame, handshake

pytestmark = pytest.mark.timeout(120)
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # of the specification's KEY
MIB = 1 << 20
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"


@pytest.fixture
def server(serve):
    return serve("websocket_asgi", allow=["CW0502"])


def address(server, path="/echo"):
    return server.url.replace("http://", "ws://") + path


def codes_seen(server):
    return httpx.get(server.url + "/codes").text.split()


def test_messages_of_every_kind(server):
    with connect(address(server), max_size=16 * MIB, subprotocols=["other", "kit"]) as socket:
        assert socket.subprotocol == "kit"
        assert socket.response.headers["X-Path"] == "echo"
        large = os.urandom(MIB)
        text = "".join(chr(random.randrange(0x20, 0xd7ff)) for _ in range(400_000))
        for message in ("hello", b"", "", b"\0\xff", large, text, b"last"):
            socket.send(message)
            assert socket.recv(30) == message
        pieces = [os.urandom(size) for size in (1, 0, 70_000, 125, 126, 65_536)]
        socket.send(pieces)
        assert socket.recv(30) == b"".join(pieces)
        socket.send(["fragments ", "of ", "text"])
        assert socket.recv(30) == "fragments of text"
        assert socket.ping(b"are you there").wait(20)
    assert socket.close_code == 1000
    wait_until(lambda: codes_seen(server) == ["1000"], 10, "the close code in the app")
    wait_until(lambda: server.out.count('"GET /echo HTTP/1.1" 101 ') == 1, 10, "one line in the access log")


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_compression_is_the_clients_choice(server, compression):
    with connect(address(server), compression=compression) as socket:
        assert ("Sec-WebSocket-Extensions" in socket.response.headers) == bool(compression)
        for message in ("a" * 100_000, "b" * 100_000, os.urandom(50_000)):
            socket.send(message)
            assert socket.recv(30) == message


def test_close_codes_both_ways(server):
    with connect(address(server)) as socket:
        socket.close(4321, "enough")
    wait_until(lambda: codes_seen(server) == ["4321"], 10, "the close code in the app")
    with connect(address(server, "/close")) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(20)
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "that was all")
    with connect(address(server, "/fail")) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(20)
    assert closed.value.rcvd.code == 1011


def test_a_lost_client_is_1006(server):
    RawSocket(server).close()
    RawSocket(server).reset()
    wait_until(lambda: codes_seen(server) == ["1006", "1006"], 10, "both in the app")


def test_the_app_may_refuse(server):
    with pytest.raises(InvalidStatus) as refused:
        connect(address(server, "/refuse"))
    assert refused.value.response.status_code == 403
    with pytest.raises(InvalidStatus) as refused:
        connect(address(server, "/deny"))
    response = refused.value.response
    assert (response.status_code, response.headers["X-Why"], response.body) == (401, "no ticket", b"buy one")


def test_handshakes_that_are_none(server):
    """faults.md 143"""
    def status(**parts):
        with Client(server.address) as client:
            client.send(handshake(**parts))
            return client.read_response()

    other = status(version="99")
    assert (other.status, other.get("Sec-WebSocket-Version"), other.get("Upgrade")) == (426, "13", "websocket")
    for parts in ({"key": None}, {"key": "c2hvcnQ="}, {"more": f"Sec-WebSocket-Key: {KEY}\r\n"}, {"version": None}):
        assert status(**parts).status == 400, parts
    for parts in ({"method": "POST"}, {"upgrade": "h3"}, {"connection": "keep-alive"}):
        assert status(**parts).status == 200, parts
    with Client(server.address) as client:
        client.send(handshake().replace("HTTP/1.1", "HTTP/1.0"))
        assert client.read_response().status == 200
    with RawSocket(server) as socket:
        assert f"Sec-WebSocket-Accept: {ACCEPT}".encode() in socket.head


@pytest.mark.parametrize(("bytes_", "code"), [
    (b"\x81\x05hello", 1002),
    *((frame(first, b"x"), 1002) for first in (0xc1, 0xa1, 0x91, 0x83, 0x87, 0x8b, 0x8f, 0x09, 0x80)),
    (frame(0x89, bytes(126)), 1002),
    (b"\x82\xfe\x00\x7d" + bytes(4), 1002),
    (b"\x82\xff" + bytes(6) + b"\xff\xff" + bytes(4), 1002),
    (b"\x82\xff\x80" + bytes(11), 1002),
    (frame(0x88, b"\x03"), 1002),
    (frame(0x88, b"\x03\xed"), 1002),
    (frame(0x81, b"\xed\xa0\x80"), 1007),
    (frame(0x01, b"\xce") + frame(0x80, b"x"), 1007),
    (b"\x82\xff" + struct.pack(">Q", 16 * MIB + 1) + bytes(4), 1009),
    (frame(0x02, b"x") + b"\x80\xff" + struct.pack(">Q", 16 * MIB) + bytes(4), 1009),
])
def test_what_breaks_a_rule(server, bytes_, code):
    """faults.md 145"""
    for pieces in ([bytes_], [bytes_[at:at + 1] for at in range(min(len(bytes_), 20))] + [bytes_[20:]]):
        with RawSocket(server) as socket:
            for piece in pieces:
                socket.socket.sendall(piece)
            assert socket.close_code() == code


def test_a_bomb(server, sanitized):
    """faults.md 146"""
    allowed = (120 if sanitized else 40) * MIB  # of 256; sanitizers hold what was freed back for a while
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(256)) + packer.flush(zlib.Z_SYNC_FLUSH)
    before = max(memory(front) for front in server.named("front"))
    with RawSocket(server, more=DEFLATE) as socket:
        assert b"Sec-WebSocket-Extensions: permessage-deflate" in socket.head
        socket.socket.sendall(frame(0xc2, bomb[:-4]))
        assert socket.close_code() == 1009
    assert max(memory(front) for front in server.named("front")) - before < allowed


def test_floods_are_answered_or_bounded(server):
    """faults.md 147"""
    with RawSocket(server) as socket:
        socket.socket.sendall(frame(0x02) + frame(0x00) * 200_000 + frame(0x80, b"end"))
        assert socket.frame() == (0x82, b"end")
        socket.socket.sendall(frame(0x89, b"p") * 50_000 + frame(0x89, b"newest") + frame(0x81, b"done"))
        frames = []
        while not frames or frames[-1] != (0x81, b"done"):
            frames.append(socket.frame())
        assert (0x8a, b"newest") in frames


def test_the_limit_of_a_message_is_a_setting(serve):
    server = serve("websocket_asgi", config='[limits]\nwebsocket_message = "1KB"\n')
    with connect(address(server)) as socket:
        socket.send("x" * 1024)
        assert socket.recv(20) == "x" * 1024
        socket.send("x" * 1025)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(20)
    assert closed.value.rcvd.code == 1009


def test_unfinished_messages_are_bounded_together(serve):
    """Each of the clients alone is within limits.websocket_message; bombs, so that they send little."""
    server = serve("websocket_asgi", config='[limits]\nwebsocket_message = "1MB"\nwebsocket_unfinished = "3MB"\n',
                   allow=["CW0517"])
    bomb = frame(0x02 | COMPRESSED, deflated(bytes(900_000)))
    before = sum(memory(pid) for pid in server.named("worker"))
    with contextlib.ExitStack() as stack:
        holders = [stack.enter_context(RawSocket(server, more=DEFLATE)) for _ in range(3)]
        for holder in holders:
            holder.send(bomb + frame(PING, b"all of it was read"))
            assert holder.frame() == (PONG, b"all of it was read")
        bystander = stack.enter_context(connect(address(server)))
        for _ in range(12):
            one_more = stack.enter_context(RawSocket(server, more=DEFLATE))
            one_more.send(bomb)
            assert one_more.frames()[-1] == (CLOSE, (1013).to_bytes(2, "big") + b"too many long messages at once")
        server.log.wait_for(r"CW0517\] web: .*websocket_unfinished allows, 3MB; the one that would go beyond is closed with 1013")
        assert server.log.text.count("CW0517") < 12
        bystander.send("x" * 30_000)
        assert bystander.recv(20) == "x" * 30_000
        holders[0].send(frame(0x80, b""))
        assert len(holders[0].frame()[1]) > 0  # its echo, compressed
        bystander.send(bytes(500_000))
        assert bystander.recv(20) == bytes(500_000)
        assert sum(memory(pid) for pid in server.named("worker")) - before < 12 * MIB


def test_who_says_nothing_is_asked_and_given_up(serve):
    """faults.md 147"""
    server = serve("websocket_asgi", config='[limits]\nwebsocket_ping = "400ms"\n')
    with connect(address(server)) as answers, RawSocket(server) as silent:
        began = time.monotonic()
        assert silent.frame() == (PING, b"")
        assert silent.close_code() == 1011
        assert 0.7 < time.monotonic() - began < 8
        answers.send("still here")
        assert answers.recv(20) == "still here"
    wait_until(lambda: sorted(codes_seen(server)) == ["1000", "1006"], 10, "both in the app")


def test_nobody_is_asked_where_pings_are_off(serve):
    server = serve("websocket_asgi", config='[limits]\nwebsocket_ping = "0"\n')
    with RawSocket(server) as silent, pytest.raises(TimeoutError):
        silent.socket.settimeout(1)
        silent.frame()


def test_pages_of_which_sites_may_open_one(serve, server):
    """faults.md 148"""
    def status(where, origin):
        with Client(where.address) as client:
            client.send(handshake(more=f"Origin: {origin}\r\n" if origin else ""))
            return client.read_head().status

    assert status(server, "https://evil.example") == 101
    careful = serve("websocket_asgi", websocket_origins=["https://example.com", "https://*.example.com", "same"])
    for origin in (None, "https://example.com", "https://a.b.example.com", "http://a", "https://A"):
        assert status(careful, origin) == 101, origin
    for origin in ("https://evil.example", "http://example.com", "https://evilexample.com", "null", "https://a:444"):
        assert status(careful, origin) == 403, origin
    with connect(address(server, "/origin"), origin="https://some.example") as socket:
        assert socket.recv(20) == "https://some.example"


def test_a_closing_handshake_half_done_ends(server):
    with RawSocket(server, "/close") as socket:
        began = time.monotonic()
        assert socket.close_code() == 4001
        with pytest.raises((Closed, ConnectionResetError)):
            socket.fill()
        assert 4 < time.monotonic() - began < 9


def test_a_slow_reader_takes_no_memory(server):
    before = sum(memory(pid) for pid in server.named("front"))
    with Client(server.address, receive_buffer=4096) as client:
        client.send(handshake("/flood"))
        client.socket.recv(100)
        wait_until(lambda: codes_seen(server) == [], 10, "an answer beside it")
        with connect(address(server)) as other:
            other.send("hello")
            assert other.recv(20) == "hello"
        assert sum(memory(pid) for pid in server.named("front")) - before < 16 * MIB


def test_an_app_that_does_not_listen_holds_its_client_up(server):
    """And nobody else, and no more than a bounded part of what the client would say."""
    def held():
        return sum(memory(pid) for role in ("front", "worker") for pid in server.named(role))

    before = held()
    with RawSocket(server, "/deaf") as client:
        client.socket.settimeout(1)
        message, sent = frame(BINARY, bytes(100_000)), 0
        with pytest.raises(TimeoutError):
            while sent < 256 * MIB:
                sent += client.socket.send(message[sent % len(message):])
        assert held() - before < 24 * MIB
        with connect(address(server)) as other:
            for _ in range(50):
                other.send("hello")
                assert other.recv(20) == "hello"
        client.reset()


def test_two_hundred_at_once(server):
    messages = [os.urandom(size) for size in (1, 100, 5_000, 80_000)]

    async def one(everybody):
        async with connect_asynchronously(address(server), open_timeout=60, compression=None) as socket:
            await everybody.wait()
            for message in messages:
                await socket.send(message)
            return [await asyncio.wait_for(socket.recv(), 60) for _ in messages]

    async def crowd():
        everybody = asyncio.Barrier(200)
        return await asyncio.gather(*(one(everybody) for _ in range(200)))

    assert all(answer == messages for answer in asyncio.run(crowd()))


def test_sizes_of_every_kind_at_once_both_ways(server):
    """Nobody waits for the other: each client sends all it has while it reads what comes back."""
    sizes = [0, 1, 100, 16 * 1024, 32 * 1024, 100 * 1024, MIB]

    async def one(number, everybody):
        rng = random.Random(number)
        messages = [bytes([number % 256]) * size for size in rng.choices(sizes, [9, 9, 9, 5, 5, 3, 1], k=40)] + [b"end"]
        async with connect_asynchronously(address(server), open_timeout=60, compression=None) as socket:
            await everybody.wait()

            async def say():
                for message in messages:
                    await socket.send(message)

            saying = asyncio.create_task(say())
            answers = [await asyncio.wait_for(socket.recv(), 60) for _ in messages]
            await saying
        return answers == messages

    async def crowd():
        everybody = asyncio.Barrier(60)
        return await asyncio.gather(*(one(number, everybody) for number in range(60)))

    assert all(asyncio.run(crowd()))


def test_a_loop_that_hangs_with_nothing_but_websockets_is_replaced(serve):
    """Also when nothing is sent to it any more."""
    server = serve("websocket_asgi", timeout="1s", grace="1s", allow=["CW0501", "CW0523"])
    with connect(address(server, "/hang")) as hanging, connect(address(server)) as bystander:
        bystander.send("before")
        assert bystander.recv(20) == "before"
        hanging.send("now")
        server.log.wait_for(r"CW0501\] web: an event loop has not turned for timeout = 1 s, worker \d+ \(pid \d+\) is replaced")
        for socket in (hanging, bystander):
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(20)
            assert closed.value.rcvd.code == 1012
    assert server.is_healthy()


def test_a_dead_worker_is_1011(serve):
    server = serve("websocket_asgi", allow=["CW0521"])
    with connect(address(server)) as socket:
        os.kill(server.named("worker")[0], signal.SIGKILL)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(20)
    assert closed.value.rcvd.code == 1011
    with connect(address(server)) as socket:
        socket.send("again")
        assert socket.recv(20) == "again"


def test_a_reload_gives_them_its_grace(serve):
    server = serve("websocket_asgi", grace="3s", allow=["CW0523"])
    with connect(address(server)) as old:
        server.signal(signal.SIGHUP)
        server.log.wait_for("generation 2 serves", 30)
        old.send("still here")
        assert old.recv(20) == "still here"
        with connect(address(server)) as new:
            with pytest.raises(ConnectionClosed) as closed:
                old.recv(20)
            assert closed.value.rcvd.code == 1012
            new.send("not I")
            assert new.recv(20) == "not I"


def test_a_reload_without_any_grace(serve):
    server = serve("websocket_asgi", grace="0", allow=["CW0523", "CW0521"])
    with connect(address(server)) as old:
        server.signal(signal.SIGHUP)
        with pytest.raises(ConnectionClosed) as closed:
            old.recv(20)
    assert closed.value.rcvd.code == 1012


def test_new_code_of_one_app_is_nothing_to_the_sockets_of_another(serve, folder, app_python):
    apps.copy("websocket_asgi", folder / "other")
    other = (f'[app.other]\nroot = "{folder}/other"\ntarget = "app:application"\nprefix = "/other"\nworkers = 1\n'
             f'python = "{app_python}"\nwatch = "off"\ngrace = "1s"\n')
    server = serve("websocket_asgi", watch="code", grace="1s", config=other, allow=["CW0523"])
    with connect(address(server)) as changed, connect(address(server, "/other/echo")) as kept:
        workers = set(server.named("worker"))
        code = server.folder / "app.py"
        code.write_text(code.read_text() + "\nCHANGED = True\n")
        with pytest.raises(ConnectionClosed) as closed:
            changed.recv(30)
        assert closed.value.rcvd.code == 1012
        wait_until(lambda: len(server.named("worker")) == 2, 10, "the old worker to go")
        assert len(workers & set(server.named("worker"))) == 1
        kept.send("still here")
        assert kept.recv(20) == "still here"
        with pytest.raises(TimeoutError):
            kept.recv(1.5)  # longer than its grace
    server.baseline = {server.pid: server.baseline[server.pid], **{pid: server.baseline[pid] for pid in server.named("front")}}


def test_a_stop_says_1001(server):
    with connect(address(server)) as socket:
        server.signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(20)
    assert closed.value.rcvd.code == 1001
    assert server.wait_exit() == 0
