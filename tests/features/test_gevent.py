"""`loop = "gevent"` and `loop = "eventlet"`: one worker runs many WSGI requests at once, each in a greenlet of one thread."""

import concurrent.futures
import hashlib
import os
import signal
import time

import httpx
import pytest

from features.apps.greenlets.app import block_of
from support import peers
from support.at_once import begin, begin_stream, together, waiting
from support.client import Closed
from support.processes import wait_until

pytestmark = pytest.mark.timeout(90)
LIBRARIES = ["gevent", "eventlet"]
APP_ERRORS = [r"CW050[25]", r"Traceback", r"Error"]
DEATHS = [*APP_ERRORS, r"CW05\d\d", r"CW08\d\d", r"worker"]


@pytest.fixture(params=LIBRARIES)
def library(request):
    return request.param


@pytest.fixture
def greenlets(serve, library):
    def start(app="greenlets", **options):
        return serve(app, **{"workers": 1, "loop": library, **options})

    return start


@pytest.fixture(scope="module", params=LIBRARIES)
def shared(serve_module, request):
    return serve_module("greenlets", workers=1, loop=request.param, queue=2000, allow=APP_ERRORS)


def read_stream(client, name, blocks):
    body = client.read_response().body
    assert body == b"".join(block_of(name, number) for number in range(blocks))


def forget_zygotes(server):
    """A reload has made others."""
    server.baseline = {server.pid: server.baseline[server.pid], **{pid: server.baseline[pid] for pid in server.named("front")}}


class TestAtOnce:
    def test_patched_before_the_import(self, shared):
        assert set(word.partition(".")[0] for word in shared.get("/patched").text.split()) <= {"gevent", "eventlet"}

    def test_flags(self, shared):
        assert shared.get("/flags").text == "True True False"

    @pytest.mark.parametrize("number", [2, 64, 500])
    def test_as_many_as_there_are_requests(self, shared, number):
        answers = together(shared, [f"/meet?n={number}"] * number)
        assert [answer.status for answer in answers] == [200] * number
        assert len({answer.text for answer in answers}) == number

    def test_sleepers_finish_together(self, shared, sanitized):
        together(shared, ["/naps?seconds=0.05"] * 64)
        began = time.monotonic()
        assert all(answer.text == "napped" for answer in together(shared, ["/naps?seconds=0.05"] * 64))
        assert time.monotonic() - began < (2 if sanitized else 0.5)  # one after the other: 3.2 s

    def test_no_more_than_concurrency(self, greenlets):
        server = greenlets(concurrency=2)
        with waiting(server, "one") as one, waiting(server, "two") as two:
            third = begin(server, "/pid")
            third.socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                third.fill()
            third.socket.settimeout(20)
            (server.folder / "two").touch()
            assert two.read_response().text == "waited for two" and third.read_response().status == 200
            (server.folder / "one").touch()
            assert one.read_response().status == 200
            third.close()

    def test_several_workers_and_fronts(self, greenlets):
        server = greenlets(workers=2, fronts=2)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            assert all(answer.status == 200 for answer in pool.map(server.get, ["/naps?seconds=0.01"] * 200))
            seen = set()
            wait_until(lambda: seen.update(answer.text for answer in pool.map(server.get, ["/pid"] * 100)) or len(seen) == 2, 20)

    def test_quick_ones_go_on_beside_one_that_waits(self, shared):
        with waiting(shared, "beside") as other:
            assert all(answer.status == 200 for answer in together(shared, ["/pid"] * 100))
            (shared.folder / "beside").touch()
            assert other.read_response().status == 200


