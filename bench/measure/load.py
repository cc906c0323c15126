"""wrk on the other CPU, and what it reports: exact numbers, printed by a few lines of Lua at its end."""

import json
import subprocess

from . import cpu

SUMMARY = """
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format('\\n{"requests": %d, "microseconds": %d, "bytes": %d, "lost": %d, "refused": %d, "late": %d, '
    .. '"p50": %.0f, "p99": %.0f, "worst": %.0f}\\n', summary.requests, summary.duration, summary.bytes,
    errors.connect + errors.read + errors.write, errors.status, errors.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
"""
POST = """
wrk.method = "POST"
wrk.body = string.rep("x", 65536)
wrk.headers["Content-Type"] = "application/octet-stream"
"""
WHOLE_POST = {"method": "POST", "body": b"x" * 65536, "headers": {"Content-Type": "application/octet-stream"}}


class Report:
    def __init__(self, text):
        try:
            figures = json.loads(text.rstrip().rpartition("\n")[2])
        except ValueError:
            raise RuntimeError("wrk failed:\n" + text) from None
        self.requests, self.bytes = figures["requests"], figures["bytes"]
        self.rate = self.requests / figures["microseconds"] * 1e6
        self.bad_statuses = figures["refused"]
        self.socket_errors, self.timeouts = figures["lost"], figures["late"]
        self.p50, self.p99, self.worst = (figures[name] / 1000 for name in ("p50", "p99", "worst"))  # milliseconds


def command(folder, port, path, seconds, connections, close=False, post=False, cpu_number=1):
    script = folder / ("post.lua" if post else "get.lua")
    script.write_text((POST if post else "") + SUMMARY)
    words = ["taskset", "-c", str(cpu_number), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script)]
    if close:
        words += ["-H", "Connection: close"]
    return [*words, f"http://127.0.0.1:{port}{path}"]


def start(*arguments, **options):
    process = subprocess.Popen(command(*arguments, **options), stdout=subprocess.PIPE, text=True, start_new_session=True)
    cpu.prefer(process.pid)
    return process


def run(*arguments, **options):
    return Report(start(*arguments, **options).communicate()[0])
