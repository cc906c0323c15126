"""The servers compared: how each is started over the same application, on one CPU, with or without an access log."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from support.processes import children, name, tree

from . import cpu

BENCH = Path(__file__).resolve().parent.parent
ROOT = BENCH.parent
BIN = Path(sys.executable).parent
NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err; user root;
events {{ worker_connections 20000; }}
http {{ include /etc/nginx/mime.types; access_log {log}; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 100000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  open_file_cache max=1000; open_file_cache_valid 1s;
  server {{ listen 127.0.0.1:{port} backlog=2048; root {files}; }} }}
"""
LIGHTTPD = """
server.document-root = "{files}"
server.port = {port}
server.bind = "127.0.0.1"
server.max-keep-alive-requests = 1000000000
server.max-keep-alive-idle = 60
server.max-fds = 20000
mimetype.assign = ( ".txt" => "text/plain" )
{log}
"""

H2O = """
user: root
num-threads: 1
listen: {{ host: 127.0.0.1, port: {port} }}
hosts: {{ default: {{ paths: {{ /: {{ file.dir: "{files}" }} }} }} }}
{log}"""


class Job:
    """What a server has to do: an application (folder, target, its environment) or a folder of files."""

    def __init__(self, folder, target="plain:application", environment=None, files=None, workers=1, asgi=None, settings="", of_app=""):
        self.folder, self.target, self.environment = Path(folder), target, environment or {}
        self.files, self.workers, self.asgi, self.settings, self.of_app = files, workers, asgi, settings, of_app


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def maps_shared_memory(pid):
    try:
        return "/memfd:cutwater" in Path(f"/proc/{pid}/maps").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


