"""Servers behind us that speak uwsgi, SCGI or FastCGI: the real uWSGI, and raw ones, good and bad (faults.md 1G)."""

import hashlib
import json
import os
import threading

import pytest

from support import apps, peers, processes
from support import gateway_peers as gateways
from support.client import Closed, chunked
from support.processes import wait_until

pytestmark = pytest.mark.timeout(90)
PROTOCOLS = ["uwsgi", "scgi", "fastcgi"]


@pytest.fixture
def peer(serve):
    """Starts peers and ends them before the server under test is looked over: it keeps connections to them."""
    started = []

    def start(kind, *arguments, **options):
        one = kind(*arguments, **options)
        started.append(one)
        return one

    yield start
    for one in started:
        one.stop()


def route(protocol, to, path="/*", more="", before=""):
    to = to if isinstance(to, str) else to.url
    return f'{before}\n[[site]]\n[[site.route]]\nmatch = {{ path = "{path}" }}\n{protocol} = {{ to = "{to}"{more} }}\n'


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


def copied(folder, app="kit"):
    place = folder / "behind"
    apps.copy(app, place)
    return place


@pytest.fixture(params=PROTOCOLS)
def protocol(request):
    return request.param


# ---- the real uWSGI


def test_uwsgi_server(serve, peer, folder, protocol):
    behind = peer(gateways.uwsgi, copied(folder), protocol)
    server = gateway(serve, route(protocol, behind))
    with server.connect() as client:
        environ = json.loads(client.request("GET", "/environ/caf%C3%A9?a=b%20c", [("X-Mine", "1")], host="shop.example").body)
        assert environ["HTTP_HOST"] == "shop.example" and environ["QUERY_STRING"] == "a=b%20c"
        assert environ["HTTP_X_MINE"] == "1" and environ["REMOTE_ADDR"] == "127.0.0.1" and environ["SCRIPT_NAME"] == ""
        assert environ["PATH_INFO"] == "/environ/caf\u00c3\u00a9" and environ["REQUEST_URI"] == "/environ/caf%C3%A9?a=b%20c"
        assert environ["SERVER_NAME"] == "shop.example" and environ["HTTP_CDN_LOOP"].startswith("cutwater-")
        assert "HTTP_CONNECTION" not in environ and "HTTPS" not in environ
        assert client.request("POST", "/echo", body=b"hello").body == b"hello"
        for size in (65_535, 65_536, 65_537, 3 << 20):
            big = os.urandom(size)
            answer = client.request("POST", "/digest", body=big).text
            assert answer == f"{len(big)} {hashlib.sha256(big).hexdigest()}"
        assert len(client.request("GET", "/big?n=5000000").body) == 5_000_000
        assert client.request("HEAD", "/big?n=100").status == 200
        assert client.request("GET", "/status?s=404%20Gone").status == 404
        assert client.request("GET", "/no_content?s=204%20No").status == 204
        assert client.request("GET", "/cookies").all("Set-Cookie") == ["a=1", "b=2; Path=/"]


