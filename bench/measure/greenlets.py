"""WSGI apps in greenlets, on requests that wait and on ones that do not."""

from .servers import BENCH, Cutwater, Gunicorn, Job
from .speed import Speed

AT_ONCE = 1000


class CutwaterGevent(Cutwater):
    name = "cutwater gevent"
    loop = "gevent"

    def command(self):
        command = super().command()
        with open(self.folder / "cutwater.toml", "a") as file:
            file.write(f'loop = "{self.loop}"\nconcurrency = {AT_ONCE}\n')
        return command


class CutwaterEventlet(CutwaterGevent):
    name = "cutwater eventlet"
    loop = "eventlet"


class GunicornGevent(Gunicorn):
    name = "gunicorn gevent"

    def command(self):
        return [*super().command(), "-k", "gevent", "--worker-connections", AT_ONCE, "--keep-alive", "60"]


class GeventAlone(Gunicorn):
    """gevent's own WSGI server behind gunicorn's process management."""

    name = "gevent pywsgi"

    def command(self):
        return [*super().command(), "-k", "gevent_pywsgi", "--worker-connections", AT_ONCE, "--keep-alive", "60"]


def plain(options):
    return Job(BENCH / "apps", "plain:application")


GREENLETS = [CutwaterGevent, CutwaterEventlet, GunicornGevent, GeventAlone]
SCENARIOS = [
    Speed("gevent-64", "WSGI hello in greenlets, 64 connections", plain, GREENLETS, body=13),
    Speed("gevent-8", "WSGI hello in greenlets, 8 connections", plain, GREENLETS, connections=8, body=13),
    Speed("gevent-stream", "In greenlets, 16 pieces of 1 KB, 64 connections", plain, GREENLETS, path="/stream", body=16384),
    Speed("gevent-sleep", "In greenlets, each request sleeps 50 ms, 64 connections: 1,280 a second are possible", plain,
          GREENLETS, path="/sleep", body=13),
]
