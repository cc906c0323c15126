"""Servers behind the one under test: real ones in processes of their own, and raw ones that do exactly what a test says."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading

from . import processes
from .processes import wait_until
from .server import Output


class ProcessPeer:
    """A real server; `ready` finds its address in what it prints."""

    def __init__(self, arguments, folder, ready):
        self.process = subprocess.Popen(
            [str(word) for word in arguments], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, start_new_session=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        processes.adopt(self.process.pid)
        self.log = Output(self.process.stderr)
        try:
            self.url = self.log.wait_for(ready, 30)[1]
        except AssertionError:
            self.kill()
            raise

    def kill(self):
        """The whole group at once, as a machine that loses power."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        for pid in processes.stray_children():  # its workers fell to us
            os.waitpid(pid, 0)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(15)


def gunicorn(folder, target="app:application", *options):
    command = [sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:0", *options, target]
    return ProcessPeer(command, folder, re.compile(r"Listening at: (http://127\.0\.0\.1:\d+)"))


def uvicorn(folder, target="app:application", *options):
    command = [sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", "0", *options, target]
    return ProcessPeer(command, folder, re.compile(r"running on (http://127\.0\.0\.1:\d+)"))


def program(folder, script, *arguments):
    """A Python program that says where it listens."""
    return ProcessPeer([sys.executable, script, *arguments], folder, re.compile(r"listening on (http://127\.0\.0\.1:\d+)"))


class RawPeer:
    """Reads whole requests and gives each to `script(connection, request)`, which sends what it likes; the connection is
    closed when it returns False."""

    def __init__(self, script, listener=None):
        self.script, self.requests, self.open, self.accepted = script, [], set(), 0
        self.lock = threading.Lock()
        self.listener = listener or socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.open.add(connection)
                self.accepted += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        received = b""
        try:
            while True:
                while not (size := self.size_of(received := self.without_questions(connection, received))):
                    data = connection.recv(65536)
                    if not data:
                        return
                    received += data
                request, received = received[:size], received[size:]
                self.requests.append(request)
                if self.script(connection, request) is False:
                    return
        except OSError:
            pass
        finally:
            with self.lock:
                self.open.discard(connection)
            connection.close()

    def size_of(self, received):
        return whole_request(received)

    def without_questions(self, _connection, received):
        """What is no request is answered here."""
        return received

    def wait_for_requests(self, count, seconds=15):
        wait_until(lambda: len(self.requests) >= count, seconds, f"{count} requests")

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)
        with self.lock:
            left = list(self.open)
        for connection in left:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def whole_request(received):
    """The length of the first request in `received`, or 0 when it is not complete."""
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return 0
    if length := re.search(rb"\r\ncontent-length: (\d+)", head, re.I):
        size = len(head) + 4 + int(length[1])
        return size if len(received) >= size else 0
    if re.search(rb"\r\ntransfer-encoding: chunked", head, re.I):
        size = whole_chunks(body)
        return len(head) + 4 + size if size else 0
    return len(head) + 4


def whole_chunks(body):
    """The length of a chunked body without extensions and trailers, or 0 when it is not complete."""
    position = 0
    while (end := body.find(b"\r\n", position)) >= 0:
        size = int(body[position:end], 16)
        position = end + 2 + size + 2
        if position > len(body):
            return 0
        assert body[position - 2 : position] == b"\r\n"
        if size == 0:
            return position
    return 0


def answering(data, keep=True):
    """A script that sends the same bytes each time."""

    def script(connection, _request):
        connection.sendall(data)
        return keep

    return script


def response(body=b"", *fields, status="200 OK"):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Relay:
    """Passes connections on to a server, and keeps what went either way over each."""

    def __init__(self, to):
        self.to, self.connections, self.sockets = to, [], []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    @property
    def accepted(self):
        return len(self.connections)

    def asked(self):
        """All that was sent to the server, a text of bytes for each connection."""
        return [bytes(asked) for asked, _ in self.connections]

    def answered(self):
        return [bytes(answered) for _, answered in self.connections]

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX if isinstance(self.to, str) else socket.AF_INET)
            try:
                far.connect(self.to)
            except OSError:  # as if nobody listened
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                near.close()
                continue
            kept = bytearray(), bytearray()
            with self.lock:
                self.connections.append(kept)
                self.sockets += [near, far]
            for source, target, into in ((near, far, kept[0]), (far, near, kept[1])):
                threading.Thread(target=self._pass_on, args=(source, target, into), daemon=True).start()

    @staticmethod
    def _pass_on(source, target, into):
        try:
            while data := source.recv(65536):
                target.sendall(data)
                into += data
        except OSError:
            pass
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)
        with self.lock:
            for one in self.sockets:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                one.close()