@pytest.mark.parametrize("buffer", ["true", "false"])
def test_chunked_uploads_get_a_length(serve, peer, folder, protocol, buffer):
    behind = peer(gateways.uwsgi, copied(folder), protocol)
    server = gateway(serve, route(protocol, behind, more=f", buffer = {buffer}"))
    for pieces in ([b"a"], [os.urandom(size) for size in (1, 70_000, 3)], [os.urandom(400_000)] * 3):
        with server.connect() as client:
            client.send("POST /digest HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.send(chunked(*pieces))
            whole = b"".join(pieces)
            assert client.read_response().text == f"{len(whole)} {hashlib.sha256(whole).hexdigest()}"


def test_streamed_answers(serve, peer, folder, protocol):
    behind = peer(gateways.uwsgi, copied(folder), protocol)
    server = gateway(serve, route(protocol, behind))
    with server.connect() as client:
        assert client.request("GET", "/stream?count=5&size=3").body == b"aaabbbcccdddeee"


def test_strip_becomes_the_script_name(serve, peer, protocol):
    behind = peer(gateways.RawGatewayPeer, protocol, gateways.answering(gateways.answer(protocol, b"x")))
    server = gateway(serve, route(protocol, behind, "/shop/*", ', strip = "/shop"'))
    assert server.get("/shop/a/b").text == "x"
    assert (behind.variables()["SCRIPT_NAME"], behind.variables()["PATH_INFO"]) == ("/shop", "/a/b")
    assert server.get("/shop").text == "x"
    assert (behind.variables()["SCRIPT_NAME"], behind.variables()["PATH_INFO"]) == ("/shop", "")
    assert server.get("/elsewhere").status == 404


def test_a_program_on_libfcgi(serve, peer, folder):
    behind = peer(gateways.libfcgi, folder)
    for keepalive in ("", "keepalive = 4\n"):
        before = f'[upstream.api]\nservers = ["{behind.url}"]\n{keepalive}'
        server = gateway(serve, route("fastcgi", "api", before=before), allow=[r"\[CW0608\]"])
        with server.connect() as client:
            for size in (0, 5, 70_000, 1_000_000):
                answer = client.request("POST", "/a", [("Content-Length", str(size))], body=b"x" * size)
                assert answer.text == f"role RESPONDER path /a user - body {size}\n"
        server.log.wait_for(r"\[CW0608\] upstream api: request [0-9a-f]{8} POST /a: answered")


def test_an_authorizer_on_libfcgi(serve, peer, folder):
    behind = peer(gateways.libfcgi, folder)
    guarded = f'auth = {{ fastcgi = {{ to = "{behind.url}" }} }}\n'
    config = route("fastcgi", behind, "/behind/*") + guarded
    config += f'[[site.route]]\nmatch = {{ path = "/*" }}\napp = "web"\n{guarded}'
    server = serve("kit", config=config, allow=[r"\[CW0608\]"])
    with server.connect() as client:
        for path in ("/behind/x", "/environ", "/echo"):
            answer = client.request("POST", path, body=b"hello")
            assert (answer.status, answer.text) == (403, "no cookie\n")
        cookie = [("Cookie", "a=pass")]
        assert client.request("POST", "/behind/x", cookie, body=b"hello").text == "role RESPONDER path /behind/x user ada body 5\n"
        assert json.loads(client.request("GET", "/environ", cookie).body)["REMOTE_USER"] == "ada"
        assert client.request("POST", "/echo", cookie, body=b"hello").body == b"hello"
        big = os.urandom(300_000)
        assert client.request("POST", "/digest", cookie, body=big).text == f"{len(big)} {hashlib.sha256(big).hexdigest()}"
        with server.connect() as waiting:
            waiting.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            assert waiting.read_response().status == 403  # before the body was asked for
    behind.kill()
    assert server.get("/").status == 502
    server.allow.append(r"\[CW060[23]\]")


def test_what_an_authorizer_grants_cannot_be_forged(serve, peer):
    granting = gateways.answer("fastcgi", head=b"Variable-REMOTE_USER: ann\r\nVariable-Remote-Group: x\r\n")
    authorizer = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(granting))
    plain = peer(peers.RawPeer, peers.answering(peers.response(b"http")))
    other = peer(gateways.RawGatewayPeer, "scgi", gateways.answering(gateways.answer("scgi", b"scgi")))
    guarded = f'auth = {{ fastcgi = {{ to = "{authorizer.url}" }} }}\n'
    config = route("scgi", other, "/scgi/*") + guarded
    config += f'[[site.route]]\nmatch = {{ path = "/http/*" }}\nproxy = {{ to = "{plain.url}" }}\n{guarded}'
    config += f'[[site.route]]\nmatch = {{ path = "/*" }}\napp = "web"\n{guarded}'
    server = serve("kit", config=config, allow=[r"\[CW0613\]"])
    evil = [("Remote-User", "evil"), ("remote-user", "evil"), ("X-Kept", "yes")]
    assert server.get("/http/x", evil).text == "http" and server.get("/scgi/x", evil).text == "scgi"
    assert b"\r\nRemote-User: ann\r\n" in plain.requests[0] and b"\r\nX-Kept: yes\r\n" in plain.requests[0]
    assert b"evil" not in plain.requests[0] and b"evil" not in other.requests[0]
    assert other.variables()["REMOTE_USER"] == "ann"
    environ = json.loads(server.get("/environ", evil).body)
    assert environ["REMOTE_USER"] == "ann" and environ["HTTP_X_KEPT"] == "yes" and "HTTP_REMOTE_USER" not in environ
    line = r"\[CW0613\] upstream 127\.0\.0\.1:\d+: its Variable-Remote-Group is passed on to nobody"
    wait_until(lambda: server.log.count(line) == 3, 5, "once for each route")


