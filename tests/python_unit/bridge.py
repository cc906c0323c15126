"""A master and a front in one Python object, without a network: drives the worker side of the link directly."""

import contextlib
import importlib.machinery
import importlib.util
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

BOOTSTRAP = ("import os, sys; sys.path.insert(0, os.environ['CUTWATER_LIBRARY']); "
             "from cutwater import main; main.run()")
HEAD, BODY, END, WORKER_CREDIT, ABORT, FILE, BODY_WANTED = 1, 2, 3, 8, 9, 10, 11
BODY_PIECE, BODY_END, DISCONNECT, CANCEL, CREDIT = 1, 2, 3, 4, 5
COMPLETE, RELEASES, BEFORE_HEAD = 1, 2, 4
INITIAL_CREDIT = 128 * 1024
NONE, INLINE, CHUNKS, DESCRIPTOR, STREAMED = range(5)


def load_test_front(build):
    path = str(Path(build) / "python_testing" / "_cutwater_test_front.abi3.so")
    loader = importlib.machinery.ExtensionFileLoader("_cutwater_test_front", path)
    spec = importlib.util.spec_from_file_location("_cutwater_test_front", path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@dataclass
class Response:
    status: int = 0
    reason: str = ""
    length: int = None
    headers: list = field(default_factory=list)
    body: bytes = b""
    aborted: bool = False
    before_head: bool = False
    complete: bool = False
    frames: list = field(default_factory=list)
    pieces: list = field(default_factory=list)

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Channel:
    """The master's end. What is told for the log, `told`, and of what to `watch` is kept apart from the conversation."""

    def __init__(self):
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.waiting, self.told = [], []
        self.watch = {"folders": [], "templates": [], "pages": [], "left_out": "", "changed": ""}

    def send(self, kind, descriptors=(), **fields):
        socket.send_fds(self.ours, [json.dumps({"type": kind, **fields}).encode()], list(descriptors))

    def receive(self, seconds=20.0):
        """The next message that is none for the log; None at the end."""
        self.ours.settimeout(seconds)
        while not self.waiting:
            if not self._take():
                return None
        return self.waiting.pop(0)

    def hear(self):
        """What has come already."""
        if self.ours.fileno() < 0:
            return
        self.ours.settimeout(0)
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            while self._take():
                pass

    def _take(self):
        data = self.ours.recv(65536)
        if not data:
            return False
        message = json.loads(data)
        if message["type"] == "told":
            code = f"[{message['code']}]" if message["code"] else ""
            self.told.append(f"{message['severity']}{code} " + message["text"].replace("\n", "\n  ") + "\n")
        elif message["type"] == "watch":
            self.watch = {name: value + message[name] for name, value in self.watch.items()}
        else:
            self.waiting.append(message)
        return True

    def expect(self, kind, seconds=20.0):
        message = self.receive(seconds)
        assert message is not None and message["type"] == kind, message
        return message


class Fronts:
    """A segment and the fronts' ends of it."""

    def __init__(self, build, fronts, lanes):
        self.front_module = load_test_front(build)
        self.fronts, self.lanes = fronts, lanes
        self.segment = self.front_module.create_segment(fronts, lanes)
        self.links = [self.front_module.Front(self.segment, index) for index in range(fronts)]
        self.front_wakes = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(fronts)]

    def submit(self, method="GET", target="/", headers=(), body=b"", *, front=0, scheme="http", minor=1, place=INLINE,
               length=0, script_name="", path=None, framing=None, remote="127.0.0.1", websocket=False, variables=()):
        raw_path, _, query = target.partition("?")
        if path is None:
            from urllib.parse import unquote_to_bytes
            path = unquote_to_bytes(raw_path)
        fields = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        if framing is None:
            framing = 1 if body or length else 0
        ticket = self.links[front].submit(
            method.encode(), target.encode(), path, query.encode(), scheme.encode(), minor, fields, body, framing,
            place, length, script_name.encode(), remote.encode(), 4321, b"example.org", 8080,
            websocket, [(name.encode(), value.encode("latin-1")) for name, value in variables])
        assert ticket is not None
        self.links[front].wake_workers()
        return ticket

    @staticmethod
    def _take(link, response, frame, credit, body_file):
        kind, lane, slot, generation, value, payload = frame
        piece = b""
        if kind == HEAD:
            response.status, response.reason, response.length, response.headers, piece = payload
        elif kind == BODY:
            piece = payload
        elif kind == FILE:
            offset, length = (int.from_bytes(payload[:8], "little"), int.from_bytes(payload[8:], "little"))
            descriptor = link.receive_file(lane, slot, generation, value)
            assert descriptor >= 0
            response.body += os.pread(descriptor, length, offset)
            os.close(descriptor)
        elif kind == ABORT:
            response.aborted, response.complete = True, True
            response.before_head = bool(value & BEFORE_HEAD)
        elif kind == BODY_WANTED:
            if body_file is not None:
                assert link.send_body(lane, slot, generation, body_file)
        if kind in (HEAD, BODY):
            response.body += piece
            if piece:
                response.pieces.append(piece)
                if credit:
                    link.send_down(lane, CREDIT, slot, generation, len(piece))
            response.complete = bool(value & COMPLETE)
        if kind == END:
            response.complete = True

    def in_use(self):
        return sum(link.in_use() for link in self.links)

    def close(self):
        for descriptor in [self.segment, *self.front_wakes]:
            os.close(descriptor)


