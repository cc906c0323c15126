"""New code beside the old: HUP and the watch of the code; good code takes over, broken code is told and changes nothing."""

import os
import re
import signal
import time

import pytest

from support import apps
from support.processes import wait_until

pytestmark = pytest.mark.timeout(90)
COLOURED = ("import os\ndef application(environ, start_response):\n    start_response('200 OK', [])\n"
            "    return [os.environ['COLOUR'].encode()]\n")
REFUSED = [r"CW03\d\d", r"Error", r"keeps serving", r"reload"]


def coloured(folder, app_python):
    """The configuration of one green app, and its text."""
    text = (f'[[listen]]\naddr = "127.0.0.1:0"\n[app.web]\nworkers = 1\nwatch = "off"\npython = "{app_python}"\n'
            'env = { COLOUR = "green" }\n')
    (folder / "cutwater.toml").write_text(text)
    return folder / "cutwater.toml", text


def edit(path, before, after):
    """As an editor does: a new file renamed over the old one, with a time stamp of its own."""
    text = path.read_text()
    assert before in text
    fresh = path.with_suffix(".tmp")
    fresh.write_text(text.replace(before, after))
    later = time.time_ns() + 2_000_000_000
    os.utime(fresh, ns=(later, later))
    os.rename(fresh, path)


def version(server):
    return server.get("/version").text


