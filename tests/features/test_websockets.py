"""WebSockets of real programs behind a proxy route, asked by a real client."""

import asyncio
import os
import random
import signal

import httpx
import pytest
from websockets.asyncio.client import connect as connect_asynchronously
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from support import apps, peers
from support.processes import wait_until

pytestmark = pytest.mark.timeout(120)


def start_starlette(folder):
    return peers.uvicorn(folder, "starlette_app:application", "--ws", "websockets", "--ws-max-size", str(16 << 20))


def start_starlette_on_wsproto(folder):
    return peers.uvicorn(folder, "starlette_app:application", "--ws", "wsproto", "--ws-max-size", str(16 << 20))


def start_websockets(folder):
    return peers.program(folder, "websockets_program.py")


def start_tornado(folder):
    return peers.program(folder, "tornado_program.py")


@pytest.fixture(params=[start_websockets, start_starlette, start_starlette_on_wsproto, start_tornado])
def far(request, serve, folder):
    apps.copy("websocket_servers", folder / "behind")
    one = request.param(folder / "behind")
    yield one
    one.stop()


def gateway(serve, far, top="", more="", allow=()):
    place = serve.folder / "gateway"
    place.mkdir()
    (place / "cutwater.toml").write_text(
        f'fronts = 1\n[[listen]]\naddr = "127.0.0.1:0"\n[[site]]\n[[site.route]]\nmatch = {{ path = "/*" }}\n'
        f'proxy = {{ to = "{far.url}"{more} }}\n{top}')
    return serve.run(["serve", "-c", "cutwater.toml"], place, allow=allow)


def address(server, path="/echo"):
    return server.url.replace("http://", "ws://") + path


def codes_seen(far):
    return httpx.get(far.url + "/seen").text.split()


def test_messages_of_every_kind(serve, far):
    server = gateway(serve, far)
    with connect(address(server), max_size=16 << 20, subprotocols=["kit"]) as socket:
        assert socket.subprotocol == "kit"
        large = os.urandom(1 << 20)
        text = "".join(chr(random.randrange(0x20, 0xd7ff)) for _ in range(400_000))  # about a megabyte of UTF-8
        for message in ("hello", b"", b"\0\xff", large, text, b"last"):
            socket.send(message)
            assert socket.recv(30) == message
        pieces = [os.urandom(size) for size in (1, 0, 70_000, 125, 126, 65_536)]
        socket.send(pieces)
        assert socket.recv(30) == b"".join(pieces)
        socket.send(["fragments ", "of ", "text"])
        assert socket.recv(30) == "fragments of text"
        assert socket.ping(b"are you there").wait(20)
    assert socket.close_code == 1000
    wait_until(lambda: codes_seen(far) == ["1000"], 10, "the close code at the server")


def test_close_codes_both_ways(serve, far):
    server = gateway(serve, far)
    with connect(address(server)) as socket:
        socket.close(4321, "enough")
    wait_until(lambda: codes_seen(far) == ["4321"], 10, "the close code at the server")
    with connect(address(server, "/close")) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(20)
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "that was all")


def test_a_refusal_is_the_servers_own(serve, far):
    server = gateway(serve, far)
    with pytest.raises(InvalidStatus) as refused:
        connect(address(server, "/refuse"))
    assert refused.value.response.status_code == 403
    assert httpx.get(server.url + "/seen").status_code == 200


def test_two_hundred_at_once(serve, far):
    server = gateway(serve, far, allow=["CW0405"])  # sanitized, beside the client and the server on a busy machine
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
    wait_until(lambda: server.out.count('" 101 ') == 200, 10, "200 lines in the access log")


@pytest.mark.parametrize("far", [start_websockets], indirect=True)
def test_a_reload_leaves_them_alone(serve, far):
    server = gateway(serve, far, allow=["CW0808"])
    config = server.folder / "cutwater.toml"
    with connect(address(server)) as socket:
        config.write_text(config.read_text().replace("proxy = {", 'proxy = { tunnel_timeout = "10ms",'))
        server.signal(signal.SIGHUP)
        server.log.wait_for("CW0808.*routes.*next restart", 15)
        socket.send("still here")
        assert socket.recv(20) == "still here"


@pytest.mark.parametrize("far", [start_websockets], indirect=True)
def test_a_stop_gives_them_its_grace(serve, far):
    server = gateway(serve, far, '[shutdown]\ngrace = "1s"\n')
    with connect(address(server)) as socket, connect(address(server)) as other:
        server.signal(signal.SIGTERM)
        server.log.wait_for("SIGTERM", 15)
        socket.send("still served")
        assert socket.recv(20) == "still served"
        other.close()
        with pytest.raises(ConnectionClosedError):
            socket.recv(20)
        assert server.wait_exit() == 0
    assert sorted(line.split('" ')[1].split()[0] for line in server.out.lines) == ["101", "101"]
    wait_until(lambda: sorted(codes_seen(far)) == ["1000", "1006"], 10, "both ends at the server")
