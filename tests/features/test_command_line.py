"""The command line: commands, flags, exit codes, and errors that say where, what and how to mend it."""

import json
import os
import re
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from support.server import free_port

pytestmark = pytest.mark.timeout(90)
APP = "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'app']\n"
CODE = re.compile(r"error\[(CW\d{4})\]")


@pytest.fixture
def project(folder, app_python):
    (folder / "app.py").write_text(APP)
    return folder


def config(folder, text):
    (folder / "cutwater.toml").write_text(text)


LATER = ("dev explain init import config fmt status top logs reload rollback start stop restart signal scale run drain undrain upgrade cert "
         "dashboard doctor completion gunicorn uwsgi supervisorctl").split()


class TestCommands:
    def test_version(self, run_binary):
        result = run_binary("version")
        assert result.returncode == 0 and re.fullmatch(r"cutwater \d+\.\d+\.\d+\n", result.stdout)
        assert json.loads(run_binary("version", "--json").stdout)["version"]

    @pytest.mark.parametrize("words", [["version"], ["help"], ["help", "settings"], []])
    def test_what_cannot_be_written_is_no_success(self, binary, words):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([binary, *words], stdout=full, stderr=subprocess.PIPE, timeout=30)
        assert result.returncode == 1 and b"cannot write" in result.stderr

    @pytest.mark.parametrize("words", [["version"], ["help"], ["help", "timeout"], ["check", "--help"], ["check"], ["check", "--json"]])
    def test_a_closed_output_is_no_success(self, binary, project, words):
        result = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", binary, *words], cwd=project, stderr=subprocess.PIPE, timeout=60)
        assert result.returncode == 1 and b"cannot write to its standard output: it is closed\n  fix: " in result.stderr

    def test_a_closed_output_that_nothing_is_written_to_does_not_matter(self, binary, project):
        config(project, '[[listen]]\naddr = "127.0.0.1:0"\n')
        result = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", binary, "check", "-q"], cwd=project, stderr=subprocess.PIPE, timeout=60)
        assert result.returncode == 0, result.stderr

    @pytest.mark.parametrize("words", [["serve", "--nope"], ["version", "x"], ["help", "nonsense"], ["bogus"], ["dev"]])
    def test_mistakes_as_json(self, run_binary, words):
        result = run_binary(*words, "--json")
        problem = json.loads(result.stderr)
        assert result.returncode == 2 and problem["code"].startswith("CW01") and not result.stdout

    def test_mistakes_of_check_as_json(self, run_binary):
        report = json.loads(run_binary("check", "--json", "--nope").stdout)
        assert report["ok"] is False and report["exit_code"] == 2 and report["problems"][0]["code"] == "CW0120"

    @pytest.mark.parametrize("words", [["help"], ["--help"], ["-h"], []])
    def test_help_is_short(self, run_binary, words):
        result = run_binary(*words)
        assert "serve" in result.stdout + result.stderr and "check" in result.stdout + result.stderr
        assert len((result.stdout + result.stderr).splitlines()) < 40

    def test_help_of_serve_is_short_first(self, run_binary):
        text = run_binary("serve", "--help").stdout
        assert len(text.splitlines()) < 40 and "cutwater help flags" in text
        assert "--limit-connections" in run_binary("help", "flags").stdout
        for flag in ("--bind", "--workers", "--timeout", "--queue", "--watch", "--preload", "--access-log", "--limit-body", "-c"):
            assert flag in text, flag
        assert "--domain" not in text

    def test_help_of_a_code_and_a_setting(self, run_binary):
        assert "unknown key" in run_binary("help", "CW0101").stdout
        assert "60s" in run_binary("help", "timeout").stdout
        assert run_binary("help", "no-such-topic").returncode == 2

    @pytest.mark.parametrize("word, title", [
        ("app.web.timeout", "timeout in [app.NAME]"), ("app.timeout", "timeout in [app.NAME]"), ("app.cgi.env", "env in [app.NAME]"),
        ("pool.php.timeout", "timeout in [pool.NAME]"), ("upstream.api.check.path", "path in check = {...}"),
        ("site.route.auth.variables", "variables in auth = {...}"),
        ("upstream.check.servers", "servers in [upstream.NAME]"), ("site.route.static.root", "root in static = {...}"),
        ("site.route.uwsgi.to", "to in fastcgi, scgi or uwsgi = {...}"), ("limits.body", "body in [limits]"),
        ("CUTWATER_LIMIT_BODY", "body in [limits]"), ("--limit-body", "body in [limits]"),
        ("PORT", "addr in [[listen]]"), ("WEB_CONCURRENCY", "workers in [app.NAME]"),
        ("FORWARDED_ALLOW_IPS", "trusted_proxies in [[listen]]"), ("SCRIPT_NAME", "prefix in [app.NAME]"),
    ])
    def test_help_of_a_setting_as_messages_name_it(self, run_binary, word, title):
        text = run_binary("help", word).stdout
        assert text.startswith(title + "\n") and text.count(" in ") >= 1 and "\n\n" not in text, text

    @pytest.mark.parametrize("word, meant", [
        ("timeuot", "timeout"), ("app.web.timeuot", "app.web.timeout"), ("app.timeuot", "app.timeout"), ("limits.boddy", "limits.body"),
        ("--limit-bodi", "--limit-body"), ("CUTWATER_TIMEOUTS", "CUTWATER_TIMEOUT"), ("setings", "settings"), ("chek", "check"),
    ])
    def test_help_of_what_is_mistyped(self, run_binary, word, meant):
        result = run_binary("help", word)
        assert result.returncode == 2 and f'did you mean "{meant}"?\n  fix: cutwater help {meant}\n' in result.stderr
        assert run_binary("help", meant).returncode == 0

    def test_help_of_a_section(self, run_binary):
        assert run_binary("help", "app.shop").stdout == run_binary("help", "[app.shop]").stdout == run_binary("help", "app").stdout
        settings = run_binary("help", "settings").stdout
        for word in ("fastcgi", "gateway", "uwsgi", "upstream", "route", "site.route", "[[listen]]", "limits"):
            text = run_binary("help", word).stdout
            assert text.startswith("## `[") and text in settings, word

    def test_check_lists_routes_in_their_order(self, run_binary, project):
        route = '[[site.route]]\nmatch = {{ path = "{}" }}\n{}\n'
        auth = 'auth = { fastcgi = { to = "127.0.0.1:9001" } }\napp = "web"'
        wide, narrow = route.format("/*", 'app = "web"'), route.format("/api/*", auth)
        config(project, '[[listen]]\naddr = "127.0.0.1:0"\n[[site]]\n' + narrow + wide)
        done = run_binary("check", cwd=project)
        assert done.returncode == 0, done.stderr
        assert done.stdout.index("app /api/* -> web; auth fastcgi 127.0.0.1:9001\n") < done.stdout.index("app /* -> web\n")
        config(project, "[[site]]\n" + wide + narrow)
        done = run_binary("check", cwd=project)
        assert done.returncode == 2 and "cutwater.toml:6:1: the route \"/api/*\" is never reached, nor is its auth asked" in done.stderr

    @pytest.mark.parametrize("one, other", [("127.0.0.1", ""), ("0.0.0.0", "localhost")])
    def test_listeners_that_are_in_each_others_way(self, run_binary, project, one, other):
        port = free_port()
        listen = f'[[listen]]\naddr = "{one}:{port}"\n[[listen]]\naddr = "{other}:{port}"\n'
        config(project, listen)
        for command, exit_code in (("check", 2), ("serve", 1)):
            done = run_binary(command, cwd=project)
            assert done.returncode == exit_code and "CW0801" in done.stderr, done.stderr
            assert "another listener of this configuration has it" in done.stderr and "fix: remove one of them" in done.stderr

    def test_every_setting_is_documented(self, run_binary):
        """docs/settings.md is what the program prints."""
        path = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
        assert path.read_text() == run_binary("help", "settings").stdout

    @pytest.mark.parametrize("words, told", [
        (["serv"], "serve"), (["serve", "--worker", "3"], "--workers"), (["serve", "--time", "3"], "--timeout"),
        (["check", "a", "b"], "TARGET"), (["serve", "--workers"], "(?i)workers"), (["serve", "--workers", "many"], "many"),
        (["serve", "--timeout", "3 parsecs"], "parsecs"), (["serve", "-b", "nonsense:address:1"], "nonsense"),
    ])
    def test_wrong_use(self, run_binary, words, told):
        result = run_binary(*words)
        assert result.returncode == 2 and re.search(told, result.stderr) and CODE.search(result.stderr), result.stderr

    @pytest.mark.parametrize("words, told", [
        (["app:application"], "cutwater serve app:application"), (["."], "cutwater serve ."), (["check", "--", "-odd"], '"-odd"'),
        (["check", "./nowhere.py"], "it counts from /"), (["check", "some/where"], 'no "some/where"'), (["check", "/dev/null"], '"/dev/null" is no folder, Python file or TOML file'), (["check", "-b", "8000"], '":8000"'),
    ])
    def test_what_was_meant_is_said(self, run_binary, words, told):
        result = run_binary(*words)
        assert result.returncode == 2 and told in result.stderr, result.stderr

    @pytest.mark.parametrize("words", [*([command] for command in LATER), ["help", "dev"], ["serve", "--domain", "example.com"], ["check", "--max-age=4"]])
    def test_what_is_not_built_yet(self, run_binary, words):
        result = run_binary(*words)
        assert result.returncode == 2 and "known, not in this version" in result.stderr and "\n  fix: " in result.stderr

    @pytest.mark.parametrize("words", [
        ["serv"], ["nonsense"], ["-x"], ["app.py"], ["version", "x"], ["version", "-c"], ["help", "x"], ["serve", "a", "b"], ["serve", "--nonsense"],
        ["serve", "-w"], ["serve", "-w", "0"], ["serve", "-w", "x"], ["serve", "-b", ""], ["serve", "-c", "none.toml"], ["serve", "none.toml"],
        ["check", "none"], ["check", "none.py"], ["check", "--prefix", "x"], ["check", "--user", "a\nb\x1b[2J"], ["check", "--watch", "x"],
        ["check", "--limit-body", "1"], ["check", "--trusted-proxies", "x"], ["check", "--python", "nowhere"], ["check", "--python", "3.7"],
    ])
    def test_every_error_says_how_to_mend_it(self, run_binary, project, words):
        result = run_binary(*words)
        assert result.returncode == 2 and CODE.search(result.stderr), result.stderr
        assert "\n  fix: " in result.stderr and "\n  more: cutwater help CW" in result.stderr and "\x1b" not in result.stderr, result.stderr

    def test_common_flags_of_the_short_commands(self, run_binary):
        for flags in (["-q"], ["-v"], ["-c", "cutwater.toml"]):
            assert run_binary("version", *flags).returncode == 0
        answer = json.loads(run_binary("help", "CW0101", "--json").stdout)
        assert answer["topic"] == "CW0101" and "unknown key" in answer["text"]


