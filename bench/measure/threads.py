"""Servers with threads, under what they are for: requests that wait, and slow ones beside quick ones."""

from . import load
from .servers import Cutwater, GunicornThreads, UwsgiThreads
from .speed import Speed

THREADS = 64


class CutwaterThreads(Cutwater):
    name = f"cutwater {THREADS} threads"
    threads = THREADS

    def command(self):
        command = super().command()
        with open(self.folder / "cutwater.toml", "a") as file:
            file.write(f"threads = {self.threads}\n")
        return command


class CutwaterAuto(CutwaterThreads):
    name = "cutwater auto"
    threads = '"auto"'


class GunicornManyThreads(GunicornThreads):
    name = f"gunicorn {THREADS} threads"

    def command(self):
        words = super().command()
        words[words.index("--threads") + 1] = str(THREADS)
        return words


THREADED = [CutwaterThreads, CutwaterAuto, UwsgiThreads, GunicornManyThreads]


class Beside(Speed):
    """The quick route's figures while one connection asks for the slow one without a pause."""

    def __init__(self, *arguments, slow, slow_connections=1, **options):
        super().__init__(*arguments, **options)
        self.slow, self.slow_connections = slow, slow_connections

    def sample(self, server, options, seconds, sizes):
        slow = load.start(options.folder, server.port, self.slow, seconds + 1, self.slow_connections)
        try:
            return super().sample(server, options, seconds, sizes)
        finally:
            slow.communicate()