def test_an_authorizer_guards_what_no_route_names(serve, peer, folder):
    """An app that answers below its prefix alone is not reached past the guard of "/*"."""
    behind = peer(gateways.libfcgi, folder)
    (folder / "files").mkdir()
    (folder / "files" / "a.txt").write_text("a file")
    config = (f'[[site]]\n[[site.route]]\nmatch = {{ path = "/*" }}\nstatic = {{ root = "{folder}/files" }}\n'
              f'auth = {{ fastcgi = {{ to = "{behind.url}" }} }}\n')
    server = serve("kit", prefix="/shop", config=config, allow=[r"\[CW0608\]"])
    cookie = [("Cookie", "a=pass")]
    for path, content in (("/a.txt", "a file"), ("/shop/x", "kit /x"), ("/shop", "kit ")):
        assert server.get(path).status == 403, path
        assert server.get(path, cookie).text == content


# ---- good raw ones


def test_what_the_server_gets(serve, peer, protocol):
    behind = peer(gateways.RawGatewayPeer, protocol, gateways.answering(gateways.answer(protocol, b"ok")))
    server = gateway(serve, route(protocol, behind))
    with server.connect() as client:
        fields = [("Content-Type", "text/x"), ("X_Forwarded_For", "6.6.6.6"), ("Proxy", "evil"), ("Cookie", "a=1"),
                  ("Cookie", "b=2"), ("Expect", "100-continue"), ("Keep-Alive", "x")]
        assert client.request("POST", "/a%2Fb/../c?q", fields, body=b"body").text == "ok"
    variables = behind.variables()
    assert behind.body() == b"body"
    assert variables["CONTENT_LENGTH"] == "4" and variables["CONTENT_TYPE"] == "text/x"
    assert variables["HTTP_COOKIE"] == "a=1; b=2" and variables["GATEWAY_INTERFACE"] == "CGI/1.1"
    assert variables["REQUEST_URI"] == "/a%2Fb/../c?q" and variables["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert variables["QUERY_STRING"] == "q" and variables["REQUEST_METHOD"] == "POST"
    assert int(variables["REMOTE_PORT"]) > 0 and variables["REQUEST_SCHEME"] == "http"
    assert not {"HTTP_PROXY", "HTTP_X_FORWARDED_FOR", "HTTP_EXPECT", "HTTP_KEEP_ALIVE", "SCRIPT_FILENAME"} & set(variables)


def test_the_target_of_a_proxys_client(serve, peer, protocol):
    """It says where, too: servers behind us expect the path alone."""
    behind = peer(gateways.RawGatewayPeer, protocol, gateways.answering(gateways.answer(protocol, b"ok")))
    server = gateway(serve, route(protocol, behind))
    with server.connect() as client:
        client.send(b"GET http://b.example/a%20b?q HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_response().text == "ok"
    variables = behind.variables()
    assert (variables["REQUEST_URI"], variables["HTTP_HOST"]) == ("/a%20b?q", "b.example")


@pytest.mark.parametrize("held", [False, True], ids=["spooled", "held back"])
def test_a_slow_client_and_a_fast_server(serve, peer, protocol, held):
    """What the client does not take is kept for it, and the server is free, unless it says X-Accel-Buffering: no."""
    sent = []
    field = b"X-Accel-Buffering: no\r\n" if held else b""

    def script(connection, _request):
        data = gateways.answer(protocol, b"x" * (32 << 20), head=b"Content-Type: text/plain\r\n" + field)
        for at in range(0, len(data), 65536):
            connection.sendall(data[at : at + 65536])
            sent.append(65536)
        sent.append("all")
        return False

    behind = peer(gateways.RawGatewayPeer, protocol, script)
    server = gateway(serve, route(protocol, behind))
    with server.connect() as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.read_head()
        if held:
            before = None
            while before != (before := len(sent)):  # until nothing more goes
                threading.Event().wait(0.2)
            assert sum(sent) < 24 << 20
        else:
            wait_until(lambda: "all" in sent, 30, "the server to be free")
        assert client.read_chunks()[0] == b"x" * (32 << 20)


def test_fastcgi_connections_are_kept_and_others_are_not(serve, peer, protocol):
    keeps = protocol == "fastcgi"
    behind = peer(gateways.RawGatewayPeer, protocol, gateways.answering(gateways.answer(protocol, b"x"), keeps))
    server = gateway(serve, route(protocol, "api", before=pool(behind, keepalive=8)))
    for _ in range(4):
        assert server.get("/").text == "x"
        wait_until(lambda: behind.asked or not keeps)  # whether it multiplexes, before the first is kept
    assert behind.accepted == (1 if keeps else 4)
    assert behind.asked == (1 if keeps else 0)


def test_local_and_other_redirects(serve, peer):
    behind = peer(gateways.RawGatewayPeer, "scgi", gateways.answering(b"Location: http://a.example/x\n\n"))
    server = gateway(serve, route("scgi", behind))
    answer = server.get("/")
    assert (answer.status, answer.get("Location")) == (302, "http://a.example/x")


def test_variables_too_long_for_uwsgi(serve, peer):
    """faults.md 112: its 16-bit size never wraps."""
    behind = peer(gateways.RawGatewayPeer, "uwsgi", gateways.answering(gateways.answer("uwsgi", b"x")))
    limits = '[limits]\nheader = "200KB"\n'
    server = gateway(serve, limits + route("uwsgi", behind), allow=[r"\[CW0612\]"])
    with server.connect() as client:
        fields = [(f"X-{number}", "v" * 15_000) for number in range(4)]
        assert client.request("GET", "/", fields).status == 200
        assert client.request("GET", "/", [*fields, ("X-More", "v" * 7_000)]).status == 431
    assert len(behind.requests) == 1
    server.log.wait_for(r"\[CW0612\] upstream .*: GET / was answered 431: its variables are longer than the 64 KiB")


def test_no_body_forms_records(serve, peer):
    """faults.md 111."""
    smuggled = gateways.record(gateways.BEGIN, b"\0\1\0\0\0\0\0\0") + gateways.record(gateways.PARAMS, b"\x0f\x0bSCRIPT_FILENAME/etc/passwd")
    body = smuggled * (99_000 // len(smuggled))
    behind = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(gateways.answer("fastcgi", b"x"), True))
    server = gateway(serve, route("fastcgi", "api", before=pool(behind, keepalive=8)))
    with server.connect() as client:
        for _ in range(2):
            assert client.request("POST", "/", body=body).text == "x"
    assert len(behind.requests) == 2 and behind.body() == body and "SCRIPT_FILENAME" not in behind.variables()


# ---- bad ones: 502, 503, 504, or a cut

CGI_HEADS = [
    b"", b"Status: 2000\n\n", b"Status: abc\n\n", b"Status: 99\n\n", b"Status: 200\rX: y\n\n", b"HTTP/1.1 200 OK\r\n\r\n", b"<html>\n\n",
    b"A: b\n folded\n\n", b"A: b\0\n\n", b"no colon\n\n", b"Content-Length: -1\n\n", b"Content-Length: 1\nContent-Length: 1\n\n",
    b"Transfer-Encoding: chunked\n\n0\r\n\r\n", b"A: " + b"x" * 70_000 + b"\n\n", b"A: b\n" * 10_000 + b"\n", b"A: b", b"Status: 101\n\n",
]


@pytest.mark.parametrize("head", CGI_HEADS, ids=lambda head: repr(head[:20]))
@pytest.mark.parametrize("protocol", ["scgi", "fastcgi"])
def test_no_cgi_response(serve, peer, protocol, head):
    data = head if protocol == "scgi" else gateways.stdout(head) + gateways.end()
    behind = peer(gateways.RawGatewayPeer, protocol, gateways.answering(data))
    server = gateway(serve, route(protocol, behind), allow=[r"\[CW060[34]\]"])
    assert server.get("/").status == 502
    behind.script = gateways.answering(gateways.answer(protocol, b"good"))
    assert server.get("/").text == "good"


@pytest.mark.parametrize("data", [b"", b"Status: 200\r\n\r\nx", b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nA:b\r\n", b"\0\1\2"])
def test_no_answer_of_uwsgi(serve, peer, data):
    behind = peer(gateways.RawGatewayPeer, "uwsgi", gateways.answering(data))
    server = gateway(serve, route("uwsgi", behind), allow=[r"\[CW060[34]\]"])
    assert server.get("/").status == 502


GOOD = gateways.stdout(b"Content-Length: 5\r\n\r\nhello")
BAD_RECORDS = {
    "other version": gateways.record(gateways.STDOUT, b"\n\nx", version=2),
    "wrong id": gateways.record(gateways.STDOUT, b"A: b\n\nx", identity=2) + gateways.end(),
    "id 0": gateways.record(gateways.STDOUT, b"A: b\n\nx", identity=0),
    "a type no application sends": gateways.record(gateways.STDIN, b"x"),
    "unknown type": gateways.record(77, b"x"),
    "an end that is too short": gateways.record(gateways.END, b"1234"),
    "an end of no known status": gateways.record(gateways.END, b"\0\0\0\0\x09\0\0\0"),
    "application status": GOOD + gateways.end(application=1),
    "unknown role": gateways.end(status=3),
    "nothing but an end": gateways.end(),
    "a head on the error stream alone": gateways.record(gateways.STDERR, b"Status: 200\r\n\r\n") + gateways.end(),
    "half a record": gateways.stdout(b"A: b\n")[:-2],
    "half a header": b"\1\6\0",
    "no end behind its length": GOOD,
    "more than its length": GOOD + gateways.stdout(b" and more") + gateways.end(),
}


@pytest.mark.parametrize("data", BAD_RECORDS.values(), ids=BAD_RECORDS.keys())
def test_bad_records(serve, peer, data):
    """faults.md 110."""
    behind = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(data))
    server = gateway(serve, route("fastcgi", behind), allow=[r"\[CW060[348]\]"])
    assert server.get("/").status == 502
    behind.script = gateways.answering(gateways.answer("fastcgi", b"good"))
    assert server.get("/").text == "good"


@pytest.mark.parametrize("status", [1, 2])
def test_a_server_that_refuses_is_passed_over(serve, peer, status):
    """CANT_MPX_CONN and OVERLOADED: it has not begun with the request, so even a POST goes to the next."""
    refusing = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(gateways.end(status=status)))
    good = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(gateways.answer("fastcgi", b"good")))
    config = route("fastcgi", "api", before=pool(refusing, good, balance="round_robin"))
    server = gateway(serve, config, allow=[r"\[CW0604\]"])
    with server.connect() as client:
        for _ in range(4):
            assert client.request("POST", "/", body=b"x" * 1000).text == "good"
    assert len(refusing.requests) >= 1 and len(good.requests) == 4
    alone = gateway(serve, route("fastcgi", refusing), allow=[r"\[CW0604\]"])
    assert alone.get("/").status == 503


CUTS = {
    "short of its length": ("fastcgi", gateways.stdout(b"Content-Length: 50\r\n\r\nhello") + gateways.end()),
    "no end": ("fastcgi", gateways.stdout(b"A: b\r\n\r\nhello")),
    "cut in a record": ("fastcgi", gateways.stdout(b"A: b\r\n\r\nhello") + gateways.stdout(b"more")[:-1]),
    "garbage behind": ("fastcgi", gateways.stdout(b"A: b\r\n\r\nhello") + b"garbage!"),
    "scgi short of its length": ("scgi", b"Content-Length: 50\r\n\r\nhello"),
    "uwsgi short of its length": ("uwsgi", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"),
}


@pytest.mark.parametrize("protocol, data", CUTS.values(), ids=CUTS.keys())
def test_a_cut_is_seen(serve, peer, protocol, data):
    """faults.md 107, 110: in the first bytes 502, later a cut; never what looks complete."""
    gate = threading.Event()

    def script(connection, request):
        if b"/late" not in request:
            connection.sendall(data)
            return False
        at = data.index(b"\r\n\r\n") + 5 if protocol != "fastcgi" else 0
        head = gateways.stdout(b"A: b\r\n\r\n" if b"Length" not in data else b"Content-Length: 50\r\n\r\n")
        connection.sendall(head if protocol == "fastcgi" else data[:at])
        gate.wait(20)
        connection.sendall(data[at:] if protocol != "fastcgi" else b"garbage!")
        return False

    behind = peer(gateways.RawGatewayPeer, protocol, script)
    server = gateway(serve, route(protocol, behind), allow=[r"\[CW060[34]\]"])
    with server.connect() as client:
        client.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_head().status == 200
        gate.set()
        with pytest.raises(Closed):
            while client.read_exactly(1):
                pass
    with server.connect() as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        try:
            assert client.read_response().status == 502
        except Closed:
            pass


LATE = {
    "more": (gateways.stdout(b" and more") + gateways.end(), "went on after the Content-Length of its answer to GET /"),
    "no end": (b"", "did not end its answer to GET / as it should; the client had all of it"),
}


@pytest.mark.parametrize("late", LATE)
def test_what_is_wrong_behind_its_length_later_is_said_and_harms_nobody(serve, peer, late):
    """faults.md 110: who has it all cannot be told any more, and may have asked for something else meanwhile."""
    gate = threading.Event()
    tail, said = LATE[late]

    def script(connection, request):
        connection.sendall(GOOD)
        gate.wait(20)  # longer than it is held back
        connection.sendall(tail)
        return False

    behind = peer(gateways.RawGatewayPeer, "fastcgi", script)
    server = gateway(serve, route("fastcgi", behind), allow=[r"\[CW0604\]"])
    with server.connect() as client:
        assert client.request("GET", "/").text == "hello"
        gate.set()
        server.log.wait_for(said)
        gate.clear()
        assert client.request("GET", "/").text == "hello"
    gate.set()


def test_space_behind_its_length_is_dropped(serve, peer):
    """What stands behind the last "?>" of a script that sends a file."""
    data = gateways.stdout(b"Content-Length: 5\r\n\r\nhello\r\n \n") + gateways.end()
    behind = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(data, True))
    server = gateway(serve, route("fastcgi", "api", before=pool(behind, keepalive=8)), allow=[r"\[CW0604\]"])
    for _ in range(2):
        assert server.get("/").text == "hello"
    assert behind.accepted == 2  # the connection was not used again
    server.log.wait_for("went on after the Content-Length of its answer to GET /; what it sent then was dropped")


def test_bytes_behind_the_end_meet_no_other_request(serve, peer):
    """faults.md 108."""
    data = gateways.answer("fastcgi", b"mine") + gateways.answer("fastcgi", b"smuggled")
    behind = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(data, True))
    server = gateway(serve, route("fastcgi", "api", before=pool(behind, keepalive=8)))
    for _ in range(3):
        assert server.get("/").text == "mine"
    assert behind.accepted == 3


