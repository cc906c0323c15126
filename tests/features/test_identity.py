"""Who each process is, what it is called, and what it holds."""

import os
import pwd
import re
import signal
from pathlib import Path

import pytest

from support import apps, processes
from support.processes import wait_until

pytestmark = pytest.mark.timeout(90)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_the_front_is_nobody_of_importance(serve):
    server = serve("kit")
    for front in server.named("front"):
        uid = os.stat(f"/proc/{front}").st_uid
        status = open(f"/proc/{front}/status").read()
        real = int(status.split("Uid:")[1].split()[0])
        assert real != 0 and "CapEff:\t0000000000000000" in status, (uid, status)
        app = int(open(f"/proc/{int(server.get('/pid').text)}/status").read().split("Uid:")[1].split()[0])
        assert real != app


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
@pytest.mark.parametrize("name, code, told", [
    ("app.py", "", "user games may not read app.py: PermissionError: [Errno 13]"),
    ("shop/views.py", "", "user games may not read shop/views.py: PermissionError: [Errno 13]"),
    ("key.pem", "\nopen('key.pem')\n", "app.py:3: user games may not read key.pem: PermissionError: [Errno 13]"),
    ("app.log", "\nopen('app.log', 'a')\n", "app.py:3: user games may not write app.log: PermissionError: [Errno 13]"),
])
def test_what_the_apps_user_may_not_open_is_told_with_the_user(serve, folder, name, code, told):
    place = folder / "kit"
    (place / "shop").mkdir(parents=True)
    (place / "app.py").write_text("import shop.views\n" + code)
    (place / "shop" / "views.py").touch()
    (place / name).touch()
    (place / name).chmod(0o644 if name == "app.log" else 0o600)
    server = serve("kit", user="games", ready=False, allow=[r"CW0312", "Traceback", "Error"])
    assert server.wait_exit(20) == 3
    server.expected_exit = 3
    assert told in server.log.text, server.log.text
    verb = "write" if name == "app.log" else "read"
    assert f"fix: let user games {verb} it" in server.log.text and "or set user to one who may" in server.log.text
    assert "fix: Correct the code" not in server.log.text


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_the_app_runs_as_the_owner_of_its_folder(serve, folder):
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
def test_a_reload_gives_nobody_the_user_of_the_front(serve, folder, how):
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
def test_an_app_folder_of_root_warns_once(serve):
    server = serve("kit", workers=2)
    before = len(server.tree())
    server.signal(signal.SIGHUP)
    server.log.wait_for("generation 2 serves", 20)
    assert server.log.count(r"warning.*root") == 1
    wait_until(lambda: len(server.tree()) <= before, 10, "the old generation to go")
    server.baseline = {server.pid: server.baseline[server.pid]}


def test_processes_are_named(serve):
    server = serve("kit", workers=2, fronts=1)
    names = sorted(map(processes.name, server.tree()))
    assert names == ["cutwater", "cutwater-front", "cutwater-spawn", "cutwater-worker", "cutwater-worker", "cutwater-zygote"]


def test_workers_have_one_thread(serve):
    """CPython 3.12 and newer warn at every fork() of a process with more."""
    server = serve("kit")
    assert server.is_healthy()
    assert len(os.listdir(f"/proc/{server.named('worker')[0]}/task")) == 1


def test_workers_hold_only_what_they_need(serve):
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
