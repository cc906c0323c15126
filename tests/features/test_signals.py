"""TERM, INT and QUIT: what still runs is finished, until the deadline or a second signal; who comes then is refused."""

import os
import re
import signal
import time

import pytest

from support import apps, processes
from support.processes import wait_until
from support.server import free_port

pytestmark = pytest.mark.timeout(90)
DEATHS = [r"CW05\d\d", r"CW08\d\d", r"worker", r"zygote", r"front"]


def is_refused(server):
    try:
        server.connect(timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_term_finishes_what_runs(serve):
    server = serve("kit", workers=1)
    slow = apps.start_slow(server, 1.5)
    server.check_leaks = False
    server.signal(signal.SIGTERM)
    wait_until(lambda: is_refused(server), 1, "newcomers to be refused")
    response = slow.read_response()
    assert response.text == "slept" and response.get("Connection") == "close"
    assert server.wait_exit(10) == 0
    slow.close()


@pytest.mark.parametrize("place", ["tcp", "unix"])
@pytest.mark.parametrize("fronts", [1, 2])
def test_term_serves_who_waits_and_refuses_who_comes(serve, folder, fronts, place):
    """What the kernel had accepted is not reset, and who comes while the rest is finished is not left waiting."""
    server = serve("kit", workers=2, fronts=fronts, queue=1000, listen="127.0.0.1:0" if place == "tcp" else f"unix:{folder}/s.sock",
                   allow=[r"\[CW0405\]"])  # a front may be stopped within a turn
    slow = apps.start_slow(server, 2)
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


def test_term_while_the_app_starts_answers_who_waits(serve, folder):
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


def test_term_closes_idle_connections_at_once(serve):
    server = serve("kit")
    with server.connect() as client:
        client.request("GET", "/")
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        assert client.closed_by_server(5)
        assert server.wait_exit(10) == 0
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("preload", ["true", "false"])
def test_term_to_all_processes_is_as_term_to_the_master(serve, preload):
    """As systemd stops a service: nothing is started anew, and nobody is warned of what was asked for."""
    server = serve("kit", workers=2, preload=preload)
    slow = apps.start_slow(server, 1.5)
    server.check_leaks = False
    everybody = [server.pid, *sorted(set(server.tree()) - {server.pid})]
    start = len(server.log.lines)
    for pid in everybody:
        os.kill(pid, signal.SIGTERM)
    assert slow.read_response().text == "slept"
    assert server.wait_exit(10) == 0
    slow.close()
    told = "\n".join(server.log.lines[start:])
    assert "CW05" not in told and "generation 2" not in told, told


def test_hup_to_all_processes_is_as_hup_to_the_master(serve):
    server = serve("kit", workers=2)
    slow = apps.start_slow(server, 1.5)
    start = len(server.log.lines)
    for pid in server.tree():
        os.kill(pid, signal.SIGHUP)
    assert slow.read_response().text == "slept"
    slow.close()
    server.log.wait_for("generation 2 serves", 15)
    assert "CW05" not in "\n".join(server.log.lines[start:])
    server.baseline = {server.pid: server.baseline[server.pid]}


@pytest.mark.parametrize("preload", ["true", "false"])
def test_signals_that_are_the_masters_stop_and_end_nobody_else(serve, preload):
    """As `systemctl kill -s USR1` sends them, to all: no request is lost, and the master does what it does."""
    server = serve("kit", workers=2, fronts=2, preload=preload, allow=[r"CW0106"])
    slow = apps.start_slow(server, 1.5)
    before = set(server.tree())
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU):
        for pid in before:
            os.kill(pid, number)
    server.log.wait_for("CW0106")
    assert not [pid for pid in before if os.path.exists(f"/proc/{pid}") and processes.state(pid) == "T"]
    assert slow.read_response().text == "slept"
    slow.close()
    wait_until(lambda: len(server.named("worker")) == 2, 10, "two workers")  # one came, and one went
    assert server.get("/").status == 200 and "CW05" not in server.log.text
    assert len(before - set(server.tree())) <= 1, "nobody was ended but the worker that is one too many"
    server.baseline = {server.pid: server.baseline[server.pid]}


