"""Two servers in a row: nginx in front of an app by its gateway protocols, and gateways in front of an HTTP server."""

import socket
import sys
import time

from .servers import BIN, ROOT, Cutwater, Nginx, Server

KEPT = 64  # connections each gateway may keep to the server behind it
START_BOTH = 'trap "kill -TERM $first $second; wait" TERM; "$1" {} & first=$!; shift {}; "$@" & second=$!; wait'

BEHIND_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err; user root;
events {{ worker_connections 20000; }}
http {{ access_log off; keepalive_requests 100000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream back {{ server unix:{folder}/back; {kept} }}
  server {{ listen 127.0.0.1:{port} backlog=2048; location / {{ include /etc/nginx/{protocol}_params; {protocol}_pass back; {path} {keep} }} }} }}
"""
PROXYING_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err; user root;
events {{ worker_connections 20000; }}
http {{ access_log {log}; keepalive_requests 100000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream back {{ server 127.0.0.1:{back}; keepalive {kept}; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port} backlog=2048; location / {{ proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }} }}
"""
PROXYING_HAPROXY = """
global
  nbthread 1
  maxconn 5000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend front
  bind 127.0.0.1:{port}
  option forwardfor
  default_backend back
backend back
  server only 127.0.0.1:{back} pool-max-conn {kept}
"""


# ---- nginx in front: its CPU time and that of the server behind it count


class BehindNginx(Server):
    """nginx, and behind it on a unix socket the server of a subclass; both are children of one shell."""

    has_log = False
    protocol = ""

    def command(self):
        fastcgi = self.protocol == "fastcgi"
        path = ""  # nginx's uwsgi_params have it, the others say SCRIPT_NAME instead, which uWSGI takes at its word
        if self.protocol != "uwsgi":
            path = f"{self.protocol}_param PATH_INFO $document_uri; {self.protocol}_param SCRIPT_NAME '';"
        text = BEHIND_NGINX.format(folder=self.folder, port=self.port, protocol=self.protocol, path=path,
                                   kept=f"keepalive {KEPT};" if fastcgi else "", keep="fastcgi_keep_conn on;" if fastcgi else "")
        (self.folder / "nginx.conf").write_text(text)
        nginx = ["/usr/sbin/nginx", "-c", self.folder / "nginx.conf", "-p", self.folder]
        count = len(nginx)
        words = " ".join(f'"${{{index}}}"' for index in range(2, count + 1))
        return ["/bin/sh", "-c", START_BOTH.format(words, count), "sh", *nginx, *self.back()]

    def wait(self):
        super().wait()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket(socket.AF_UNIX) as back:
                try:
                    return back.connect(str(self.folder / "back"))
                except OSError:
                    time.sleep(0.05)
        raise RuntimeError(f"the server behind {self.name} did not start:\n" + (self.folder / "output.txt").read_text()[-2000:])

    def back(self):
        raise NotImplementedError


class CutwaterBack(BehindNginx):
    def back(self):
        listen = f'[[listen]]\naddr = "unix:{self.folder}/back"\nprotocol = "{self.protocol}"\n'
        (self.folder / "cutwater.toml").write_text(
            f'fronts = 1\n{listen}[log]\naccess = "off"\n[app.web]\nroot = "{self.job.folder}"\ntarget = "{self.job.target}"\n'
            f'python = "{sys.executable}"\nworkers = {self.job.workers}\nwatch = "off"\n')
        return [ROOT / "build" / "cutwater", "serve", "-c", self.folder / "cutwater.toml"]


class UwsgiBack(BehindNginx):
    option = ""

    def back(self):
        return [BIN / "uwsgi", self.option, self.folder / "back", "--module", self.job.target, "--processes", self.job.workers, "--master",
                "--need-app", "--die-on-term", "--listen", "1024", "--virtualenv", sys.prefix, "--disable-logging"]


def behind_nginx(protocol, option):
    """The pair of servers compared for one protocol."""
    ours = type("Ours", (CutwaterBack,), {"name": f"nginx + cutwater by {protocol}", "protocol": protocol})
    theirs = type("Theirs", (UwsgiBack,), {"name": f"nginx + uwsgi by {protocol}", "protocol": protocol, "option": option})
    return [ours, theirs]


# ---- in front of an HTTP server: only the gateway's CPU time counts


class Gateway(Server):
    """Before it starts, the server behind, on the CPU of the load: nginx with a file of 1 KB."""

    behind_kind = Nginx

    def __init__(self, job, folder, log=False):
        self.behind = self.behind_kind(job, folder, cpu_number=1)
        try:
            super().__init__(job, folder, log)
        except BaseException:
            self.behind.stop()
            raise

    def stop(self):
        super().stop()
        self.behind.stop()


class CutwaterGateway(Gateway):
    name = Cutwater.name

    def command(self):
        access = self.log_file if self.log else "off"
        (self.folder / "cutwater.toml").write_text(
            f'fronts = 1\n[[listen]]\naddr = "127.0.0.1:{self.port}"\n[log]\naccess = "{access}"\n'
            f'[[site]]\n[[site.route]]\nmatch = {{ path = "/*" }}\nproxy = {{ to = "http://127.0.0.1:{self.behind.port}" }}\n')
        return [ROOT / "build" / "cutwater", "serve", "-c", self.folder / "cutwater.toml"]


class NginxGateway(Gateway):
    name = "nginx"

    def command(self):
        log = f"{self.log_file} combined" if self.log else "off"
        (self.folder / "nginx.conf").write_text(
            PROXYING_NGINX.format(folder=self.folder, log=log, port=self.port, back=self.behind.port, kept=KEPT))
        return ["/usr/sbin/nginx", "-c", self.folder / "nginx.conf", "-p", self.folder]


class HaproxyGateway(Gateway):
    name = "haproxy"
    has_log = False  # it has one, but writes it to a syslog server only

    def command(self):
        (self.folder / "haproxy.cfg").write_text(PROXYING_HAPROXY.format(port=self.port, back=self.behind.port, kept=KEPT))
        return ["/usr/sbin/haproxy", "-db", "-f", self.folder / "haproxy.cfg"]


HTTP_GATEWAYS = [CutwaterGateway, NginxGateway, HaproxyGateway]
