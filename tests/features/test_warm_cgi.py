"""Python scripts run by warm interpreters: the answers of cold ones, and what becomes of interpreters that end."""

import os
import pwd
import re
import shutil
import signal

import pytest

from support import apps, processes, warm_scripts
from support.processes import alive, wait_until

pytestmark = pytest.mark.timeout(120)
IS_ROOT = os.getuid() == 0
SCRIPT_USER = "daemon" if IS_ROOT else pwd.getpwuid(os.getuid()).pw_name
SCRIPT = r"CW070\d"
WHERE = 'print("Content-Type: text/plain\\n")\nimport os, sys\nprint(os.getpid(), os.getppid(), "warm_cgi" in open(f"/proc/{os.getppid()}/cmdline").read())\n'


def give(*paths):
    for path in paths if IS_ROOT else ():
        shutil.chown(path, SCRIPT_USER, pwd.getpwnam(SCRIPT_USER).pw_gid)


@pytest.fixture
def scripts(folder):
    place = folder / "cgi-bin"
    place.mkdir()
    warm_scripts.write(place, "/usr/bin/python3")
    shutil.copy(apps.APPS / "cgi_site" / "play.py", place)
    (place / "where.py").write_text("#!/usr/bin/env python3\n" + WHERE)
    for path in [place, *place.iterdir()]:
        path.chmod(0o755)
    give(place)
    return place


@pytest.fixture
def site(serve, scripts):
    def start(more="", allow=(), place=scripts):
        folder = serve.folder / f"site{len(serve.started)}"
        folder.mkdir()
        (folder / "cutwater.toml").write_text(
            f'[[listen]]\naddr = "127.0.0.1:0"\n[[site]]\n[[site.route]]\nmatch = {{ path = "/cgi-bin/*" }}\n'
            f'cgi = {{ dir = "{place}"{more} }}\n')
        server = serve.run(["serve", "-c", "cutwater.toml"], folder, allow=allow)
        server.expected_exit = 0
        return server

    return start


def where(server):
    """The script's pid, that of its parent, and whether it runs in a warm Python."""
    pid, parent, is_warm = server.get("/cgi-bin/where.py").text.split()
    return int(pid), int(parent), is_warm == "True"


def test_signals_that_are_the_masters_end_no_warm_python(site):
    """Whoever sends them to all processes; the scripts' own dispositions are the usual ones (`process`, below)."""
    server = site()
    _, warm, is_warm = where(server)
    assert is_warm
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU):
        os.kill(warm, number)
    assert where(server)[1:] == (warm, True)


BUSY = re.compile(r"0x[0-9a-f]+|REMOTE_PORT', '\d+'|SERVER_PORT', '\d+'|HTTP_HOST', '[^']*'|127\.0\.0\.1:\d+")


def answer(server, path):
    response = server.request("POST", f"/cgi-bin/{path.name}?a=1&b=2", [("Content-Type", "application/x-www-form-urlencoded")], b"a=9")
    return response.status, response.get("Content-Type"), BUSY.sub("", response.body.decode("latin-1"))


UNLIKE = {"threads", "environment", "daemon thread", "form", "interrupt"}  # order, ports, and what only a cold one warns of


