"""Servers behind us that do what they should, the routes that lead to them, and clients that are slow or leave."""

import hashlib
import json
import os
import re
import signal
import threading
import time

import pytest

from support import apps, peers, processes
from support.client import chunked
from support.processes import wait_until

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def peer(serve):
    """Starts peers and ends them before the server under test is looked over: it keeps connections to them."""
    started = []

    def start(kind, *arguments):
        one = kind(*arguments)
        started.append(one)
        return one

    yield start
    for one in started:
        one.stop()


def copied(folder, app, name="behind"):
    place = folder / name
    apps.copy(app, place)
    return place


def proxy(to, path="/*", more="", upstream=""):
    to = to if isinstance(to, str) else to.url
    return f'{upstream}\n[[site]]\n[[site.route]]\nmatch = {{ path = "{path}" }}\nproxy = {{ to = "{to}"{more} }}\n'


def gateway(serve, config, *, allow=(), listen="127.0.0.1:0", fronts=1):
    """A server without an app."""
    place = serve.folder / f"gateway{len(serve.started)}"
    place.mkdir()
    (place / "cutwater.toml").write_text(f'fronts = {fronts}\n[[listen]]\naddr = "{listen}"\n{config}')
    return serve.run(["serve", "-c", "cutwater.toml"], place, allow=allow)


def pool(*servers, **settings):
    urls = ", ".join(f'"{server.url}"' for server in servers)
    lines = [f"{key} = {apps.toml_value(value)}" for key, value in settings.items()]
    return "\n".join(["[upstream.api]", f"servers = [{urls}]", *lines])


# ---- real servers


def test_gunicorn(serve, peer, folder):
    behind = peer(peers.gunicorn, copied(folder, "kit"), "app:application", "--keep-alive", "60", "-k", "gthread", "--threads", "4")
    server = gateway(serve, proxy(behind))
    with server.connect() as client:
        environ = json.loads(client.request("GET", "/environ?a=b", [("X-Mine", "1")], host="shop.example").body)
        assert environ["HTTP_HOST"] == "shop.example" and environ["QUERY_STRING"] == "a=b" and environ["HTTP_X_MINE"] == "1"
        assert environ["HTTP_X_FORWARDED_FOR"] == environ["HTTP_X_REAL_IP"] == "127.0.0.1"
        assert environ["HTTP_X_FORWARDED_PROTO"] == "http" and environ["HTTP_X_FORWARDED_HOST"] == "shop.example"
        assert environ["HTTP_FORWARDED"] == 'for=127.0.0.1;proto=http;host="shop.example"'
        assert environ["HTTP_VIA"].startswith("1.1 cutwater-") and "HTTP_CONNECTION" not in environ
        assert client.request("POST", "/echo", body=b"hello").body == b"hello"
        big = os.urandom(3 << 20)
        answer = client.request("POST", "/digest", body=big).text
        assert answer == f"{len(big)} {hashlib.sha256(big).hexdigest()}"
        assert len(client.request("GET", "/big?n=5000000").body) == 5_000_000
        assert client.request("GET", "/stream?count=5&size=3").body == b"aaabbbcccdddeee"
        assert client.request("HEAD", "/big?n=100").get("Content-Length") == "100"
        assert client.request("GET", "/status?s=404%20Gone").status == 404
        assert client.request("GET", "/no_content?s=204%20No").status == 204
        assert client.request("GET", "/cookies").all("Set-Cookie") == ["a=1", "b=2; Path=/"]


