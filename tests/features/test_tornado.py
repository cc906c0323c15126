"""Tornado applications on our HTTP, through Tornado's own interfaces."""

import hashlib
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from support.client import Closed, chunked
from support.processes import wait_until

pytestmark = pytest.mark.timeout(60)
TORNADO_SAYS = [r"ERROR:tornado", r"WARNING:tornado", r"Traceback", r"Error", r"CW0542.*/(detached|misleading)"]


@pytest.fixture(scope="module")
def site(serve_module):
    return serve_module("tornado_app", allow=TORNADO_SAYS)


def test_hello(site):
    answer = site.get()
    assert answer.body == b"hello" and answer.get("content-length") == "5" and answer.all("etag")


def test_what_a_request_says(site):
    with site.connect() as client:
        client.send(b"GET /about?a=1&a=2 HTTP/1.1\r\nHost: example.org\r\nX-Two: x\r\nx-two: y\r\n\r\n")
        about = json.loads(client.read_response().body)
    assert about == {"method": "GET", "uri": "/about?a=1&a=2", "path": "/about", "ip": "127.0.0.1", "protocol": "http",
                     "host": "example.org", "a": ["1", "2"], "fields": ["x", "y"], "version": "HTTP/1.1",
                     "url": "http://example.org/about?a=1&a=2"}


def test_forms_and_files(site):
    body = (b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nvalue\r\n--b\r\nContent-Disposition: form-data; '
            b'name="f"; filename="x.bin"\r\nContent-Type: application/octet-stream\r\n\r\n' + b"x" * 200_000 + b"\r\n--b--\r\n")
    answer = site.request("POST", "/form", [("Content-Type", "multipart/form-data; boundary=b"),
                                            ("Content-Length", str(len(body)))], body)
    assert json.loads(answer.body) == {"a": ["value"], "files": {"f": [["x.bin", 200_000]]}, "size": len(body)}


def test_many_at_once_in_one_worker(site):
    begun = time.monotonic()
    clients = [site.connect() for _ in range(20)]
    for client in clients:
        client.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len({client.read_response().text for client in clients}) == 1 and time.monotonic() - begun < 3
    for client in clients:
        client.close()


@pytest.mark.parametrize("count, size", [(1, 1), (50, 100), (40, 60_000)])
def test_streaming(site, count, size):
    body = site.get(f"/stream/{count}/{size}").body
    assert body == b"".join(bytes([65 + number % 26]) * size for number in range(count))


def test_streams_beside_each_other(site):
    """One that finds the other's pieces in all of the ring is woken when there is room."""
    def ask(_):
        with site.connect(timeout=20) as client:
            for _ in range(60):
                client.send(b"GET /stream/40/60000 HTTP/1.1\r\nHost: x\r\n\r\n")
                assert len(client.read_response().body) == 40 * 60_000

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(ask, range(3)))


