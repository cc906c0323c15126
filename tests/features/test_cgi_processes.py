"""CGI scripts as processes: how long they may run, how many at once, how they end, shortages, and whose they are."""

import contextlib
import fcntl
import os
import pwd
import re
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support import processes
from support.processes import alive, wait_until
from test_cgi import IS_ROOT, SCRIPT, mark, pids, play, scripts, site  # noqa: F401 (three are fixtures)

pytestmark = pytest.mark.timeout(90)


@contextlib.contextmanager
def leased(path):
    """Whoever opens it waits meanwhile."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    descriptor = os.open(path, os.O_RDWR)
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    try:
        yield
    finally:
        os.close(descriptor)


class TestDeadlines:
    """faults.md 114: the whole group is ended, reaped, and the client knows."""

    @pytest.mark.parametrize("what", ["hang", "deaf", "stopped"])
    def test_504(self, site, mark, what):
        server = site(', timeout = "1s"', allow=[SCRIPT])
        assert play(server, what, mark).status == 504
        server.log.wait_for(r"error\[CW0705\].*play\.py did not end within timeout")
        [pid] = pids(mark)
        wait_until(lambda: not alive(pid), 5, "the script's end")

    def test_a_cut_when_the_answer_has_begun(self, site, mark):
        server = site(', timeout = "1s"', allow=[SCRIPT])
        with server.connect() as client:
            client.send(f"GET /cgi-bin/play.py?do=hang_half&mark={mark} HTTP/1.1\r\nHost: a\r\n\r\n")
            received = client.read_to_end()
        assert b"half" in received and not received.endswith(b"0\r\n\r\n")
        [pid] = pids(mark)
        wait_until(lambda: not alive(pid), 5, "the script's end")

    def test_one_that_lives_on_after_its_answer(self, site, mark):
        server = site(', timeout = "1s", max = 1', allow=[SCRIPT])
        assert play(server, "lives_on", mark).text == "answer"
        [pid] = wait_until(lambda: pids(mark), 5, "the mark")
        assert server.get("/cgi-bin/hello.cgi").status == 200  # it had to wait for the slot
        assert not alive(pid)
        server.log.wait_for("ran on after its answer")

    def test_a_daemon_is_not_left_running(self, site, mark):
        server = site()
        assert play(server, "daemon", mark).text == "answer"
        [pid] = pids(mark)
        wait_until(lambda: not alive(pid), 5, "the daemon's end")

    @pytest.mark.parametrize("what, count", [("hang", 1), ("deaf", 1), ("stopped", 1), ("family", 3)])
    def test_the_client_leaves(self, site, mark, what, count):
        server = site()
        client = server.connect()
        client.send(f"GET /cgi-bin/play.py?do={what}&mark={mark} HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: len(pids(mark)) == count, 10, "the script")
        client.reset()
        wait_until(lambda: not any(alive(pid) for pid in pids(mark)), 5, "the end of all of them")

    @pytest.mark.skipif(not IS_ROOT, reason="needs root: one user's scripts hold up that user's")
    def test_a_start_that_hangs_holds_nobody_else_up(self, site, folder):
        """Its file cannot be opened, as one of a file system of its user's own. That is waited for once."""
        slow = folder / "slow"
        slow.mkdir(mode=0o755)
        (slow / "x.sh").write_text("#!/bin/sh\necho; echo runs\n")
        (slow / "text.sh").write_text("just text\n")
        for path in slow.iterdir():
            path.chmod(0o755)
        shutil.chown(slow, "games")
        server = site(before=f'[[site.route]]\nmatch = {{ path = "/slow/*" }}\ncgi = {{ dir = "{slow}" }}', allow=[SCRIPT])
        waiting = []
        with leased(slow / "x.sh"), leased(slow / "text.sh"):
            assert server.get("/slow/x.sh").status == 500
            server.log.wait_for(r"CW0701.*slow/x\.sh: .* could not be opened within a second")
            for name in ["x.sh"] * 4 + ["text.sh"]:
                waiting.append(server.connect(timeout=30))
                waiting[-1].send(f"GET /slow/{name} HTTP/1.1\r\nHost: a\r\n\r\n")
            took = []
            for _ in range(20):
                began = time.monotonic()
                assert server.get("/cgi-bin/hello.cgi").status == 200
                took.append(time.monotonic() - began)
            assert max(took) < 0.8
        answers = [client.read_response() for client in waiting]
        assert [(answer.status, answer.text.strip()) for answer in answers[:4]] == [(200, "runs")] * 4
        assert answers[4].status == 500
        server.log.wait_for(r"CW0701.*slow/text\.sh: is no program")
        for client in waiting:
            client.close()

    @pytest.mark.skipif(not IS_ROOT, reason="needs root: the limit of processes is the user's")
    def test_a_fork_bomb(self, site, mark):
        """Bounded by a limit of its user's processes: what it fills is gone with it, and the others are answered meanwhile."""
        server = site(', timeout = "3s", user = "games", warm = false', allow=[SCRIPT])  # all of that user's are counted
        mark.parent.chmod(0o777)
        client = server.connect(timeout=30)
        client.send(f"GET /cgi-bin/play.py?do=bomb&mark={mark} HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: pids(mark), 10, "the bomb")
        games = pwd.getpwnam("games").pw_uid
        counts = [wait_until(lambda: processes.count_of(games) > 20 and processes.count_of(games), 10, "its children")]
        assert server.get("/cgi-bin/hello.cgi").status in (200, 503)

        def are_gone():
            counts.append(processes.count_of(games))
            return counts[-1] == 0

        wait_until(are_gone, 20, "the end of all of them")
        assert max(counts) <= 256 + 32 * os.cpu_count() + 1
        client.read_to_end()
        assert server.get("/cgi-bin/hello.cgi").status == 200, server.log.text
        client.close()


class TestHowMany:
    def test_max_then_queue_then_503(self, site, mark):
        server = site(', max = 1, queue = 1, timeout = "20s"', allow=[SCRIPT])
        running, waiting = server.connect(), server.connect()
        running.send(f"GET /cgi-bin/play.py?do=hang&mark={mark} HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: pids(mark), 10, "the first one")
        waiting.send("GET /cgi-bin/hello.cgi HTTP/1.1\r\nHost: a\r\n\r\n")

        def refused():
            response = server.get("/cgi-bin/hello.cgi")
            return response if response.status == 503 else None

        response = refused()  # the one that waits was sent before
        assert response and response.get("Retry-After") == "10"
        server.log.wait_for(r"error\[CW0706\]")
        running.reset()
        assert waiting.read_response().status == 200
        waiting.close()

    def test_queue_timeout(self, site, mark):
        server = site(', max = 1, queue_timeout = "200ms"', allow=[SCRIPT])
        running = server.connect()
        running.send(f"GET /cgi-bin/play.py?do=hang&mark={mark} HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: pids(mark), 10, "the first one")
        assert server.get("/cgi-bin/hello.cgi").status == 503
        server.log.wait_for(r"error\[CW0706\].*queue_timeout")
        running.reset()

    def test_two_fronts(self, site):
        server = site(fronts=2)
        for _ in range(20):
            assert server.get("/cgi-bin/hello.cgi").status == 200


class TestDeaths:
    def test_a_killed_spawner(self, site, mark):
        """Who runs gets 502, who comes next is answered; and nothing runs on."""
        server = site(allow=[SCRIPT, "CW0803"])
        client = server.connect()
        client.send(f"GET /cgi-bin/play.py?do=hang&mark={mark} HTTP/1.1\r\nHost: a\r\n\r\n")
        [pid] = wait_until(lambda: pids(mark), 10, "the script")
        [spawner] = server.named("spawn")
        os.kill(spawner, signal.SIGKILL)
        assert client.read_response().status == 502
        client.close()
        wait_until(lambda: not alive(pid), 5, "the script's end")
        began = time.monotonic()
        assert server.get("/cgi-bin/hello.cgi").status == 200
        assert time.monotonic() - began < 2
        server.baseline = {}

    def test_what_scripts_of_a_killed_spawner_had_started(self, site, mark):
        """It falls to the master, which ends it."""
        server = site(allow=[SCRIPT, "CW0803"])
        client = server.connect()
        client.send(f"GET /cgi-bin/play.py?do=family&mark={mark} HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: len(pids(mark)) == 3, 10, "the family")
        [spawner] = server.named("spawn")
        os.kill(spawner, signal.SIGKILL)
        assert client.read_response().status == 502
        client.close()
        wait_until(lambda: not any(alive(pid) for pid in pids(mark)), 5, "the end of all three")
        assert server.get("/cgi-bin/hello.cgi").status == 200
        server.baseline = {}

    def test_a_killed_front(self, site, mark):
        server = site(allow=["CW0802"])
        client = server.connect()
        client.send(f"GET /cgi-bin/play.py?do=hang&mark={mark} HTTP/1.1\r\nHost: a\r\n\r\n")
        [pid] = wait_until(lambda: pids(mark), 10, "the script")
        [front] = server.named("front")
        os.kill(front, signal.SIGKILL)
        wait_until(lambda: not alive(pid), 5, "the script's end")
        wait_until(lambda: server.named("front") not in ([], [front]), 5, "the next front")
        assert server.get("/cgi-bin/hello.cgi").status == 200
        client.close()
        server.baseline = {}

    def test_the_servers_end(self, site, mark):
        server = site(allow=["CW0708"])  # the spawner may be gone before the front is
        client = server.connect()
        client.send(f"GET /cgi-bin/play.py?do=deaf&mark={mark} HTTP/1.1\r\nHost: a\r\n\r\n")
        [pid] = wait_until(lambda: pids(mark), 10, "the script")
        server.signal(signal.SIGQUIT)
        server.expected_exit = 128 + signal.SIGQUIT
        server.wait_exit(10)
        wait_until(lambda: not alive(pid), 5, "the script's end")
        client.close()


@pytest.mark.skipif(not IS_ROOT, reason="lowers a limit of another process")
class TestShortages:
    """faults.md 152."""

    @staticmethod
    @contextlib.contextmanager
    def without_descriptors(pid, spare=0):
        """While what is inside runs that process can open no more. It is told by its own user: root may lack the right to."""
        user, group = [int(re.search(rf"^{name}:\t(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1]) for name in ("Uid", "Gid")]
        before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

        def limit(most):
            program = f"import resource; resource.prlimit({pid}, resource.RLIMIT_NOFILE, ({most}, {hard}))"
            subprocess.run(["/usr/bin/python3", "-c", program], user=user, group=group, extra_groups=[], check=True)

        limit(len(os.listdir(f"/proc/{pid}/fd")) + spare)
        try:
            yield
        finally:
            limit(before)

    def test_no_descriptors_in_the_spawner(self, site):
        """A request waits until there are some."""
        server = site(allow=[SCRIPT, "CW0710"])
        assert server.get("/cgi-bin/hello.cgi").status == 200
        [spawner] = server.named("spawn")
        with server.connect() as client:
            with self.without_descriptors(spawner):
                client.send("GET /cgi-bin/hello.cgi HTTP/1.1\r\nHost: a\r\n\r\n")
                client.socket.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    client.fill()
            client.socket.settimeout(10)
            assert client.read_response().status == 200
        assert server.named("spawn") == [spawner]

    def test_no_descriptors_in_the_front(self, site):
        server = site(allow=[SCRIPT, r"CW\d+"])
        [front] = server.named("front")
        with server.connect() as client:
            assert client.request("GET", "/cgi-bin/hello.cgi").status == 200
            # Too few for a script. The sanitizer of types needs them: it looks at an object by a pipe, and without one
            # says that there is none.
            with self.without_descriptors(front, spare=2):
                answer = client.request("GET", "/cgi-bin/env.sh")
                assert answer.status == 503 and answer.get("Retry-After")
            assert client.request("GET", "/cgi-bin/env.sh").status == 200
        server.log.wait_for(r"CW0703.*no descriptor")


def own_folders(scripts, *owners):
    """One of each owner, in a folder of root's, with a script."""
    shutil.chown(scripts, "root", "root")
    for owner in owners:
        place = scripts / owner
        place.mkdir()
        place.chmod(0o755)
        shutil.copy(scripts / "env.sh", place / "env.sh")
        shutil.chown(place, owner)


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
class TestIdentities:
    def test_the_configured_user(self, site):
        assert f"user: {pwd.getpwnam('games').pw_uid}\n" in site(', user = "games"').get("/cgi-bin/env.sh").text

    def test_the_owner_of_each_folder(self, site, scripts):
        own_folders(scripts, "daemon", "games")
        server = site()
        for owner in ["daemon", "games"]:
            assert f"user: {pwd.getpwnam(owner).pw_uid}\n" in server.get(f"/cgi-bin/{owner}/env.sh").text

    @pytest.mark.parametrize("owner", ["root", "nobody"])
    def test_never_root_or_the_front(self, site, scripts, owner):
        own_folders(scripts, "daemon", owner)
        server = site(allow=[SCRIPT])
        assert server.get(f"/cgi-bin/{owner}/env.sh").status == 500
        server.log.wait_for(rf"error\[CW0702\].*{owner}/env\.sh.*{owner}")
        assert server.get("/cgi-bin/daemon/env.sh").status == 200

    @pytest.mark.parametrize("path, why", [("open.sh", "can be written by everybody"), ("link/env.sh", "a link leads to it")])
    def test_a_script_that_others_can_change(self, site, scripts, path, why):
        """As suEXEC: nothing runs as somebody if somebody else may have written it, or chosen it by a link."""
        own_folders(scripts, "daemon", "games")
        (scripts / "daemon" / "open.sh").write_text("#!/bin/sh\necho; echo; id -un\n")
        (scripts / "daemon" / "open.sh").chmod(0o777)
        (scripts / "daemon" / "link").symlink_to("../games")
        server = site(allow=[SCRIPT])
        assert server.get(f"/cgi-bin/daemon/{path}").status == 500
        server.log.wait_for(rf"error\[CW0709\].*daemon/{path}: .*{why}")
        assert server.get("/cgi-bin/daemon/env.sh").status == 200

    def test_a_user_that_is_root_is_an_error_at_the_start(self, run_binary, scripts, folder):
        (folder / "cutwater.toml").write_text(
            '[[listen]]\naddr = "127.0.0.1:0"\n[[site]]\n[[site.route]]\nmatch = { path = "/*" }\n'
            f'cgi = {{ dir = "{scripts}", user = "root" }}\n'
        )
        outcome = run_binary("serve", "-c", "cutwater.toml")
        assert outcome.returncode == 2
        assert "CW0805" in outcome.stderr and "no script runs as root" in outcome.stderr