class TestConfiguration:
    @pytest.mark.parametrize("text, line, told", [
        ('[app.web]\nworker = 3\n', 2, 'did you mean "workers"'), ('[limit]\n', 1, ""), ('[limits]\nbdy = "1MB"\n', 2, "body"),
        ('[app.web]\n\n  timeout = "soon"\n', 3, "soon"), ('[app.web]\nworkers = "x"\n', 2, ""), ('[app.web]\nworkers = 0\n', 2, ""),
        ('[app.web]\nworkers = -1\n', 2, ""), ('[app.web\n', 1, ""), ('[limits]\nbody = []\n', 2, ""),
        ('[[listen]]\naddr = "127.0.0.1:99999"\n', 2, "99999"), ('[[listen]]\ntrusted_proxies = ["10.0.0.0/64"]\n', 2, "10.0.0.0/64"),
        ('[app.web]\nmax_age = "1h"\n', 2, "known, not in this version"), ('colour = "red"\n', 1, "colour"),
        ('[log]\nformat = "xml"\n', 2, "combined"),
    ])
    def test_errors_have_file_line_and_column(self, run_binary, project, text, line, told):
        config(project, text)
        for command in ("check", "serve"):
            result = run_binary(command, "-c", "cutwater.toml")
            assert result.returncode == 2, result.stderr
            assert CODE.search(result.stderr) and re.search(rf"cutwater\.toml:{line}:\d+", result.stderr), result.stderr
            assert re.search(told, result.stderr), result.stderr

    def test_all_errors_at_once(self, run_binary, project):
        config(project, '[app.web]\nworker = 3\ntimout = "3s"\n')
        assert len(CODE.findall(run_binary("check").stderr)) == 2

    def test_missing_file(self, run_binary, project):
        result = run_binary("check", "-c", "missing.toml")
        assert result.returncode == 2 and "missing.toml" in result.stderr

    def test_missing_folder(self, run_binary, project):
        config(project, '[app.web]\nroot = "nowhere"\ntarget = "app:application"\n')
        result = run_binary("check")
        assert result.returncode == 2 and "cutwater.toml:2:8: app.web.root: there is no folder nowhere" in result.stderr

    def test_missing_interpreter(self, run_binary, project):
        config(project, '[app.web]\ntarget = "app:application"\npython = "nowhere"\n')
        result = run_binary("check")
        assert result.returncode == 2 and re.search(r"cutwater.toml:3:10: app.web.python: /.*/nowhere is neither", result.stderr)

    def test_variables(self, run_binary, project, app_python):
        config(project, f'[app.web]\ntarget = "${{MODULE:-app}}:application"\npython = "{app_python}"\n[[listen]]\naddr="127.0.0.1:0"\n')
        assert run_binary("check").returncode == 0
        assert run_binary("check", env={"MODULE": "absent"}).returncode in (3, 4)

    def test_an_empty_file_is_valid(self, run_binary, project, app_python):
        config(project, "")
        result = run_binary("check", "-b", "127.0.0.1:0", env={"VIRTUAL_ENV": os.path.dirname(os.path.dirname(app_python))})
        assert result.returncode == 0, result.stderr

    def test_pyproject(self, run_binary, project, app_python):
        (project / "pyproject.toml").write_text(f'[tool.cutwater.app.web]\ntarget = "app:application"\npython = "{app_python}"\nworker = 1\n')
        result = run_binary("check")
        assert result.returncode == 2 and "pyproject.toml:4" in result.stderr and "workers" in result.stderr