def test_uvicorn_streams_both_ways(serve, peer, folder):
    behind = peer(peers.uvicorn, copied(folder, "asgi_kit"))
    server = gateway(serve, proxy(behind))
    with server.connect() as client:
        client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        client.read_head()
        assert client.read_line() == "8" and client.read_line() == "piece 0\n"  # before the rest is made
    body = [os.urandom(size) for size in (1, 70_000, 3)]
    with server.connect() as client:
        client.send("PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(chunked(*body))
        whole = b"".join(body)
        assert client.read_response().text == f"PUT /x {len(whole)} {hashlib.sha256(whole).hexdigest()}"


def test_a_tornado_program(serve, peer, folder):
    behind = peer(peers.program, copied(folder, "tornado_app"), "program.py")
    server = gateway(serve, proxy(behind))
    with server.connect() as client:
        fields = [("X-Forwarded-For", "192.0.2.7"), ("X-Two", "a"), ("X-Two", "b")]
        about = json.loads(client.request("GET", "/about?a=1&a=%20", fields, host="shop.example").body)
        assert (about["uri"], about["a"], about["fields"]) == ("/about?a=1&a=%20", ["1", ""], ["a", "b"])
        assert (about["ip"], about["protocol"], about["host"]) == ("192.0.2.7", "http", "shop.example")
        form = json.loads(client.request("POST", "/form", [("Content-Type", "application/x-www-form-urlencoded")], b"a=x&a=y").body)
        assert form == {"a": ["x", "y"], "files": {}, "size": 7}
        body = os.urandom(3 << 20)
        assert client.request("POST", "/digest", body=body).text == hashlib.sha256(body).hexdigest()
        client.send("POST /digest HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(chunked(body[:70_000], body[70_000:]))
        assert client.read_response().text == hashlib.sha256(body).hexdigest()
        assert client.request("GET", "/stream/30/100000").body == b"".join(bytes([65 + number % 26]) * 100_000 for number in range(30))
        assert client.request("GET", "/status/404?reason=Gone").status == 404
        client.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_head().status == 200
        events = b""
        while events.count(b"\n\n") < 3:  # what comes together may travel together
            events += client.read_exactly(int(client.read_line(), 16))
            assert client.read_exactly(2) == b"\r\n"
        assert events == b"data: x\n\n" * events.count(b"\n\n")
    wait_until(lambda: "left" in json.loads(server.get("/left").body)["left"], 5, "the program to hear that the client left")


def test_another_one_of_us(serve, peer):
    behind = serve("kit")
    server = gateway(serve, proxy(behind.url, "/shop/*", ', strip = "/shop"'))
    with server.connect() as client:
        environ = json.loads(client.request("GET", "/shop/environ").body)
        assert environ["PATH_INFO"] == "/environ" and environ["REMOTE_ADDR"] == "127.0.0.1"
        assert client.request("POST", "/shop/echo", body=b"x" * 200_000).body == b"x" * 200_000
        assert client.request("GET", "/elsewhere").status == 404
        assert client.request("GET", "/shop").text == "kit /"
    for one in (server, behind):
        one.check_leaks = False  # the two keep connections to each other


# ---- routes


def test_first_match_in_file_order(serve, peer):
    api = peer(peers.RawPeer, peers.answering(peers.response(b"api")))
    config = f"""
[[site]]
  [[site.route]]
  match = {{ path = "/api/local" }}
  app = "web"
  [[site.route]]
  match = {{ path = "/api/*" }}
  proxy = {{ to = "{api.url}", strip = "/api" }}
  [[site.route]]
  match = {{ path = "/files/*" }}
  static = {{ root = "." }}
  [[site.route]]
  match = {{ path = "/*" }}
  app = "web"
"""
    server = serve("kit", config=config)
    assert server.get("/api/local").text == "kit /api/local"
    assert server.get("/api/local/x").text == "api"
    assert server.get("/api").text == "api"
    assert server.get("/apis").text == "kit /apis"
    assert server.get("/files/cutwater.toml").status == 200
    assert server.get("/").text == "kit /"
    assert [request.split(b" ")[1] for request in api.requests] == [b"/local/x", b"/"]


def test_an_app_answers_where_its_routes_say(serve):
    server = serve("kit", config='[[site]]\n[[site.route]]\nmatch = { path = "/app/*" }\napp = "web"\n')
    assert server.get("/app/x").text == "kit /app/x"
    assert server.get("/x").status == 404


@pytest.mark.parametrize("raw, seen", [
    ("/a/../b", "/b"), ("/x%2Fy?q=%2F", "/x%2Fy?q=%2F"), ("/p/%2e%2e/admin", "/admin"), ("//a//b", "/a/b"), ("/caf%C3%A9", "/caf%C3%A9"),
])
def test_the_path_that_was_routed_goes_on(serve, peer, raw, seen):
    api = peer(peers.RawPeer, peers.answering(peers.response()))
    server = gateway(serve, proxy(api))
    assert server.get(raw).status == 200
    assert api.requests[0].split(b" ")[1] == seen.encode()


def test_weights_and_turns(serve, peer):
    two = [peer(peers.RawPeer, peers.answering(peers.response(name))) for name in (b"heavy", b"light")]
    servers = f'[upstream.api]\nservers = [{{ url = "{two[0].url}", weight = 3 }}, "{two[1].url}"]\nbalance = "round_robin"'
    server = gateway(serve, proxy("api", upstream=servers))
    answers = [server.get("/").text for _ in range(12)]
    assert answers.count("heavy") == 9 and answers.count("light") == 3
    assert all("light" in answers[at : at + 4] for at in range(9))  # spread evenly


def test_a_client_has_its_server(serve, peer):
    """ip_hash: by the address that is believed. Where one server is gone, only its clients move."""
    leaves = peers.RawPeer(peers.answering(peers.response(b"0")))
    stay = [peer(peers.RawPeer, peers.answering(peers.response(name))) for name in (b"1", b"2")]
    server = gateway(serve, proxy("api", upstream=pool(leaves, *stay, balance="ip_hash")), allow=[r"CW060[234]"])

    def ask():
        addresses = [f"192.0.2.{number}" for number in range(24)]
        return {address: server.get("/", [("X-Forwarded-For", address)]).text for address in addresses}

    first = ask()
    assert set(first.values()) == {"0", "1", "2"} and ask() == first
    leaves.stop()
    second = ask()
    assert set(second.values()) == {"1", "2"}
    assert all(second[address] == name for address, name in first.items() if name != "0")


def test_a_loop_ends(serve, folder):
    path = str(folder / "loop.sock")
    server = gateway(serve, proxy(f"unix:{path}"), listen=f"unix:{path}", allow=[r"CW0606", r"CW0408"])
    assert server.get("/").status == 508
    server.check_leaks = False  # it keeps connections to itself


# ---- clients that are slow, or leave


def test_client_that_leaves_frees_the_server(serve, peer):
    left = threading.Event()

    def script(connection, _request):
        if connection.recv(1) == b"":
            left.set()
        return False

    behind = peer(peers.RawPeer, script)
    server = gateway(serve, proxy(behind))
    client = server.connect()
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    wait_until(lambda: behind.requests, 5, "the request")
    client.reset()
    assert left.wait(5)


def test_a_slow_client_takes_no_worker(serve, peer, folder):
    """gunicorn with one worker that does one thing at a time: it answers others while a client reads nothing."""
    behind = peer(peers.gunicorn, copied(folder, "kit"), "app:application", "-w", "1", "-k", "sync")
    server = gateway(serve, proxy(behind))
    with server.connect(receive_buffer=4096) as slow:
        slow.send("GET /big?n=60000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        slow.read_head()
        assert server.get("/version").status == 200
        assert len(slow.read_exactly(60_000_000)) == 60_000_000


@pytest.mark.parametrize("form", ["length", "chunked"])
def test_a_slow_upload_takes_no_connection(serve, peer, form):
    behind = peer(peers.RawPeer, peers.answering(peers.response(b"fine"), keep=None))
    server = gateway(serve, proxy(behind))
    framing = "Content-Length: 200000" if form == "length" else "Transfer-Encoding: chunked"
    body = b"x" * 200_000
    with server.connect() as slow:
        slow.send(f"PUT /slow HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{framing}\r\n\r\n")
        slow.read_head()  # 100 Continue
        sent = body if form == "length" else chunked(body)
        slow.send(sent[:1])
        assert server.get("/quick").text == "fine"
        assert behind.accepted == 1 and len(behind.requests) == 1
        slow.send(sent[1:])
        assert slow.read_response().text == "fine"
    assert behind.requests[1].endswith(b"\r\nContent-Length: 200000\r\n\r\n" + body)


def test_a_slow_client_takes_no_memory(serve, peer, sanitized):
    piece = b"x" * 65536

    def script(connection, _request):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(piece) * 3200))
        for _ in range(3200):
            connection.sendall(piece)

    behind = peer(peers.RawPeer, script)
    server = gateway(serve, proxy(behind))
    front = server.named("front")[0]
    before = processes.memory(front)
    with server.connect(receive_buffer=4096) as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.read_head()
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > 1, 5, "a second")
        grown = processes.memory(front) - before
        assert sanitized or grown < 16 << 20, f"{grown >> 20} MB for a response of 200 MB that nobody reads"
        assert len(client.read_exactly(len(piece) * 3200)) == len(piece) * 3200


