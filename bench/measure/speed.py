"""Scenarios that compare CPU time per request: every server gets the same load in interleaved rounds."""

import http.client
import statistics

from . import cpu, load
from .probe import probe

ODD_SIZE = 0.02  # of wrk's bytes per request against the probe's: pieces at the end of a round, digits of a length


class Speed:
    """One row for each server: CPU microseconds per request of all its processes, and how it compares."""

    def __init__(self, name, text, job, servers, path="/", connections=64, close=False, post=False, log=False, body=None, alone=None):
        self.name, self.text, self.job, self.servers = name, text, job, servers
        self.path, self.connections, self.close, self.post, self.log = path, connections, close, post, log
        self.body, self.alone = body, alone

    def run(self, options):
        running, sizes, samples = [], {}, {}
        note = self.alone(options) if self.alone else None
        try:
            for kind in self.servers:
                if options.wants(kind.name) and (kind.has_log or not self.log or kind.name == "floor"):
                    self.start(kind, options, running, sizes)
            for server in running:
                self.sample(server, options, 1, sizes)
            for _ in range(options.rounds):
                for server in running:
                    samples.setdefault(server.name, []).append(self.sample(server, options, options.seconds, sizes))
        finally:
            for server in running:
                server.stop()
        rows = {name: summary(taken) for name, taken in samples.items()}
        return {"scenario": self.name, "text": self.text, "kind": "speed", "servers": rows, "note": note}

    def start(self, kind, options, running, sizes):
        """A server that does not start or answers wrongly is left out, and says why."""
        server = None
        try:
            server = kind(self.job(options), options.folder, self.log and kind.has_log)
            seen = probe(server.port, self.path, self.close or kind.ends_connections, self.post)
            assert seen.status == 200, f"answers {seen.status}"
            assert not (self.close and seen.kept_alive), "keeps the connection though the client asks for its end"
            assert self.body in (None, len(seen.body)) or kind.name == "floor", f"answers {len(seen.body)} bytes, not {self.body}"
            if not (self.close or seen.kept_alive):
                print(f"   {kind.name}: ends its connection after each answer")
            sizes[server] = seen.wire_bytes
            running.append(server)
        except (RuntimeError, AssertionError, OSError, http.client.HTTPException) as error:
            print(f"   {kind.name}: left out, {error!r}")
            if server:
                server.stop()

    def sample(self, server, options, seconds, sizes):
        before = cpu.of_threads(server.pid)
        report = load.run(options.folder, server.port, self.path, seconds, self.connections, self.close or server.ends_connections, self.post)
        used = cpu.between(before, cpu.of_threads(server.pid))
        count = max(report.requests, 1)
        bad = report.bad_statuses + report.socket_errors + report.timeouts
        if abs(report.bytes / count / sizes[server] - 1) > ODD_SIZE + self.connections / count:
            bad = count
        return {"cpu_us": used / 1000 / count, "rate": report.rate, "p50_ms": report.p50, "p99_ms": report.p99, "bad": bad}


def summary(samples):
    row = {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}
    row["bad"] = sum(sample["bad"] for sample in samples)
    row["spread_us"] = [min(s["cpu_us"] for s in samples), max(s["cpu_us"] for s in samples)]
    return row