class Bridge(Fronts):
    def __init__(self, build, python, root, target, *, mode="zygote", fronts=1, lanes=2, library=None,
                 **start):
        super().__init__(build, fronts, lanes)
        self.mode, self.root = mode, Path(root)
        self.channel = Channel()
        self.errors = self.root / "stderr.log"
        self.workers = {}
        environment = {**os.environ, "CUTWATER_LIBRARY": str(library or Path(build) / "library"),
                       "CUTWATER_CONTROL_FD": str(self.channel.theirs.fileno()), "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("PYTHONPATH", None)
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen([str(python), "-c", BOOTSTRAP], cwd=self.root, env=environment,
                                            pass_fds=[self.channel.theirs.fileno()], stderr=errors, stdout=errors)
        self.channel.theirs.close()
        settings = {"app": "web", "root": str(self.root), "target": target, "protocol": "auto", "preload": "auto",
                    "prefix": "", "environment": {}, "threads": int(os.environ.get("T", "1")), **start}
        self.channel.send("start", mode=mode, **settings)

    @property
    def log(self):
        """What was told to the master, and what came by standard error."""
        return "".join(text for channel in self.hear() for text in channel.told) + self.errors.read_text(errors="replace")

    def hear(self):
        """The channels, after what has come by them was taken, as a master does."""
        channels = [self.channel, *(worker.channel for worker in self.workers.values() if worker.channel is not self.channel)]
        for channel in channels:
            channel.hear()
        return channels

    def wait_log(self, text, seconds=5.0):
        deadline = time.monotonic() + seconds
        while text not in self.log:
            assert time.monotonic() < deadline, f"{text!r} is not in the log:\n{self.log}"
            time.sleep(0.005)

    def start_worker(self, lane=0):
        worker = Worker(self, lane)
        self.workers[lane] = worker
        return worker

    def collect(self, ticket, *, front=0, seconds=10.0, on_frame=None, until=None, credit=True, body_file=None):
        """The response of a submitted request. `on_frame(response, frame)` sees each frame first."""
        response = Response()
        deadline = time.monotonic() + seconds
        link = self.links[front]
        while not response.complete and not (until and until(response)):
            frames = link.drain()
            for kind, lane, slot, generation, value, payload in frames:
                assert kind != -1, payload
                if (slot, generation) != ticket:
                    continue
                response.frames.append((kind, value))
                self._take(link, response, (kind, lane, slot, generation, value, payload), credit, body_file)
                if on_frame:
                    on_frame(response, (kind, lane, slot, generation, value, payload))
            link.wake_workers()
            if response.complete:
                break
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no complete response: {response}\n{self.log}")
            if not frames and link.prepare_to_sleep():
                select.select([self.front_wakes[front]], [], [], min(left, 0.2))
            link.awake()
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self.front_wakes[front])
        self.hear()
        return response

    def request(self, method="GET", target="/", headers=(), body=b"", **options):
        collected = {key: options.pop(key) for key in ("seconds", "on_frame", "credit", "body_file", "until")
                     if key in options}
        ticket = self.submit(method, target, headers, body, **options)
        return self.collect(ticket, front=options.get("front", 0), **collected)

    def get(self, target="/", **options):
        return self.request("GET", target, **options)

    def settle(self, seconds=5.0):
        """Waits until no slot is in use any more."""
        deadline = time.monotonic() + seconds
        while self.in_use():
            for link in self.links:
                link.drain()
                link.wake_workers()
            assert time.monotonic() < deadline, "slots are still in use"
            time.sleep(0.002)

    def stop(self):
        for worker in self.workers.values():
            worker.kill()
        self.channel.ours.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        for worker in self.workers.values():
            worker.close()
        self.close()