class TestHup:
    def test_good_code_takes_over(self, serve):
        server = serve("kit", workers=2)
        assert version(server) == "one"
        before = len(server.tree())
        edit(server.folder / "app.py", 'VERSION = "one"', 'VERSION = "two"')
        server.signal(signal.SIGHUP)
        wait_until(lambda: version(server) == "two", 15, "the new version")
        wait_until(lambda: len(server.tree()) <= before, 10, "the old generation to go")
        server.baseline = {server.pid: server.baseline[server.pid], **{pid: server.baseline[pid] for pid in server.named("front")}}

    @pytest.mark.parametrize("name, broken, told", [
        ("syntax", "def broken(:\n", r"SyntaxError"), ("import", "import no_such_module_here\n", r"no_such_module_here"),
        ("name", "undefined_name_here\n", r"undefined_name_here"), ("exit", "import sys; sys.exit(5)\n", r"(?i)exit"),
        ("gone", None, r"(?i)application"),
    ])
    def test_broken_code_changes_nothing(self, serve, name, broken, told):
        server = serve("kit", workers=2, allow=REFUSED)
        path = server.folder / "app.py"
        good = path.read_text()
        pids = set(server.tree())
        if broken is None:
            edit(path, "def application(", "def another(")
        else:
            edit(path, 'VERSION = "one"', broken + 'VERSION = "two"')
        start = len(server.log.lines)
        server.signal(signal.SIGHUP)
        server.log.wait_for(told, 15, start)
        server.log.wait_for(r"keeps serving", 5, start)
        for _ in range(10):
            assert version(server) == "one"
        wait_until(lambda: set(server.tree()) == pids, 10, "the failed generation to go")
        path.write_text(good.replace('VERSION = "one"', 'VERSION = "three"'))
        os.utime(path, (time.time() + 5, time.time() + 5))
        server.signal(signal.SIGHUP)
        wait_until(lambda: version(server) == "three", 15, "the repaired version")
        server.baseline = {server.pid: server.baseline[server.pid]}

    def test_the_users_last_line_comes_first(self, serve):
        server = serve("kit", allow=REFUSED)
        edit(server.folder / "app.py", 'VERSION = "one"', "def broken(:\n    pass\n")
        start = len(server.log.lines)
        server.signal(signal.SIGHUP)
        server.log.wait_for("SyntaxError", 15, start)
        block = server.log.lines[start:]
        first = next(number for number, line in enumerate(block) if "app.py" in line)
        assert "app.py:" in block[first], block
        assert not any("importlib" in line for line in block[: first + 1]), block

    def test_an_app_that_never_gets_ready(self, serve):
        server = serve("kit", start_timeout="2s", allow=REFUSED + [r"CW\d+"])
        before = len(server.tree())
        edit(server.folder / "app.py", 'VERSION = "one"', 'time.sleep(60)\nVERSION = "two"')
        start = len(server.log.lines)
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"keeps serving|not ready|start_timeout", 15, start)
        server.log.wait_for(r"web: the import had come to app.py:\d+ in <module>: time.sleep\(60\)$", 15, start)
        assert version(server) == "one"
        wait_until(lambda: len(server.tree()) <= before, 15, "the slow generation to go")
        server.baseline = {server.pid: server.baseline[server.pid]}

    def test_what_was_mended_meanwhile_is_not_said_to_hang(self, serve):
        """The line's number is that of the file as it was."""
        server = serve("kit", start_timeout="2s", allow=REFUSED)
        edit(server.folder / "app.py", 'VERSION = "one"', 'open("begun", "w").close(); time.sleep(60)\nVERSION = "two"')
        server.signal(signal.SIGHUP)
        wait_until((server.folder / "begun").exists, 10, "the import to begin")
        edit(server.folder / "app.py", 'open("begun", "w").close(); time.sleep(60)\n', "")
        server.log.wait_for(r"web: the import had come to app.py:\d+ in <module>$", 15)
        server.baseline = {server.pid: server.baseline[server.pid]}

    def test_a_request_that_runs_is_finished_by_the_old_generation(self, serve):
        server = serve("kit", workers=1)
        with server.connect(timeout=30) as slow, server.connect() as idle:
            idle.request("GET", "/")
            slow.send("GET /sleep?s=2 HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.2)
            edit(server.folder / "app.py", 'VERSION = "one"', 'VERSION = "two"')
            server.signal(signal.SIGHUP)
            wait_until(lambda: version(server) == "two", 15, "the new version")
            assert slow.read_response().text == "slept"
            assert idle.request("GET", "/version").text == "two", "no connection is lost"
        server.baseline = {server.pid: server.baseline[server.pid]}

    def test_queued_requests_move_to_the_new_generation(self, serve):
        server = serve("kit", workers=1, queue_timeout="30s", allow=[])
        slow = server.connect(timeout=40)
        slow.send("GET /sleep?s=4 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.2)
        queued = [server.connect(timeout=40) for _ in range(5)]
        for client in queued:
            client.send("GET /version HTTP/1.1\r\nHost: a\r\n\r\n")
        edit(server.folder / "app.py", 'VERSION = "one"', 'VERSION = "two"')
        time.sleep(0.2)
        server.signal(signal.SIGHUP)
        assert [client.read_response().text for client in queued] == ["two"] * 5
        assert slow.read_response().text == "slept"
        for client in [slow, *queued]:
            client.close()
        server.baseline = {server.pid: server.baseline[server.pid]}

    def test_changed_configuration(self, serve):
        server = serve("kit", workers=1)
        config = server.folder / "cutwater.toml"
        config.write_text(config.read_text().replace("workers = 1", "workers = 3"))
        before = len(server.tree())
        server.signal(signal.SIGHUP)
        wait_until(lambda: len(server.tree()) == before + 2, 15, "three workers")
        assert server.is_healthy()
        # More workers are more descriptors in master and front: nothing may be added to that.
        server.workers = 3
        wait_until(server.knows_all_workers, 10, "all workers")
        server.baseline = server.descriptor_counts()
        server.signal(signal.SIGHUP)
        wait_until(lambda: server.log.count(r"generation 3 serves"), 15, "the next generation")

    def test_what_a_reload_does_not_change_is_told(self, serve):
        """Fronts, listeners and logs are made at the start alone; what the app is given changes all the same."""
        server = serve("kit", workers=1, env={"COLOUR": "green"}, allow=[r"CW0808"])
        config = server.folder / "cutwater.toml"
        text = config.read_text().replace("green", "blue")
        config.write_text('fronts = 2\nfront_user = "games"\n' + text + '\n[limits]\nbody = "1MB"\n[log]\nlevel = "debug"\n[shutdown]\ngrace = "9s"\n')
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"CW0808\] changes of fronts, front_user, \[shutdown\], \[limits\], \[log\] take effect at the next restart; all others do now", 10)
        server.log.wait_for(r"generation 2 serves", 15)
        assert server.get("/variable?name=COLOUR").text == "blue"

    def test_broken_configuration(self, serve):
        server = serve("kit", allow=[r"CW01\d\d", *REFUSED])
        before = len(server.tree())
        config = server.folder / "cutwater.toml"
        good = config.read_text()
        config.write_text(good + "\n[limits]\nboddy = 3\n")
        start = len(server.log.lines)
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"boddy", 10, start)
        assert server.is_healthy()
        config.write_text(good)
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"generation 2 serves", 15)
        assert server.is_healthy()
        wait_until(lambda: len(server.tree()) <= before, 15, "one generation")
        server.baseline = {server.pid: server.baseline[server.pid]}

    @pytest.mark.parametrize("place, code", [("TARGET", "CW0105"), ("-c", "CW0105"), ("pyproject.toml", "CW0109")])
    def test_a_configuration_that_is_gone(self, serve, folder, app_python, place, code):
        """Without it another user, interpreter and other limits would count."""
        (folder / "app.py").write_text(COLOURED)
        ours = "tool.cutwater." if place == "pyproject.toml" else ""
        text = (f'[[{ours}listen]]\naddr = "127.0.0.1:0"\n[{ours}app.web]\nworkers = 1\nwatch = "off"\npython = "{app_python}"\n'
                f'env = {{ COLOUR = "green" }}\n')
        config = folder / ("pyproject.toml" if ours else "cutwater.toml")
        config.write_text(text)
        server = serve.run(["serve", *(["-c", config] if place == "-c" else [])], folder, workers=1, allow=[code, r"CW0807"])
        if ours:
            config.write_text("[project]\n")
        else:
            config.rename(folder / "elsewhere.toml")
        pids = set(server.tree())
        server.signal(signal.SIGHUP)
        server.log.wait_for(rf"{code}\] .*{config.name}", 10)
        server.log.wait_for(r"CW0807", 10)
        assert server.get("/").text == "green" and set(server.tree()) == pids
        config.write_text(text.replace("green", "blue"))
        server.signal(signal.SIGHUP)
        wait_until(lambda: server.get("/").text == "blue", 15, "the file that was put back")
        server.baseline = {server.pid: server.baseline[server.pid]}

    def test_a_configuration_that_is_just_being_written(self, serve, folder, app_python):
        """One that a deployment has emptied and not yet filled would be the defaults: another user, another interpreter."""
        (folder / "app.py").write_text(COLOURED)
        config, text = coloured(folder, app_python)
        server = serve.run(["serve"], folder, workers=1, allow=["CW0105", "CW0207", "CW0807"])
        for nothing in ("", "# soon\n"):
            config.write_text(nothing)
            start = len(server.log.lines)
            server.signal(signal.SIGHUP)
            server.log.wait_for(r"CW0105\] .*cutwater.toml is empty, which had settings", 10, start)
            server.log.wait_for(r"CW0807", 10, start)
        assert server.get("/").text == "green"
        config.write_text(text.replace("green", "blue"))
        server.signal(signal.SIGHUP)
        wait_until(lambda: server.get("/").text == "blue", 15, "the file that was written")
        server.baseline = {server.pid: server.baseline[server.pid]}

    def test_an_app_that_is_named_no_more(self, serve, folder, app_python):
        """It is reloaded as it was: what it is called changes at a restart."""
        (folder / "app.py").write_text(COLOURED)
        config, text = coloured(folder, app_python)
        server = serve.run(["serve"], folder, workers=1, allow=["CW0808"])
        config.write_text(text.replace("app.web", "app.shop"))
        (folder / "app.py").write_text(COLOURED.replace("os.environ['COLOUR']", "(os.environ['COLOUR'] + 'er')"))
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"CW0808\] changes of the list of apps \(web keeps its settings\) take effect at the next restart", 10)
        server.log.wait_for(r"web: generation 2 serves", 15)
        assert server.get("/").text == "greener"
        server.baseline = {server.pid: server.baseline[server.pid]}

    def test_an_app_that_cannot_be_run_as_asked_holds_up_the_others(self, serve, folder, app_python):
        """All or nothing of a configuration is taken."""
        text = '[[listen]]\naddr = "127.0.0.1:0"\n'
        for name in ("first", "second"):
            (folder / name).mkdir()
            (folder / name / "app.py").write_text(COLOURED)
            text += (f'[app.{name}]\nroot = "{name}"\nprefix = "/{name}"\nworkers = 1\nwatch = "off"\npython = "{app_python}"\n'
                     f'env = {{ COLOUR = "green" }}\n')
        config = folder / "cutwater.toml"
        config.write_text(text)
        server = serve.run(["serve"], folder, allow=[r"CW080[57]"])
        pids = set(server.tree())
        config.write_text(text.replace("green", "blue") + 'user = "nobody-of-that-name"\n')
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"CW0805\] app.second.user", 10)
        server.log.wait_for(r"CW0807", 10)
        assert server.get("/first").text == server.get("/second").text == "green" and set(server.tree()) == pids

    @pytest.mark.parametrize("then", ["pass", "raise ValueError"])
    def test_a_change_and_a_hup_while_a_generation_starts_are_one_reload(self, serve, then):
        server = serve("kit", workers=1, watch="code", allow=REFUSED)
        wait = 'while not os.path.exists("go on"):\n    time.sleep(0.05)\n'
        slow = f'open("begun", "w").close()\n{wait}{then}\nVERSION = "two"'
        edit(server.folder / "app.py", 'VERSION = "one"', slow)
        wait_until((server.folder / "begun").exists, 10, "the import to begin")
        edit(server.folder / "app.py", slow, 'VERSION = "three"')
        server.log.wait_for(r"app.py changed; generation 2 is still starting \(while importing the app, \d.\d s after the start\), generation 3 comes after it, in \d.\d s at most", 10)
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"asked to reload; generation 2 is still starting", 10)
        (server.folder / "go on").touch()
        wait_until(lambda: version(server) == "three", 15, "the last version")
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"generation 4 serves", 15)
        assert server.log.count(r"asked to reload; generation [34] starts") == server.log.count(r"generation [3-9] starts") == 2
        server.baseline = {server.pid: server.baseline[server.pid]}

    def test_storm(self, serve, pytestconfig):
        """coalesced; nothing grows."""
        server = serve("kit", workers=1)
        before = len(server.tree())
        for _ in range(1000 if pytestconfig.getoption("--long") else 100):
            server.signal(signal.SIGHUP)
            time.sleep(0.005)
        assert server.is_healthy()
        wait_until(lambda: len(server.tree()) <= before, 40, "one generation")
        server.baseline = {server.pid: server.baseline[server.pid]}

    def test_an_app_that_hangs_holds_up_no_other(self, serve, folder, app_python):
        """Its import waits for the other end of a pipe; the other app is reloaded twice meanwhile."""
        code = ("import os\nVERSION = b'one'\nif os.path.exists('gate'):\n    open('gate').read()\n"
                "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [VERSION]\n")
        text = '[[listen]]\naddr = "127.0.0.1:0"\n'
        for name in ("slow", "quick"):
            (folder / name).mkdir()
            (folder / name / "app.py").write_text(code)
            text += (f'[app.{name}]\nroot = "{name}"\nprefix = "/{name}"\ntarget = "app:application"\nworkers = 1\nwatch = "off"\n'
                     f'python = "{app_python}"\n')
        (folder / "cutwater.toml").write_text(text)
        server = serve.run(["serve"], folder)
        os.mkfifo(folder / "slow" / "gate")
        os.chmod(folder / "slow" / "gate", 0o666)
        for before, after in (("one", "two"), ("two", "three")):
            for name in ("slow", "quick"):
                edit(folder / name / "app.py", f"b'{before}'", f"b'{after}'")
            server.signal(signal.SIGHUP)
            wait_until(lambda after=after: server.get("/quick").text == after, 10, "the app that does not hang")
            assert server.get("/slow").text == "one"
        server.log.wait_for(r"slow: asked to reload; generation 2 is still starting \(while importing the app")
        with open(folder / "slow" / "gate", "w"):
            os.unlink(folder / "slow" / "gate")
        wait_until(lambda: server.get("/slow").text == "three", 15, "the app that has hung")
        server.check_leaks = False  # generations come and go

    def test_hup_then_term(self, serve):
        server = serve("kit", workers=2)
        server.check_leaks = False
        server.signal(signal.SIGHUP)
        server.signal(signal.SIGTERM)
        assert server.wait_exit(20) == 0


