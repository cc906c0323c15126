"""Servers behind us that misbehave, are slow, cannot be reached or die."""

import os
import re
import socket
import threading
import time

import pytest

from support import peers
from support.client import Closed
from support.processes import wait_until
from test_proxy import copied, gateway, peer, pool, proxy  # noqa: F401

pytestmark = pytest.mark.timeout(90)


# ---- who misbehaves

BROKEN = {
    "nothing": b"",
    "garbage": b"\x16\x03\x01\x02",
    "old page": b"<html>0.9</html>",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "status 2000": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "NUL": b"HTTP/1.1 200 OK\r\nA: \0\r\nContent-Length: 0\r\n\r\n",
    "bare CR": b"HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: x=y\r\nContent-Length: 0\r\n\r\n",
    "folded": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "gzip coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "unasked 101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "1xx flood": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 1000,
    "10000 fields": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
    "bad chunk at once": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_no_answer_is_502(serve, peer, name):  # noqa: F811
    bad = peer(peers.RawPeer, peers.answering(BROKEN[name], keep=False))
    server = gateway(serve, proxy(bad), allow=[r"CW0604", r"CW0603"])
    answer = server.request("POST", "/", body=b"x")
    assert answer.status == 502 and "A" not in dict(answer.headers)
    assert len(bad.requests) == 1


@pytest.mark.parametrize("data", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX",
])
def test_truncation_is_visible(serve, peer, data):  # noqa: F811
    first, _, rest = data.partition(b"hello")
    head_seen = threading.Event()

    def script(connection, _request):
        connection.sendall(first + b"hello")
        head_seen.wait(10)
        connection.sendall(rest)
        return False

    bad = peer(peers.RawPeer, script)
    server = gateway(serve, proxy(bad), allow=[r"CW0604"])
    with server.connect() as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        head = client.read_head()
        assert head.status == 200
        head_seen.set()
        everything = client.read_to_end()
        assert b"hello" in everything and not everything.endswith(b"0\r\n\r\n")


def test_extra_bytes_meet_no_other_request(serve, peer):  # noqa: F811
    def script(connection, request):
        connection.sendall(peers.response(request.split(b" ")[1]) + peers.response(b"poison"))

    server = gateway(serve, proxy(peer(peers.RawPeer, script)))
    with server.connect() as client:
        for number in range(20):
            assert client.request("GET", f"/{number}").text == f"/{number}"


def test_late_words_on_an_idle_connection(serve, peer):  # noqa: F811
    spoke = threading.Event()

    def script(connection, request):
        connection.sendall(peers.response(request.split(b" ")[1]))
        if request.startswith(b"GET /first "):
            connection.sendall(peers.response(b"poison"))
            spoke.set()

    behind = peer(peers.RawPeer, script)
    server = gateway(serve, proxy(behind))
    assert server.get("/first").text == "/first"
    assert spoke.wait(5)
    assert server.get("/second").text == "/second"
    assert behind.accepted == 2


def test_silence_is_504(serve, peer):  # noqa: F811
    behind = peer(peers.RawPeer, lambda connection, request: None)
    server = gateway(serve, proxy(behind, more=', timeout = "200ms"'), allow=[r"CW0605"])
    began = time.monotonic()
    assert server.get("/").status == 504
    assert 0.15 < time.monotonic() - began < 5
    assert len(behind.requests) == 1
    server.log.wait_for("it has answered nothing yet: see whether it speaks HTTP")


def test_who_has_answered_before_speaks_the_protocol(serve, peer):  # noqa: F811
    behind = peer(peers.RawPeer, peers.answering(peers.response(b"first")))
    server = gateway(serve, proxy(behind, more=', timeout = "200ms"'), allow=[r"CW0605"])
    assert server.get("/").text == "first"
    behind.script = lambda connection, request: None
    assert server.get("/").status == 504
    server.log.wait_for("fix: raise `timeout` of the route, or look at what keeps that server$")