class TestBetweenRequests:
    def test_queues(self, shared):
        takers = [begin(shared, f"/takes?name=q{number}") for number in range(20)]
        for number in range(20):
            assert shared.get(f"/puts?name=q{number}&what=w{number}").text == "put"
        assert [taker.read_response().text for taker in takers] == [f"w{number}" for number in range(20)]
        for taker in takers:
            taker.close()

    def test_locks(self, shared):
        assert {answer.text for answer in together(shared, ["/locks"] * 40)} == {"1"}

    @pytest.mark.parametrize("route", ["fetches", "fetches_with_requests"])
    def test_asking_another_server(self, shared, route):
        """A slow one that answers all of them at the same time: each waits for its own answer beside the others."""
        arrived = []

        def answer(connection, request):
            arrived.append(connection)
            wait_until(lambda: len(arrived) >= 8, 20, "eight requests at once")
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nslow!")
            return False

        peer = peers.RawPeer(answer)
        try:
            assert [answer.text for answer in together(shared, [f"/{route}?url={peer.url}/"] * 8)] == ["slow!"] * 8
        finally:
            peer.stop()

    def test_asking_the_same_worker(self, shared):
        assert shared.get(f"/fetches?url={shared.url}/naps").text == "napped"

    def test_threads_and_programs_of_the_app(self, shared):
        answers = together(shared, ["/threads", "/runs_program"] * 10)
        assert [answer.text for answer in answers] == ["ran", "hello"] * 10

    def test_few_greenlets_are_used_as_long_as_few_are_needed(self, shared):
        """One runs a request after another, as a thread does, but each in a context of its own."""
        with shared.connect() as client:
            seen = [client.request("GET", "/greenlet").text.split() for _ in range(100)]
        assert len({name for name, *_ in seen}) == 1
        counts = [int(count) for _, count, *_ in seen]
        assert counts == list(range(counts[0], counts[0] + 100))
        assert {(main, found) for _, _, main, found in seen} == {("False", "nothing")}

    def test_contexts_are_apart(self, shared):
        assert {answer.text for answer in together(shared, [f"/remembers?value={n}" for n in range(50)])} == {"kept"}

    def test_a_crowd_leaves_little_behind(self, greenlets):
        """Of what only many at once need, greenlets beyond the first hundred or so are let go."""
        server = greenlets(queue=600)
        together(server, ["/meet?n=400"] * 400)
        names = {answer.text.split()[0] for answer in together(server, ["/greenlet"] * 400)}
        assert len(names) <= 128


class TestBodies:
    def test_two_streams_to_slow_readers(self, shared):
        """Each is held back by its own reader; beside them others are answered."""
        with begin_stream(shared, "a", 200) as a, begin_stream(shared, "b", 200) as b:
            assert all(answer.status == 200 for answer in together(shared, ["/pid"] * 40))
            read_stream(b, "b", 200)
            read_stream(a, "a", 200)

    def test_many_streams_at_once(self, shared):
        """More than a ring holds."""

        def fetch(number):
            with shared.connect(timeout=60) as client:
                body = client.request("GET", f"/streams?name={number}&blocks=60").body
            return body == b"".join(block_of(str(number), block) for block in range(60))

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            assert all(pool.map(fetch, range(48)))

    def test_pieces_come_as_they_are_made(self, shared):
        with begin(shared, "/streams?name=slow&blocks=3&pause=0.3") as client:
            began = time.monotonic()
            while client.buffer.count(block_of("slow", 0)) == 0:
                client.fill()
            assert time.monotonic() - began < 0.3
            read_stream(client, "slow", 3)

    def test_writing_from_a_thread_of_the_app(self, shared):
        clients = [begin(shared, f"/writes?name={name}", receive_buffer=16384) for name in "abc"]
        for name, client in zip("abc", clients, strict=True):
            read_stream(client, name, 20)
            client.close()

    def test_writing_on_after_the_end(self, greenlets):
        """The writer is stopped before the request ends, and the worker goes on."""
        server = greenlets(allow=[r"the writer met"])
        with begin(server, "/writes_on", receive_buffer=16384) as client:
            server.log.wait_for("the writer met (ConnectionResetError|RuntimeError)")
            assert server.is_healthy()
            client.reset()
        assert server.is_healthy()

    def test_uploads_at_once(self, shared):
        """In the slot, in chunks, and by descriptor, read in one go and in pieces."""
        bodies = [os.urandom(size) for size in (10, 5_000, 40_000, 60_000, 300_000, 2_000_000) for _ in range(4)]

        def send(number):
            body = bodies[number]
            answer = shared.request("POST", f"/hashes?read={(number % 2) * 7001}", [("Content-Length", str(len(body)))], body)
            return answer.text == hashlib.sha256(body).hexdigest()

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            assert all(pool.map(send, list(range(len(bodies))) * 2))

    def test_lines_of_an_upload(self, shared):
        body = b"".join(b"x" * length + b"\n" for length in range(0, 5000, 7))
        answer = shared.request("POST", "/lines", [("Content-Length", str(len(body)))], body)
        assert answer.text == " ".join(str(length + 1) for length in range(0, 5000, 7))

    def test_files_at_once(self, shared):
        content = os.urandom(3_000_000)
        (shared.folder / "big.bin").write_bytes(content)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert all(answer.body == content for answer in pool.map(shared.get, ["/file"] * 24))

    def test_clients_that_leave(self, shared):
        clients = [begin_stream(shared, f"left{number}", 3000) for number in range(20)]
        for client in clients:
            client.reset()
        for number in range(20):
            shared.log.wait_for(f"the application ends left{number}$")
        assert shared.is_healthy()


