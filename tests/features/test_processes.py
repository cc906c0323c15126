"""Who dies, and what must still hold: workers, fronts, zygotes, the master; deadlines."""

import os
import resource
import signal
import socket
import threading
import time

import pytest

from support import apps, processes
from support.client import Closed
from support.processes import wait_until
from support.server import free_port

pytestmark = pytest.mark.timeout(90)
DEATHS = [r"CW05\d\d", r"CW08\d\d", r"worker", r"zygote", r"front"]


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
        running = apps.start_slow(server, 30)
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
        slow = apps.start_slow(server, 1)
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
        slow = apps.start_slow(server, 60)
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
        slow = apps.start_slow(server, 1.5)
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
