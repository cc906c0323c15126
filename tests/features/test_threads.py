"""`threads = N`: one worker runs several WSGI requests at once, each in a thread; they share the worker's link to the front."""

import concurrent.futures
import hashlib
import os
import signal

import pytest

from features.apps.threaded.app import block_of
from support.at_once import begin, begin_stream, together, waiting
from support.client import Closed
from support.processes import wait_until

pytestmark = [pytest.mark.wsgi, pytest.mark.timeout(90)]
APP_ERRORS = [r"CW050[25]", r"Traceback", r"Error"]
DEATHS = [*APP_ERRORS, r"CW05\d\d", r"CW08\d\d", r"worker"]


def threaded(serve, threads=4, **options):
    return serve("threaded", **{"workers": 1, "threads": threads, **options})


def read_stream(client, name, blocks):
    body = client.read_response().body
    assert body == b"".join(block_of(name, number) for number in range(blocks))


class TestAtOnce:
    @pytest.mark.parametrize("threads", [2, 4, 64, "auto"])
    def test_as_many_requests_as_threads(self, serve, threads):
        server = threaded(serve, threads)
        number = 20 if threads == "auto" else threads
        for _ in range(3):
            answers = together(server, [f"/meet?n={number}"] * number)
            assert [answer.status for answer in answers] == [200] * number
            assert len({answer.body for answer in answers}) == number

    def test_no_more_than_threads(self, serve):
        server = threaded(serve, 2)
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

    def test_flags(self, serve):
        assert threaded(serve, 2).get("/flags").text == "True True"
        assert threaded(serve, 1).get("/flags").text == "False True"

    def test_several_workers_and_fronts(self, serve):
        server = threaded(serve, 4, workers=2, fronts=2)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert all(answer.status == 200 for answer in pool.map(server.get, ["/naps?seconds=0.01"] * 100))
            seen = set()
            wait_until(lambda: seen.update(answer.text for answer in pool.map(server.get, ["/pid"] * 100)) or len(seen) == 2, 20)

    def test_few_threads_are_used_as_long_as_few_are_needed(self, serve):
        server = threaded(serve, 64)
        with server.connect() as client:
            seen = [client.request("GET", "/thread").text.split() for _ in range(300)]
        assert len({name for name, *_ in seen}) <= 3 and int(seen[-1][2]) <= 3
        assert all(main == "False" for *_, main in seen)
        counts = {}
        for name, count, *_ in seen:
            counts[name] = counts.get(name, 0) + 1
            assert int(count) == counts[name]

    def test_those_that_compute_are_few(self, serve):
        """As many as the GIL can serve, however many threads there may be."""
        server = threaded(serve, "auto", queue=200)
        answers = together(server, ["/computes?seconds=0.03"] * 40)
        assert all(answer.status == 200 for answer in answers)
        assert max(int(answer.text) for answer in answers) <= 8

    def test_long_computations_all_get_their_turn(self, serve):
        server = threaded(serve, 6)
        clients = [begin(server, "/computes?seconds=1") for _ in range(5)]
        assert server.get("/pid").status == 200
        assert all(client.read_response().status == 200 for client in clients)
        for client in clients:
            client.close()