class TestFaults:
    def test_exceptions_stay_with_their_request(self, greenlets):
        server = greenlets(allow=APP_ERRORS)
        with waiting(server) as other:
            answers = together(server, [f"/raises?{number}" for number in range(20)])
            assert all(answer.status == 500 for answer in answers)
            (server.folder / "go").touch()
            assert other.read_response().status == 200
        for number in range(20):
            server.log.wait_for(rf"raised LookupError: {number}$")  # its line may come behind its answer
        server.stop()
        assert all(server.log.count(rf"raised LookupError: {number}$") == 1 for number in range(20))

    def test_an_exception_in_the_middle_is_a_visible_cut(self, shared):
        with pytest.raises(Closed):
            shared.get("/raises_in_the_middle")
        assert shared.is_healthy()

    def test_what_gevent_throws_into_a_request(self, serve):
        server = serve("greenlets", loop="gevent", allow=[*APP_ERRORS, "GreenletExit"])
        assert server.get("/times_out").text == "timed out"
        assert server.get("/is_killed").status == 500
        assert all(answer.status == 200 for answer in together(server, ["/meet?n=5"] * 5))

    def test_one_request_takes_too_long(self, greenlets):
        """Its client gets 504, another worker comes, and the other requests of the old one are finished."""
        server = greenlets(timeout="6s", allow=[*DEATHS, r"CW0501"])
        old = server.get("/pid").text
        with waiting(server, "never") as hanging:
            assert server.get("/naps?seconds=4.5").status == 200
            with waiting(server, "soon") as sibling:
                assert hanging.read_response().status == 504
                wait_until(lambda: server.get("/pid").text != old, 20, "another worker")
                (server.folder / "soon").touch()
                assert sibling.read_response().text == "waited for soon"
            (server.folder / "never").touch()
        wait_until(lambda: int(old) not in server.named("worker"), 10, "the old worker to go")

    def test_kill(self, greenlets):
        """502 to exactly what it ran; what waited in the queue is answered by its successor."""
        server = greenlets(concurrency=3, allow=DEATHS)
        running = [waiting(server, "never") for _ in range(3)]
        queued = [begin(server, "/naps") for _ in range(4)]
        os.kill(int(server.named("worker")[0]), signal.SIGKILL)
        assert [client.read_response().status for client in running] == [502] * 3
        assert [client.read_response().status for client in queued] == [200] * 4
        for client in (*running, *queued):
            client.close()

    def test_system_exit(self, greenlets):
        """The worker ends, when the others of its requests are done."""
        server = greenlets(allow=DEATHS)
        old = server.named("worker")
        with waiting(server) as other:
            assert server.get("/exits").status == 500
            assert server.get("/pid").text not in map(str, old)
            (server.folder / "go").touch()
            assert other.read_response().status == 200
        wait_until(lambda: not set(old) & set(server.named("worker")), 10, "the old worker to go")

    def test_exit_beside_a_request(self, serve):
        """Of a greenlet that is no request: the worker finishes what it runs."""
        server = serve("greenlets", loop="gevent", allow=[*DEATHS, "SystemExit"])
        old = server.get("/pid").text
        with waiting(server) as other:
            assert server.get("/exits_beside").text == "still here"
            wait_until(lambda: server.get("/pid").text != old, 10, "its successor")
            (server.folder / "go").touch()
            assert other.read_response().status == 200
        wait_until(lambda: int(old) not in server.named("worker"), 10, "the old worker to go")

    def test_children_that_use_the_hub(self, greenlets):
        server = greenlets()
        with waiting(server) as other:
            answers = together(server, ["/fork_sleeps", "/naps"] * 4)
            assert [answer.text for answer in answers] == ["5", "napped"] * 4
            assert all(answer.text == "napped" for answer in together(server, ["/naps"] * 20))
            (server.folder / "go").touch()
            assert other.read_response().status == 200

    def test_forks(self, greenlets):
        server = greenlets(allow=[r"CW0507", r"a child forked"])
        with waiting(server) as other:
            assert [answer.text for answer in together(server, ["/forks"] * 6)] == ["7"] * 6
            assert server.get("/fork_returns").text == "parent"
            (server.folder / "go").touch()
            assert other.read_response().status == 200
        assert server.is_healthy()


