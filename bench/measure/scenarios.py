"""All scenarios by name. Where a name has a "+log" twin, every server writes a combined access log to a file."""

import shutil
import subprocess
import sys

from . import cpu
from .asynchronous import SCENARIOS as ASYNCHRONOUS
from .cgi import Cgi, CutwaterCgi, CutwaterCold, LighttpdCgi, scripts
from .gateways import HTTP_GATEWAYS, behind_nginx
from .greenlets import SCENARIOS as GREENLETS
from .interfaces import scenario as interfaces
from .php import KEPT_PHP_GATEWAYS, PHP_GATEWAYS, PHP_SERVERS, SCRIPT
from .servers import BENCH, BODIES, CLOSING, ROOT, STATIC, WSGI, Job, Uvicorn
from .speed import Speed
from .strength import Idle, Kills, Memory, Reloads
from .threads import THREADED, Beside
from .websockets import SCENARIOS as WEBSOCKETS


def plain(options, workers=1):
    return Job(BENCH / "apps", "plain:application", workers=workers, asgi="asgi:application")


def shop(options, workers=1):
    """A prepared copy of the example shop."""
    place = options.folder / "shop"
    if not place.exists():
        ignored = shutil.ignore_patterns("db.sqlite3*", "media", "staticfiles", "secret_key", ".prepared", "__pycache__")
        shutil.copytree(ROOT / "examples" / "shop", place, ignore=ignored)
        subprocess.run([ROOT / "tools" / "prepare_shop.sh", sys.executable, place], check=True, stdout=subprocess.DEVNULL)
    return Job(place, "shop.wsgi:application", {"DJANGO_SETTINGS_MODULE": "shop.settings"}, workers=workers)


def files(options):
    place = options.folder / "files"
    place.mkdir(exist_ok=True)
    (place / "1k.txt").write_bytes(b"x" * 1024)
    (place / "100k.txt").write_bytes(b"x" * 102400)
    for path in (options.folder, place):
        path.chmod(0o755)
    return Job(place, files=place)


def php(options, workers=8):
    job = files(options)
    (job.files / "1k.php").write_text(SCRIPT)
    job.workers = workers
    return job


def alone(options):
    """What the JSON application costs without any server, on the server's CPU."""
    code = ("import timeit, plain; call = lambda: plain.application({'PATH_INFO': '/json'}, lambda *_: None); "
            "print(min(timeit.repeat(call, number=500, repeat=9)) / 500 * 1e6)")
    words = ["taskset", "-c", "0", sys.executable, "-c", code]
    process = subprocess.Popen(words, cwd=BENCH / "apps", stdout=subprocess.PIPE, text=True, start_new_session=True)
    cpu.prefer(process.pid)
    return f"the application alone takes {float(process.communicate()[0]):.1f} us"


def both(name, text, job, servers, **options):
    return [Speed(name, text, job, servers, **options), Speed(name + "+log", text + ", access log to a file", job, servers, log=True, **options)]


WITHOUT_FLOOR = WSGI[1:]
ALL = [
    *both("hello-64", "WSGI hello, 64 connections", plain, [*WSGI, Uvicorn], body=13),
    *both("hello-8", "WSGI hello, 8 connections", plain, WSGI, connections=8, body=13),
    *both("hello-1", "WSGI hello, 1 connection", plain, WSGI, connections=1, body=13),
    *both("close", "WSGI hello, a connection for each request, 64 at a time", plain, CLOSING, close=True, body=13),
    *both("json-10k", "10 KB JSON, 64 connections", plain, WITHOUT_FLOOR, path="/10k"),
    *both("post-64k", "64 KB POST, 64 connections", plain, BODIES, path="/post", post=True, body=13),
    *both("stream", "16 pieces of 1 KB, 64 connections", plain, BODIES, path="/stream", body=16384),
    *both("json-85us", "JSON application of about 85 us, 64 connections", plain, WITHOUT_FLOOR, path="/json", alone=alone),
    *both("django", "Django page (the shop's first), 16 connections", shop, WITHOUT_FLOOR, connections=16),
    *both("static-1k", "Static file of 1 KB, 64 connections", files, STATIC, path="/1k.txt"),
    *both("static-100k", "Static file of 100 KB, 64 connections", files, STATIC[1:], path="/100k.txt", body=102400),
    *(Speed(f"nginx-{protocol}", f"WSGI hello behind nginx by {protocol}, both servers counted, 64 connections", plain,
            behind_nginx(protocol, option), body=13)
      for protocol, option in (("uwsgi", "--socket"), ("scgi", "--scgi-socket"), ("fastcgi", "--fastcgi-socket"))),
    *both("proxy-1k", "A file of 1 KB from an HTTP server behind, whose CPU time does not count, 64 connections", files,
          HTTP_GATEWAYS, path="/1k.txt", body=1024),
    *both("php-1k", "A PHP page of 1 KB from php-fpm, whose CPU time does not count, gateways as they come: the others open a connection for each request; 64 clients", php,
          PHP_GATEWAYS, path="/1k.php", body=1024),
    Speed("php-1k-kept", "The same over kept connections, where the gateway keeps any", php, KEPT_PHP_GATEWAYS,
          path="/1k.php", connections=8, body=1024),
    *both("php-server", "A PHP page of 1 KB, all processes counted: PHP's own eight, too; 8 clients", php, PHP_SERVERS,
          path="/1k.php", connections=8, body=1024),
    Cgi("cgi-c", "A CGI program in C, 1 connection", scripts, [CutwaterCgi, LighttpdCgi], path="/hello.cgi", connections=1, body=13),
    Cgi("cgi-python", "A CGI script in Python, 1 connection", scripts, [CutwaterCgi, CutwaterCold, LighttpdCgi], path="/hello.py",
        connections=1, body=13),
    Speed("threads-sleep", "WSGI, each request sleeps 50 ms, 64 connections: 1,280 a second are possible", plain, THREADED, path="/sleep", body=13),
    Speed("threads-hello", "WSGI hello with threads, 64 connections", plain, THREADED, body=13),
    Beside("threads-compute", "WSGI hello, 64 connections, beside one that computes 20 ms each time; CPU time of both", plain, THREADED,
           slow="/compute", body=13),
    Beside("threads-mixed", "WSGI hello, 64 connections, beside four that sleep 50 ms each time; CPU time of both", plain, THREADED,
           slow="/sleep", slow_connections=4, body=13),
    *ASYNCHRONOUS,
    *WEBSOCKETS,
    *GREENLETS,
    interfaces(),
    Memory(shop),
    Idle(plain),
    Kills(plain),
    Reloads(plain),
]