class TestBodies:
    def test_two_streams_to_slow_readers(self, serve):
        """Each is held back by its own reader; beside them others are answered."""
        server = threaded(serve, 3)
        with begin_stream(server, "a", 200) as a, begin_stream(server, "b", 200) as b:
            for _ in range(20):
                assert server.get("/pid").status == 200
            read_stream(b, "b", 200)
            read_stream(a, "a", 200)

    def test_all_threads_stream_to_slow_readers(self, serve):
        """Nobody is left to look out for them all but one of them; one that leaves makes room for who waits."""
        server = threaded(serve, 3)
        with begin_stream(server, "a", 300) as a, begin_stream(server, "b", 300) as b:
            c = begin_stream(server, "c", 3000)
            queued = begin(server, "/pid")
            c.reset()
            server.log.wait_for("the application ends c")
            assert queued.read_response().status == 200
            queued.close()
            read_stream(a, "a", 300)
            read_stream(b, "b", 300)

    def test_many_streams_at_once(self, serve):
        server = threaded(serve, 8)

        def fetch(number):
            with server.connect(timeout=60) as client:
                body = client.request("GET", f"/streams?name={number}&blocks=100").body
            return body == b"".join(block_of(str(number), block) for block in range(100))

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            assert all(pool.map(fetch, range(48)))

    def test_uploads_at_once(self, serve):
        """In the slot, in chunks, and by descriptor, read in one go and in pieces."""
        server = threaded(serve, 8)
        bodies = [os.urandom(size) for size in (10, 5_000, 40_000, 60_000, 300_000, 2_000_000) for _ in range(4)]

        def send(number):
            body = bodies[number]
            answer = server.request("POST", f"/hashes?read={(number % 2) * 7001}", [("Content-Length", str(len(body)))], body)
            return answer.text == hashlib.sha256(body).hexdigest()

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert all(pool.map(send, list(range(len(bodies))) * 2))

    def test_files_at_once(self, serve):
        server = threaded(serve, 4)
        content = os.urandom(3_000_000)
        (server.folder / "big.bin").write_bytes(content)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert all(answer.body == content for answer in pool.map(server.get, ["/file"] * 24))

    def test_clients_that_leave(self, serve):
        server = threaded(serve, 2)
        for number in range(20):
            begin_stream(server, f"left{number}", 3000).reset()
        for number in range(20):
            server.log.wait_for(f"the application ends left{number}")
        assert all(answer.status == 200 for answer in together(server, ["/meet?n=2"] * 2))


class TestFaults:
    def test_exceptions_stay_with_their_request(self, serve):
        server = threaded(serve, 4, allow=APP_ERRORS)
        with waiting(server) as other:
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                assert all(answer.status == 500 for answer in pool.map(server.get, [f"/raises?{n}" for n in range(20)]))
            (server.folder / "go").touch()
            assert other.read_response().status == 200
        for number in range(20):
            server.log.wait_for(rf"raised LookupError: {number}$")  # its line may come behind its answer
        server.stop()
        assert all(server.log.count(rf"raised LookupError: {number}$") == 1 for number in range(20))

    def test_one_thread_takes_too_long(self, serve):
        """Its client gets 504, another worker comes, and the other requests of the old one are finished."""
        server = threaded(serve, 4, timeout="2s", allow=[*DEATHS, r"CW0501"])
        old = server.get("/pid").text
        with waiting(server, "never") as hanging:
            assert server.get("/naps?seconds=0.7").status == 200
            with waiting(server, "soon") as sibling:
                assert hanging.read_response().status == 504
                wait_until(lambda: server.get("/pid").text != old, 10, "another worker")
                (server.folder / "soon").touch()
                assert sibling.read_response().text == "waited for soon"
            (server.folder / "never").touch()
        wait_until(lambda: int(old) not in server.named("worker"), 10, "the old worker to go")
        assert server.log.count(r"CW0501") == 1

    def test_kill(self, serve):
        """502 to exactly what it ran; what waited in the queue is answered by its successor."""
        server = threaded(serve, 3, allow=DEATHS)
        running = [waiting(server, "never") for _ in range(3)]
        queued = [begin(server, "/naps") for _ in range(4)]
        os.kill(int(server.named("worker")[0]), signal.SIGKILL)
        assert [client.read_response().status for client in running] == [502] * 3
        assert [client.read_response().status for client in queued] == [200] * 4
        for client in (*running, *queued):
            client.close()

    def test_system_exit(self, serve):
        """The worker ends, when the others of its requests are done; its successor does not wait for them."""
        server = threaded(serve, 3, allow=DEATHS)
        old = set(server.named("worker"))
        with waiting(server) as other:
            assert server.get("/exits").status == 500
            wait_until(lambda: set(server.named("worker")) - old, 10, "its successor")
            assert server.is_healthy()
            assert old < set(server.named("worker"))
            (server.folder / "go").touch()
            assert other.read_response().status == 200
        wait_until(lambda: not old & set(server.named("worker")), 10, "its end")
        assert server.is_healthy()

    def test_forks(self, serve):
        server = threaded(serve, 3, allow=[r"CW0507", r"a child forked"])
        with waiting(server) as other:
            assert [answer.text for answer in together(server, ["/forks"] * 6)] == ["7"] * 6
            assert server.get("/fork_returns").text == "parent"
            (server.folder / "go").touch()
            assert other.read_response().status == 200
        assert server.is_healthy()

    def test_closed_descriptors(self, serve):
        server = threaded(serve, 3, allow=DEATHS)
        old = server.named("worker")
        with begin(server, "/closes_descriptors") as client:
            try:
                client.read_response()
            except Closed:
                pass
        wait_until(lambda: server.named("worker") and server.named("worker") != old, 15, "another worker")
        wait_until(lambda: server.is_healthy(), 10, "a good worker")

    def test_full_queue(self, serve):
        """What threads are about to take does not count as waiting."""
        server = threaded(serve, 3, queue=2, queue_timeout="20s", fronts=1, allow=[r"CW0511", r"queue"])
        running = [waiting(server) for _ in range(3)]
        queued = [begin(server, "/pid") for _ in range(2)]
        wait_until(lambda: server.get("/pid").status == 503, 5, "a refusal")
        (server.folder / "go").touch()
        assert [client.read_response().status for client in (*running, *queued)] == [200] * 5
        for client in (*running, *queued):
            client.close()