class TestEnds:
    def test_term_lets_all_finish(self, greenlets):
        server = greenlets()
        running = [waiting(server) for _ in range(4)]
        server.signal(signal.SIGTERM)
        (server.folder / "go").touch()
        assert [client.read_response().text for client in running] == ["waited for go"] * 4
        assert server.wait_exit() == 0
        for client in running:
            client.close()

    def test_term_does_not_wait_for_ever(self, greenlets):
        server = greenlets(config='[shutdown]\ngrace = "1s"\n', allow=[r"CW0\d+", "grace"])
        with waiting(server, "never"):
            server.signal(signal.SIGTERM)
            assert server.wait_exit() == 0

    def test_reload(self, greenlets):
        """The old worker's requests go on beside the new one's."""
        server = greenlets()
        old = server.get("/pid").text
        with waiting(server, "one") as one, waiting(server, "two") as two, begin_stream(server, "a", 200) as stream:
            server.signal(signal.SIGHUP)
            wait_until(lambda: server.get("/pid").text != old, 20, "the new code")
            (server.folder / "one").touch()
            (server.folder / "two").touch()
            assert one.read_response().status == two.read_response().status == 200
            read_stream(stream, "a", 200)
        wait_until(lambda: int(old) not in server.named("worker"), 10, "the old worker to go")
        forget_zygotes(server)

    def test_reload_under_load(self, greenlets):
        server = greenlets(workers=2)
        targets = ["/naps?seconds=0.02", "/pid", "/computes?seconds=0.002", "/streams?blocks=3", "/pid"]

        def ask(number):
            return server.get(targets[number % len(targets)]).status

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            answers = pool.map(ask, range(1000))
            for _ in range(3):
                start = len(server.log.lines)
                server.signal(signal.SIGHUP)
                server.log.wait_for(r"generation \d+ serves", 30, start)
            assert set(answers) == {200}
        forget_zygotes(server)

    def test_idle_worker_ends(self, greenlets):
        server = greenlets(allow=DEATHS)
        together(server, ["/meet?n=4"] * 4)
        (worker,) = server.named("worker")
        os.kill(worker, signal.SIGTERM)
        wait_until(lambda: server.named("worker") not in ([worker], []), 20, "its successor")

    def test_preload(self, serve):
        """gevent's workers are forked from one import; of eventlet each is an interpreter of its own, unless forced."""
        assert serve("greenlets", loop="gevent", workers=2).log.count("started one by one") == 0
        assert serve("greenlets", loop="eventlet", workers=2).log.count("started one by one") == 1
        for loop in LIBRARIES:
            server = serve("greenlets", loop=loop, workers=2, preload=True)
            assert all(answer.status == 200 for answer in together(server, ["/naps?seconds=0.01"] * 20))
            assert serve("greenlets", loop=loop, preload=False).get("/naps").status == 200


class TestFrameworks:
    def test_flask(self, greenlets):
        server = greenlets("flask_app", target="app:app", allow=[r"on purpose", r"CW0502", r"/error"])
        with httpx.Client(base_url=server.url, timeout=30) as client:
            assert client.get("/").text == "hello from flask"
            assert client.post("/form", data={"name": "Ada"}).text == "name=Ada"
            assert client.get("/error").status_code == 500
            with client.stream("GET", "/stream") as response:
                assert list(response.iter_lines()) == [f"line {number}" for number in range(1000)]

    def test_django(self, greenlets):
        server = greenlets("django_site", target="pages.wsgi:application", allow=[r"on purpose", r"CW0502", r"/error"])
        data = os.urandom(3_000_000)
        with httpx.Client(base_url=server.url, timeout=30) as client:
            assert client.get("/").text == "hello from django"
            answer = client.post("/upload", files={"file": ("cargo.bin", data, "application/octet-stream")})
            assert answer.text == f"cargo.bin {len(data)} {hashlib.sha256(data).hexdigest()}"
            assert client.get("/error").status_code == 500


