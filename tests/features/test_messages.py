"""What messages say: the time that was set, who it is about, how it ended, what comes next, and what is at fault."""

import os
import re
import signal
import subprocess

import pytest

from support import apps
from support.processes import wait_until

pytestmark = pytest.mark.timeout(90)
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root changes its user")


class TestDurations:
    """As many seconds as were set, not whole ones, nor thousandths."""

    def test_of_a_stop_and_a_queue(self, serve):
        server = serve("kit", workers=1, queue_timeout="500ms", config='[shutdown]\ngrace = "1500ms"\n', allow=["CW0511", "CW0523"])
        with server.connect() as runs:
            runs.send("GET /sleep?s=2&say=runs HTTP/1.1\r\nHost: a\r\n\r\n")
            server.out.wait_for("sleeps runs")
            assert server.get("/").status == 503
            server.log.wait_for(r"CW0511.*waited queue_timeout = 0.5 s for a worker", 5)
            server.check_leaks = False
            server.signal(signal.SIGTERM)
            server.log.wait_for(r"SIGTERM: what runs is finished, for at most 1.5 s", 5)
            assert server.wait_exit(10) == 0

    def test_of_a_start(self, serve):
        server = serve("kit", start_timeout="1500ms", allow=["CW0317", "keeps serving"])
        server.check_leaks = False
        code = server.folder / "app.py"
        code.write_text("import time\ntime.sleep(60)\n" + code.read_text())
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"not ready within start_timeout = 1.5 s: gave up", 10)


class TestUsers:
    @needs_root
    @pytest.mark.parametrize("setting, code", [("user", "CW0805"), ("front_user", "CW0403")])
    def test_one_that_is_nobody_is_an_error_of_the_configuration(self, run_binary, folder, app_python, setting, code):
        apps.copy("kit", folder / "kit")
        flags = ["app:application", "-b", "127.0.0.1:0", "--python", app_python, f"--{setting.replace('_', '-')}", "nobody-of-that-name"]
        for command in ("serve", "check"):
            result = run_binary(command, *flags, cwd=folder / "kit")
            assert result.returncode == 2 and re.findall(r"error\[(CW\d+)\]", result.stderr) == [code], result.stderr

    @needs_root
    @pytest.mark.parametrize("setting, code", [("user", "CW0805"), ("front_user", "CW0403")])
    def test_another_one_than_the_own_needs_root(self, binary, folder, app_python, setting, code):
        place = folder / "kit"
        apps.copy("kit", place)
        for command, asked, expected in (("serve", "daemon", 2), ("check", "daemon", 2), ("check", "games", 0)):
            words = [binary, command, "app:application", "-b", "127.0.0.1:0", "--python", app_python, f"--{setting.replace('_', '-')}", asked]
            result = subprocess.run(words, cwd=place, user="games", group="games", extra_groups=[], capture_output=True, text=True, timeout=30)
            assert result.returncode == expected, result.stderr
            assert expected == 0 or re.search(
                rf'error\[{code}\] .*{setting} = "daemon" needs cutwater to be started as root; it runs as games\n +fix: remove', result.stderr), result.stderr


class TestEnds:
    def test_a_worker_is_named_by_its_pid_where_it_speaks_itself(self, serve):
        server = serve("asgi", allow=[r"CW050[25]", r"CW0521", "Traceback", "SystemExit"])
        server.check_leaks = False
        pid = server.get("/pid").text
        assert server.get("/exit").status == 500
        server.log.wait_for(rf"CW0505\] web: worker \(pid {pid}\) ends, since the app asked for it", 10)
        wait_until(lambda: server.get("/pid").text != pid and int(pid) not in server.named("worker"), 10, "its successor")

    def test_a_front_that_was_asked_to(self, serve):
        server = serve("kit", fronts=1, allow=["CW0802"])
        server.check_leaks = False
        (front,) = server.named("front")
        os.kill(front, signal.SIGTERM)
        server.log.wait_for(rf"CW0802\] a front \(pid {front}\) exited with status 0, as a SIGTERM from outside makes it", 10)
        server.log.wait_for(rf"fix: send signals to the master, process {server.pid}$", 5)
        wait_until(lambda: server.named("front") not in ([], [front]) and server.is_healthy(), 10, "another front")

    def test_a_worker_whose_successor_has_to_wait(self, serve):
        server = serve("crashing", workers=1, allow=["CW0521", "CW0529"])
        server.check_leaks = False
        (server.folder / "crash").write_text("")
        os.kill(server.named("worker")[0], signal.SIGKILL)
        server.log.wait_for(r"CW0521\] web: worker 1 \(pid \d+\) was killed by SIGKILL.*; another one is started$", 10)
        server.log.wait_for(r"CW0521\] web: worker \d+ \(pid \d+\) exited with status 9; another one is started in 0\.[24] s$", 20)
        (server.folder / "crash").unlink()

    def test_a_hook_that_ends_what_is_forked(self, serve):
        server = serve("kit", workers=1, start_timeout="3s", allow=["CW0524", "CW0317", "keeps serving"])
        server.check_leaks = False
        code = server.folder / "app.py"
        code.write_text(code.read_text() + "\nos.register_at_fork(after_in_child=lambda: os._exit(9))\n")
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"CW0524\] web: no worker can be forked: the process in between exited with status 9; it is tried again", 10)
        server.log.wait_for(r"fix: look for what the app has registered with os.register_at_fork", 5)
        assert server.is_healthy()
        server.log.wait_for("keeps serving", 15)
