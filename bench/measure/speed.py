"""Scenarios that compare CPU time per request: every server gets the same load in interleaved rounds."""

import http.client
import statistics

from . import load, processes


class Speed:
    """One row for each server: CPU microseconds per request of all its processes, and how it compares."""

    def __init__(self, name, text, job, servers, path="/", connections=64, close=False, post=False, log=False, body=None, rounds=None):
        self.name, self.text, self.job, self.servers = name, text, job, servers
        self.path, self.connections, self.close, self.post, self.log = path, connections, close, post, log
        self.body, self.rounds = body, rounds

    def run(self, options):
        script = None
        if self.post:
            script = options.folder / "post.lua"
            script.write_text(load.POST)
        running = []
        rows = {}
        try:
            for kind in self.servers:
                if options.wants(kind.name) and (kind.has_log or not self.log or kind.name == "floor"):
                    try:
                        server = kind(self.job(options), options.folder, self.log and kind.has_log)
                        running.append(server)
                        self.verify(server)
                    except (RuntimeError, AssertionError, OSError) as error:
                        print(f"   {kind.name}: left out, {error}")
                        if running and isinstance(running[-1], kind):
                            running.pop().stop()
            for server in running:
                load.run(server.port, self.path, 1, self.connections, self.close, script)
            samples = {server.name: [] for server in running}
            for _ in range(self.rounds or options.rounds):
                for server in running:
                    samples[server.name].append(self.sample(server, options.seconds, script))
            for name, taken in samples.items():
                rows[name] = {key: statistics.median(sample[key] for sample in taken) for key in taken[0]}
                rows[name]["spread_us"] = [min(s["cpu_us"] for s in taken), max(s["cpu_us"] for s in taken)]
        finally:
            for server in running:
                server.stop()
        return {"scenario": self.name, "text": self.text, "kind": "speed", "servers": rows}

    def verify(self, server):
        """Every server must give the right answer before it is measured."""
        if server.name == "floor":
            return
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("POST" if self.post else "GET", self.path, body=b"x" * 65536 if self.post else None)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        assert response.status == 200, f"answers {response.status}"
        assert self.body is None or len(data) == self.body, f"answers {len(data)} bytes, not {self.body}"

    def sample(self, server, seconds, script):
        before = processes.cpu_of_threads(server.pid)
        report = load.run(server.port, self.path, seconds, self.connections, self.close, script)
        used = processes.cpu_between(before, processes.cpu_of_threads(server.pid))
        return {"cpu_us": used / 1000 / max(report.requests, 1), "rate": report.rate, "p50_ms": report.p50, "p99_ms": report.p99,
                "bad": report.bad_statuses + report.socket_errors}
