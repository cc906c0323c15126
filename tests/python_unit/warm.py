"""The spawner's side of a warm interpreter for CGI scripts, and the same scripts started cold, for comparison."""

import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[2] / "python"
BOOTSTRAP = "import sys; sys.path.insert(0, sys.argv[1]); from cutwater.warm_cgi import main; main.run()"


@dataclass
class Outcome:
    output: bytes
    errors: bytes
    code: int  # negative: the signal


class Warm:
    def __init__(self, python, *flags, environment=None, first="ready"):
        self.python, self.flags = str(python), list(flags)
        self.environment = {"PATH": "/usr/bin:/bin", **(environment or {})}
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reading, writing = os.pipe()
        self.answers = open(reading, "rb")
        socket.send_fds(self.channel, [b'{"type": "answers"}'], [writing])
        os.close(writing)
        self.process = subprocess.Popen([self.python, *flags, "-c", BOOTSTRAP, str(LIBRARY)], stdin=theirs, cwd="/",
                                        stdout=subprocess.DEVNULL, env={**self.environment, "GATEWAY_INTERFACE": "CGI/1.1"})
        theirs.close()
        self.numbers = 0
        self.lines = []  # that were read already
        self.early = []  # what came while something else was waited for
        self.greeting = self.expect(first)

    def expect(self, kind, number=None):
        for message in self.early:
            if message["type"] == kind and (number is None or message["script"] == number):
                self.early.remove(message)
                return message
        while True:
            line = self.lines.pop(0) if self.lines else self.next_line()
            assert line, "the warm interpreter is gone"
            message = json.loads(line)
            if message["type"] == kind and (number is None or message["script"] == number):
                return message
            assert message["type"] != "cold" or kind == "cold", message
            self.early.append(message)

    def next_line(self):
        assert select.select([self.answers], [], [], 30)[0], "the warm interpreter says nothing"
        first, *self.lines = os.read(self.answers.fileno(), 65536).splitlines() or [b""]
        return first

    def begin(self, path, streams, variables=None, must_be_executable=False):
        self.numbers += 1
        environment = "\0".join(os.fsencode(f"{name}={value}").decode("latin-1") for name, value in {**(variables or {}), **self.environment}.items())
        body = {"type": "run", "script": self.numbers, "path": str(path), "interpreter": [self.python, *self.flags],
                "environment": environment, "must_be_executable": must_be_executable}
        opened = [os.open(place, os.O_PATH) for place in (path, Path(path).parent)]
        try:
            socket.send_fds(self.channel, [json.dumps(body).encode()], [*opened, *streams])
        finally:
            for descriptor in opened:
                os.close(descriptor)
        return self.numbers

    def run(self, path, stdin=b"", variables=None):
        with tempfile.TemporaryFile() as given:
            given.write(stdin)
            given.seek(0)
            gathered = [Gathered() for _ in range(2)]
            number = self.begin(path, [given.fileno(), *(each.writing for each in gathered)], variables)
            output, errors = (each.finish() for each in gathered)
        self.expect("running", number)
        ended = self.expect("ended", number)
        return Outcome(output, errors, -ended["signal"] or ended["code"])

    def run_cold(self, path, stdin=b"", variables=None):
        with tempfile.TemporaryFile() as given:
            given.write(stdin)
            given.seek(0)
            done = subprocess.run([self.python, *self.flags, str(path)], stdin=given, capture_output=True, cwd=Path(path).parent,
                                  env={**(variables or {}), **self.environment}, start_new_session=True, check=False)
        return Outcome(done.stdout, done.stderr, done.returncode)

    def stop(self):
        self.channel.close()
        self.answers.close()
        try:
            assert self.process.wait(10) in (0, -signal.SIGKILL)
        finally:
            self.process.kill()
            self.process.wait()


class Gathered:
    """What is written into a pipe."""

    def __init__(self):
        self.reading, self.writing = os.pipe()
        self.text = b""
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while data := os.read(self.reading, 65536):
            self.text += data
        os.close(self.reading)

    def finish(self):
        os.close(self.writing)
        self.thread.join(30)
        assert not self.thread.is_alive(), "somebody holds the pipe open"
        return self.text
