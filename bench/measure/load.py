"""wrk on the other CPU, and what it reports."""

import re
import subprocess

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
POST = 'wrk.method = "POST"\nwrk.body = string.rep("x", 65536)\nwrk.headers["Content-Type"] = "application/octet-stream"\n'


class Report:
    def __init__(self, text):
        self.text = text
        found = re.search(r"(\d+) requests in ([\d.]+)(s|m)", text)
        if not found:
            raise RuntimeError("wrk failed:\n" + text)
        self.requests = int(found[1])
        self.rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        self.bad_statuses = int(bad[1]) if bad else 0
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
        self.socket_errors = sum(map(int, errors.groups())) if errors else 0
        self.p50, self.p99 = (self.latency(percent) for percent in ("50%", "99%"))
        worst = re.search(r"Latency\s+\S+\s+\S+\s+([\d.]+)(us|ms|s|m)", text)
        self.worst = float(worst[1]) * UNITS[worst[2]]

    def latency(self, percent):
        """In milliseconds."""
        found = re.search(rf"{percent}\s+([\d.]+)(us|ms|s|m)", self.text)
        return float(found[1]) * UNITS[found[2]]


def command(port, path, seconds, connections, close=False, script=None, cpu=1):
    words = ["taskset", "-c", str(cpu), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency"]
    if close:
        words += ["-H", "Connection: close"]
    if script:
        words += ["-s", str(script)]
    return [*words, f"http://127.0.0.1:{port}{path}"]


def run(*arguments, **options):
    return Report(subprocess.run(command(*arguments, **options), capture_output=True, text=True).stdout)


def start(*arguments, **options):
    return subprocess.Popen(command(*arguments, **options), stdout=subprocess.PIPE, text=True)
