"""Who dies, and what must still hold: workers, fronts, zygotes, the master; signals, deadlines, identities."""

import os
import pwd
import re
import resource
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from support import apps, processes
from support.client import Closed
from support.processes import wait_until
from support.server import free_port

pytestmark = pytest.mark.timeout(90)
DEATHS = [r"CW05\d\d", r"CW08\d\d", r"worker", r"zygote", r"front"]


def start_slow(server, seconds):
    """A request that runs for `seconds`, begun."""
    client = server.connect(timeout=60)
    name = f"{client.socket.fileno()}-{time.monotonic_ns()}"
    client.send(f"GET /sleep?s={seconds}&say={name} HTTP/1.1\r\nHost: a\r\n\r\n")
    server.out.wait_for(f"sleeps {name}$")
    return client


def is_refused(server):
    try:
        server.connect(timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def front_of(server, client):
    """The front that has the connection; each has some chance to get one."""
    client.request("GET", "/")
    ports = server.addresses[0][1], client.socket.getsockname()[1]
    inode = processes.socket_inode(*ports)
    return next(front for front in server.named("front") if f"socket:[{inode}]" in processes.descriptors(front).values())


class TestWorkers:
    @pytest.mark.parametrize("signal_name", ["KILL", "SEGV", "ABRT", "BUS", "TERM"])
    def test_death_costs_only_its_request(self, serve, signal_name):
        # Whom TERM finds running finishes that: at the end of the test it shall not take the whole default grace.
        server = serve("kit", workers=2, allow=DEATHS, environment={"PYTHONFAULTHANDLER": "0"},
                       config='[shutdown]\ngrace = "1s"\n')
        with server.connect() as client:
            dying = server.connect()
            dying.send(f"GET /kill?signal={signal_name} HTTP/1.1\r\nHost: a\r\n\r\n")
            if signal_name == "TERM":  # finishes what it runs: the application sleeps for a minute here
                dying.reset()
            else:
                assert dying.read_response().status == 502
            for number in range(50):
                assert client.request("GET", f"/{number}").text == f"kit /{number}"
            dying.close()

    def test_an_app_that_closes_what_is_not_its_own(self, serve):
        """It costs its worker, and the log says why."""
        server = serve("kit", workers=2, allow=DEATHS)
        assert server.request("GET", "/close_all", timeout=20).status in (200, 502)
        server.log.wait_for(r"error\[CW0506\] web: worker \(pid \d+\) ends: .*own descriptors are closed", 10)
        for _ in range(10):
            assert server.is_healthy()
        wait_until(lambda: len(server.named("worker")) == 2, 10, "both workers")

    def test_replaced_within_a_second(self, serve):
        server = serve("kit", workers=1, allow=DEATHS)
        pid = int(server.get("/pid").text)
        os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        assert int(server.get("/pid").text) != pid
        assert time.monotonic() - began < 1

    def test_queued_requests_go_to_the_next_worker(self, serve):
        server = serve("kit", workers=1, allow=DEATHS)
        pid = int(server.get("/pid").text)
        running = start_slow(server, 30)
        queued = [server.connect(timeout=20) for _ in range(10)]
        for number, client in enumerate(queued):
            client.send(f"GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        assert running.read_response().status == 502
        for number, client in enumerate(queued):
            assert client.read_response().text == f"kit /{number}"
            client.close()
        running.close()

    def test_crash_loop_backs_off(self, serve):
        """Every request kills its worker: each gets its 502, restarts slow down, the server survives and recovers."""
        server = serve("kit", workers=1, allow=DEATHS, queue_timeout="30s")
        for _ in range(6):
            assert server.request("GET", "/kill?signal=KILL", timeout=40).status == 502
        assert server.request("GET", "/", timeout=40).status == 200
        assert len(server.tree()) < 12

    def test_the_pauses_of_a_crash_loop_grow(self, serve):
        """Once at once, then after 0.1 s doubling (its limit of 30 s: restart_policy_test.cc)."""
        server = serve("crashing", workers=1, allow=DEATHS, environment={"CRASH_SECONDS": "0.001"})
        deaths = server.folder / "deaths.txt"
        deaths.write_text("")
        deaths.chmod(0o666)  # for whichever user the application has
        (server.folder / "crash").write_text("")
        os.kill(server.named("worker")[0], signal.SIGKILL)
        wait_until(lambda: deaths.read_text().count("\n") >= 6, 40, "six deaths")
        (server.folder / "crash").unlink()
        moments = [float(line) for line in deaths.read_text().split()]
        pauses = [after - before for before, after in zip(moments, moments[1:])]
        for pause, least in zip(pauses[1:], (0.1, 0.2, 0.4, 0.8), strict=False):
            assert pause >= least, pauses
        wait_until(lambda: answers(server), 20, "recovery")

    def test_no_worker_in_sight_is_503_at_once(self, serve):
        """Workers that die as soon as they are ready: who would wait in vain for queue_timeout is told at once."""
        server = serve("crashing", workers=1, queue_timeout="1s", allow=DEATHS)
        (server.folder / "crash").write_text("")
        os.kill(server.named("worker")[0], signal.SIGKILL)
        server.log.wait_for(r"CW0529.*started in [2-9]", 20)
        began = time.monotonic()
        answer = server.get("/")
        assert answer.status == 503 and int(answer.get("Retry-After")) >= 2
        assert time.monotonic() - began < 0.5
        (server.folder / "crash").unlink()
        wait_until(lambda: answers(server), 20, "recovery")

    def test_timeout_is_504_and_only_that_worker_goes(self, serve):
        server = serve("kit", workers=2, timeout="1s", grace="1s", allow=DEATHS)
        slow = server.connect(timeout=20)
        began = time.monotonic()
        slow.send("GET /sleep?s=30 HTTP/1.1\r\nHost: a\r\n\r\n")
        for number in range(20):
            assert server.get(f"/{number}").status == 200
        assert slow.read_response().status == 504
        assert 0.8 < time.monotonic() - began < 4
        server.log.wait_for(r"/sleep")
        slow.close()
        for _ in range(20):
            assert server.is_healthy()
        wait_until(lambda: len(server.named("worker")) == 2, 15, "the stuck worker to go")

    def test_timeout_of_a_worker_that_ignores_everything(self, serve):
        """A loop that holds the GIL: KILL after TERM."""
        server = serve("kit", workers=1, timeout="1s", grace="1s", allow=DEATHS)
        before = set(server.tree())
        assert server.request("GET", "/spin?s=120", timeout=20).status == 504
        assert server.request("GET", "/", timeout=20).status == 200
        wait_until(lambda: len(set(server.tree()) & before) < len(before), 15, "the old worker to be killed")
        wait_until(lambda: len(server.tree()) <= len(before), 15, "one worker")

    def test_timeout_counts_from_the_claim(self, serve):
        """Waiting in the queue is not running."""
        server = serve("kit", workers=1, timeout="2s", allow=DEATHS)
        clients = []
        for _ in range(3):
            client = server.connect(timeout=20)
            client.send("GET /sleep?s=1.2 HTTP/1.1\r\nHost: a\r\n\r\n")
            clients.append(client)
        assert [client.read_response().status for client in clients] == [200, 200, 200]
        for client in clients:
            client.close()

    def test_timeout_mid_body_cuts_the_response(self, serve):
        server = serve("kit", workers=1, timeout="1s", grace="1s", allow=DEATHS)
        with server.connect(timeout=20) as client:
            client.send("GET /stream?count=100&size=10&pause=0.4 HTTP/1.1\r\nHost: a\r\n\r\n")
            with pytest.raises(Closed):
                client.read_response()
        wait_until(lambda: server.is_healthy(), 15, "a good worker")

    def test_stopped_worker_is_replaced_at_its_timeout(self, serve):
        server = serve("kit", workers=1, timeout="1s", grace="1s", allow=DEATHS)
        pid = int(server.get("/pid").text)
        os.kill(pid, signal.SIGSTOP)
        assert server.request("GET", "/", timeout=30).status in (200, 503, 504)
        wait_until(lambda: not processes.alive(pid), 15, "the stopped worker to be killed")
        assert server.is_healthy()


class TestOthers:
    def test_front_death_costs_its_connections_only(self, serve):
        server = serve("kit", workers=1, allow=DEATHS)
        open_one = server.connect()
        front = front_of(server, open_one)
        os.kill(front, signal.SIGKILL)
        began = time.monotonic()
        wait_until(lambda: answers(server), 5, "the next front")
        assert time.monotonic() - began < 1.5
        assert open_one.closed_by_server()
        server.baseline = server.descriptor_counts()
        for _ in range(5):
            assert server.is_healthy()

    def test_front_death_under_requests(self, serve):
        server = serve("kit", workers=2, allow=DEATHS)
        slow = start_slow(server, 1)
        for front in server.named("front"):
            os.kill(front, signal.SIGKILL)
        with pytest.raises((Closed, ConnectionError)):
            slow.read_response()
        wait_until(lambda: answers(server), 5, "the next front")
        for _ in range(10):
            assert server.get("/sleep?s=0.01").status == 200
        server.baseline = server.descriptor_counts()

    def test_front_dies_again_and_again(self, serve):
        server = serve("kit", workers=1, allow=DEATHS, fronts=1)
        for _ in range(5):
            front = server.named("front")[0]
            os.kill(front, signal.SIGKILL)
            wait_until(lambda: front not in server.named("front") and answers(server), 10, "the next front")
        server.baseline = {server.pid: server.baseline[server.pid]}

    def test_zygote_death_is_noticed_by_nobody(self, serve):
        server = serve("kit", workers=2, allow=DEATHS)
        zygotes = server.named("zygote")
        if not zygotes:
            pytest.fail(f"no zygote among {[processes.command_line(pid) for pid in server.tree()]}")
        os.kill(zygotes[0], signal.SIGKILL)
        for _ in range(20):
            assert server.is_healthy()
        pid = int(server.get("/pid").text)
        os.kill(pid, signal.SIGKILL)
        assert server.get("/pid").status == 200
        wait_until(lambda: len(server.tree()) >= 5, 15, "zygote and workers to be back")
        for _ in range(10):
            assert server.is_healthy()
        server.baseline = {server.pid: server.baseline[server.pid]}

    def test_a_fork_that_fails_is_tried_again(self, serve, folder):
        """No more processes for the app's user: the zygote says so once, lives on, and forks when it can."""
        place = folder / "kit"
        apps.copy("kit", place)
        if os.getuid() == 0:  # root has no such limit
            for path in [place, *place.rglob("*")]:
                os.chown(path, 65501, 65501)
        server = serve("kit", workers=2, allow=DEATHS)
        (zygote,) = server.named("zygote")
        before = processes.limit(zygote, resource.RLIMIT_NPROC, 0)
        os.kill(server.named("worker")[0], signal.SIGKILL)
        server.log.wait_for(r"error\[CW0524\] web: no worker can be forked: Resource temporarily unavailable; 1 serve", 10)
        for _ in range(20):
            assert server.is_healthy()
        time.sleep(1)
        processes.limit(zygote, resource.RLIMIT_NPROC, before)
        server.log.wait_for(r"workers can be forked again", 10)
        wait_until(lambda: len(server.named("worker")) == 2, 5, "both workers")
        assert server.named("zygote") == [zygote] and server.log.count("no worker can be forked") == 1

    def test_many_fronts(self, serve):
        """A worker is given three descriptors for each of them."""
        server = serve("kit", workers=1, fronts=24, allow=[r"CW0405"])  # more processes than CPUs
        for _ in range(30):
            assert server.is_healthy()

    def test_a_front_without_descriptors_loses_no_worker(self, serve, sanitized):
        """What the master passes on waits until there is room for it; who is connected is served then."""
        if sanitized:
            pytest.skip("the sanitizer needs descriptors of its own; the release build is tested")
        server = serve("kit", workers=1, fronts=1, allow=[*DEATHS, r"CW0404"])
        (front,) = server.named("front")
        with server.connect(timeout=30) as client:
            pid = int(client.request("GET", "/pid").text)
            before = processes.limit(front, resource.RLIMIT_NOFILE, 5)
            os.kill(pid, signal.SIGKILL)
            server.log.wait_for(r"error\[CW0404\].*too many descriptors open", 10)
            client.send("GET /pid HTTP/1.1\r\nHost: a\r\n\r\n")
            processes.limit(front, resource.RLIMIT_NOFILE, before)
            assert int(client.read_response().text) not in (0, pid)
        server.log.wait_for("room for new workers again", 5)
        assert server.named("front") == [front] and server.log.count("too many descriptors") == 1

    def test_a_zygote_without_descriptors_is_asked_again(self, serve, folder):
        place = folder / "kit"
        apps.copy("kit", place)
        if os.getuid() == 0:
            for path in [place, *place.rglob("*")]:
                os.chown(path, 65502, 65502)
        server = serve("kit", workers=2, allow=DEATHS)
        (zygote,) = server.named("zygote")
        before = processes.limit(zygote, resource.RLIMIT_NOFILE, 3)
        os.kill(server.named("worker")[0], signal.SIGKILL)
        server.log.wait_for(r"error\[CW0524\] web: no worker can be forked: Too many open files; 1 serve", 10)
        assert server.is_healthy()
        processes.limit(zygote, resource.RLIMIT_NOFILE, before)
        server.log.wait_for(r"workers can be forked again", 10)
        wait_until(lambda: len(server.named("worker")) == 2, 5, "both workers")
        assert server.named("zygote") == [zygote]

    @pytest.mark.parametrize("preload", ["auto", "false"])
    def test_what_the_app_leaves_behind_is_reaped(self, serve, folder, app_python, preload):
        """Children of children that it forked itself, whose parents ended first: the master inherits them, and waits for them."""
        (folder / "app.py").write_text(
            "import os\n"
            "def orphan():\n"
            "    reader, writer = os.pipe()\n"
            "    child = os.fork()\n"
            "    if child == 0:\n"
            "        parent, pid = os.getpid(), os.fork()\n"
            "        while pid == 0 and os.getppid() == parent:\n"
            "            pass\n"
            "        if pid:\n"
            "            os.write(writer, str(pid).encode())\n"
            "        os._exit(0)\n"
            "    os.waitpid(child, 0)\n"
            "    os.close(writer)\n"
            "    pid = os.read(reader, 16)\n"
            "    os.close(reader)\n"
            "    return pid\n"
            "AT_IMPORT = orphan()\n"
            "def application(environ, start_response):\n"
            "    start_response('200 OK', [])\n"
            "    return [AT_IMPORT, b' ', orphan(), b' ', orphan()]\n")
        (folder / "cutwater.toml").write_text(
            f'[[listen]]\naddr = "127.0.0.1:0"\n[app.web]\ntarget = "app:application"\nworkers = 2\nwatch = "off"\npreload = "{preload}"\n'
            f'python = "{app_python}"\n')
        server = serve.run(["serve"], folder, workers=2)
        pids = server.get("/").text.split() + server.get("/").text.split()
        assert len(set(pids)) >= 5
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), 5, "the orphans to be reaped")

    def test_master_death_ends_a_worker_that_hangs(self, serve):
        server = serve("kit", workers=2, allow=DEATHS)
        slow = start_slow(server, 60)
        tree = server.tree()
        server.signal(signal.SIGKILL)
        server.expected_exit = -signal.SIGKILL
        wait_until(lambda: not any(processes.alive(pid) for pid in tree), 5.5, "everything to end")
        slow.close()

    def test_master_death_ends_all_within_five_seconds(self, serve):
        server = serve("kit", workers=2, allow=DEATHS)
        tree = server.tree()
        server.signal(signal.SIGKILL)
        began = time.monotonic()
        wait_until(lambda: not any(processes.alive(pid) for pid in tree), 8, "everything to end")
        assert time.monotonic() - began < 5.5
        server.expected_exit = -signal.SIGKILL

    def test_master_death_finishes_what_runs(self, serve):
        server = serve("kit", workers=1, allow=DEATHS)
        slow = start_slow(server, 1.5)
        server.signal(signal.SIGKILL)
        assert slow.read_response().text == "slept"
        slow.close()
        server.expected_exit = -signal.SIGKILL

    def test_master_death_leaves_no_socket_file(self, serve, folder):
        """The spawner removes them, also one that was started later, but not what has taken a name since."""
        path, taken = folder / "app.sock", folder / "taken.sock"
        server = serve("kit", listen=[f"unix:{path}", f"unix:{taken}"], allow=DEATHS)
        (spawner,) = server.named("spawn")
        os.kill(spawner, signal.SIGKILL)
        wait_until(lambda: server.named("spawn") not in ([], [spawner]), 5, "the next spawner")
        taken.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(taken))
            tree = server.tree()
            server.signal(signal.SIGKILL)
            server.expected_exit = -signal.SIGKILL
            wait_until(lambda: not any(processes.alive(pid) for pid in tree), 8, "everything to end")
            assert not path.exists() and taken.exists()
        taken.unlink()

    def test_after_master_death_the_address_is_free(self, serve):
        port = free_port()
        first = serve("kit", listen=f"127.0.0.1:{port}", allow=DEATHS)
        tree = first.tree()
        first.signal(signal.SIGKILL)
        first.expected_exit = -signal.SIGKILL
        first.wait_exit()
        wait_until(lambda: not any(processes.alive(pid) for pid in tree), 8, "everything to end")
        second = serve("kit", listen=f"127.0.0.1:{port}")
        assert second.is_healthy()

    def test_a_stale_unix_socket_is_replaced_and_a_live_one_is_not(self, serve, folder):
        path = f"{folder}/app.sock"
        first = serve("kit", listen=f"unix:{path}", allow=DEATHS)
        second = serve("hello", listen=f"unix:{path}", allow=[r"error", r"in use"], ready=False)
        second.expected_exit = second.wait_exit(30)
        assert second.expected_exit in (1, 2)
        assert first.get("/").text == "kit /"
        tree = first.tree()
        first.signal(signal.SIGKILL)
        first.expected_exit = -signal.SIGKILL
        wait_until(lambda: not any(processes.alive(pid) for pid in tree), 8, "everything to end")
        third = serve("hello", listen=f"unix:{path}")
        assert third.get("/").text == "Hello, world!"
        third.stop()  # removes the socket; only then may those who had the path before be looked over

    def test_port_in_use_is_a_named_error(self, serve):
        first = serve("kit")
        second = serve("hello", listen=f"127.0.0.1:{first.address[1]}", ready=False, allow=[r"error"])
        assert second.wait_exit(30) in (1, 2)
        second.expected_exit = second.process.returncode
        second.log.wait_for(str(first.address[1]), 5)

    def test_no_descriptor_or_process_leaks_over_many_deaths(self, serve):
        server = serve("kit", workers=2, allow=DEATHS)
        for number in range(12):
            server.request("GET", "/kill?signal=KILL", timeout=40)
            time.sleep(0.05)
        wait_until(lambda: server.is_healthy() and len(server.named("worker")) == 2, 30, "calm")