class TestAsCold:
    def test_each_script(self, site, scripts):
        """Of those that answer, the answer; of the others the status. What they say on their error streams is logged alike."""
        warm, cold = site(allow=[SCRIPT]), site(", warm = false", allow=[SCRIPT])
        assert where(warm)[2] and not where(cold)[2]
        for number, name in enumerate(warm_scripts.SCRIPTS):
            if name not in UNLIKE:
                path = scripts / f"s{number}.py"
                assert answer(warm, path) == answer(cold, path), name

    def test_tracebacks_are_logged(self, site, scripts):
        for server in (site(allow=[SCRIPT]), site(", warm = false", allow=[SCRIPT])):
            names = list(warm_scripts.SCRIPTS)
            assert server.get(f"/cgi-bin/s{names.index('fails')}.py").status == 200
            server.log.wait_for("ZeroDivisionError")
            assert server.get(f"/cgi-bin/s{names.index('syntax')}.py").status == 502
            server.log.wait_for("SyntaxError")
            assert ".py\", line 9, in <module>" not in server.log.text and "warm_cgi" not in server.log.text

    def test_a_change_is_live(self, site, scripts):
        server = site()
        for number in range(10):
            (scripts / "where.py").write_text(f"#!/usr/bin/python3\nprint('Content-Type: text/plain\\n\\n{number}')\n")
            assert server.get("/cgi-bin/where.py").text == f"{number}\n"

    def test_a_flask_application(self, site, scripts, flask_python):
        (scripts / "app.py").write_text(f"#!{flask_python}\nfrom wsgiref.handlers import CGIHandler\nfrom flask import Flask, request\napp = Flask(__name__)\n"
                                        "@app.route('/hello/<name>', methods=['GET', 'POST'])\ndef hello(name):\n"
                                        "    return f'{name} {request.args} {request.form} {request.script_root}'\nCGIHandler().run(app)\n")
        (scripts / "app.py").chmod(0o755)
        answers = [server.request("POST", "/cgi-bin/app.py/hello/caf%C3%A9?x=1", [("Content-Type", "application/x-www-form-urlencoded")], b"a=9")
                   for server in (site(), site(", warm = false"))]
        assert answers[0].body == answers[1].body
        text = answers[0].body.decode()
        assert text.startswith("caf\xe9 ") and "'9'" in text and text.endswith("/cgi-bin/app.py")


    @pytest.mark.parametrize("name", ["django", "flup"])
    def test_other_runners_of_applications(self, site, scripts, flask_python, name):
        """Django by wsgiref's CGIHandler, and a runner in the shape of flup's, which is that of PEP 3333."""
        (scripts / "app.py").write_text(f"#!{flask_python}\n" + RUNNERS[name])
        (scripts / "app.py").chmod(0o755)
        answers = []
        for server in (site(), site(", warm = false")):
            for _ in range(2):
                response = server.request("POST", "/cgi-bin/app.py/hello/caf%C3%A9?x=1", [("Content-Type", "application/x-www-form-urlencoded")], b"a=9")
                answers.append((response.status, response.get("Content-Type"), response.body))
            assert server.get("/cgi-bin/app.py/none").status == 404
        assert answers == answers[:1] * 4
        assert answers[0] == (200, "application/json", b'["caf\\u00e9", "1", "9", "/cgi-bin/app.py"]')

    def test_what_c_code_printed(self, site, scripts):
        """The C library's own streams are flushed at the end of a script, too."""
        (scripts / "c.py").write_text("#!/usr/bin/python3\nimport ctypes\nctypes.CDLL(None).printf(b'Content-Type: text/plain\\n\\nby C')\n")
        (scripts / "c.py").chmod(0o755)
        for server in (site(), site(", warm = false")):
            assert server.get("/cgi-bin/c.py").text == "by C"

    @pytest.mark.skipif(not IS_ROOT, reason="needs root: the limit of processes is the user's")
    def test_a_fork_bomb_in_a_warm_one(self, site, scripts, folder):
        """No more processes than its user may have, whenever the interpreter was started; all gone with the script."""
        marks = folder / "marks"
        marks.mkdir()
        marks.chmod(0o777)
        server = site(', timeout = "2s", user = "games"', allow=[SCRIPT, "CW0710"])
        assert where(server)[2]
        games = pwd.getpwnam("games").pw_uid
        with server.connect(timeout=30) as client:
            client.send(f"GET /cgi-bin/play.py?do=bomb&mark={marks}/bomb HTTP/1.1\r\nHost: a\r\n\r\n")
            most = [0]

            def is_over():
                count = processes.count_of(games)
                most[0] = max(most[0], count)
                return most[0] > 20 and count <= 1  # the interpreter itself may stay

            wait_until(is_over, 30, "the end of the bomb")
        assert 20 < most[0] <= 256 + 32 * os.cpu_count() + 2
        assert server.get("/cgi-bin/where.py").status == 200


RUNNERS = {
    "django": """
import sys
from wsgiref.handlers import CGIHandler
from django.conf import settings
settings.configure(SECRET_KEY="x", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path
def hello(request, name):
    return JsonResponse([name, request.GET["x"], request.POST["a"], request.META["SCRIPT_NAME"]], safe=False)
urlpatterns = [path("hello/<str:name>", hello)]
CGIHandler().run(get_wsgi_application())
""",
    "flup": """
import json, os, sys
from urllib.parse import parse_qs
def application(environ, start_response):
    if not environ["PATH_INFO"].startswith("/hello/"):
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"none"]
    form = parse_qs(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode())
    name = environ["PATH_INFO"][7:].encode("latin-1").decode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([name, parse_qs(environ["QUERY_STRING"])["x"][0], form["a"][0], environ["SCRIPT_NAME"]]).encode()]
class Server:
    def __init__(self, application):
        self.application = application
    def run(self):
        text = lambda value: value.encode(sys.getfilesystemencoding(), "surrogateescape").decode("latin-1")
        environ = {name: text(value) for name, value in os.environ.items()}
        environ.update({"wsgi.input": sys.stdin.buffer, "wsgi.errors": sys.stderr, "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
                        "wsgi.multithread": False, "wsgi.multiprocess": True, "wsgi.run_once": True})
        def start_response(status, headers, exc_info=None):
            self.head = "".join(f"{name}: {value}\\r\\n" for name, value in [("Status", status), *headers]) + "\\r\\n"
        for data in self.application(environ, start_response):
            sys.stdout.buffer.write(self.head.encode("latin-1") + data)
        sys.stdout.buffer.flush()
Server(application).run()
""",
}


