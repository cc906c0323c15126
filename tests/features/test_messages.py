"""What messages say: the time that was set, and who it is about."""

import os
import re
import signal
import subprocess

import pytest

from support import apps

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