class TestCheck:
    def test_good(self, run_binary, project, app_python):
        config(project, f'[app.web]\ntarget = "app:application"\npython = "{app_python}"\n[[listen]]\naddr = "127.0.0.1:0"\n')
        result = run_binary("check")
        assert result.returncode == 0 and "app:application" in result.stdout + result.stderr
        assert json.loads(run_binary("check", "--json").stdout)["ok"] is True

    @pytest.mark.parametrize("text, code", [("import nothing_there\n", 3), ("def broken(:\n", 3), ("other = 1\n", 4), ("application = 3\n", (3, 4))])
    def test_broken_app(self, run_binary, project, app_python, text, code):
        (project / "app.py").write_text(text)
        config(project, f'[app.web]\ntarget = "app:application"\npython = "{app_python}"\n[[listen]]\naddr = "127.0.0.1:0"\n')
        result = run_binary("check")
        assert result.returncode in (code if isinstance(code, tuple) else (code,)), result.stderr
        assert re.search(r"error\[CW03\d\d\]", result.stderr + result.stdout)
        assert json.loads(run_binary("check", "--json").stdout)["ok"] is False

    def test_port_taken(self, run_binary, serve, project, app_python):
        server = serve("hello")
        config(project, f'[app.web]\ntarget = "app:application"\npython = "{app_python}"\n[[listen]]\naddr = "127.0.0.1:{server.address[1]}"\n')
        result = run_binary("check")
        assert result.returncode == 2 and str(server.address[1]) in result.stderr

    def test_port_of_this_very_server(self, run_binary, serve):
        """To check before a reload is what check is for."""
        server = serve("hello")
        config(server.folder, (server.folder / "cutwater.toml").read_text().replace("127.0.0.1:0", f"127.0.0.1:{server.address[1]}"))
        result = run_binary("check", "-c", "cutwater.toml", cwd=server.folder)
        assert result.returncode == 0 and "this very server" in result.stdout, result.stdout + result.stderr

    @pytest.mark.parametrize("command", ["check", "serve"])
    @pytest.mark.parametrize("python, target, told", [
        ("/bin/ls", "app:application", 'exited with status 2 while importing the app.*\n  fix: see whether that is a Python, .*: /bin/ls -c "import app"'),
        (None, "app:application", 'exited with status 7 while importing the app.*\n  fix: .* -c "import app"'),
        (None, "app.py", "exited with status 7 while importing the app"),
    ])
    def test_an_interpreter_that_says_nothing(self, run_binary, project, app_python, command, python, target, told):
        (project / "app.py").write_text("import os\nos._exit(7)\n")
        config(project, f'[app.web]\ntarget = "{target}"\npython = "{python or app_python}"\n[[listen]]\naddr = "127.0.0.1:0"\n')
        result = run_binary(command)
        assert result.returncode == 3 and re.search(r"error\[CW0316\] web: the interpreter " + told, result.stderr), result.stderr

    def test_a_python_without_its_gil(self, run_binary, project, app_python):
        (project / "app.py").write_text("application = lambda environ, start_response: None\n")
        stub = project / "no-gil"
        stub.write_text(f'#!/bin/sh\nexec {app_python} -c "import sys; sys._is_gil_enabled = lambda: False; $2"\n')
        stub.chmod(0o755)
        config(project, f'[app.web]\ntarget = "app:application"\npython = "{stub}"\n[[listen]]\naddr = "127.0.0.1:0"\n')
        result = run_binary("serve")
        assert result.returncode == 3, result.stderr
        assert re.search(r"error\[CW0321\] web: CPython .* runs without its GIL, as -X gil=0 .*\n +fix: take that away", result.stderr)

    def test_more_workers_than_there_can_be(self, run_binary, project, app_python):
        config(project, f'[app.web]\ntarget = "app:application"\npython = "{app_python}"\nworkers = 61\n[[listen]]\naddr = "127.0.0.1:0"\n')
        result = run_binary("check")
        assert "warning[CW0527] web: 60 workers are the most there can be; 61 were asked for" in result.stderr and "; 60 workers, " in result.stdout

    def test_quiet(self, run_binary, project, app_python):
        config(project, f'[app.web]\ntarget = "app:application"\npython = "{app_python}"\n[[listen]]\naddr = "127.0.0.1:0"\n')
        result = run_binary("check", "-q")
        assert result.returncode == 0 and result.stdout == ""

    @pytest.mark.parametrize("path", ["nowhere/x.log", ".", "link.log"])
    @pytest.mark.parametrize("key", ["access", "error"])
    def test_log_that_cannot_be_written(self, run_binary, project, app_python, key, path):
        (project / "link.log").symlink_to("elsewhere.log")
        config(project, f'[log]\n{key} = "{path}"\n[app.web]\ntarget = "app:application"\npython = "{app_python}"\n')
        result = run_binary("check", "-b", "127.0.0.1:0")
        assert result.returncode == 2 and f"error[CW0809] log.{key}: " in result.stderr, result.stderr
        assert {".": "fix: name a file in it", "link.log": "fix: name the file itself"}.get(path, "fix: create its folder: mkdir -p /") in result.stderr

    def test_log_that_can_be_written_is_not_made(self, run_binary, project, app_python):
        config(project, f'[log]\naccess = "x.log"\n[app.web]\ntarget = "app:application"\npython = "{app_python}"\n')
        result = run_binary("check", "-b", "127.0.0.1:0")
        assert result.returncode == 0 and "x.log: can be written" in result.stdout, result.stderr
        assert not (project / "x.log").exists()

    @pytest.mark.skipif(os.getuid() != 0, reason="only root changes its user")
    def test_front_user_that_does_not_exist(self, run_binary, project, app_python):
        config(project, f'front_user = "nobody-of-that-name"\n[app.web]\ntarget = "app:application"\npython = "{app_python}"\n')
        result = run_binary("check", "-b", "127.0.0.1:0")
        assert result.returncode == 2 and "error[CW0403]" in result.stderr and "nobody-of-that-name" in result.stderr

    def test_an_old_interpreter_is_told_by_its_age(self, run_binary, project):
        versions = Path.home() / ".pyenv" / "versions"
        old = [python for kind in ("2.7.*", "3.[5678].*") for python in sorted(versions.glob(f"{kind}/bin/python"))]
        if not old:
            pytest.skip("no CPython of before 3.9 here")
        for python in old * 2:  # what it says must not be lost when it ends right after
            result = run_binary("check", "app:application", "-b", "127.0.0.1:0", "--python", python)
            assert result.returncode == 3 and "error[CW0204]" in result.stderr and "is too old" in result.stderr, result.stderr

    def test_missing_module_says_how_to_mend_it(self, run_binary, project, app_python):
        (project / "app.py").write_text("import no_such_package\n")
        result = run_binary("check", "app:application", "-b", "127.0.0.1:0", env={"VIRTUAL_ENV": os.path.dirname(os.path.dirname(app_python))})
        assert result.returncode == 3 and "no_such_package" in result.stderr + result.stdout
        assert "pip install" in result.stderr + result.stdout