class Worker:
    def __init__(self, bridge, lane):
        self.bridge, self.lane = bridge, lane
        wake = os.eventfd(0, os.EFD_NONBLOCK)
        lane_pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(bridge.fronts)]
        sent = [bridge.segment, wake]
        if bridge.mode == "zygote":
            self.channel = Channel()
            sent.append(self.channel.theirs.fileno())
        else:
            self.channel = bridge.channel
        # No alarm can ring: these tests poll.
        for front_wake, (_, theirs) in zip(bridge.front_wakes, lane_pairs):
            sent += [front_wake, front_wake, theirs.fileno()]
        kind = "fork" if bridge.mode == "zygote" else "attach"
        bridge.channel.send(kind, sent, lane=lane, worker=lane + 1)
        if bridge.mode == "zygote":
            self.channel.theirs.close()
            self.pid = bridge.channel.expect("forked")["pid"]
        else:
            self.pid = bridge.process.pid
        for link, (ours, theirs) in zip(bridge.links, lane_pairs):
            theirs.close()
            ours.setblocking(False)
            link.attach_lane(lane, os.dup(wake), ours.detach())
        os.close(wake)
        self.status = None
        assert self.channel.expect("ready")["pid"] == self.pid

    def retire(self):
        for link in self.bridge.links:
            link.retire_lane(self.lane)
            link.wake_workers()

    def wait(self, seconds=10.0):
        """Exit status as of os.waitstatus_to_exitcode()."""
        if self.bridge.mode != "zygote":
            return self.bridge.process.wait(seconds)
        deadline = time.monotonic() + seconds
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                break
            assert time.monotonic() < deadline, f"worker {self.pid} does not end\n{self.bridge.log}"
            time.sleep(0.005)
        return self.status

    def kill(self):
        if self.bridge.mode == "zygote" and self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.wait()

    def close(self):
        if self.bridge.mode == "zygote":
            self.channel.ours.close()


def interpreters():
    """Every CPython >= 3.9 of this machine: pyenv's and Debian's."""
    found = [Path("/usr/bin/python3")] if Path("/usr/bin/python3").exists() else []
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    if versions.is_dir():
        for folder in sorted(versions.iterdir()):
            parts = folder.name.split(".")
            if len(parts) >= 2 and all(part.isdigit() for part in parts[:2]) and tuple(map(int, parts[:2])) >= (3, 9):
                found.append(folder / "bin" / "python")
    return [path for path in found if path.exists()] or [Path(sys.executable)]
