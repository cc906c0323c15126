"""Limits of open files that are low: one message that says all, or a server that serves (faults.md 169)."""

import re
import resource
import signal
import subprocess
from pathlib import Path

import pytest

ONE = '[app.web]\ntarget = "app:application"\nworkers = 2\nwatch = "off"\n'
TWO = ONE + '[app.api]\nprefix = "/api"\ntarget = "app:application"\nworkers = 2\nwatch = "off"\n'


@pytest.fixture
def serve_with(serve, binary, folder, app_python):
    """A server that starts with so many descriptors."""

    def start(limit, apps):
        number, *soft = str(limit).split()
        (folder / "app.py").write_text("def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'ok']\n")
        (folder / "cutwater.toml").write_text('[[listen]]\naddr = "127.0.0.1:0"\n' + apps.replace("watch", f'python = "{app_python}"\nwatch'))
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        command = ["-c", f'ulimit {"".join(soft)} -n {number}; exec "$0" serve', str(binary)]
        assert int(number) <= before[1]
        serve.binary = "/bin/sh"
        return serve.run(command, folder, allow=["CW0810", "CW0801", "CW0802", "CW0803"], ready=False, workers=2 * apps.count("workers = 2"))

    return start


def errors(server):
    return re.findall(r"error\[(CW\d+)\].*\n  fix: (.*)", server.log.text)


@pytest.mark.parametrize("apps", [ONE, TWO], ids=["one app", "two apps"])
@pytest.mark.parametrize("limit", [6, 8, 10, 12, 16, 20, 24, 28, 30, 32, 36, 40, 44, 48, 50, 52, 56, 64])
def test_few_descriptors(serve_with, sanitized, limit, apps):
    if sanitized and limit < 12:
        pytest.skip("UBSan needs two descriptors of its own to look at an object")
    server = serve_with(limit, apps)
    try:
        server.log.wait_for(r"\bserving\b")
    except AssertionError:
        assert server.wait_exit() == 1, server.log.text
        server.expected_exit = 1
        assert len(errors(server)) == server.log.count("error") == 1 and "ulimit -n" in errors(server)[0][1], server.log.text
        assert limit < (36 if apps is ONE else 56)
        return
    server.wait_ready()
    assert all(server.get(path).status == 200 for path in ("/", "/api/", "/") for _ in range(3))
    assert not errors(server) and server.log.count("CW0810.*connections at once") == 1


def test_a_low_soft_limit_is_raised_but_for_the_apps(serve_with):
    """The master and its fronts need more than the 1024 that are usual as soon as there are many workers."""
    server = serve_with("24 -S", TWO)
    server.wait_ready()
    assert server.get("/api").status == 200 and not errors(server)
    for pid in (*server.named("zygote"), *server.named("worker")):
        assert re.search(r"Max open files +24 ", Path(f"/proc/{pid}/limits").read_text())


def test_a_check_without_descriptors(binary, folder, app_python):
    (folder / "app.py").write_text("def application(environ, start_response): pass\n")
    result = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -n 8; exec "$@"', "sh", binary, "check", "-q", "-b", "127.0.0.1:0", "--python", app_python],
        cwd=folder, capture_output=True, text=True, timeout=60,
    )
    assert result.returncode == 3
    assert re.search(r"error\[CW0205\] web: the interpreter does not start: .*\n  fix: raise the limits of .*ulimit -n", result.stderr), result.stderr


def test_a_check_says_when_a_start_would_lack_descriptors(binary, folder, app_python):
    (folder / "app.py").write_text("def application(environ, start_response): pass\n")
    result = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -n 24; exec "$@"', "sh", binary, "check", "-b", "127.0.0.1:0", "-w", "2", "--python", app_python],
        cwd=folder, capture_output=True, text=True, timeout=60,
    )
    assert result.returncode == 1 and "everything is in order" not in result.stdout
    assert re.search(r"error\[CW0810\] cutwater cannot start: .*\n  fix: ulimit -n \d+", result.stderr), result.stderr


def test_a_reload_without_descriptors_is_refused(serve_with):
    server = serve_with(64, ONE)
    server.wait_ready()
    text = (server.folder / "cutwater.toml").read_text()
    (server.folder / "cutwater.toml").write_text(text.replace("workers = 2", "workers = 20"))
    server.signal(signal.SIGHUP)
    server.log.wait_for(r"error\[CW0810\] web: new code does not start; generation 1 keeps serving")
    server.log.wait_for(r"fix: ulimit -n \d+ or more")
    assert server.get("/").status == 200 and server.log.count(r"error\[") == 1
