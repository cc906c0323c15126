"""WebSockets and other protocols that are switched to, through a proxy route."""

import base64
import hashlib
import json
import os
import random
import select
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import gateway_peers as gateways
from support import peers, processes
from support.processes import wait_until
from support.websocket import KEY, handshake, proof_of

pytestmark = pytest.mark.timeout(60)

OFFER = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\r\n"
TAKEN = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Mine: 1\r\n\r\n"


@pytest.fixture
def behind(serve):
    started = []

    def start(script):
        started.append(peers.RawPeer(script))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def gateway(serve, to, more="", allow=(), top=""):
    place = serve.folder / "gateway"
    place.mkdir()
    (place / "cutwater.toml").write_text(
        f'fronts = 1\n[[listen]]\naddr = "127.0.0.1:0"\n[[site]]\n[[site.route]]\nmatch = {{ path = "/*" }}\n'
        f'proxy = {{ to = "{to}"{more} }}\n{top}')
    return serve.run(["serve", "-c", "cutwater.toml"], place, allow=allow)


def echo(connection, _request):
    connection.sendall(TAKEN)
    while data := connection.recv(65536):
        connection.sendall(data)
    return False


def read_exactly(client, size):
    return b"".join(iter_exactly(client, size))


def iter_exactly(client, size):
    while size:
        data = client.recv(min(size, 65536))
        assert data, f"ended {size} bytes early"
        size -= len(data)
        yield data


def read_head(client):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read_exactly(client, 1)
    return head


def read_all(client):
    return b"".join(iter(lambda: client.recv(65536), b""))


def connect(server):
    client = socket.create_connection(server.address, 20)
    client.settimeout(20)
    return client


def websocket_offer(key=KEY, method="GET"):
    return handshake("/", method, key=key, more="Sec-WebSocket-Protocol: chat\r\nKeep-Alive: 5\r\n").encode()


def websocket_answer(*proofs):
    fields = b"".join(b"Sec-WebSocket-Accept: %s\r\n" % proof for proof in proofs)
    return (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + fields
            + b"Sec-WebSocket-Protocol: chat\r\n\r\n")