class TestSignals:
    def test_term_finishes_what_runs(self, serve):
        server = serve("kit", workers=1)
        slow = start_slow(server, 1.5)
        server.check_leaks = False
        server.signal(signal.SIGTERM)
        wait_until(lambda: is_refused(server), 1, "newcomers to be refused")
        response = slow.read_response()
        assert response.text == "slept" and response.get("Connection") == "close"
        assert server.wait_exit(10) == 0
        slow.close()

    @pytest.mark.parametrize("place", ["tcp", "unix"])
    @pytest.mark.parametrize("fronts", [1, 2])
    def test_term_serves_who_waits_and_refuses_who_comes(self, serve, folder, fronts, place):
        """What the kernel had accepted is not reset, and who comes while the rest is finished is not left waiting."""
        server = serve("kit", workers=2, fronts=fronts, queue=1000, listen="127.0.0.1:0" if place == "tcp" else f"unix:{folder}/s.sock")
        slow = start_slow(server, 2)
        server.check_leaks = False
        stopped = server.named("front")
        for front in stopped:
            os.kill(front, signal.SIGSTOP)
        wait_until(lambda: all(processes.state(front) == "T" for front in stopped), 5, "the fronts to stand still")
        waiting = [server.connect(timeout=20) for _ in range(300)]
        for client in waiting:
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        server.signal(signal.SIGTERM)
        server.log.wait_for("what runs is finished")
        time.sleep(0.2)  # it is told after that line
        for front in stopped:
            os.kill(front, signal.SIGCONT)
        wait_until(lambda: is_refused(server), 1.5, "newcomers to be refused")
        answers = [client.read_response() for client in waiting]
        assert {(answer.status, answer.get("Connection")) for answer in answers} == {(200, "close")}
        assert slow.read_response().text == "slept"
        assert server.wait_exit(10) == 0
        for client in [slow, *waiting]:
            client.close()

    def test_term_while_the_app_starts_answers_who_waits(self, serve, folder):
        place = folder / "kit"
        apps.copy("kit", place)
        (place / "app.py").write_text("import time\ntime.sleep(60)\n")
        port = free_port()
        server = serve("kit", listen=f"127.0.0.1:{port}", ready=False)
        server.addresses = [("127.0.0.1", port)]
        wait_until(lambda: server.named("zygote"), 10, "the import")
        with server.connect() as client:
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.2)
            server.check_leaks = False
            server.signal(signal.SIGTERM)
            assert client.read_response().status == 503
        assert server.wait_exit(10) == 0

    def test_term_closes_idle_connections_at_once(self, serve):
        server = serve("kit")
        with server.connect() as client:
            client.request("GET", "/")
            began = time.monotonic()
            server.signal(signal.SIGTERM)
            assert client.closed_by_server(5)
            assert server.wait_exit(10) == 0
            assert time.monotonic() - began < 3

    def test_term_has_a_deadline(self, serve):
        server = serve("kit", config='[shutdown]\ngrace = "1s"\n', grace="1s", allow=DEATHS)
        slow = start_slow(server, 60)
        began = time.monotonic()
        server.check_leaks = False
        server.signal(signal.SIGTERM)
        assert server.wait_exit(20) == 0
        assert 1 <= time.monotonic() - began < 5
        slow.close()

    def test_term_cuts_what_runs_and_says_so(self, serve):
        """Who waits for an answer at the deadline gets 503 and is logged so; who has a part of one is cut; 499 is who had left."""
        server = serve("kit", config='[shutdown]\ngrace = "1s"\n', grace="1s", workers=3, allow=DEATHS)
        waits, left = start_slow(server, 60), start_slow(server, 61)
        left.close()
        with server.connect() as sends, server.connect() as begun:
            sends.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
            begun.send(b"GET /stream?count=2&pause=60 HTTP/1.1\r\nHost: a\r\n\r\n")
            assert begun.read_head()
            server.check_leaks = False
            server.signal(signal.SIGTERM)
            assert server.wait_exit(20) == 0
            assert waits.read_to_end().startswith(b"HTTP/1.1 503 ")
            waits.close()
        requests = [re.search(r'"\w+ /(\w+)(?:\?s=(\d+))?.*?" (\d+) ', line) for line in server.out.lines]
        assert sorted(request.groups() for request in requests if request) == [
            ("echo", None, "503"), ("sleep", "60", "503"), ("sleep", "61", "499"), ("stream", None, "200")]

    @pytest.mark.parametrize(("first", "second"), [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGTERM),
                                                   (signal.SIGINT, signal.SIGTERM)])
    def test_a_second_term_or_int_is_at_once(self, serve, first, second):
        """The exit code names the signal that did not let what runs finish."""
        server = serve("kit", allow=DEATHS)
        slow = start_slow(server, 60)
        server.check_leaks = False
        server.signal(first)
        server.log.wait_for("what runs is finished")
        assert server.process.poll() is None
        began = time.monotonic()
        server.signal(second)
        server.expected_exit = 128 + second
        assert server.wait_exit(15) == 128 + second and time.monotonic() - began < 5
        slow.close()

    def test_what_fails_again_and_again_is_counted(self, serve):
        server = serve("kit", allow=[r"CW0502"])
        with server.connect() as client:
            for _ in range(30):
                assert client.request("GET", "/big").status == 500
        blocks = r"error\[CW0502\] web: GET /big raised"
        again = re.compile(r"CW0502\] web: GET /big raised .* \(the same (\d+) more times\)")
        wait_until(lambda: server.log.count(blocks) + sum(int(m[1]) - 1 for m in map(again.search, server.log.lines) if m) == 30, 10, "all to be counted")
        assert server.log.count("Traceback") < 30

    def test_quit_is_now(self, serve):
        server = serve("kit", allow=DEATHS)
        slow = start_slow(server, 60)
        server.check_leaks = False
        began = time.monotonic()
        server.signal(signal.SIGQUIT)
        server.expected_exit = 128 + signal.SIGQUIT
        assert server.wait_exit(15) == 128 + signal.SIGQUIT and time.monotonic() - began < 5
        log = server.log.text
        assert "was killed, with what it ran" in log and "CW0523" not in log
        slow.close()

    def test_stop_during_start(self, serve):
        server = serve("kit", ready=False, allow=DEATHS)
        server.check_leaks = False
        time.sleep(0.15)
        server.signal(signal.SIGTERM)
        server.expected_exit = server.wait_exit(15)
        assert server.expected_exit in (0, 1, -signal.SIGTERM)

    def test_signals_in_a_storm(self, serve):
        """USR1 and CHLD, many times: nothing happens."""
        server = serve("kit", allow=[])
        for _ in range(200):
            server.signal(signal.SIGUSR1)
            server.signal(signal.SIGCHLD)
        assert server.is_healthy()