class TestSameAsGunicorn:
    """The same answers as gunicorn's gevent worker gives to the same requests."""

    @pytest.fixture(scope="module")
    def both(self, serve_module):
        server = serve_module("greenlets", workers=1, loop="gevent", allow=APP_ERRORS)
        peer = peers.gunicorn(server.folder, "app:application", "-k", "gevent", "--log-level", "info")
        with httpx.Client(base_url=server.url, timeout=30) as ours, httpx.Client(base_url=peer.url, timeout=30) as theirs:
            yield ours, theirs
        peer.stop()

    @pytest.mark.parametrize(("method", "target", "body"), [
        ("GET", "/environment?a=b%20c&d", None),
        ("GET", "/environment/", None),
        ("POST", "/environment", b"x" * 10),
        ("HEAD", "/naps", None),
        ("GET", "/naps?seconds=0.01", None),
        ("GET", "/no_content", None),
        ("POST", "/echoes", b""),
        ("POST", "/echoes", b"x" * 100_000),
        ("PUT", "/hashes?read=1000", b"y" * 300_000),
        ("GET", "/streams?name=a&blocks=10", None),
        ("GET", "/writes?name=a&blocks=3", None),
        ("GET", "/threads", None),
        ("GET", "/runs_program", None),
        ("GET", "/times_out", None),
        ("GET", "/flags", None),
        ("GET", "/patched", None),
        ("GET", "/raises?x", None),
    ])
    def test_request(self, both, method, target, body):
        ours, theirs = (client.request(method, target, content=body, headers={"X-One": "1"}) for client in both)
        assert ours.status_code == theirs.status_code
        if ours.status_code == 500:
            return  # the page is each server's own
        expected = theirs.text.replace("'wsgi.multiprocess'=False", "")
        if target != "/flags":  # gunicorn knows how many workers it has
            assert ours.text == expected
        for name in ("content-type", "x-size"):
            assert ours.headers.get(name) == theirs.headers.get(name)


class TestSettings:
    def refused(self, serve, code, app="greenlets", **options):
        server = serve(app, ready=False, **{"allow": [code, "fix", "error"], **options})
        server.expected_exit = server.process.wait(30)
        assert server.expected_exit == 3
        return server.log.text

    def test_asgi_and_tornado(self, serve):
        text = self.refused(serve, "CW0320", "asgi", loop="gevent")
        assert "is an ASGI app" in text and 'loop = "gevent" is for WSGI apps' in text
        assert "is a Tornado app" in self.refused(serve, "CW0320", "tornado_app", target="app:make_app()", loop="eventlet")

    def test_threads(self, serve, library):
        assert "threads is for workers without it" in self.refused(serve, "CW0320", loop=library, threads=4)

    def test_missing(self, serve, folder):
        """In an environment without it."""
        (folder / "nothing").mkdir()
        hidden = "import sys\nsys.modules['gevent'] = None\n"
        (folder / "nothing" / "sitecustomize.py").write_text(hidden)
        text = self.refused(serve, "CW0544", loop="gevent", environment={"PYTHONPATH": str(folder / "nothing")})
        assert 'loop = "gevent" cannot be used' in text and "pip install gevent" in text

    def test_an_app_that_wants_the_clients_socket(self, greenlets, library):
        """As with gevent-websocket, or eventlet's: once, whichever worker it was where they are forked from one import."""
        key = {"gevent": "wsgi.websocket", "eventlet": "eventlet.input"}[library]
        server = greenlets(workers=2 if library == "gevent" else 1, allow=[*APP_ERRORS, "CW0518"])
        handshake = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                     "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
        for _ in range(20):
            with server.connect() as client:
                assert client.request("GET", f"/wants_socket?key={key}", handshake.items()).status == 500
        server.log.wait_for(rf'warning\[CW0518\] web: it looks for "{key}" in the environ, ')
        server.log.wait_for("^  fix: serve WebSockets by an ASGI or Tornado app")
        server.stop()  # whatever else was told is in the log then
        assert server.log.count("CW0518") == 1

    def test_an_app_that_patches_itself(self, serve):
        """It runs as before, one request at a time, and the log says what would be better."""
        server = serve("self_patched", workers=1)
        assert server.get("/").text == "patched"
        assert server.log.count(r'with loop = "gevent" in \[app.web\] it runs many') == 1
        assert serve("self_patched", workers=1, loop="gevent").log.count("it runs many") == 0
        text = self.refused(serve, "CW0320", "self_patched", threads=4)
        assert "replaced Python's threads by gevent's greenlets" in text

    def test_what_is_set_and_does_nothing_is_told(self, serve):
        serve("hello", concurrency=5).log.wait_for("concurrency = 5 does nothing for a WSGI app: threads, or loop")
        assert serve("hello").log.count("does nothing") == 0