class TestServe:
    def start(self, serve, project, *arguments, **options):
        environment = {"VIRTUAL_ENV": options.pop("venv"), "WEB_CONCURRENCY": "1", **options.pop("environment", {})}
        return serve.run(["serve", *arguments], project, environment, workers=int(environment["WEB_CONCURRENCY"]), **options)

    @pytest.fixture
    def venv(self, app_python):
        return os.path.dirname(os.path.dirname(app_python))

    @pytest.mark.parametrize("target", ["app:application", "app.py", "app.py:application", "app:make()", ".", None])
    def test_targets(self, serve, project, venv, target):
        (project / "app.py").write_text(APP + "\n\ndef make():\n    return application\n")
        server = self.start(serve, project, *([target] if target else []), "-b", "127.0.0.1:0", venv=venv)
        assert server.get("/").text == "app"
        assert re.search(r"serving .*app", server.log.text)

    def test_a_folder_elsewhere(self, serve, project, folder, venv):
        (folder / "sub").mkdir()
        server = self.start(serve, folder / "sub", str(project), "-b", "127.0.0.1:0", "-w", "1", venv=venv)
        assert server.get("/").text == "app"

    def test_port_variable_binds_everywhere(self, serve, project, venv):
        from support.server import free_port

        port = free_port()
        server = self.start(serve, project, venv=venv, environment={"PORT": str(port), "WEB_CONCURRENCY": "3"})
        assert server.addresses[0][1] == port and server.addresses[0][0] in ("0.0.0.0", "::")
        server.addresses = [("127.0.0.1", port)]
        assert server.get("/").text == "app"
        assert len(server.named("worker")) == 3 or len(server.tree()) >= 7

    def test_flags_beat_variables_beat_the_file(self, serve, project, venv):
        config(project, '[app.web]\nworkers = 1\n[log]\naccess = "off"\n')
        server = self.start(serve, project, "-b", "127.0.0.1:0", "--log-format", "json", venv=venv,
                            environment={"CUTWATER_ACCESS_LOG": "stdout"})
        server.get("/")
        from support.processes import wait_until

        wait_until(lambda: server.out.lines, 5, "an access log line")
        json.loads(server.out.lines[0])

    @pytest.mark.skipif(os.getuid() != 0, reason="only root changes its user")
    @pytest.mark.parametrize("flag, value, code", [("--front-user", "nobody-of-that-name", "CW0403"),
                                                   ("--access-log", "/nonexistent/x.log", "CW0809"), ("--error-log", "/nonexistent/x.log", "CW0809")])
    def test_what_a_front_cannot_do_is_told_once(self, run_binary, project, venv, flag, value, code):
        result = run_binary("serve", "app:application", "-b", "127.0.0.1:0", flag, value, env={"VIRTUAL_ENV": venv})
        assert result.returncode == 2, result.stderr
        assert re.findall(r"error\[(CW\d+)\]", result.stderr) == [code], result.stderr

    def test_closed_descriptors_are_nobody_elses(self, project, venv, binary):
        """Else the listener or the log would have the number of one of them."""
        command = ["sh", "-c", 'exec "$0" serve app:application -b 127.0.0.1:0 <&- >&-', binary]
        with subprocess.Popen(command, cwd=project, env={**os.environ, "VIRTUAL_ENV": venv}, stderr=subprocess.PIPE, text=True) as server:
            said = []
            while not said or "serving" not in said[-1]:
                said.append(server.stderr.readline())
                assert said[-1], said
            opened = [os.readlink(f"/proc/{server.pid}/fd/{number}") for number in (0, 1)]
            server.send_signal(signal.SIGTERM)
            server.stderr.read()
        assert opened == ["/dev/null"] * 2 and server.returncode == 0

    def test_messages_as_json(self, serve, project, venv):
        server = self.start(serve, project, "--json", "-b", "127.0.0.1:0", venv=venv)
        server.get("/")
        server.stop()
        objects = [json.loads(line) for line in server.log.lines]
        assert any("listening on http://127.0.0.1:" in entry["text"] for entry in objects)
        assert all(entry["severity"] in ("debug", "info", "warning", "error") and "text" in entry for entry in objects)

    def test_script_name_is_the_default_prefix(self, serve, project, venv):
        (project / "app.py").write_text(APP.replace("b'app'", "environ['SCRIPT_NAME'].encode()"))
        server = self.start(serve, project, "-b", "127.0.0.1:0", venv=venv, environment={"SCRIPT_NAME": "/shop"})
        assert server.get("/shop/").text == "/shop" and server.get("/").status == 404

    def test_mode_of_a_unix_socket(self, serve, project, venv):
        config(project, '[[listen]]\naddr = "unix:s.sock"\nmode = "620"\n')
        server = self.start(serve, project, venv=venv)
        assert stat.S_IMODE((project / "s.sock").stat().st_mode) == 0o620
        assert server.get("/").text == "app"

    def test_several_listeners(self, serve, project, venv, folder):
        server = self.start(serve, project, "-b", "127.0.0.1:0", "-b", "[::1]:0", "-b", f"unix:{folder}/s.sock", venv=venv)
        assert len(server.addresses) == 3
        from support.client import Client

        for address in server.addresses:
            with Client(address) as client:
                assert client.request("GET", "/").text == "app"

    def test_inherited_descriptor(self, project, binary, venv, tool):
        """fd:N, as a socket-activating supervisor passes it."""
        import socket

        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            os.set_inheritable(listening.fileno(), True)
            process = subprocess.Popen([binary, "serve", "-b", f"fd:{listening.fileno()}"], cwd=project, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                       pass_fds=[listening.fileno()], env={**os.environ, "VIRTUAL_ENV": venv})
            try:
                address = listening.getsockname()
                result = subprocess.run([tool("curl"), "-s", "--max-time", "20", f"http://127.0.0.1:{address[1]}/"], capture_output=True)
                assert result.stdout == b"app"
            finally:
                process.send_signal(signal.SIGTERM)
                process.stderr.read()
                assert process.wait(20) == 0


