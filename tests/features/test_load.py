"""Under load: reloads without a failed request, deaths that cost only what was running, many idle connections."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import processes
from support.client import Closed
from support.processes import wait_until
from test_reload import edit, version

pytestmark = [pytest.mark.load, pytest.mark.timeout(300)]
GIVING_BACK = [r"CW0405"]  # a slow system takes back thousands of pages in longer than a turn should last


class Load:
    """Eight keep-alive connections in a process of their own, until finish()."""

    def __init__(self, server, target):
        host, port = server.address
        self.process = subprocess.Popen(
            [sys.executable, "-m", "support.load", f"{host}:{port}", "8", target],
            stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent,
        )
        processes.adopt(self.process.pid)

    def finish(self):
        """Requests answered 200, requests that failed, connections that were lost, worst latency in ms."""
        self.process.stdin.close()
        good, bad, lost, worst = self.process.stdout.read().split()
        self.process.wait(30)
        return int(good), int(bad), int(lost), float(worst)


def test_reload_under_load(serve, pytestconfig):
    """Every request during the reloads succeeds, on the connections of before, and none waits for an import."""
    count = 100 if pytestconfig.getoption("--long") else 10
    server = serve("kit", workers=2)
    before = len(server.tree())
    load = Load(server, "/version")
    for number in range(count):
        current = f'VERSION = "{number}"'
        previous = 'VERSION = "one"' if number == 0 else f'VERSION = "{number - 1}"'
        edit(server.folder / "app.py", previous, current)
        server.signal(signal.SIGHUP)
        wait_until(lambda: version(server) == str(number), 20, f"version {number}")
    good, bad, lost, worst = load.finish()
    print(f"{good} good, {bad} failed, worst latency {worst:.0f} ms over {count} reloads")
    assert bad == 0 and lost == 0 and good > 100
    assert worst < 2000, "that is for reports; 100 ms on a machine that does nothing else"
    wait_until(lambda: len(server.tree()) <= before, 20, "one generation")
    server.baseline = {server.pid: server.baseline[server.pid], **{pid: server.baseline[pid] for pid in server.named("front")}}


def is_in_a_request(server, pid):
    """By the application's own marks: it begins with a byte and ends with another."""
    path = server.folder / f"marks.{pid}"
    return path.exists() and path.stat().st_size % 2 == 1


def wait_stopped(pid):
    """Until none of its threads runs: what it has marked stays true."""
    wait_until(lambda: processes.state(pid) in ("T", "Z"), 5, "the worker to be stopped")


def test_kill_workers_under_load(serve):
    """kill -9 of a random worker again and again: failures are the requests it ran, no connection is dropped."""
    server = serve("kit", workers=2, allow=[r"CW05\d\d", r"CW08\d\d", r"worker"])
    load = Load(server, "/marked?s=0.002")
    running = unsure = 0  # unsure: between two calls of the application, but maybe with a request
    for _ in range(20):
        time.sleep(0.2)
        wait_until(lambda: server.named("worker"), 10, "a worker")
        victim = random.choice(server.named("worker"))
        os.kill(victim, signal.SIGSTOP)
        wait_stopped(victim)
        if is_in_a_request(server, victim):
            running += 1
        else:
            unsure += 1
        os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(server.named("worker")) == 2, 20, "two workers")
    good, bad, lost, worst = load.finish()
    print(f"{good} good, {bad} failed, {running} ran at the 20 kills and {unsure} maybe; worst latency {worst:.0f} ms")
    assert running >= 10 and running <= bad <= running + unsure
    assert lost == 0 and good > 500


def test_many_idle_connections(serve):
    """10,000 idle keep-alive connections cost the front less than 20 MB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 10_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, wanted + 1000), hard))
    if min(hard, wanted + 1000) < wanted + 100:
        wanted = hard - 500
    server = serve("hello", workers=1)
    front = server.named("front")[0]
    server.get("/")
    before = processes.memory(front, "Pss")
    clients = []
    for _ in range(wanted):
        client = server.connect()
        client.request("GET", "/")
        clients.append(client)
    grown = processes.memory(front, "Pss") - before
    print(f"{wanted} idle connections: {grown / 1e6:.1f} MB")
    assert grown < 20e6 and server.is_healthy()
    for client in clients:
        client.close()


def test_good_traffic_among_hundreds_of_slow_clients(serve):
    """idle, trickling and non-reading connections; everybody else is served."""
    server = serve("kit", workers=2, config='[limits]\nheader_timeout = "60s"\n', allow=[r"slow", r"CW05\d\d"])
    slow = []
    for number in range(600):
        client = server.connect(receive_buffer=4096)
        if number % 3 == 1:
            client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        elif number % 3 == 2:
            client.send("POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc")
        slow.append(client)
    load = Load(server, "/")
    end = time.monotonic() + 5
    while time.monotonic() < end:
        for client in slow[1::3]:
            client.send("x")
        for client in slow[2::3]:
            client.send("y" * 50)
        time.sleep(0.2)
    good, bad, _, worst = load.finish()
    print(f"{good} good, {bad} failed, worst latency {worst:.0f} ms")
    assert bad == 0 and good > 500
    for client in slow:
        client.close()


def test_memory_of_a_rush_is_given_back(serve, sanitized):
    """Thousands of bodies that never came whole: what they took is the system's again soon after they are gone."""
    if sanitized:
        pytest.skip("the sanitizer keeps freed memory")
    server = serve("kit", workers=1, fronts=1, allow=GIVING_BACK)
    front = server.named("front")[0]
    assert server.is_healthy()
    before = processes.memory(front)
    clients = [server.connect() for _ in range(1500)]
    for client in clients:
        client.send(b"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 65000\r\n\r\n" + b"x" * 64_000)
    wait_until(lambda: processes.memory(front) - before > 60 << 20, 20, "the bodies to arrive")
    for client in clients:
        client.close()
    wait_until(lambda: processes.memory(front) - before < 20 << 20, 30, "the memory to come back")
    assert server.is_healthy()