class TestIdentity:
    @pytest.mark.skipif(os.getuid() != 0, reason="needs root")
    def test_the_front_is_nobody_of_importance(self, serve):
        server = serve("kit")
        for front in server.named("front"):
            uid = os.stat(f"/proc/{front}").st_uid
            status = open(f"/proc/{front}/status").read()
            real = int(status.split("Uid:")[1].split()[0])
            assert real != 0 and "CapEff:\t0000000000000000" in status, (uid, status)
            app = int(open(f"/proc/{int(server.get('/pid').text)}/status").read().split("Uid:")[1].split()[0])
            assert real != app

    @pytest.mark.skipif(os.getuid() != 0, reason="needs root")
    def test_the_app_runs_as_the_owner_of_its_folder(self, serve, folder):
        place = folder / "kit"
        apps.copy("kit", place)
        for path in [place, *place.rglob("*")]:
            os.chown(path, 65500, 65500)
        server = serve("kit")
        worker = int(server.get("/pid").text)
        status = open(f"/proc/{worker}/status").read()
        assert status.split("Uid:")[1].split()[:4] == ["65500"] * 4
        assert status.split("Gid:")[1].split()[:4] == ["65500"] * 4
        groups = status.split("Groups:")[1].splitlines()[0].split()
        assert "0" not in groups and "CapEff:\t0000000000000000" in status

    @pytest.mark.skipif(os.getuid() != 0, reason="needs root")
    @pytest.mark.parametrize("how", ["user", "owner", "cgi", "front_user"])
    def test_a_reload_gives_nobody_the_user_of_the_front(self, serve, folder, how):
        """A start refuses it, so nothing of such a configuration is taken, and a front that dies is who it was."""
        place = folder / "kit"
        apps.copy("kit", place)
        scripts = folder / "cgi"
        scripts.mkdir()
        route = f'[[site]]\n[[site.route]]\nmatch = {{ path = "/cgi-bin" }}\ncgi = {{ dir = "{scripts}", user = "games" }}\n'
        front = "daemon" if how == "front_user" else "nobody"
        server = serve("kit", user=None if how == "owner" else "games", env={"COLOUR": "green"}, allow=["CW0403", "CW0807", "CW0802"],
                       config=f'front_user = "{front}"\n{route}')
        config = server.folder / "cutwater.toml"
        good = config.read_text()
        bad = {"user": good.replace('user = "games"\nenv', f'user = "{front}"\nenv'), "owner": good,
               "cgi": good.replace('user = "games" }', f'user = "{front}" }}'),
               "front_user": good.replace('front_user = "daemon"\n', "").replace('user = "games"\nenv', 'user = "daemon"\nenv')}[how]
        assert how == "owner" or bad != good
        config.write_text(bad.replace("green", "blue"))
        if how == "owner":
            os.chown(place, pwd.getpwnam(front).pw_uid, 0)
        pids = set(server.tree())
        server.signal(signal.SIGHUP)
        told = "until the next restart it runs as daemon" if how == "front_user" else f"user {front} is an app's, a script's or a pool's"
        server.log.wait_for(rf"CW0403\] the front has no user of its own: {told}", 10)
        server.log.wait_for(r"CW0807\] reload refused", 10)
        assert server.get("/variable?name=COLOUR").text == "green" and set(server.tree()) == pids
        before = server.named("front")
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: len(set(server.named("front")) - set(before)) == 1 and server.is_healthy(), 10, "another front")
        users = {re.search(r"Uid:\t(\d+)", Path(f"/proc/{pid}/status").read_text())[1] for pid in server.named("front")}
        assert users == {str(pwd.getpwnam(front).pw_uid)}
        assert server.log.count(r"error\[CW0403") == 1, "the front that was started again has found its user"
        server.check_leaks = False

    @pytest.mark.skipif(os.getuid() != 0, reason="needs root")
    def test_an_app_folder_of_root_warns_once(self, serve):
        server = serve("kit", workers=2)
        before = len(server.tree())
        server.signal(signal.SIGHUP)
        server.log.wait_for("generation 2 serves", 20)
        assert server.log.count(r"warning.*root") == 1
        wait_until(lambda: len(server.tree()) <= before, 10, "the old generation to go")
        server.baseline = {server.pid: server.baseline[server.pid]}

    def test_processes_are_named(self, serve):
        server = serve("kit", workers=2, fronts=1)
        names = sorted(map(processes.name, server.tree()))
        assert names == ["cutwater", "cutwater-front", "cutwater-spawn", "cutwater-worker", "cutwater-worker", "cutwater-zygote"]

    def test_workers_have_one_thread(self, serve):
        """CPython 3.12 and newer warn at every fork() of a process with more."""
        server = serve("kit")
        assert server.is_healthy()
        assert len(os.listdir(f"/proc/{server.named('worker')[0]}/task")) == 1

    def test_workers_hold_only_what_they_need(self, serve):
        """No listening socket, no master's descriptor in a worker."""
        server = serve("kit")
        worker = int(server.get("/pid").text)
        opened = processes.descriptors(worker)
        if opened is None:
            pytest.skip("not allowed to look")
        front_sockets = set(processes.descriptors(server.named("front")[0]).values())
        listening = {f"socket:[{line.split()[9]}]" for name in ("tcp", "tcp6")
                     for line in open(f"/proc/net/{name}").read().splitlines()[1:] if line.split()[3] == "0A"}
        assert listening & front_sockets and not listening & set(opened.values())
        assert len(opened) < 25, opened


