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
from support.processes import wait_until
from test_reload import edit, version

pytestmark = [pytest.mark.load, pytest.mark.timeout(300)]


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
        """Requests answered 200, requests that failed, worst latency in ms."""
        self.process.stdin.close()
        good, bad, worst = self.process.stdout.read().split()
        self.process.wait(30)
        return int(good), int(bad), float(worst)


def test_reload_under_load(serve, pytestconfig):
    """Every request during the reloads succeeds."""
    count = 100 if pytestconfig.getoption("--long") else 10
    server = serve("kit", workers=2)
    load = Load(server, "/version")
    time.sleep(0.5)
    for number in range(count):
        current = f'VERSION = "{number}"'
        previous = 'VERSION = "one"' if number == 0 else f'VERSION = "{number - 1}"'
        edit(server.folder / "app.py", previous, current)
        server.signal(signal.SIGHUP)
        wait_until(lambda: version(server) == str(number), 20, f"version {number}")
    good, bad, worst = load.finish()
    print(f"{good} good, {bad} failed, worst latency {worst:.0f} ms over {count} reloads")
    assert bad == 0 and good > 100
    wait_until(lambda: len(server.tree()) <= 7, 20, "one generation")
    server.baseline = {server.pid: server.baseline[server.pid], **{pid: server.baseline[pid] for pid in server.named("front")}}


def test_kill_workers_under_load(serve):
    """kill -9 of a random worker again and again: failures are the requests it ran, no connection is dropped."""
    server = serve("kit", workers=2, allow=[r"CW05\d\d", r"CW08\d\d", r"worker"])
    load = Load(server, "/sleep?s=0.002")
    kills = 0
    for _ in range(20):
        time.sleep(0.2)
        workers = server.named("worker")
        if workers:
            os.kill(random.choice(workers), signal.SIGKILL)
            kills += 1
    time.sleep(0.5)
    good, bad, worst = load.finish()
    print(f"{good} good, {bad} failed with {kills} kills, worst latency {worst:.0f} ms")
    assert kills >= 15 and bad <= kills and good > 500
    wait_until(lambda: len(server.named("worker")) == 2, 20, "two workers")


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
