"""What programs in pools do wrong, and shortages (faults.md 103-116, 149-153, 168): each concerns its own request alone."""

import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support import processes
from support.client import Closed
from support.processes import wait_until
from test_gateway_clients import gateway
from test_pools import IS_ROOT, POOL_USER, pool_processes

pytestmark = pytest.mark.timeout(90)
PROGRAM = Path(__file__).parent.parent / "support" / "rude_fastcgi.py"


@pytest.fixture
def rude(serve, folder):
    place = folder / "program"
    place.mkdir()
    program = place / "rude.py"
    shutil.copy(PROGRAM, program)
    for path in (place, program):
        path.chmod(0o755)

    def start(pool="", processes='{ min = 1, max = 2, idle = "300ms" }', route="", allow=(), command=None):
        command = command or f'["/usr/bin/python3", "{program}"]'
        server = gateway(
            serve,
            f'[pool.rude]\ncommand = {command}\nuser = "{POOL_USER}"\nprocesses = {processes}\n{pool}\n'
            f'[[site]]\n[[site.route]]\nmatch = {{ path = "/*" }}\nfastcgi = {{ to = "rude"{route} }}\n',
            allow=allow,
        )
        server.check_leaks = False
        return server

    return start


@pytest.mark.parametrize(
    "deed",
    [
        "nothing", "http", "half_head", "no_head", "status", "interim", "injection", "large_head", "wrong_id", "id_0", "kind",
        "version", "failed_first", "only_errors",
    ],
)
def test_what_is_no_answer(rude, deed):
    server = rude(processes="1", allow=["CW0604", "CW0608"])
    pid = server.get("/?fine").text
    assert server.get(f"/?{deed}").status == 502
    server.log.wait_for("CW0604")
    assert server.get("/?fine").text == pid, "the program is as well as it was"


def test_one_that_refuses(rude):
    server = rude(processes="1", allow=["CW0604"])
    pid = server.get("/?fine").text
    assert server.get("/?overloaded").status == 503
    assert server.get("/?fine").text == pid


@pytest.mark.parametrize("deed", ["failed", "mid_record", "short", "no_end"])
def test_what_breaks_off(rude, deed):
    """A whole answer is never made of what is none: a cut, or 502 where the head was not on its way."""
    server = rude(processes="1", allow=["CW0604"])
    pid = server.get("/?fine").text
    with server.connect() as client:
        client.send(f"GET /?{deed} HTTP/1.1\r\nHost: a\r\n\r\n")
        try:
            assert client.read_response().status == 502
        except (Closed, AssertionError, ValueError):
            assert client.closed_by_server()
    server.log.wait_for("CW0604")
    assert server.get("/?fine").text == pid


def test_what_comes_behind_an_answer_reaches_nobody(rude):
    server = rude(processes="1", allow=["CW0604"])
    pid = server.get("/?fine").text
    with server.connect() as client:
        for _ in range(10):
            assert client.request("GET", "/?more").text == "once"
            assert client.request("GET", "/?fine").text == pid


@pytest.mark.parametrize("deed", ["exit_0", "exit_1", "segv", "abort", "bus", "kill"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_death_at_work(rude, deed, method):
    server = rude(processes="1", allow=["CW0712"])
    wait_until(lambda: pool_processes(server), 5, "the process")
    pid, = pool_processes(server)  # it has no kept connection: so what began is known
    assert server.request(method, f"/?{deed}", body=b"x" if method == "POST" else b"").status == 502
    began = time.monotonic()
    answer = server.get("/?fine")
    assert answer.status == 200 and answer.text != f"pid {pid}" and time.monotonic() - began < 3
    server.log.wait_for(rf"CW0712\] pool rude: process {pid} .* while it ran {method} /\?{deed}")
    assert server.log.count(r"CW0712\]") == 1


def test_what_waits_for_one_that_dies_goes_to_another(rude):
    server = rude(processes="1", allow=["CW0712"])
    wait_until(lambda: pool_processes(server), 5, "the process")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: server.get("/?kill" if number == 0 else "/?fine"), range(8)))
    assert sorted(answer.status for answer in answers) == [200] * 7 + [502]


