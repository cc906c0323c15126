"""Gateways in front of php-fpm, whose CPU time does not count: it runs on the CPU of the load. And whole PHP servers, which
run the processes too: there all that runs counts."""

import shutil
import socket
import time

from .gateways import START_BOTH, Gateway
from .servers import ROOT, Cutwater, Server

SCRIPT = '<?php header("Content-Type: text/plain"); echo str_repeat("x", 1024);\n'
FPM = """
[global]
error_log = {folder}/fpm.log
daemonize = no
[www]
user = www-data
group = www-data
listen = {folder}/php.sock
listen.mode = 0666
listen.backlog = 1024
pm = static
pm.max_children = {children}
"""
NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err; user root;
events {{ worker_connections 20000; }}
http {{ access_log {log}; keepalive_requests 100000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream php {{ server unix:{socket}; {kept} }}
  server {{ listen 127.0.0.1:{port} backlog=2048; root {site};
    location ~ \\.php$ {{ try_files $uri =404; include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name; fastcgi_pass php; {keep} }} }} }}
"""
LIGHTTPD = """
server.document-root = "{site}"
server.port = {port}
server.bind = "127.0.0.1"
server.max-keep-alive-requests = 1000000000
server.max-keep-alive-idle = 60
server.max-fds = 20000
server.modules += ( "mod_fastcgi" )
fastcgi.server = ( ".php" => (( "socket" => "{socket}", "check-local" => "enable" )) )
{log}
"""


def php_fpm():
    return next(found for found in map(shutil.which, ("php-fpm8.2", "php-fpm8.3", "php-fpm8.4", "php-fpm")) if found)


class Fpm(Server):
    name = "php-fpm"

    def command(self):
        (self.folder / "fpm.conf").write_text(FPM.format(folder=self.folder, children=self.job.workers))
        return [php_fpm(), "-F", "-y", self.folder / "fpm.conf"]

    @property
    def socket(self):
        return self.folder / "php.sock"

    def wait(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    return probe.connect(str(self.socket))
                except OSError:
                    time.sleep(0.05)
        raise RuntimeError("php-fpm did not start:\n" + (self.folder / "output.txt").read_text()[-2000:])


class PhpGateway(Gateway):
    """`kept`: connections to php-fpm are."""

    behind_kind = Fpm
    kept = False

    def write(self, name, text, **more):
        path = self.folder / name
        path.write_text(text.format(folder=self.folder, site=self.job.files, port=self.port, socket=self.behind.socket, **more))
        return path


class CutwaterPhp(PhpGateway):
    name = Cutwater.name

    def command(self):
        kept = f'[upstream.php]\nservers = ["unix:{self.behind.socket}"]\nkeepalive = {self.job.workers}\n' if self.kept else ""
        to = "php" if self.kept else f"unix:{self.behind.socket}"
        access = self.log_file if self.log else "off"
        path = self.folder / "cutwater.toml"
        path.write_text(
            f'fronts = 1\n[[listen]]\naddr = "127.0.0.1:{self.port}"\n[log]\naccess = "{access}"\n{kept}'
            f'[[site]]\n[[site.route]]\nmatch = {{ path = "/*" }}\nfastcgi = {{ to = "{to}", root = "{self.job.files}", split = ".php" }}\n')
        return [ROOT / "build" / "cutwater", "serve", "-c", path]


class NginxPhp(PhpGateway):
    name = "nginx"

    def command(self):
        log = f"{self.log_file} combined" if self.log else "off"
        conf = self.write("nginx.conf", NGINX, log=log, kept=f"keepalive {self.job.workers};" if self.kept else "",
                          keep="fastcgi_keep_conn on;" if self.kept else "")
        return ["/usr/sbin/nginx", "-c", conf, "-p", self.folder]


class LighttpdPhp(PhpGateway):
    name = "lighttpd"  # it keeps no connection to php-fpm

    def command(self):
        log = f'server.modules += ("mod_accesslog")\naccesslog.filename = "{self.log_file}"' if self.log else ""
        return ["/usr/sbin/lighttpd", "-D", "-f", self.write("lighttpd.conf", LIGHTTPD, log=log)]


def kept(gateway):
    return type("Kept", (gateway,), {"kept": True})


# ---- with the processes


class CutwaterPool(Server):
    name = "cutwater pool, php-cgi"

    def command(self):
        access = self.log_file if self.log else "off"
        path = self.folder / "cutwater.toml"
        path.write_text(
            f'fronts = 1\n[[listen]]\naddr = "127.0.0.1:{self.port}"\n[log]\naccess = "{access}"\n'
            f'[pool.php]\ncommand = ["php-cgi"]\nuser = "www-data"\nprocesses = {self.job.workers}\n'
            'env = { PHP_FCGI_MAX_REQUESTS = "0" }\n'
            f'[[site]]\n[[site.route]]\nmatch = {{ path = "/*" }}\nfastcgi = {{ to = "php", root = "{self.job.files}" }}\n')
        return [ROOT / "build" / "cutwater", "serve", "-c", path]


class NginxFpm(Server):
    """nginx and php-fpm, children of one shell."""

    name = "nginx, php-fpm"
    kept = False

    def command(self):
        fpm = self.folder / "fpm.conf"
        fpm.write_text(FPM.format(folder=self.folder, children=self.job.workers))
        conf = self.folder / "nginx.conf"
        conf.write_text(NGINX.format(
            folder=self.folder, site=self.job.files, port=self.port, socket=self.folder / "php.sock",
            log=f"{self.log_file} combined" if self.log else "off", kept=f"keepalive {self.job.workers};" if self.kept else "",
            keep="fastcgi_keep_conn on;" if self.kept else ""))
        nginx = ["/usr/sbin/nginx", "-c", conf, "-p", self.folder]
        words = " ".join(f'"${{{index}}}"' for index in range(2, len(nginx) + 1))
        return ["/bin/sh", "-c", START_BOTH.format(words, len(nginx)), "sh", *nginx, php_fpm(), "-F", "-y", fpm]


class NginxFpmKept(NginxFpm):
    name = "nginx, php-fpm, kept connections"
    kept = True


PHP_SERVERS = [CutwaterPool, NginxFpm, NginxFpmKept]
PHP_GATEWAYS = [CutwaterPhp, NginxPhp, LighttpdPhp]
KEPT_PHP_GATEWAYS = [kept(CutwaterPhp), kept(NginxPhp), LighttpdPhp]
