"""ASGI and Tornado apps: Cutwater beside the servers that their frameworks recommend."""

import sys

from .servers import BENCH, BIN, Cutwater, Granian, Job, Server, Uvicorn
from .speed import Speed


class CutwaterAsgi(Cutwater):
    """On uvloop, as uvicorn is here."""

    def __init__(self, job, *arguments, **options):
        asgi = Job(job.folder, job.asgi, workers=job.workers, asgi=job.asgi, settings=job.settings, of_app=job.of_app)
        super().__init__(asgi, *arguments, **options)


class GranianAsgi(Granian):
    name = "granian"

    def command(self):
        words = super().command()
        words[words.index("wsgi")] = "asgi"
        return [*words[:-1], self.job.asgi]


class FastPySGI(Server):
    """A loop of its own in C."""

    name = "fastpysgi"
    has_log = False

    def command(self):
        module, _, attribute = self.job.asgi.partition(":")
        code = f"import fastpysgi, importlib; fastpysgi.run(importlib.import_module({module!r}).{attribute}, '127.0.0.1', {self.port})"
        return [sys.executable, "-c", code]


class GunicornUvicorn(Server):
    name = "gunicorn, uvicorn's worker"
    has_log = False

    def command(self):
        return [BIN / "gunicorn", "-w", self.job.workers, "-b", f"127.0.0.1:{self.port}", "--log-level", "error",
                "-k", "uvicorn.workers.UvicornWorker", self.job.asgi]


class TornadoAlone(Server):
    """Tornado's own HTTP server, on asyncio or on uvloop."""

    name = "tornado on asyncio"
    has_log = False
    loop = ""

    def command(self):
        module, _, attribute = self.job.target.partition(":")
        code = (f"{self.loop}import tornado.ioloop, importlib; importlib.import_module({module!r}).{attribute}"
                f".listen({self.port}, '127.0.0.1'); tornado.ioloop.IOLoop.current().start()")
        return [sys.executable, "-c", code]


class TornadoUvloop(TornadoAlone):
    name = "tornado on uvloop"
    loop = "import uvloop; uvloop.install(); "


def asgi(options):
    return Job(BENCH / "apps", "plain:application", asgi="asgi:application")


def fastapi(options):
    return Job(BENCH / "apps", "plain:application", asgi="fastapi_app:application")


def starlette(options):
    return Job(BENCH / "apps", "plain:application", asgi="starlette_app:application")


def tornado(options):
    return Job(BENCH / "apps", "tornado_app:application")


ASGI = [CutwaterAsgi, Uvicorn, GranianAsgi, FastPySGI, GunicornUvicorn]
TORNADO = [Cutwater, TornadoAlone, TornadoUvloop]
SCENARIOS = [
    Speed("asgi-64", "ASGI hello, 64 connections", asgi, ASGI, body=13),
    Speed("asgi-8", "ASGI hello, 8 connections", asgi, ASGI, connections=8, body=13),
    Speed("asgi-stream", "ASGI, 16 pieces of 1 KB, 64 connections", asgi, ASGI, path="/stream", body=16384),
    Speed("fastapi-json", "FastAPI, a path parameter and a model as JSON, 64 connections", fastapi, ASGI, path="/items/7", body=81),
    Speed("starlette-stream", "Starlette's StreamingResponse, 16 pieces of 1 KB, 64 connections", starlette, ASGI, body=16384),
    Speed("tornado-64", "Tornado hello, 64 connections", tornado, TORNADO, body=13),
]