def test_what_an_app_installs_for_usr1_is_called(serve, folder):
    place = folder / "kit"
    apps.copy("kit", place)
    code = "import os, signal, time\nsignal.signal(signal.SIGUSR1, lambda *_: os.write(2, b'called in %d\\n' % os.getpid()))\n"
    (place / "app.py").write_text(code + (place / "app.py").read_text())
    server = serve("kit", workers=1, allow=["called in"])
    worker = server.named("worker")[0]
    os.kill(worker, signal.SIGUSR1)
    server.log.wait_for(f"called in {worker}")
    assert server.get("/").status == 200 and server.named("worker") == [worker]


@pytest.mark.parametrize("preload", ["true", "false"])
def test_signals_to_all_processes_while_interpreters_just_start(serve, folder, preload):
    """Before any of our code runs in them. And what the app starts meets signals that are not ignored."""
    place = folder / "kit"
    apps.copy("kit", place)
    early = folder / "early"
    early.mkdir()
    (early / "sitecustomize.py").write_text(f"import pathlib, time\npathlib.Path({str(place)!r}, 'begun').touch()\ntime.sleep(1)\n")
    code = "import subprocess\nsubprocess.run('grep SigIgn /proc/self/status > ignored', shell=True, env={})\n"
    (place / "app.py").write_text(code + (place / "app.py").read_text())
    place.chmod(0o777)
    server = serve("kit", workers=2, preload=preload, ready=False, environment={"PYTHONPATH": str(early)})
    wait_until((place / "begun").exists, 10, "the interpreter to start")
    for pid in server.tree():
        os.kill(pid, signal.SIGHUP)
        for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU):
            if pid != server.pid:
                os.kill(pid, number)
    server.wait_ready()
    server.log.wait_for("generation 2 serves", 15)
    assert "CW05" not in server.log.text and int((place / "ignored").read_text().split()[1], 16) == 0
    server.baseline = {server.pid: server.baseline[server.pid]}


def test_term_has_a_deadline(serve):
    server = serve("kit", config='[shutdown]\ngrace = "1s"\n', grace="1s", allow=DEATHS)
    slow = apps.start_slow(server, 60)
    began = time.monotonic()
    server.check_leaks = False
    server.signal(signal.SIGTERM)
    assert server.wait_exit(20) == 0
    assert 1 <= time.monotonic() - began < 5
    slow.close()


def test_term_cuts_what_runs_and_says_so(serve):
    """Who waits for an answer at the deadline gets 503 and is logged so; who has a part of one is cut; 499 is who had left."""
    server = serve("kit", config='[shutdown]\ngrace = "1s"\n', grace="1s", workers=3, allow=DEATHS)
    waits, left = apps.start_slow(server, 60), apps.start_slow(server, 61)
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
def test_a_second_term_or_int_is_at_once(serve, first, second):
    """The exit code names the signal that did not let what runs finish."""
    server = serve("kit", allow=DEATHS)
    slow = apps.start_slow(server, 60)
    server.check_leaks = False
    server.signal(first)
    server.log.wait_for("what runs is finished")
    assert server.process.poll() is None
    began = time.monotonic()
    server.signal(second)
    server.expected_exit = 128 + second
    assert server.wait_exit(15) == 128 + second and time.monotonic() - began < 5
    slow.close()


def test_quit_is_now(serve):
    server = serve("kit", allow=DEATHS)
    slow = apps.start_slow(server, 60)
    server.check_leaks = False
    began = time.monotonic()
    server.signal(signal.SIGQUIT)
    server.expected_exit = 128 + signal.SIGQUIT
    assert server.wait_exit(15) == 128 + signal.SIGQUIT and time.monotonic() - began < 5
    log = server.log.text
    assert "was killed, with what it ran" in log and "CW0523" not in log
    slow.close()


def test_stop_during_start(serve):
    server = serve("kit", ready=False, allow=DEATHS)
    server.check_leaks = False
    time.sleep(0.15)
    server.signal(signal.SIGTERM)
    server.expected_exit = server.wait_exit(15)
    assert server.expected_exit in (0, 1, -signal.SIGTERM)


def test_signals_in_a_storm(serve):
    """USR1 and CHLD, many times: nothing happens."""
    server = serve("kit", allow=[])
    for _ in range(200):
        server.signal(signal.SIGUSR1)
        server.signal(signal.SIGCHLD)
    assert server.is_healthy()