@pytest.mark.parametrize("deed", ["stop", "hang"])
def test_one_that_stands_still(rude, deed):
    server = rude('timeout = "300ms"\n', allow=["CW0714"])
    pid = server.get("/?fine").text
    assert server.get(f"/?{deed}").status == 504
    assert server.get("/?fine").text != pid
    wait_until(lambda: not processes.alive(int(pid[4:])), 5, "its end")
    assert server.log.count(r"CW0714\]") == 1


def test_one_that_was_stopped_between_requests(rude):
    server = rude('timeout = "300ms"\n', processes="1", allow=["CW0714"])
    pid = server.get("/?fine").text
    os.kill(int(pid[4:]), signal.SIGSTOP)
    assert server.get("/?fine").status == 504
    assert server.get("/?fine").status == 200


def test_one_that_never_accepts(rude):
    server = rude('timeout = "300ms"\n', command='["sleep", "1000"]', allow=["CW0714"])
    assert server.get("/?fine").status == 504
    server.log.wait_for(r"CW0714\] pool rude: GET /\?fine ran in process \d+ for longer than timeout")


@pytest.mark.parametrize("deed, code", [("errors", "CW0608"), ("descriptor_2", "CW0717")])
def test_a_flood_on_an_error_stream(rude, deed, code):
    server = rude(processes="2", allow=[code])
    front, = server.named("front")
    before = processes.memory(front)
    with ThreadPoolExecutor(1) as threads:
        flood = threads.submit(server.connect(timeout=60).request, "GET", f"/?{deed}")
        assert server.get("/?fine").status == 200
        assert flood.result().text == "done"
    assert processes.memory(front) - before < 32 << 20
    assert len(server.log.text) < 4 << 20


def test_a_gigabyte_that_nobody_wants(rude):
    server = rude('timeout = "30s"\n', processes="1")
    pid = server.get("/?fine").text
    client = server.connect()
    client.send("GET /?gigabyte HTTP/1.1\r\nHost: a\r\n\r\n")
    client.read_head()
    client.reset()
    assert server.get("/?fine").text == pid, "its writing fails, and it goes on"


def test_one_that_does_not_read_the_body(rude):
    server = rude(processes="1", allow=["CW0604"])
    pid = server.get("/?fine").text
    body = b"x" * 3_000_000
    for _ in range(3):
        assert server.request("POST", "/?deaf", [("Content-Length", str(len(body)))], body=body).status in (200, 502)
        assert server.get("/?fine").status == 200
    assert pid


@pytest.mark.parametrize("deed", ["daemon", "stubborn_daemon"])
def test_a_daemon_that_holds_the_connection(rude, deed):
    server = rude(processes="1", allow=["CW0712"])
    wait_until(lambda: pool_processes(server), 5, "the process")
    pid, = pool_processes(server)
    assert server.get(f"/?{deed}").status == 502
    assert server.get("/?fine").status == 200
    server.log.wait_for(rf"CW0712\] pool rude: process {pid} ended by itself while it ran GET /\?{deed}")
    wait_until(lambda: len(pool_processes(server)) == 1, 5, "the end of the daemon")


def test_one_that_ignores_the_order_to_end(rude):
    server = rude("max_requests = 1\n", processes="1")
    pid = server.get("/?ignore_term").text
    assert pid == "done"
    began = time.monotonic()
    assert server.get("/?fine").status == 200
    assert time.monotonic() - began < 5


def test_a_command_that_ends_at_once(rude):
    server = rude(command='["sh", "-c", "exit 127"]', allow=["CW0713", "CW0716"])
    assert server.get("/?fine").status == 503
    server.log.wait_for(r"CW0713\] pool rude: process \d+ exited with status 127 before it had answered anything")


@pytest.mark.skipif(not IS_ROOT, reason="lowers a limit of another process")
def test_no_descriptors_for_another_process(rude):
    """Who is there serves on; and when there is room again the next one is started."""
    import resource

    server = rude('queue_timeout = "5s"\n', processes='{ min = 1, max = 3, idle = "300ms" }', allow=[r"CW0\d+"])
    assert server.get("/?fine").status == 200
    spawner, = server.named("spawn")
    before = resource.prlimit(spawner, resource.RLIMIT_NOFILE)
    resource.prlimit(spawner, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{spawner}/fd")), before[1]))
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: server.get("/?fine"), range(12)))
    assert {answer.status for answer in answers} == {200}
    resource.prlimit(spawner, resource.RLIMIT_NOFILE, before)
    assert server.get("/?fine").status == 200