class TestWatch:
    def test_a_saved_file_reloads(self, serve):
        server = serve("kit", watch="code")
        edit(server.folder / "app.py", 'VERSION = "one"', 'VERSION = "two"')
        began = time.monotonic()
        wait_until(lambda: version(server) == "two", 15, "the new version")
        assert time.monotonic() - began < 8
        server.baseline = {server.pid: server.baseline[server.pid]}

    def test_a_broken_file_is_told_and_repaired(self, serve):
        server = serve("kit", watch="code", allow=REFUSED)
        edit(server.folder / "app.py", 'VERSION = "one"', 'VERSION = (')
        server.log.wait_for("SyntaxError", 15)
        assert version(server) == "one"
        edit(server.folder / "app.py", "VERSION = (", 'VERSION = "two"')
        wait_until(lambda: version(server) == "two", 15, "the repaired version")
        server.baseline = {server.pid: server.baseline[server.pid]}

    def test_templates(self, serve):
        server = serve("django_site", target=None, watch="code")
        assert "First title" in server.get("/page").text
        edit(server.folder / "templates" / "page.html", "<h1>{{ title }}</h1>", "<h1>Second</h1>")
        wait_until(lambda: "<h1>Second</h1>" in server.get("/page").text, 15, "the new template")
        server.baseline = {server.pid: server.baseline[server.pid]}

    def test_data_files_do_not_reload(self, serve):
        server = serve("kit", watch="code")
        pid = server.get("/pid").text
        for name in ("db.sqlite3", "upload.bin", "notes.txt", "__pycache__x"):
            (server.folder / name).write_text("x")
        (server.folder / "media").mkdir()
        (server.folder / "media" / "script.py").write_text("x")
        time.sleep(2.5)
        assert server.get("/pid").text == pid

    def test_off(self, serve):
        server = serve("kit", watch="off")
        edit(server.folder / "app.py", 'VERSION = "one"', 'VERSION = "two"')
        time.sleep(2.5)
        assert version(server) == "one"

    @pytest.mark.parametrize("name", ["tmp/restart.txt", "restart.txt", "pyproject.toml"])
    def test_deploy(self, serve, name):
        server = serve("kit", watch="deploy")
        edit(server.folder / "app.py", 'VERSION = "one"', 'VERSION = "two"')
        time.sleep(2)
        assert version(server) == "one"
        if "/" in name:
            pytest.skip("the folder is made after the start")
        (server.folder / name).write_text("")
        wait_until(lambda: version(server) == "two", 15, "the new version")
        server.baseline = {server.pid: server.baseline[server.pid]}

    @pytest.mark.parametrize("name", ["tmp/restart.txt", "restart.txt"])
    def test_deploy_by_the_time_of_a_file_alone(self, serve, folder, name):
        """As pathlib's touch() and Ruby's do it; touch(1) opens the file as well."""
        place = folder / "kit"
        apps.copy("kit", place)
        (place / "tmp").mkdir()
        (place / name).write_text("")
        server = serve("kit", watch="deploy")
        edit(place / "app.py", 'VERSION = "one"', 'VERSION = "two"')
        os.utime(place / "app.py")
        time.sleep(1.5)
        assert version(server) == "one"
        os.utime(place / name)
        wait_until(lambda: version(server) == "two", 15, "the new version")
        server.baseline = {server.pid: server.baseline[server.pid]}

    @pytest.mark.parametrize("preload", ["true", "false"])
    def test_broken_code_and_nobody_left_to_serve(self, serve, preload):
        """Nobody waits for workers that cannot come; good code brings them back."""
        server = serve("kit", workers=2, watch="code", preload=preload, queue_timeout="60s", allow=[*REFUSED, r"CW05\d\d"])
        everybody = [*server.named("zygote"), *server.named("worker")]
        edit(server.folder / "app.py", 'VERSION = "one"', 'VERSION = (')
        server.log.wait_for("SyntaxError", 15)
        start = len(server.log.lines)
        for pid in everybody:
            os.kill(pid, signal.SIGKILL)
        answer = server.request("GET", "/", timeout=20)
        assert answer.status == 503 and 1 <= int(answer.get("Retry-After")) <= 31
        if preload == "true":
            server.log.wait_for(r"CW0312.*does not start; no worker is left, requests are answered 503", 5, start)
        else:
            server.log.wait_for(r"SyntaxError", 5, start)
        edit(server.folder / "app.py", "VERSION = (", 'VERSION = "two"')
        wait_until(lambda: server.request("GET", "/version", timeout=20).text == "two", 20, "the repaired version")
        server.baseline = {server.pid: server.baseline[server.pid]}


class TestBoot:
    @pytest.mark.parametrize("text, code, told", [
        ("def broken(:\n", 3, "SyntaxError"), ("import no_such_module_here\n", 3, "no_such_module_here"),
        ("app = 1\n", 4, "application"), ("application = 5\n", (3, 4), "application"),
        ("import sys; sys.exit(1)\n", 3, "(?i)exit"), ("import os; os._exit(7)\n", 3, ""),
    ])
    def test_an_app_that_does_not_boot_ends_the_server(self, run_binary, folder, app_python, text, code, told):
        (folder / "app.py").write_text(text)
        result = run_binary("serve", "-b", "127.0.0.1:0", "app:application", env={"VIRTUAL_ENV": os.path.dirname(os.path.dirname(app_python))})
        assert result.returncode in (code if isinstance(code, tuple) else (code,)), result.stderr
        assert re.search(told, result.stderr), result.stderr
        assert re.search(r"error\[CW03\d\d\]", result.stderr), result.stderr

    def test_a_slow_import(self, serve, folder):
        """Nothing is refused while the app imports: the address is open only when it serves."""
        server = serve("slow_import", ready=False)
        server.wait_ready()
        assert server.get("/").text == "finally"