def test_websocket_handshake_is_passed_on(serve, behind):
    def accept(connection, request):
        key = next(line[19:] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key: "))
        connection.sendall(websocket_answer(proof_of(key.decode())))
        connection.sendall(connection.recv(100))
        return False

    far = behind(accept)
    key = base64.b64encode(os.urandom(16)).decode()
    with connect(gateway(serve, far.url)) as client:
        client.sendall(websocket_offer(key))
        head = read_head(client)
        assert head.startswith(b"HTTP/1.1 101 ") and head.count(b"Upgrade: websocket\r\n") == 1
        assert b"Sec-WebSocket-Accept: " + proof_of(key) in head and b"Sec-WebSocket-Protocol: chat" in head
        client.sendall(b"\x81\x80abcd")
        assert read_exactly(client, 6) == b"\x81\x80abcd"
        assert client.recv(1) == b""
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in far.requests[0]
    assert b"Sec-WebSocket-Version: 13" in far.requests[0] and b"Keep-Alive" not in far.requests[0]


@pytest.mark.parametrize("proofs", [[], [b"c3VyZWx5IHRoaXMgaXMgbm90IGl0"], [proof_of(KEY).swapcase()], [proof_of(KEY)] * 2])
def test_a_websocket_must_be_proven(serve, behind, proofs):
    far = behind(peers.answering(websocket_answer(*proofs)))
    with connect(gateway(serve, far.url, allow=["CW0604.*Sec-WebSocket-Accept"])) as client:
        client.sendall(websocket_offer())
        assert read_head(client).startswith(b"HTTP/1.1 502 ")


@pytest.mark.parametrize("offer", [
    websocket_offer(""), websocket_offer("c2hvcnQ="), websocket_offer(method="POST"),
])
def test_what_is_no_handshake_never_becomes_one(serve, behind, offer):
    """The server answers 101 all the same: it was not asked for."""
    far = behind(peers.answering(websocket_answer(proof_of(KEY))))
    with connect(gateway(serve, far.url, allow=["CW0604"])) as client:
        client.sendall(offer)
        assert read_head(client).startswith(b"HTTP/1.1 502 ")
    assert b"upgrade" not in far.requests[0].lower()


def test_early_bytes_half_close_and_the_log(serve, behind):
    def script(connection, _request):
        connection.sendall(TAKEN + b"hello")
        connection.sendall(b"[" + read_all(connection) + b"]")
        return False

    far = behind(script)
    server = gateway(serve, far.url)
    for _ in range(2):
        with connect(server) as client:
            client.sendall(OFFER.encode() + b"GET /not-a-request HTTP/1.1\r\n\r\n")
            assert b"\r\nX-Mine: 1\r\n" in read_head(client)
            client.shutdown(socket.SHUT_WR)
            assert read_all(client) == b"hello[GET /not-a-request HTTP/1.1\r\n\r\n]"
    assert far.accepted == 2 and len(far.requests) == 2


def test_the_end_of_the_server_leaves_the_other_direction(serve, behind):
    late = []
    done = threading.Event()

    def script(connection, _request):
        connection.sendall(TAKEN + b"bye")
        connection.shutdown(socket.SHUT_WR)
        late.append(read_all(connection))
        done.set()
        return False

    with connect(gateway(serve, behind(script).url)) as client:
        client.sendall(OFFER.encode())
        read_head(client)
        assert read_all(client) == b"bye"
        client.sendall(b"still here")
        client.shutdown(socket.SHUT_WR)
        assert done.wait(20) and late == [b"still here"]


def test_slow_readers_hold_the_sender_back(serve, behind):
    """More than any buffer holds, both ways, read by nobody until both senders stand still; nothing is lost."""
    size = 64 << 20
    piece = bytes(range(256)) * 4096

    def pour(sock, stalled):
        sock.settimeout(1)
        sent = 0
        while sent < size:
            try:
                sent += sock.send(piece[sent % len(piece):])
            except TimeoutError:
                stalled.set()
                sock.settimeout(20)
        stalled.set()
        return sent

    far_stalled, near_stalled = threading.Event(), threading.Event()
    received = []

    def script(connection, _request):
        connection.settimeout(20)  # the copy shares its mode
        connection.sendall(TAKEN)
        pouring = threading.Thread(target=pour, args=(connection.dup(), far_stalled))
        pouring.start()
        assert near_stalled.wait(30)
        digest = hashlib.sha256()
        for data in iter_exactly(connection, size):
            digest.update(data)
        received.append(digest.digest())
        pouring.join()
        return False

    server = gateway(serve, behind(script).url)
    expected = hashlib.sha256(piece * (size // len(piece))).digest()
    with connect(server) as client:
        client.sendall(OFFER.encode())
        read_head(client)
        pouring = threading.Thread(target=pour, args=(client.dup(), near_stalled))
        pouring.start()
        assert far_stalled.wait(30) and near_stalled.wait(30)
        digest = hashlib.sha256()
        for data in iter_exactly(client, size):
            digest.update(data)
        pouring.join()
        assert client.recv(1) == b""
    assert digest.digest() == expected and received == [expected]


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n",
])
def test_another_protocol_than_was_offered(serve, behind, answer):
    far = behind(lambda connection, _: connection.sendall(answer))
    with connect(gateway(serve, far.url, allow=["CW0604"])) as client:
        client.sendall(OFFER.encode())
        assert read_head(client).startswith(b"HTTP/1.1 502 ")


def test_an_ordinary_answer_stays_one(serve, behind):
    far = behind(peers.answering(b"HTTP/1.1 426 No\r\nUpgrade: foo\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nno"))
    with connect(gateway(serve, far.url)) as client:
        for _ in range(2):
            client.sendall(OFFER.encode())
            head = read_head(client)
            assert head.startswith(b"HTTP/1.1 426 ") and b"\r\nConnection: Upgrade\r\nUpgrade: foo\r\n" in head
            assert read_exactly(client, 2) == b"no"
    assert far.accepted == 1


@pytest.mark.parametrize("old, new", [("Upgrade: echo", "Upgrade: h2c"), ("HTTP/1.1", "HTTP/1.0"), ("keep-alive, Upgrade", "x")])
def test_what_is_no_offer_goes_on_without_it(serve, behind, old, new):
    far = behind(lambda connection, _: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    with connect(gateway(serve, far.url)) as client:
        client.sendall(OFFER.replace(old, new).encode())
        assert read_head(client).startswith(b"HTTP/1.1 200 ")
    assert b"upgrade" not in far.requests[0].lower()


def test_silence_ends_it(serve, behind):
    ended = threading.Event()

    def script(connection, _request):
        connection.sendall(TAKEN)
        connection.recv(1)
        ended.set()
        return False

    with connect(gateway(serve, behind(script).url, ', tunnel_timeout = "300ms"')) as client:
        client.sendall(OFFER.encode())
        read_head(client)
        assert client.recv(1) == b"" and ended.wait(20)


def test_a_break_is_a_reset(serve, behind):
    def script(connection, _request):
        connection.sendall(TAKEN)
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        return False

    with connect(gateway(serve, behind(script).url)) as client:
        client.sendall(OFFER.encode())
        read_head(client)
        client.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_the_access_log_has_one_line_when_it_is_over(serve, behind):
    far = behind(echo)
    server = gateway(serve, far.url, top='[log]\nformat = "json"\n')
    began = time.monotonic()
    with connect(server) as client:
        client.sendall(OFFER.encode())
        read_head(client)
        opened = time.monotonic()
        client.sendall(b"x" * 100_000)
        read_exactly(client, 100_000)
        wait_until(lambda: time.monotonic() > opened + 0.3, 5, "a time that can be told from none")
        assert server.out.lines == []
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    wait_until(lambda: server.out.lines, 5, "the line")
    [line] = map(json.loads, server.out.lines)
    assert (line["status"], line["method"], line["target"], line["bytes"]) == (101, "GET", "/chat", 100_000)
    assert 300 <= line["ms"] <= 1000 * (time.monotonic() - began)


def test_bytes_that_come_before_the_switch(serve, behind):
    """They wait for it, however many, and are no request."""
    early = os.urandom(3 << 20)
    go_on = threading.Event()

    def script(connection, _request):
        assert go_on.wait(20)
        connection.sendall(TAKEN + early)
        connection.sendall(read_exactly(connection, len(early)))
        return False

    far = behind(script)
    with connect(gateway(serve, far.url)) as client:
        sending = threading.Thread(target=client.sendall, args=(OFFER.encode() + early,))
        sending.start()
        wait_until(lambda: far.requests, 10, "the request")
        go_on.set()
        assert read_head(client).startswith(b"HTTP/1.1 101 ")
        assert read_exactly(client, 2 * len(early)) == early + early
        sending.join()
    assert len(far.requests) == 1


def test_bytes_that_come_before_a_refusal_are_a_request(serve, behind):
    far = behind(peers.answering(peers.response(b"no")))
    with connect(gateway(serve, far.url)) as client:
        client.sendall(OFFER.encode() + b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in range(2):
            assert read_head(client).startswith(b"HTTP/1.1 200 ")
            assert read_exactly(client, 2) == b"no"
    assert [request.split()[1] for request in far.requests] == [b"/chat", b"/next"]


def test_an_offer_with_a_body_is_an_ordinary_request(serve, behind):
    far = behind(peers.answering(peers.response(b"ok")))
    offer = OFFER.replace("GET", "POST").replace("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nabc")
    with connect(gateway(serve, far.url)) as client:
        client.sendall(offer.encode())
        assert read_head(client).startswith(b"HTTP/1.1 200 ")
    assert b"upgrade" not in far.requests[0].lower() and far.requests[0].endswith(b"\r\n\r\nabc")


def test_apps_and_files_ignore_an_offer(serve, folder):
    (folder / "files").mkdir()
    (folder / "files" / "a.txt").write_text("a file")
    server = serve("kit", config=f'[[site]]\n[[site.route]]\nmatch = {{ path = "/files/*" }}\nstatic = {{ root = "{folder}/files" }}\n')
    with server.connect() as client:
        for path, expected in (("/environ", b""), ("/files/a.txt", b"a file")):
            client.send(OFFER.replace("/chat", path))
            answer = client.read_response()
            assert answer.status == 200 and answer.get("Upgrade") is None and expected in answer.body
            assert b"UPGRADE" not in answer.body


def test_a_client_that_leaves_before_the_switch(serve, behind):
    ended = threading.Event()

    def script(connection, _request):
        connection.recv(1)
        ended.set()
        return False

    far = behind(script)
    with connect(gateway(serve, far.url)) as client:
        client.sendall(OFFER.encode())
        wait_until(lambda: far.requests, 10, "the request")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert ended.wait(20)


@pytest.mark.parametrize("half_closed", [False, True])
def test_a_client_that_vanishes(serve, behind, half_closed):
    """The server sees a reset too, never an end that the client did not send."""
    broke = threading.Event()

    def script(connection, _request):
        connection.sendall(TAKEN)
        try:
            while connection.recv(1):
                pass
            connection.sendall(b"its end came")
            breaks = select.poll()
            breaks.register(connection, 0)
            if breaks.poll(20_000):
                broke.set()
        except ConnectionResetError:
            broke.set()
        return False

    server = gateway(serve, behind(script).url)
    with connect(server) as client:
        client.sendall(OFFER.encode())
        read_head(client)
        if half_closed:
            client.shutdown(socket.SHUT_WR)
            assert read_exactly(client, 12) == b"its end came"
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert broke.wait(20)
    wait_until(lambda: server.out.count('" 101 ') == 1, 10, "the tunnel to end")


@pytest.mark.parametrize("who", ["client", "server", "both"])
def test_a_half_closed_one_costs_nothing(serve, behind, who):
    """An end that was read stays readable: the front must not turn around it until silence ends the tunnel."""

    def script(connection, _request):
        connection.sendall(TAKEN)
        if who != "client":
            connection.shutdown(socket.SHUT_WR)
        while connection.recv(1):
            pass
        if who == "client":
            try:
                connection.settimeout(20)
                connection.sendall(b"its end came")
                held.wait(20)
            except OSError:
                pass
        return False

    held = threading.Event()
    server = gateway(serve, behind(script).url, ', tunnel_timeout = "1500ms"')
    [front] = server.named("front")

    def used():
        return sum(map(int, processes.stat_fields(front)[11:13])) / os.sysconf("SC_CLK_TCK")

    with connect(server) as client:
        client.sendall(OFFER.encode())
        read_head(client)
        if who == "client":
            client.shutdown(socket.SHUT_WR)
            assert read_exactly(client, 12) == b"its end came"
        if who == "server":
            assert client.recv(1) == b""
        before, began = used(), time.monotonic()
        if who == "both":
            client.shutdown(socket.SHUT_WR)
        wait_until(lambda: server.out.count('" 101 '), 10, "the tunnel to end")
        held.set()
        took = time.monotonic() - began
        assert took < 1 if who == "both" else took > 1
        assert used() - before < 0.4


def test_a_stop_waits_for_its_grace_and_no_longer(serve, behind):
    server = gateway(serve, behind(echo).url, top='[shutdown]\ngrace = "700ms"\n')
    with connect(server) as client:
        client.sendall(OFFER.encode())
        read_head(client)
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        server.log.wait_for("SIGTERM", 15)
        client.sendall(b"still here")
        assert read_exactly(client, 10) == b"still here"
        try:
            assert client.recv(1) == b""
        except ConnectionResetError:
            pass
        assert 0.6 < time.monotonic() - began < 8
    assert server.wait_exit() == 0
    assert server.out.count('" 101 10 ') == 1


def test_an_authorizer_is_asked_first(serve, behind, folder):
    far, guard = behind(echo), gateways.libfcgi(folder)
    server = gateway(serve, far.url, top=f'auth = {{ fastcgi = {{ to = "{guard.url}" }} }}\n', allow=[r"\[CW0608\]"])
    with connect(server) as client:
        client.sendall(OFFER.encode())
        assert read_head(client).startswith(b"HTTP/1.1 403 ")
    assert far.requests == []
    with connect(server) as client:
        client.sendall(OFFER.replace("Host: a", "Host: a\r\nCookie: a=pass").encode() + b"early")
        assert read_head(client).startswith(b"HTTP/1.1 101 ")
        assert read_exactly(client, 5) == b"early"
    guard.stop()


def test_open_ones_count_for_the_balance(serve, behind):
    left, right = behind(echo), behind(echo)
    place = serve.folder / "gateway"
    place.mkdir()
    (place / "cutwater.toml").write_text(
        f'fronts = 1\n[[listen]]\naddr = "127.0.0.1:0"\n[upstream.chat]\nservers = ["{left.url}", "{right.url}"]\n'
        '[[site]]\n[[site.route]]\nmatch = { path = "/*" }\nproxy = { to = "chat" }\n')
    server = serve.run(["serve", "-c", "cutwater.toml"], place)
    clients = [connect(server) for _ in range(6)]
    for client in clients:
        client.sendall(OFFER.encode())
        assert read_head(client).startswith(b"HTTP/1.1 101 ")
    assert len(left.open) == len(right.open) == 3
    for client in clients:
        client.close()


def test_they_count_among_the_connections(serve, behind):
    """At limits.connections a newcomer waits; no open tunnel makes room for it."""
    server = gateway(serve, behind(echo).url, top="[limits]\nconnections = 2\n", allow=["CW0[0-9]+.*connections"])
    first, second, third = (connect(server) for _ in range(3))
    for client in (first, second):
        client.sendall(OFFER.encode())
        assert read_head(client).startswith(b"HTTP/1.1 101 ")
    third.sendall(OFFER.encode())
    for client in (first, second):
        client.sendall(b"x")
        assert read_exactly(client, 1) == b"x"
    first.close()
    assert read_head(third).startswith(b"HTTP/1.1 101 ")
    second.sendall(b"y")
    assert read_exactly(second, 1) == b"y"
    second.close()
    third.close()


def test_ends_in_any_order(serve, behind):
    """Whatever both sides do to each other, each tunnel ends once, and nothing of it stays."""
    rounds, seed = 150, random.randrange(1 << 30)
    print("seed", seed)

    def play(sock, dice):
        sock.settimeout(0.1)
        for _ in range(dice.randrange(5)):
            try:
                move = dice.randrange(4)
                if move == 0:
                    sock.shutdown(socket.SHUT_WR)
                elif move == 1:
                    sock.sendall(b"x" * dice.choice([1, 1000, 300_000]))
                else:
                    sock.recv(dice.choice([1, 100_000]))
            except OSError:  # the time is over, or the other side was faster
                pass
        if dice.randrange(2):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def script(connection, request):
        connection.sendall(TAKEN)
        play(connection, random.Random(request))
        return False

    server = gateway(serve, behind(script).url)

    def one(number):
        with connect(server) as client:
            client.sendall(OFFER.replace("/chat", f"/{seed}/{number}").encode())
            assert read_head(client).startswith(b"HTTP/1.1 101 ")
            play(client, random.Random(seed + number))

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(one, range(rounds)))
    wait_until(lambda: server.out.count('" 101 ') == rounds, 20, "every tunnel to end")