class Server:
    name = ""
    has_log = True
    ends_connections = False  # after each answer, without saying so: the load must not expect them to stay

    def __init__(self, job, folder, log=False, cpu_number=0):
        self.job, self.folder, self.log = job, Path(folder) / f"{self.name}-{'log' if log else 'quiet'}-{free_port()}".replace(" ", "-"), log
        self.folder.mkdir(parents=True)
        self.port = free_port()
        environment = {**os.environ, **job.environment, "PYTHONPATH": str(job.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        self.output = open(self.folder / "output.txt", "wb")
        self.process = subprocess.Popen(
            ["taskset", "-c", str(cpu_number), *map(str, self.command())], cwd=job.folder, env=environment,
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT, start_new_session=True,
        )
        cpu.prefer(self.process.pid)
        try:
            self.wait()
        except BaseException:
            self.stop()  # nobody gets the object
            raise

    def wait(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                time.sleep(0.5)
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{self.name} did not start:\n" + (self.folder / "output.txt").read_text()[-2000:])

    def stop(self):
        processes = tree(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        for pid in processes:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(10)
        self.output.close()

    @property
    def pid(self):
        return self.process.pid

    @property
    def log_file(self):
        return self.folder / "access.log"

    def command(self):
        raise NotImplementedError


class Floor(Server):
    name = "floor"
    has_log = False

    def command(self):
        program = ROOT / ".cache" / "bench" / "rawhello"
        if not program.exists() or program.stat().st_mtime < (BENCH / "rawhello.c").stat().st_mtime:
            program.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cc", "-O2", "-o", program, BENCH / "rawhello.c"], check=True)
        return [program, self.port]


class Cutwater(Server):
    name = "cutwater"

    def command(self):
        access = self.log_file if self.log else "off"
        text = f'fronts = 1\n[[listen]]\naddr = "127.0.0.1:{self.port}"\n[log]\naccess = "{access}"\n{self.job.settings}\n'
        if self.job.files:
            text += f'[[site]]\n[[site.route]]\nmatch = {{ path = "/*" }}\nstatic = {{ root = "{self.job.files}" }}\n'
        else:
            text += (f'[app.web]\nroot = "{self.job.folder}"\ntarget = "{self.job.target}"\npython = "{sys.executable}"\n'
                     f'workers = {self.job.workers}\nwatch = "off"\n{self.job.of_app}')
        (self.folder / "cutwater.toml").write_text(text)
        return [ROOT / "build" / "cutwater", "serve", "-c", self.folder / "cutwater.toml"]

    def workers(self):
        """Those of the master's children that have mapped a generation's shared memory, but for the front."""
        return [pid for pid in children(self.pid) if name(pid) != "cutwater-front" and maps_shared_memory(pid)]


class Gunicorn(Server):
    """Its default worker, which ends each connection after its answer."""

    name = "gunicorn"

    def command(self):
        log = ["--access-logfile", self.log_file] if self.log else []
        preload = ["--preload"] if self.job.workers > 1 else []
        return [BIN / "gunicorn", "-w", self.job.workers, "-b", f"127.0.0.1:{self.port}", "--log-level", "error", *log, *preload, self.job.target]


class GunicornThreads(Gunicorn):
    """With keep-alive, which gunicorn's default worker does not have."""

    name = "gunicorn gthread"

    def command(self):
        return [*super().command(), "-k", "gthread", "--threads", "1", "--keep-alive", "60"]


class Uwsgi(Server):
    """One process: it keeps connections, but serves one until that is quiet; the other 63 wait. Latencies say little."""

    name = "uwsgi"
    socket = "--http11-socket"

    def command(self):
        log = ["--req-logger", f"file:{self.log_file}", "--log-format", '%(addr) - %(user) [%(ltime)] "%(method) %(uri) %(proto)" %(status) %(rsize) "%(referer)" "%(uagent)"'] if self.log else ["--disable-logging"]
        return [BIN / "uwsgi", self.socket, f"127.0.0.1:{self.port}", "--module", self.job.target, "--processes", self.job.workers, "--master",
                "--need-app", "--die-on-term", "--listen", "1024", "--virtualenv", sys.prefix, "--buffer-size", "32768", *log]


class UwsgiThreads(Uwsgi):
    """A thread for each connection: uWSGI's way to serve 64 kept connections at a time."""

    name = "uwsgi 64 threads"

    def command(self):
        return [*super().command(), "--threads", "64"]


class UwsgiClosing(Uwsgi):
    """For what its kept connections cannot do: bodies of more than a buffer, answers without a length, an end when the
    client asks for it."""

    socket = "--http-socket"
    ends_connections = True


class UwsgiClosingThreads(UwsgiClosing):
    name = "uwsgi 64 threads"

    def command(self):
        return [*super().command(), "--threads", "64"]


class Bjoern(Server):
    name = "bjoern"
    has_log = False

    def command(self):
        module, _, attribute = self.job.target.partition(":")
        code = f"import bjoern, importlib; bjoern.run(importlib.import_module({module!r}).{attribute}, '127.0.0.1', {self.port})"
        return [sys.executable, "-c", code]


class Granian(Server):
    name = "granian"

    def command(self):
        log = ["--access-log"] if self.log else ["--no-log"]
        return [BIN / "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", self.port, "--workers", self.job.workers, *log, self.job.target]


class Uvicorn(Server):
    name = "uvicorn (ASGI)"

    def command(self):
        log = [] if self.log else ["--no-access-log"]
        return [BIN / "uvicorn", "--host", "127.0.0.1", "--port", self.port, "--log-level", "info" if self.log else "error", *log, self.job.asgi]


class Nginx(Server):
    name = "nginx"

    def command(self):
        log = f"{self.log_file} combined" if self.log else "off"
        (self.folder / "nginx.conf").write_text(NGINX.format(folder=self.folder, log=log, port=self.port, files=self.job.files))
        return ["/usr/sbin/nginx", "-c", self.folder / "nginx.conf", "-p", self.folder]


class Lighttpd(Server):
    name = "lighttpd"

    def command(self):
        log = f'server.modules += ("mod_accesslog")\naccesslog.filename = "{self.log_file}"' if self.log else ""
        (self.folder / "lighttpd.conf").write_text(LIGHTTPD.format(port=self.port, files=self.job.files, log=log))
        return ["/usr/sbin/lighttpd", "-D", "-f", self.folder / "lighttpd.conf"]


class H2o(Server):
    name = "h2o"

    def command(self):
        log = f"access-log: {self.log_file}\n" if self.log else ""
        (self.folder / "h2o.conf").write_text(H2O.format(port=self.port, files=self.job.files, log=log))
        return ["/usr/bin/h2o", "-m", "worker", "-c", self.folder / "h2o.conf"]


WSGI = [Floor, Cutwater, Bjoern, Granian, Uwsgi, UwsgiThreads, Gunicorn, GunicornThreads]
CLOSING = [Floor, Cutwater, Bjoern, Granian, UwsgiClosing, UwsgiClosingThreads, Gunicorn, GunicornThreads]
BODIES = [Cutwater, Bjoern, Granian, UwsgiClosing, Gunicorn, GunicornThreads]
STATIC = [Floor, Cutwater, Lighttpd, H2o, Nginx]