def answers(server):
    try:
        return server.get("/").status == 200
    except (OSError, Closed, AssertionError):
        return False


def test_parallel_requests_use_all_workers(serve):
    server = serve("kit", workers=4)
    statuses = []
    began = time.monotonic()
    threads = [threading.Thread(target=lambda: statuses.append(server.get("/sleep?s=1").status)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 4 and time.monotonic() - began < 3


def test_the_queue_is_one_for_all_fronts(serve):
    """Connections at two fronts, more requests than one queue holds."""
    server = serve("kit", workers=1, fronts=2, queue=4, queue_timeout="30s", allow=[r"CW0511"])
    fronts = server.named("front")
    clients = []
    for other in fronts:  # while one is stopped whoever connects gets to the other
        os.kill(other, signal.SIGSTOP)
        clients.append([server.connect(timeout=30) for _ in range(6)])
        for client in clients[-1]:
            assert client.request("GET", "/").status == 200
        os.kill(other, signal.SIGCONT)
    for client in [client for pair in zip(*clients, strict=True) for client in pair]:
        client.send("GET /sleep?s=0.5 HTTP/1.1\r\nHost: a\r\n\r\n")
    statuses = [client.read_response().status for client in clients[0] + clients[1]]
    # One runs, four wait; at the full queue two fronts may decide in the same instant.
    assert statuses.count(200) in (5, 6) and set(statuses) == {200, 503}, statuses
    for client in clients[0] + clients[1]:
        client.close()


@pytest.mark.parametrize("fronts", [1, 2])
@pytest.mark.parametrize("preload", ["true", "false"])
def test_fronts_and_preload(serve, fronts, preload):
    server = serve("kit", workers=2, fronts=fronts, preload=preload, allow=DEATHS)
    assert len(server.named("front")) == fronts
    for number in range(40):
        assert server.get(f"/{number}").text == f"kit /{number}"
    server.request("GET", "/kill?signal=KILL")
    for number in range(40):
        assert server.get(f"/{number}").text == f"kit /{number}"