def test_silence(serve, peer, protocol):
    gate = threading.Event()

    def script(connection, request):
        if b"/begun" in request:
            head = b"HTTP/1.1 200 OK\r\n\r\nx" if protocol == "uwsgi" else b"A: b\n\nx"
            connection.sendall(gateways.stdout(head) if protocol == "fastcgi" else head)
        gate.wait(60)
        return False

    behind = peer(gateways.RawGatewayPeer, protocol, script)
    server = gateway(serve, route(protocol, behind, more=', timeout = "300ms"'), allow=[r"\[CW060[35]\]"])
    assert server.get("/").status == 504
    with server.connect() as client:
        client.send("GET /begun HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_head().status == 200
        with pytest.raises(Closed):
            while client.read_exactly(1):
                pass
    gate.set()


def test_nobody_there(serve, protocol):
    server = gateway(serve, route(protocol, "127.0.0.1:1"), allow=[r"\[CW060[23]\]"])
    assert server.get("/").status == 502
    server.log.wait_for("127.0.0.1:1: cannot be reached")


def test_the_next_server_answers_while_one_is_dead(serve, peer, folder, protocol):
    place = copied(folder)
    first, second = (peer(gateways.uwsgi, place, protocol) for _ in range(2))
    config = route(protocol, "api", before=pool(first, second))
    server = gateway(serve, config, allow=[r"\[CW060[234]\]"])
    assert {server.get("/").status for _ in range(6)} == {200}
    first.kill()
    assert {server.get("/").status for _ in range(20)} == {200}


def test_a_large_body_that_an_overloaded_one_refused_goes_to_the_next(serve, peer):
    overloaded = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(gateways.end(status=2)))
    good = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(gateways.answer("fastcgi", b"good")))
    config = route("fastcgi", "api", before=pool(overloaded, good, balance="round_robin"))
    server = gateway(serve, config, allow=[r"\[CW0604\]"])
    body = os.urandom(1 << 20)
    for method in ("PUT", "POST", "PUT", "POST"):
        assert server.request(method, "/", body=body).text == "good"
    assert overloaded.requests and all(good.body(index) == body for index in range(4))