@pytest.mark.parametrize("before", ["HTTP/1.1 200 OK\r\nX-Long: ", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"])
def test_who_drips_its_answer_is_too_slow(serve, peer, before):  # noqa: F811
    over = threading.Event()

    def script(connection, _request):
        connection.sendall(before.encode())
        while not over.wait(0.1):
            connection.sendall(b"x")
        return False

    behind = peer(peers.RawPeer, script)
    server = gateway(serve, proxy(behind, more=', timeout = "500ms"'), allow=[r"CW0605"])
    began = time.monotonic()
    with server.connect() as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        if "Length" in before:
            assert client.read_head().status == 200
            assert len(client.read_to_end()) < 100
        else:
            assert client.read_response().status == 504
    assert time.monotonic() - began < 8
    over.set()


def test_an_answer_before_the_body_was_read_reaches_the_client(serve, peer):  # noqa: F811
    """The server behind closes with the rest unread: its reset must not eat what it said."""
    refusal = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig"

    def serve_all(listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.recv(100)
            connection.sendall(refusal)
            connection.close()

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve_all, args=(listener,))
    thread.start()
    server = gateway(serve, proxy("http://127.0.0.1:%d" % listener.getsockname()[1], more=", buffer = false"))
    try:
        for _ in range(10):
            with server.connect() as client:
                client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n")
                for _ in range(30):
                    client.send(b"x" * 100_000)
                assert client.read_response().text == "big"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


# ---- who is down


def test_refused_goes_to_the_next(serve, peer):  # noqa: F811
    with socket.create_server(("127.0.0.1", 0)) as probe:
        dead = "http://127.0.0.1:%d" % probe.getsockname()[1]
    alive = peer(peers.RawPeer, peers.answering(peers.response(b"alive")))
    upstream = f'[upstream.api]\nservers = ["{dead}", "{alive.url}"]\nbalance = "round_robin"'
    server = gateway(serve, proxy("api", upstream=upstream), allow=[r"CW0602", r"CW0603"])
    for _ in range(10):
        assert server.request("POST", "/", body=b"x").text == "alive"
    server.log.wait_for(r"warning\[CW0603\] upstream api: 127\.0\.0\.1:\d+ failed 3 times in a row")
    assert server.log.count(r"CW0603") == 1
    assert server.log.count(r"error\[CW0602\] upstream api: 127\.0\.0\.1:\d+ cannot be reached: Connection refused") >= 1


def test_all_down_is_503_at_once(serve, peer):  # noqa: F811
    with socket.create_server(("127.0.0.1", 0)) as probe:
        dead = "http://127.0.0.1:%d" % probe.getsockname()[1]
    upstream = f'[upstream.api]\nservers = ["{dead}"]\nmax_fails = 1'
    server = gateway(serve, proxy("api", upstream=upstream), allow=[r"CW060\d"])
    assert server.get("/").status == 502
    answer = server.get("/")
    assert answer.status == 503 and 1 <= int(answer.get("Retry-After")) <= 10


def test_the_only_one_is_back_at_once(serve, peer, folder):  # noqa: F811
    path = str(folder / "behind.sock")
    server = gateway(serve, proxy(f"unix:{path}"), allow=[r"CW060\d"])
    assert [server.get("/").status for _ in range(5)] == [502, 502, 502, 503, 503]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chmod(path, 0o777)
        listener.listen()
        with server.connect() as client:
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(peers.response(b"back"))
                assert client.read_response().text == "back"


def test_a_path_that_crashes_servers_takes_no_other_along(serve, peer):  # noqa: F811
    def script(connection, request):
        if request.startswith(b"GET /crash "):
            return False
        connection.sendall(peers.response(b"fine"))

    two = [peer(peers.RawPeer, script) for _ in range(2)]
    server = gateway(serve, proxy("api", upstream=pool(*two)), allow=[r"CW060[34]"])
    assert {server.get("/crash").status for _ in range(5)} == {502}
    wait_until(lambda: server.log.count("CW0603") == 2, 5, "both to be left alone")
    assert server.get("/").text == "fine"


def test_a_slow_page_takes_no_other_along(serve, peer):  # noqa: F811
    def script(connection, request):
        if request.startswith(b"GET /fast "):
            connection.sendall(peers.response(b"fast"))

    one = peer(peers.RawPeer, script)
    server = gateway(serve, proxy(one, more=', timeout = "1s"'), allow=[r"CW060[35]"])

    def ask_slow(count):
        clients = [server.connect() for _ in range(count)]
        for client in clients:
            client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        return clients

    for client in ask_slow(3):
        with client:
            assert client.read_response().status == 504
    server.log.wait_for("CW0603")
    assert [server.get("/fast").text for _ in range(3)] == ["fast"] * 3
    [waiting] = ask_slow(1)
    with waiting:
        one.wait_for_requests(7)
        assert server.get("/fast").text == "fast"
        assert waiting.read_response().status == 504
    assert server.get("/fast").text == "fast"
    assert server.log.count("CW0607") == 0


def test_a_socket_we_may_not_open_is_named(serve, folder):
    server = gateway(serve, proxy(f"unix:{folder}/none.sock"), allow=[r"CW0602"])
    answer = server.get("/")
    assert answer.status == 502 and "<p>The application cannot be reached." in answer.text
    server.log.wait_for(r"error\[CW0602\] upstream unix:.*/none\.sock: cannot be reached: No such file or directory")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be somebody else")
def test_whose_socket_it_is_and_who_asks_is_said(serve, run_binary, folder):
    path = f"{folder}/mine.sock"
    with socket.socket(socket.AF_UNIX) as behind:
        behind.bind(path)
        behind.listen()
        os.chmod(path, 0o600)
        server = gateway(serve, proxy(f"unix:{path}"), allow=[r"CW0602"])
        assert server.get("/").status == 502
        server.log.wait_for("cannot be reached: Permission denied")
        fix = rf"fix: let the user \w+, whom the front runs as, open {path} \(root:root, mode 600\): "
        server.log.wait_for(fix)
        place = folder / "checked"
        place.mkdir()
        (place / "cutwater.toml").write_text('[[listen]]\naddr = "127.0.0.1:0"\n' + proxy(f"unix:{path}"))
        done = run_binary("check", cwd=place)
        assert done.returncode == 0 and re.search(fix, done.stderr), done


def test_one_of_two_killed_under_load(serve, peer, folder):  # noqa: F811
    place = copied(folder, "kit")
    two = [peer(peers.gunicorn, place, "app:application", "--keep-alive", "60", "-k", "gthread", "--threads", "8") for _ in range(2)]
    upstream = pool(*two, balance="round_robin")
    server = gateway(serve, proxy("api", upstream=upstream), allow=[r"CW060[234]"])
    results, stop = [], threading.Event()

    def drive():
        while not stop.is_set():
            with server.connect() as client:
                try:
                    while not stop.is_set():
                        results.append(client.request("GET", "/version").status)
                except Closed:
                    results.append("cut")

    clients = [threading.Thread(target=drive) for _ in range(8)]
    for client in clients:
        client.start()
    wait_until(lambda: len(results) > 300, 20, "load")
    two[0].kill()
    seen = len(results)
    wait_until(lambda: len(results) > seen + 500, 30, "load on the other")
    stop.set()
    for client in clients:
        client.join()
    # gunicorn sends head and body apart: of the eight requests it can have run, those it had begun to answer are cut.
    assert set(results) <= {200, "cut"} and results.count("cut") <= 8


def test_a_large_body_is_sent_again(serve, peer):  # noqa: F811
    """The first server takes it all and goes, the second one answers."""
    two = [peer(peers.RawPeer, lambda connection, request: False)]
    two.append(peer(peers.RawPeer, peers.answering(peers.response(b"kept"))))
    upstream = pool(*two, balance="round_robin", max_fails=0)
    server = gateway(serve, proxy("api", upstream=upstream), allow=[r"CW0604"])
    body = os.urandom(1 << 20)
    for _ in range(4):
        assert server.request("PUT", "/", body=body).text == "kept"
    assert two[0].requests and len(two[1].requests) == 4
    assert all(request.endswith(body) for one in two for request in one.requests)
