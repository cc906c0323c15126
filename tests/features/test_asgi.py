"""ASGI 3 from the application's side: scope, receive, send, lifespan, and every way to break the contract."""

import hashlib
import json
import os
import signal
import threading
import time

import pytest

from support import processes
from support.client import Closed, chunked
from support.processes import wait_until

pytestmark = [pytest.mark.wsgi, pytest.mark.timeout(60)]
APP_ERRORS = [r"CW050[26]", r"CW054[12]", r"Traceback", r"Error"]
PYTHON_LOOPS = ["asyncio", "auto"]


@pytest.fixture(scope="module", params=PYTHON_LOOPS)
def kit(serve_module, request):
    return serve_module("asgi", workers=1, loop=request.param, allow=APP_ERRORS)


def test_the_loop_that_was_asked_for_runs(kit, serve):
    loop = kit.get("/loop").text
    assert loop.startswith(("asyncio", "uvloop"))
    assert serve("asgi", loop="asyncio").get("/loop").text.startswith("asyncio")


def test_scope(kit):
    with kit.connect() as client:
        client.send(b"GET /scope/caf%C3%A9%2Fx?a=%20b&c HTTP/1.1\r\nHost: Example.org:81\r\nX-Two: 1\r\nx-two: 2\r\n\r\n")
        scope = json.loads(client.read_response().body)
        address = client.socket.getsockname()
    assert scope["type"] == "http" and scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert scope["path"] == "/scope/caf\xe9/x" and scope["raw_path"] == "/scope/caf%C3%A9%2Fx"
    assert scope["query_string"] == "a=%20b&c" and scope["root_path"] == "" and scope["method"] == "GET"
    assert scope["headers"] == [["host", "Example.org:81"], ["x-two", "1"], ["x-two", "2"]]
    assert scope["client"] == list(address) and scope["server"] == ["example.org", 81]
    assert scope["http_version"] == "1.1" and scope["scheme"] == "http"
    assert "http.response.pathsend" in scope["extensions"] and scope["state"] == {"numbers": [1, 2]}


def test_invalid_utf8_in_the_path_is_replaced(kit):
    scope = json.loads(kit.get("/scope/%ff").body)
    assert scope["path"] == "/scope/\ufffd" and scope["raw_path"] == "/scope/%ff"


def test_root_path_is_part_of_the_path(serve):
    server = serve("asgi", prefix="/shop")
    assert server.request("GET", "/other").status == 404
    scope = json.loads(server.get("/shop/scope").body)
    assert scope["root_path"] == "/shop" and scope["path"] == "/shop/scope"


