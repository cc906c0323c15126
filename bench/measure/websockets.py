"""WebSockets: messages that are given back, by CPU time for each, and the memory of open ones."""

import json
import resource
import subprocess

from support.processes import memory, tree

from . import cpu
from .asynchronous import CutwaterAsgi, GranianAsgi
from .servers import BENCH, ROOT, Job, Uvicorn
from .speed import Speed


class UvicornWebsockets(Uvicorn):
    name = "uvicorn, websockets"

    def command(self):
        return [*super().command(), "--ws", "websockets"]


class UvicornWsproto(Uvicorn):
    name = "uvicorn, wsproto"

    def command(self):
        return [*super().command(), "--ws", "wsproto"]


SERVERS = [CutwaterAsgi, UvicornWebsockets, UvicornWsproto, GranianAsgi]
OPEN = 5000


def asgi(options):
    return Job(BENCH / "apps", "plain:application", asgi="asgi:application", of_app=f"concurrency = {2 * OPEN}\n")


def load(port, connections, size, seconds, **options):
    program = ROOT / ".cache" / "bench" / "websocket_load"
    source = BENCH / "websocket_load.c"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        program.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-o", program, source], check=True)
    words = ["taskset", "-c", "1", program, port, "/", connections, size, seconds]
    process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True, **options)
    cpu.prefer(process.pid)
    return process


def report(process):
    out, err = process.communicate()
    if process.returncode:
        raise RuntimeError(err)
    return json.loads(out)


class Echo(Speed):
    """Each client sends a message, waits for its echo and sends the next. A request is a message here."""

    def __init__(self, name, text, size):
        super().__init__(name, text, asgi, SERVERS)
        self.size = size

    def start(self, kind, options, running, sizes):
        server = None
        try:
            server = kind(self.job(options), options.folder)
            report(load(server.port, 1, self.size, 1))
            running.append(server)
        except (RuntimeError, OSError) as error:
            print(f"   {kind.name}: left out, {error}")
            if server:
                server.stop()

    def sample(self, server, options, seconds, sizes):
        before = cpu.of_threads(server.pid)
        seen = report(load(server.port, self.connections, self.size, seconds))
        used = cpu.between(before, cpu.of_threads(server.pid))
        return {"cpu_us": used / 1000 / seen["messages"], "rate": seen["messages"] / seen["microseconds"] * 1e6,
                "p50_ms": seen["p50"], "p99_ms": seen["p99"], "bad": 0}


class Held:
    """Open ones with nothing to say; all processes of the server are counted."""

    name, text = "websockets-idle", f"Memory (PSS) of {OPEN} open WebSockets on one worker"

    def run(self, options):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        rows = {}
        for kind in SERVERS:
            if not options.wants(kind.name):
                continue
            server = kind(asgi(options), options.folder)
            try:
                report(load(server.port, 64, 64, 1))
                before = self.size(server)
                clients = load(server.port, OPEN, 0, 0, stdin=subprocess.PIPE)
                opened = clients.stdout.readline()
                after = self.size(server)
                clients.stdin.close()
                clients.wait()
                if not opened:
                    raise RuntimeError(clients.stderr.read())
                rows[kind.name] = {"megabytes": after / 1e6, "kilobytes_each": (after - before) / OPEN / 1e3}
            except RuntimeError as error:
                print(f"   {kind.name}: left out, {error}")
            finally:
                server.stop()
        return {"scenario": self.name, "text": self.text, "kind": "table", "servers": rows}

    @staticmethod
    def size(server):
        return sum(memory(pid, "Pss") for pid in tree(server.pid))


SCENARIOS = [
    Echo("websocket-echo", "WebSocket messages of 64 bytes given back, 64 connections", 64),
    Echo("websocket-echo-16k", "WebSocket messages of 16 KB given back, 64 connections", 16384),
    Held(),
]