def test_the_error_stream_is_logged(serve, peer):
    data = gateways.record(gateways.STDERR, b"PHP Warning:  one\nPHP No") + gateways.stdout(b"A: b\r\n\r\nhello")
    data += gateways.record(gateways.STDERR, b"tice:  \x1b[31mtwo\r\n") + gateways.record(gateways.STDERR, b"") + gateways.end()
    behind = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(data))
    config = route("fastcgi", behind, before='[log]\nformat = "json"')
    server = gateway(serve, config, allow=[r"\[CW0608\]"])
    assert server.get("/a.php?b").text == "hello"
    wait_until(lambda: "two" in server.log.text and server.out.lines)
    lines = [line for line in server.log.text.splitlines() if "CW0608" in line]
    assert len(lines) == 2 and lines[0].endswith("PHP Warning:  one") and r"\x1b[31mtwo" in lines[1]
    assert f": request {json.loads(server.out.lines[0])['id']} GET /a.php: PHP" in lines[0]


def test_a_flood_on_the_error_stream(serve, peer, sanitized):
    """faults.md 113: 96 MB, drained while the answer waits; no more in memory and in the log than they can bear."""
    def script(connection, _request):
        flood = gateways.record(gateways.STDERR, b"x" * 60_000) * 16
        for _ in range(100):
            connection.sendall(flood)
        connection.sendall(gateways.answer("fastcgi", b"after all"))
        return False

    behind = peer(gateways.RawGatewayPeer, "fastcgi", script)
    server = gateway(serve, route("fastcgi", behind), allow=[r"\[CW0608\]"])
    front = server.named("front")[0]
    before = processes.memory(front)
    assert server.get("/").text == "after all"
    grown = processes.peak_memory(front) - before
    assert sanitized or grown < 8 << 20, f"{grown >> 20} MB"
    wait_until(lambda: "bytes more" in server.log.text)
    assert len(server.log.text) < 40_000