@pytest.mark.parametrize("size", [0, 1, 5000, 60_000, 300_000, 3_000_000])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_bodies_come_whole(kit, size, framing):
    body = bytes(index * 7 % 251 for index in range(min(size, 10_000))) * (size // 10_000 or 1)
    expected = f"{len(body)} {hashlib.sha256(body).hexdigest()}"
    with kit.connect() as client:
        if framing == "length":
            client.send(b"POST /digest HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        else:
            client.send(b"POST /digest HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(*(body[at : at + 7000] for at in range(0, len(body), 7000))))
        assert client.read_response().text == expected


def test_framing_is_among_the_headers(kit):
    answer = kit.request("POST", "/scope", [("Content-Length", "3")], b"abc")
    headers = json.loads(answer.body)["headers"]
    assert [field for field in headers if field[0] == "content-length"] == [["content-length", "3"]]
    with kit.connect() as client:
        client.send(b"POST /scope HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        assert ["transfer-encoding", "chunked"] in json.loads(client.read_response().body)["headers"]


@pytest.mark.parametrize("count, size", [(1, 1), (200, 10), (40, 50_000), (3, 1_000_000)])
def test_answers_in_pieces(kit, count, size):
    body = kit.get(f"/stream/{count}/{size}").body
    assert body == b"".join(bytes([65 + number % 26]) * size for number in range(count))


def test_a_piece_arrives_before_the_next_is_made(kit):
    with kit.connect() as client:
        client.send(b"GET /step HTTP/1.1\r\nHost: x\r\n\r\n")
        while b"first" not in client.buffer:
            client.fill()
        assert b"second" not in client.buffer


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_both_ways_at_once(kit, framing):
    """Each piece of the body comes back before the next one is sent. (Up to 64 KiB of known length are taken in first.)"""
    pieces = [b"first", b"second" * 100, b"third " * 20_000, b"last one"]
    field = "Transfer-Encoding: chunked" if framing == "chunked" else f"Content-Length: {sum(map(len, pieces))}"
    with kit.connect() as client:
        client.send(f"POST /duplex HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n")
        for piece in pieces:
            client.send(chunked(piece)[:-5] if framing == "chunked" else piece)
            while piece[-5:].upper() + b"\r\n" not in client.buffer:
                client.fill()
        client.send(b"0\r\n\r\n" if framing == "chunked" else b"")
        assert client.read_response().body == b"".join(pieces).upper()


def test_one_worker_runs_many_requests_at_once(kit):
    begun = time.monotonic()
    clients = [kit.connect() for _ in range(50)]
    for client in clients:
        client.send(b"GET /sleep?0.3 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len({client.read_response().text for client in clients}) == 1
    assert time.monotonic() - begun < 5
    for client in clients:
        client.close()


def test_concurrency_bounds_them(serve):
    server = serve("asgi", concurrency=2)
    begun = time.monotonic()
    clients = [server.connect() for _ in range(6)]
    for client in clients:
        client.send(b"GET /sleep?0.2 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [client.read_response().status for client in clients] == [200] * 6
    assert time.monotonic() - begun >= 0.55  # three rounds of two
    for client in clients:
        client.close()


def test_a_slow_reader_holds_nobody_up(kit):
    with kit.connect(receive_buffer=4096) as slow:
        slow.send(b"GET /stream/40/65536 HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(20):
            assert kit.get().text == "hello"
        body = slow.read_response().body
    assert len(body) == 40 * 65536


def test_memory_is_bounded_while_a_client_does_not_read(kit):
    with kit.connect(receive_buffer=4096) as slow:
        slow.send(b"GET /stream/3000/65536 HTTP/1.1\r\nHost: x\r\n\r\n")
        worker = kit.named("cutwater-worker")[0]
        before = processes.memory(worker)
        for _ in range(50):
            kit.get()
        assert processes.memory(worker) - before < 30 << 20
        slow.reset()


def test_the_client_that_leaves_is_seen(kit):
    with kit.connect() as client:
        client.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: kit.out.count("waiting") > 0)
        client.reset()
    wait_until(lambda: "http.disconnect" in kit.get("/disconnected").text)


def test_sending_to_a_client_that_left_raises_oserror_and_logs_nothing(kit):
    errors = kit.log.count("CW0502")
    with kit.connect() as client:
        client.send(b"GET /sse HTTP/1.1\r\nHost: x\r\n\r\n")
        while b"data: 3" not in client.buffer:
            client.fill()
        client.reset()
    wait_until(lambda: "ConnectionResetError" in kit.get("/disconnected").text)
    assert kit.log.count("CW0502") == errors


def test_on_disconnect_cancel(serve):
    server = serve("asgi", on_disconnect="cancel")
    with server.connect() as client:
        client.send(b"GET /cancelled HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: server.out.count("running") > 0)
        client.reset()
    wait_until(lambda: "cancelled" in server.get("/disconnected").text)


@pytest.mark.parametrize("path, status, said", [
    ("/raise", 500, "ValueError: broken on purpose"), ("/silent", 500, "returned without a response"),
    ("/silent?start", 500, "returned without completing"), ("/nopath", 500, "no regular file"),
])
def test_an_app_that_fails_is_500_and_logged(kit, path, status, said):
    before = kit.log.count(said)
    assert kit.get(path).status == status
    wait_until(lambda: kit.log.count(said) > before)
    assert kit.is_healthy()


def test_an_answer_that_breaks_off_is_cut(kit):
    with kit.connect() as client:
        client.send(b"GET /raise?late HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises((Closed, ConnectionError)):
            client.read_response()
        assert b"0\r\n\r\n" not in client.buffer


@pytest.mark.parametrize("name", ["twice", "early", "unknown", "typeless", "list", "status", "low", "high", "header",
                                  "newline", "number", "triple", "text", "long"])
def test_wrong_messages_are_500(kit, name):
    answer = kit.get(f"/wrong/{name}")
    assert answer.status == 500 and "evil" not in str(answer.headers)
    assert kit.is_healthy()


def test_a_body_that_is_too_short_is_no_whole_answer(kit):
    assert kit.get("/wrong/short").status == 500


def test_messages_after_the_end_raise(kit):
    before = kit.log.count("the response is complete already")
    assert kit.get("/wrong/after").body == b"x"
    wait_until(lambda: kit.log.count("the response is complete already") > before)


def test_lengths_lists_and_buffers(kit):
    answer = kit.get("/length")
    assert answer.body == b"abcdef" and answer.get("content-length") == "6" and answer.get("x-text") == "str"


def test_fields_of_the_connection_are_left_out(kit):
    answer = kit.get("/connection")
    assert answer.body == b"kept" and answer.get("content-length") == "4" and not answer.all("keep-alive")


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body(kit, status):
    with kit.connect() as client:
        client.send(b"GET /empty/%d HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n" % status)
        first = client.read_response()
        assert (first.status, first.body) == (status, b"")
        assert client.read_response().body == b"hello"


def test_head(kit):
    with kit.connect() as client:
        client.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = client.read_response("HEAD")
        assert (answer.status, answer.get("content-length")) == (200, "5")
        client.send(b"HEAD /stream/100/1000 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.read_response("HEAD").status == 200
        assert client.read_response().body == b"hello"


def test_a_file_by_path(serve):
    server = serve("asgi", ready=False)
    content = bytes(range(256)) * 5000
    (server.folder / "big.bin").write_bytes(content)
    server.wait_ready()
    answer = server.get("/path")
    assert answer.body == content and answer.get("content-length") == str(len(content))


def test_early_hints(kit):
    with kit.connect() as client:
        client.send(b"GET /hint HTTP/1.1\r\nHost: x\r\n\r\n")
        hint = client.read_head()
        assert hint.status == 103 and hint.get("link") == "</a.css>; rel=preload"
        assert client.read_response().body == b"hinted"


def test_trailers(kit):
    """Of all messages, to those who said that they take them."""
    with kit.connect() as client:
        client.send(b"GET /trailers HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: TE\r\n\r\n")
        answer = client.read_response()
        assert (answer.body, answer.trailers) == (b"body", [("x-sum", "42"), ("x-more", "1")])
        client.send(b"GET /trailers HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = client.read_response()
        assert (answer.body, answer.trailers) == (b"body", [])


def test_work_after_the_answer_goes_on(kit):
    assert kit.get("/background").body == b"done"
    wait_until(lambda: "background" in kit.get("/disconnected").text)


def test_tasks_timeouts_and_groups(kit):
    assert kit.request("POST", "/tasks", [("Content-Length", "1")], b"x").body == b"tasks"


def test_contexts_are_kept_apart(kit):
    clients = [kit.connect() for _ in range(5)]
    for number, client in enumerate(clients):
        client.send(b"GET /context?%d HTTP/1.1\r\nHost: x\r\n\r\n" % number)
    assert [client.read_response().text for client in clients] == [f"unset {number}" for number in range(5)]
    for client in clients:
        client.close()


def test_contexts_are_kept_apart_on_a_busy_loop(serve):
    """What is claimed while another request sends must not begin in that one's context."""
    server = serve("asgi", concurrency=3)
    clients = [server.connect() for _ in range(30)]
    for number, client in enumerate(clients):
        client.send(b"GET /context?%d HTTP/1.1\r\nHost: x\r\n\r\n" % number)
    assert [client.read_response().text for client in clients] == [f"unset {number}" for number in range(30)]
    for client in clients:
        client.close()


def test_a_client_that_does_not_read_costs_no_time(kit):
    with kit.connect(receive_buffer=4096) as slow:
        slow.send(b"GET /stream/3000/65536 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert slow.read_head().status == 200
        kit.get()
        worker = kit.named("cutwater-worker")[0]
        before, begun = processes.processor_seconds(worker), time.monotonic()
        for _ in range(5):
            kit.get("/sleep?0.1")
        spent = processes.processor_seconds(worker) - before
        assert spent < 0.5 * (time.monotonic() - begun)
        slow.reset()


def test_an_answer_with_too_long_headers_is_500(kit):
    assert kit.get("/huge").status == 500
    assert kit.is_healthy()


def test_send_from_another_thread_is_refused(kit):
    assert kit.get("/thread").body == b"refused"


def test_a_request_whose_client_left_keeps_its_time_limit(serve):
    server = serve("asgi", timeout="1s", allow=[r"CW050\d"])
    with server.connect() as client:
        client.send(b"GET /cancelled HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: server.out.count("running") > 0)
        client.reset()
    wait_until(lambda: "cancelled" in server.get("/disconnected").text)


class TestLifespan:
    def test_startup_comes_before_and_shutdown_after_everything(self, serve):
        server = serve("asgi")
        assert json.loads(server.get("/state").body) == [[1, 2], ["lifespan.startup"]]
        server.signal(signal.SIGTERM)
        server.out.wait_for("lifespan shutdown seen")
        assert server.wait_exit() == 0

    def test_state_is_copied_for_each_request(self, serve):
        server = serve("asgi")
        server.get("/state")
        assert "own" not in json.loads(server.get("/scope").body)["state"]

    def test_an_app_that_raises_does_without(self, serve):
        server = serve("asgi", environment={"LIFESPAN": "raise"})
        assert json.loads(server.get("/state").body)[1] == ["lifespan.startup"]

    def test_unless_it_must_not(self, serve):
        server = serve("asgi", environment={"LIFESPAN": "raise"}, lifespan="on", ready=False,
                       allow=[r"CW0543", r"CW052[18]", "Traceback", "Error"])
        server.expected_exit = server.wait_exit()
        assert server.expected_exit == 3
        assert server.log.count("no lifespan here") > 0

    def test_failed_startup_is_said(self, serve):
        server = serve("asgi", environment={"LIFESPAN": "fail"}, ready=False, allow=[r"CW0543", r"CW052[18]"])
        server.expected_exit = server.wait_exit()
        assert server.expected_exit == 3
        assert server.log.count("the database is away") > 0

    def test_off(self, serve):
        server = serve("asgi", lifespan="off")
        assert json.loads(server.get("/state").body) == [None, []]

    def test_a_reload_whose_startup_fails_leaves_the_old_one_serving(self, serve):
        server = serve("asgi", allow=[r"CW0543", r"CW052[18]", r"CW0\d+"])
        app = server.folder / "app.py"
        app.write_text(app.read_text().replace('os.environ.get("LIFESPAN", "")', '"fail"'))
        server.signal(signal.SIGHUP)
        server.log.wait_for("the database is away")
        assert server.get().text == "hello"


def test_asgi_2(serve):
    assert serve("asgi", target="app:Old").get().text == "old"


def test_a_factory(serve):
    assert serve("asgi", target="app:make_application()").get().text == "hello"


def test_a_loop_that_is_none(serve):
    server = serve("asgi", loop="app:make_application", ready=False, allow=[r"CW0544", r"CW052[18]"])
    server.expected_exit = server.wait_exit()
    assert server.expected_exit == 3
    assert server.log.count("which is no event loop of asyncio") > 0


def test_a_reload_finishes_what_runs(serve):
    server = serve("asgi", workers=2)
    with server.connect() as client:
        client.send(b"GET /sleep?1 HTTP/1.1\r\nHost: x\r\n\r\n")
        old = server.get("/pid").text
        server.signal(signal.SIGHUP)
        wait_until(lambda: server.get("/pid").text != old)
        assert client.read_response().status == 200


def test_a_killed_worker_costs_what_it_ran(serve):
    server = serve("asgi", allow=[r"CW05\d\d"])
    clients = [server.connect() for _ in range(5)]
    for client in clients:
        client.send(b"GET /sleep?20 HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: len(server.named("cutwater-worker")) == 1)
    server.get("/pid")
    os.kill(server.named("cutwater-worker")[0], signal.SIGKILL)
    assert [client.read_response().status for client in clients] == [502] * 5
    wait_until(lambda: server.is_healthy())
    for client in clients:
        client.close()


def test_system_exit_ends_the_worker_after_what_runs(serve):
    server = serve("asgi", allow=[r"CW050[25]", r"CW0521", "Traceback", "SystemExit"])
    old = server.get("/pid").text
    with server.connect() as client:
        client.send(b"GET /sleep?3 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert server.get("/pid").text == old
        assert server.get("/exit").status == 500
        wait_until(lambda: server.get("/pid").text != old)
        assert old in map(str, server.named("cutwater-worker"))
        response = client.read_response()
        assert (response.status, response.text) == (200, old)


def test_term_finishes_what_runs(serve):
    server = serve("asgi")
    with server.connect() as client:
        client.send(b"GET /sleep?0.5 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert server.get("/pid").status == 200
        server.signal(signal.SIGTERM)
        assert client.read_response().status == 200
    server.out.wait_for("lifespan shutdown seen")
    assert server.wait_exit() == 0


def test_who_blocks_its_loop_is_given_no_more(serve):
    server = serve("asgi", workers=2)
    with server.connect() as client:
        client.send(b"GET /block?3 HTTP/1.1\r\nHost: x\r\n\r\n")
        begun = time.monotonic()
        answers = [server.get("/pid").text for _ in range(100)]
        assert len(set(answers[10:])) == 1  # the first may have come before it
        assert time.monotonic() - begun < 2.5
        assert client.read_response().body == b"blocked"


def test_load_is_shared_by_the_workers(serve):
    server = serve("asgi", workers=2)
    pids = set()

    def ask():
        for _ in range(20):
            pids.add(server.get("/sleep?0.01").text)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 2