def test_a_slow_reader_is_waited_for(site):
    with site.connect(receive_buffer=4096) as slow:
        slow.send(b"GET /stream/40/65536 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert site.get().body == b"hello"
        assert len(slow.read_response().body) == 40 * 65536


def test_the_client_that_leaves(site):
    with site.connect() as client:
        client.send(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        while b"data: x" not in client.buffer:
            client.fill()
        client.reset()
    wait_until(lambda: {"left", "closed"} <= set(json.loads(site.get("/left").body)["left"]))


def test_a_handler_that_only_its_request_holds(site):
    with site.connect() as client:
        client.send(b"GET /parked HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: site.get("/unpark").body == b"1")
        assert client.read_response().body == b"found"


def test_each_request_begins_in_a_context_of_its_own(site):
    with site.connect() as client:
        for _ in range(3):
            client.send(b"GET /marked HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.read_response().body == b"none /marked"


def test_a_request_that_is_given_up_at_the_end(serve):
    server = serve("tornado_app", config='[shutdown]\ngrace = "1s"\n', allow=TORNADO_SAYS + [r"CW0\d+"])
    with server.connect() as client:
        client.send(b"GET /parked HTTP/1.1\r\nHost: x\r\n\r\n")
        assert server.get().body == b"hello"
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_streamed_request_bodies(site, framing):
    body = bytes(range(256)) * 4000
    with site.connect() as client:
        if framing == "length":
            client.send(b"POST /digest HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        else:
            pieces = (body[at : at + 9000] for at in range(0, len(body), 9000))
            client.send(b"POST /digest HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(*pieces))
        assert client.read_response().text == hashlib.sha256(body).hexdigest()


def test_a_handler_that_raises(site):
    assert site.get("/broken").status == 500
    site.log.wait_for("broken on purpose")
    assert site.is_healthy()


def test_signed_cookies(site):
    first = site.get("/cookie")
    cookie = first.get("set-cookie").partition(";")[0]
    assert first.body == b"0" and site.get("/cookie", [("Cookie", cookie)]).body == b"1"


def test_xsrf(serve):
    server = serve("tornado_app", target="app:make_app(True)", allow=TORNADO_SAYS)
    token = server.get("/token")
    cookie = token.get("set-cookie").partition(";")[0]
    assert server.request("POST", "/cookie", [("Content-Length", "0")]).status == 403
    fields = [("Cookie", cookie), ("X-XSRFToken", token.text), ("Content-Length", "0")]
    assert server.request("POST", "/cookie", fields).body == b"posted"


def test_etags(site):
    etag = site.get().get("etag")
    with site.connect() as client:
        client.send(f"GET / HTTP/1.1\r\nHost: x\r\nIf-None-Match: {etag}\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        first = client.read_response()
        assert (first.status, first.body) == (304, b"") and client.read_response().body == b"hello"


def test_head(site):
    with site.connect() as client:
        client.send(b"HEAD /files/app.py HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = client.read_response("HEAD")
        assert answer.status == 200 and int(answer.get("content-length")) == (site.folder / "app.py").stat().st_size
        assert client.read_response().body == b"hello"


def test_static_files_and_ranges(site):
    content = (site.folder / "app.py").read_bytes()
    assert site.get("/files/app.py").body == content
    part = site.get("/files/app.py", [("Range", "bytes=3-9")])
    assert part.status == 206 and part.body == content[3:10]
    assert site.get("/files/../../etc/passwd").status in (403, 404)


@pytest.mark.parametrize("status", [204, 304, 404])
def test_statuses(site, status):
    with site.connect() as client:
        client.send(b"GET /status/%d HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n" % status)
        assert client.read_response().status == status
        assert client.read_response().body == b"hello"


def test_a_reason_of_the_handlers_own(site):
    assert site.get("/status/299?reason=As%20you%20like").reason == "As you like"
    assert site.get("/status/404").reason == "Not Found"


@pytest.mark.parametrize("chunks", [False, True])
def test_a_body_over_what_the_handler_takes(site, chunks):
    def post(size):
        field, body = ("Transfer-Encoding", "chunked"), chunked(b"x" * size)
        if not chunks:
            field, body = ("Content-Length", str(size)), b"x" * size
        return site.request("POST", "/small", [field], body)

    assert post(1000).body == b"1000"
    assert (post(1001).status, post(200_000).status) == (413, 413)


def test_a_body_that_nobody_takes_is_not_waited_for(site):
    with site.connect() as client:
        client.send(b"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nhardly begun")
        assert client.read_response().status == 413


@pytest.mark.parametrize("size", [9, 11, 10_000])
def test_another_length_than_was_announced(site, size):
    """The client sees that, and the handler is told, as by Tornado's own server."""
    assert site.get("/misleading/10").body == b"x" * 10
    with site.connect() as client, pytest.raises(Closed):
        client.send(f"GET /misleading/{size} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.read_response().status == 500
        raise Closed
    site.log.wait_for("HTTPOutputError: Tried to write (1 bytes less|more data) than Content-Length")


@pytest.mark.parametrize(("path", "what"), [("/detached", r"detach\(\)"), ("/hasty", r"connection\.stream")])
def test_there_is_no_socket_to_give(site, path, what):
    assert site.get(path).status == 500
    site.log.wait_for(what + ": this request has no socket of its own.* WebSocketHandler, .* write\\(\\) and flush\\(\\); .* a proxy route")


def test_wsgi_inside(site, serve):
    assert site.get("/plain/x").body == b"plain /plain/x"
    assert serve("tornado_app", target="app:container").get("/y").body == b"plain /y"


def test_an_answer_that_breaks_off_is_cut(site):
    with site.connect() as client:
        client.send(b"POST /digest HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        client.finish_sending()
        with pytest.raises((Closed, ConnectionError, AssertionError)):
            assert client.read_response().status >= 400
            raise Closed
    assert site.is_healthy()


class TestWebSocket:
    def address(self, server):
        return server.url.replace("http://", "ws://") + "/echo"

    def test_text_binary_and_subprotocol(self, site):
        with connect(self.address(site), subprotocols=["other", "chat"]) as socket:
            assert socket.subprotocol == "chat" and socket.recv(10) == "welcome"
            for message in ("text", b"\0\1binary", "x" * 300_000, ""):
                socket.send(message)
                assert socket.recv(10) == message

    def test_close_by_the_handler(self, site):
        with connect(self.address(site)) as socket:
            socket.recv(10)
            socket.send("close")
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(10)
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as asked")

    def test_a_message_over_what_the_handler_takes(self, serve):
        server = serve("tornado_app", target="app:small_messages")
        with connect(self.address(server).replace("/echo", "/bare")) as socket:
            for message in ("x" * 1000, b"x" * 1000, "\u00e4" * 500):
                socket.send(message)
                assert socket.recv(10) == message
            socket.send("\u00e4" * 501)
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(10)
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1009, "message too big")

    def test_what_belongs_to_a_response_raises(self, site):
        with connect(self.address(site)) as socket:
            socket.recv(10)
            socket.send("write")
            assert socket.recv(10) == "RuntimeError"

    def test_a_handler_that_is_cancelled_closes(self, site):
        with connect(self.address(site)) as socket:
            socket.recv(10)
            socket.send("cancel")
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(10)
            assert closed.value.rcvd.code == 1011

    def test_close_by_the_client(self, site):
        with connect(self.address(site)) as socket:
            socket.recv(10)
            socket.close(4002, "enough")
        wait_until(lambda: "socket 4002" in json.loads(site.get("/left").body)["left"])

    def test_a_handler_that_raises_closes(self, site):
        with connect(self.address(site)) as socket:
            socket.recv(10)
            socket.send("raise")
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(10)
            assert closed.value.rcvd.code == 1011

    def test_without_a_handshake_it_is_400(self, site):
        assert site.get("/echo").status == 400