def test_a_client_that_leaves_ends_the_connection(serve, peer, protocol):
    left = threading.Event()

    def script(connection, _request):
        try:
            while connection.recv(1):
                pass
        except OSError:
            pass
        left.set()
        return False

    behind = peer(gateways.RawGatewayPeer, protocol, script)
    server = gateway(serve, route(protocol, behind))
    with server.connect() as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: behind.requests)
        client.reset()
    assert left.wait(10)


def test_a_slow_upload_takes_no_server(serve, peer, protocol):
    behind = peer(gateways.RawGatewayPeer, protocol, gateways.answering(gateways.answer(protocol, b"x")))
    server = gateway(serve, route(protocol, behind))
    with server.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b"a" * 199_999)
        assert server.get("/").text == "x"  # answered meanwhile
        assert behind.accepted == 1
        client.send(b"b")
        assert client.read_response().text == "x"
    assert behind.body().endswith(b"ab") and len(behind.body()) == 200_000


def test_a_request_that_comes_back(serve, peer):
    """faults.md 118: through HTTP here, since that is how it would come back."""
    behind = peer(gateways.RawGatewayPeer, "scgi", gateways.answering(gateways.answer("scgi", b"x")))
    server = gateway(serve, route("scgi", behind), allow=[r"\[CW0606\]"])
    assert server.get("/").text == "x"
    assert server.get("/", [("CDN-Loop", behind.variables()["HTTP_CDN_LOOP"])]).status == 508


def test_files_of_ours_are_no_clients_to_know(serve, peer, protocol):
    """faults.md 46."""
    head = b"X-Accel-Redirect: /secret\r\nX-Sendfile: /srv/secret\r\nX-Mine: 1\r\n"
    behind = peer(gateways.RawGatewayPeer, protocol, gateways.answering(gateways.answer(protocol, b"x", head)))
    server = gateway(serve, route(protocol, behind), allow=[r"\[CW0516\]"])
    for _ in range(2):
        answer = server.get("/")
        assert (answer.text, answer.get("X-Mine")) == ("x", "1")
        assert answer.get("X-Accel-Redirect") is None and answer.get("X-Sendfile") is None
    server.log.wait_for(r"\[CW0516\] upstream .*: the answer to GET / names a file, X-Accel-Redirect: /secret, but its route has no `sendfile`")
    assert server.log.count("CW0516") == 1