def test_memory_of_slow_readers_is_given_back(serve, sanitized):
    """What waited for each of them does not stay with the pool of exchanges."""
    if sanitized:
        pytest.skip("the sanitizer keeps freed memory")
    server = serve("kit", workers=2, fronts=1, allow=[r"slow", r"CW05\d\d", *GIVING_BACK])
    front = server.named("front")[0]
    assert server.is_healthy()
    before = processes.memory(front)
    clients = [server.connect(receive_buffer=4096) for _ in range(40)]
    for client in clients:
        client.send(b"GET /big?n=4000000 HTTP/1.1\r\nHost: a\r\n\r\n")
    for client in clients:
        client.read_head()
    wait_until(lambda: processes.memory(front) - before > 20 << 20, 20, "the answers to arrive")
    for client in clients:
        client.close()
    wait_until(lambda: processes.memory(front) - before < 12 << 20, 30, "the memory to come back")
    assert server.is_healthy()


def test_idle_connections_keep_no_buffer(serve, sanitized):
    """Also when their heads came in pieces, which had to be kept for a while."""
    if sanitized:
        pytest.skip("the sanitizer keeps freed memory")
    server = serve("kit", workers=1, fronts=1, allow=GIVING_BACK)
    front = server.named("front")[0]
    assert server.is_healthy()
    before = processes.memory(front)
    clients = [server.connect() for _ in range(1000)]
    for client in clients:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 15_000 + b"\r\nX-Longer: " + b"x" * 15_000)
    wait_until(lambda: processes.memory(front) - before > 25 << 20, 20, "the heads to arrive")
    for client in clients:
        client.send(b"x" * 100 + b"\r\n\r\n")
        assert client.read_response().status == 200
    wait_until(lambda: processes.memory(front) - before < 12 << 20, 30, "the memory to come back")
    for client in clients:
        client.close()


def test_running_out_of_descriptors(serve):
    """no spinning, open connections go on, and it recovers."""
    server = serve("kit", workers=1, fronts=1, allow=[r"descriptor", r"EMFILE", r"Too many", r"CW\d+"])
    front = server.named("front")[0]
    with server.connect() as client:
        assert client.request("GET", "/").status == 200
        opened = len(processes.descriptors(front) or ())
        if not opened:
            pytest.skip("not allowed to look")
        processes.limit(front, resource.RLIMIT_NOFILE, opened + 5)
        waiting = [server.connect() for _ in range(40)]
        time.sleep(0.5)
        before = cpu_seconds(front)
        time.sleep(2)
        assert cpu_seconds(front) - before < 0.5, "the front spins"
        assert client.request("GET", "/still").text == "kit /still"
        for other in waiting:
            other.close()
    wait_until(lambda: fast_answer(server), 20, "new connections")


def cpu_seconds(pid):
    fields = processes.stat_fields(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fast_answer(server):
    try:
        return server.request("GET", "/", timeout=2).status == 200
    except (OSError, Closed):
        return False


def test_memory_stays_flat(serve):
    """Requests of many kinds, then the same again and again: nothing grows."""
    server = serve("kit", workers=1, fronts=1, allow=[r"CW05\d\d"])
    front, worker = server.named("front")[0], int(server.get("/pid").text)

    def exercise():
        for target in ("/", "/stream?count=20&size=5000", "/big?n=300000", "/environ?x=1", "/status?s=404%20Gone", "/headers?count=50"):
            with server.connect() as client:
                for _ in range(150):
                    client.request("GET", target)
        for size in (10, 70_000, 500_000):
            with server.connect() as client:
                for _ in range(40):
                    client.request("POST", "/digest", body=b"x" * size)
        for number in range(200):
            client = server.connect()
            client.send(b"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + b"x" * (number * 1000))
            client.reset()
            assert server.is_healthy()  # one at a time: how many are held at once would decide what is measured

    # What grows is larger at its least than it was at its most.
    sizes = []
    for _ in range(6):
        exercise()
        sizes.append((processes.memory(front), processes.memory(worker)))
    for before, after in zip(map(max, zip(*sizes[:3])), map(min, zip(*sizes[3:]))):
        assert after - before < 1 << 20, sizes