class TestClients:
    """Clients that are not ours."""

    def test_curl(self, serve, tool, folder):
        server = serve("kit")
        curl = tool("curl")
        data = os.urandom(2_000_000)
        (folder / "data").write_bytes(data)
        result = subprocess.run([curl, "-sS", "--fail", "-T", folder / "data", f"{server.url}/digest"], capture_output=True, timeout=30)
        assert result.stdout.startswith(b"2000000 "), result.stderr
        result = subprocess.run([curl, "-sS", "--fail", "-H", "Transfer-Encoding: chunked", "--data-binary", f"@{folder}/data", f"{server.url}/digest"], capture_output=True, timeout=30)
        assert result.stdout.startswith(b"2000000 "), result.stderr
        result = subprocess.run([curl, "-sS", "-I", f"{server.url}/"], capture_output=True, timeout=30)
        assert result.stdout.startswith(b"HTTP/1.1 200 OK")
        result = subprocess.run([curl, "-sS", "--http1.0", f"{server.url}/stream?count=3&size=2"], capture_output=True, timeout=30)
        assert result.stdout == b"aabbcc"
        result = subprocess.run([curl, "-sS", "--http2", f"{server.url}/x"], capture_output=True, timeout=30)
        assert result.stdout == b"kit /x"

    def test_http_client(self, serve):
        import http.client

        server = serve("kit")
        connection = http.client.HTTPConnection(*server.address, timeout=10)
        for number in range(10):
            connection.request("POST", "/echo", body=iter([b"one", b"two"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
            assert connection.getresponse().read() == b"onetwo"
        connection.close()

    def test_httpx_in_parallel(self, serve):
        import asyncio

        import httpx

        server = serve("kit", workers=2)

        async def run():
            async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
                answers = await asyncio.gather(*(client.get(f"/{number}") for number in range(200)))
                return [answer.text for answer in answers]

        assert asyncio.run(run()) == [f"kit /{number}" for number in range(200)]