def test_a_half_closed_client_gets_its_answer(serve, peer):
    go_on = threading.Event()

    def script(connection, _request):
        go_on.wait(10)
        connection.sendall(peers.response(b"late"))

    behind = peer(peers.RawPeer, script)
    server = gateway(serve, proxy(behind))
    with server.connect() as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.finish_sending()
        wait_until(lambda: behind.requests, 5, "the request")
        go_on.set()
        assert client.read_response().text == "late"


def test_term_waits_for_what_runs_behind(serve, peer):
    go_on = threading.Event()

    def script(connection, request):
        if request.startswith(b"GET /idle "):
            return connection.sendall(peers.response())
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        go_on.wait(10)
        return connection.sendall(b"def")

    server = gateway(serve, proxy(peer(peers.RawPeer, script)))
    with server.connect() as client, server.connect() as idle:
        assert idle.request("GET", "/idle").status == 200
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.read_head()
        server.signal(signal.SIGTERM)
        assert idle.closed_by_server()  # it has heard of it
        go_on.set()
        assert client.read_exactly(6) == b"abcdef"
    server.wait_exit()


def test_kept_connections_leave_descriptors_for_others(serve, peer, sanitized):
    if sanitized:
        pytest.skip("the sanitizer needs descriptors of its own; the release build is tested")
    go_on = threading.Event()

    def script(connection, _request):
        go_on.wait(10)
        connection.sendall(peers.response(b"ok"))

    behind = [peer(peers.RawPeer, script) for _ in range(5)]
    routes = "".join(
        f'[[site.route]]\nmatch = {{ path = "/{number}/*" }}\nproxy = {{ to = "{one.url}" }}\n' for number, one in enumerate(behind)
    )
    limited = serve.folder / "limited"
    limited.write_text(f'#!/bin/sh\nulimit -n 130\nexec "{serve.binary}" "$@"\n')
    limited.chmod(0o755)
    serve.binary = limited
    server = gateway(serve, "[[site]]\n" + routes, allow=["CW0810"])
    server.log.wait_for("no more than 13 connections at once")  # half of them, five for each
    for number, one in enumerate(behind):
        go_on.clear()
        clients = [server.connect() for _ in range(12)]
        for client in clients:
            client.send(f"GET /{number}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        wait_until(lambda: len(one.requests) == 12, 5, "all requests")
        go_on.set()
        assert [client.read_response().text for client in clients] == ["ok"] * 12
        for client in clients:
            client.close()


# ---- the command line


def test_check_names_the_servers(run_binary, folder, serve):
    place = folder / "checked"
    place.mkdir()
    upstream = '[upstream.api]\nservers = ["http://127.0.0.1:9", { url = "unix:/run/api.sock", weight = 2 }]'
    (place / "cutwater.toml").write_text('[[listen]]\naddr = "127.0.0.1:0"\n' + proxy("api", upstream=upstream))
    done = run_binary("check", cwd=place)
    assert done.returncode == 0, done.stderr
    # The server may be started later: a warning.
    assert re.search(r"warning\[CW0602\] upstream api: cannot open /run/api.sock: No such file", done.stdout + done.stderr)
    assert "proxy /* -> api (127.0.0.1:9, unix:/run/api.sock weight 2)" in done.stdout + done.stderr
    assert done.stdout.endswith("it can be served; there was a warning\n")
    (place / "cutwater.toml").write_text('[[listen]]\naddr = "127.0.0.1:0"\n' + proxy("http://no-such-host.invalid:80"))
    done = run_binary("check", cwd=place)
    assert done.returncode == 2 and "CW0601" in done.stdout + done.stderr


def test_changes_of_routes_need_a_restart(serve, peer):
    api = peer(peers.RawPeer, peers.answering(peers.response(b"api")))
    server = gateway(serve, proxy(api), allow=[r"CW0808"])
    config = server.folder / "cutwater.toml"
    config.write_text(config.read_text().replace('path = "/*"', 'path = "/api/*"'))
    server.signal(signal.SIGHUP)
    server.log.wait_for(r"CW0808\].*routes")
    assert server.get("/x").text == "api"