@pytest.fixture
def flask_python():
    import sys

    return sys.executable


class TestTheInterpreter:
    def test_one_for_all_requests(self, site):
        server = site()
        found = [where(server) for _ in range(5)]
        assert len({pid for pid, _, _ in found}) == 5
        assert len({parent for _, parent, _ in found}) == 1
        assert all(is_warm for _, _, is_warm in found)

    def test_killed_it_is_replaced(self, site):
        server = site(allow=["CW0710"])
        _, parent, _ = where(server)
        os.kill(parent, signal.SIGKILL)
        wait_until(lambda: not alive(parent), 5, "its end")
        assert where(server)[2] and where(server)[1] != parent
        server.log.wait_for("CW0710.*anew each time, until there is another warm one: it ended")

    def test_its_scripts_go_on_without_it(self, site, scripts, folder):
        (scripts / "long.py").write_text("#!/usr/bin/python3\nimport os, sys\nprint('Content-Type: text/plain\\n', flush=True)\n"
                                         "print(os.getppid(), flush=True)\nopen(sys.argv[0][:-2] + 'fifo').read()\nprint('went on')\n")
        (scripts / "long.py").chmod(0o755)
        os.mkfifo(scripts / "long.fifo")
        give(scripts / "long.fifo")
        server = site(allow=["CW0710"])
        _, parent, _ = where(server)
        with server.connect() as client:
            client.send("GET /cgi-bin/long.py HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            with open(scripts / "long.fifo", "w"):
                os.kill(parent, signal.SIGKILL)
                wait_until(lambda: not alive(parent), 5, "its end")
            assert b"went on" in client.read_to_end()

    def test_hup_replaces_it(self, site):
        server = site()
        _, parent, _ = where(server)
        server.signal(signal.SIGHUP)
        wait_until(lambda: not alive(parent), 10, "the old one's end")
        assert where(server)[2]

    def test_what_cannot_be_warm_is_said_once(self, site, scripts):
        (scripts / "json.py").write_text("")
        server = site(allow=["CW0710"])
        for _ in range(3):
            assert not where(server)[2]
        server.log.wait_for("CW0710.*where.py: starts a Python anew each time: json.py")
        assert server.log.count("CW0710") == 1

    def test_deadlines_and_leaving_clients(self, site, folder):
        marks = folder / "marks"
        marks.mkdir()
        give(marks)
        server = site(', timeout = "1s"', allow=[SCRIPT])
        _, parent, _ = where(server)
        for what in ("hang", "deaf", "stopped", "family"):
            mark = marks / what
            assert server.get(f"/cgi-bin/play.py?do={what}&mark={mark}").status == 504
            for pid in map(int, mark.read_text().split()):
                wait_until(lambda pid=pid: not alive(pid), 8, f"the end of {what}")
        assert alive(parent)
        with server.connect() as client:
            client.send(f"GET /cgi-bin/play.py?do=hang&mark={marks}/gone HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: (marks / "gone").exists() and (marks / "gone").read_text().strip(), 10, "the script")
            client.reset()
        pid = int((marks / "gone").read_text())
        wait_until(lambda: not alive(pid), 8, "its end")
        assert where(server)[1] == parent

    def test_the_servers_end(self, site):
        server = site()
        _, parent, _ = where(server)
        server.stop()
        assert not alive(parent)

    @pytest.mark.skipif(not IS_ROOT, reason="needs root")
    def test_one_for_each_user(self, site, scripts):
        other = scripts / "other"
        other.mkdir()
        shutil.copy(scripts / "where.py", other)
        (other / "where.py").chmod(0o755)
        shutil.chown(other, "games")
        server = site(', user = "games"')
        assert processes.name(where(server)[1]) and where(server)[2]
        assert os.stat(f"/proc/{where(server)[1]}").st_uid == pwd.getpwnam("games").pw_uid
