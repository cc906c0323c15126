"""One CGI program, in C or in Python, started by each server for each request."""

import os
import subprocess

from support.processes import tree

from . import cpu, load
from .servers import ROOT, Cutwater, Job, Server
from .speed import Speed

PYTHON = """#!/usr/bin/python3
import os
from urllib.parse import parse_qs
query = parse_qs(os.environ.get("QUERY_STRING", ""))
print("Content-Type: text/plain\\nContent-Length: 13\\n\\nHello, world!", end="")
"""
C = r"""#include <stdio.h>
int main(void) { printf("Content-Type: text/plain\nContent-Length: 13\n\nHello, world!"); return 0; }
"""
LIGHTTPD = """
server.document-root = "{site}"
server.port = {port}
server.bind = "127.0.0.1"
server.username = "daemon"
server.max-keep-alive-requests = 1000000000
server.modules += ( "mod_cgi" )
cgi.assign = ( ".py" => "", ".cgi" => "" )
"""
TICK = 1e9 / os.sysconf("SC_CLK_TCK")


def scripts(options):
    place = options.folder / "cgi"
    if not place.exists():
        place.mkdir()
        (place / "hello.c").write_text(C)
        subprocess.run(["cc", "-O2", "-o", place / "hello.cgi", place / "hello.c"], check=True)
        (place / "hello.py").write_text(PYTHON)
        for path in (options.folder, place, place / "hello.py"):
            path.chmod(0o755)
    return Job(place, files=place)


class CutwaterCgi(Server):
    name = Cutwater.name
    has_log = False
    more = ""

    def command(self):
        path = self.folder / "cutwater.toml"
        path.write_text(
            f'fronts = 1\n[[listen]]\naddr = "127.0.0.1:{self.port}"\n[log]\naccess = "off"\n[[site]]\n[[site.route]]\n'
            f'match = {{ path = "/*" }}\ncgi = {{ dir = "{self.job.files}", user = "daemon"{self.more} }}\n')
        return [ROOT / "build" / "cutwater", "serve", "-c", path]


class CutwaterCold(CutwaterCgi):
    name = "cutwater, warm = false"
    more = ", warm = false"


class LighttpdCgi(Server):
    name = "lighttpd"
    has_log = False

    def command(self):
        path = self.folder / "lighttpd.conf"
        path.write_text(LIGHTTPD.format(site=self.job.files, port=self.port))
        return ["/usr/sbin/lighttpd", "-D", "-f", path]


class Cgi(Speed):
    """CPU time as the kernel adds it up for a process and its children that have ended, in ticks: rounds must be long.

    No server gets precedence here: it would count for scripts that stay in its session, and not for those that lead their own.
    """

    def start(self, kind, options, running, sizes):
        super().start(kind, options, running, sizes)
        for server in running:
            cpu.prefer(server.pid, 0)

    def sample(self, server, options, seconds, sizes):
        before = ticks(server.pid)
        report = load.run(options.folder, server.port, self.path, seconds, self.connections, False, False)
        count = max(report.requests, 1)
        used = (ticks(server.pid) - before) * TICK
        bad = report.bad_statuses + report.socket_errors + report.timeouts
        return {"cpu_us": used / 1000 / count, "rate": report.rate, "p50_ms": report.p50, "p99_ms": report.p99, "bad": bad}


def ticks(pid):
    total = 0
    for each in tree(pid):
        try:
            with open(f"/proc/{each}/stat") as file:
                total += sum(map(int, file.read().rpartition(")")[2].split()[11:15]))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total