class TestEnds:
    def test_term_lets_all_finish(self, serve):
        server = threaded(serve, 4)
        running = [waiting(server) for _ in range(4)]
        server.signal(signal.SIGTERM)
        (server.folder / "go").touch()
        assert [client.read_response().text for client in running] == ["waited for go"] * 4
        assert server.wait_exit() == 0
        for client in running:
            client.close()

    def test_reload(self, serve):
        """The old worker's requests go on beside the new one's."""
        server = threaded(serve, 4)
        old = server.get("/pid").text
        with waiting(server, "one") as one, waiting(server, "two") as two, begin_stream(server, "a", 200) as stream:
            server.signal(signal.SIGHUP)
            wait_until(lambda: server.get("/pid").text != old, 20, "the new code")
            (server.folder / "one").touch()
            (server.folder / "two").touch()
            assert one.read_response().status == two.read_response().status == 200
            read_stream(stream, "a", 200)
        wait_until(lambda: int(old) not in server.named("worker"), 10, "the old worker to go")
        server.baseline = {server.pid: server.baseline[server.pid], **{pid: server.baseline[pid] for pid in server.named("front")}}

    def test_reload_under_load(self, serve):
        server = threaded(serve, 8, workers=2)
        targets = ["/naps?seconds=0.02", "/pid", "/computes?seconds=0.002", "/streams?blocks=3", "/pid"]

        def ask(number):
            return server.get(targets[number % len(targets)]).status

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            answers = pool.map(ask, range(1500))
            for _ in range(3):
                start = len(server.log.lines)
                server.signal(signal.SIGHUP)
                server.log.wait_for(r"generation \d+ serves", 30, start)
            assert set(answers) == {200}
        server.baseline = {server.pid: server.baseline[server.pid], **{pid: server.baseline[pid] for pid in server.named("front")}}

    def test_idle_worker_ends(self, serve):
        server = threaded(serve, 4)
        together(server, ["/meet?n=4"] * 4)
        (worker,) = server.named("worker")
        os.kill(worker, signal.SIGTERM)
        server.allow += DEATHS
        wait_until(lambda: server.named("worker") not in ([worker], []), 10, "its successor")
