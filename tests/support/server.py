"""The real binary serving a small application: started, waited for, stopped, and looked over afterwards."""

import os
import re
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from . import processes
from .client import Client
from .processes import wait_until

LISTENING = re.compile(r"listening on (?:\w+://)?(unix:\S+|\[[0-9a-f:]+\]:\d+|[\w.]+:\d+)")
SERVING = re.compile(r"\bserving\b")
MESSAGE = re.compile(r"\b(debug|info|warning|error)(?:\[(CW\d+)\])?:? ")
BROKEN = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|Assertion .* failed|terminate called")


class Output:
    """Lines of one of the server's streams, gathered by a thread."""

    def __init__(self, stream):
        self.lines = []
        self.changed = threading.Condition()
        self.ended = False
        self.stream = stream
        self.leaving, self.leave_sign = (os.fdopen(end, mode, 0) for end, mode in zip(os.pipe(), ("rb", "wb"), strict=True))
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def leave(self):
        """Stops reading and closes the stream, whatever is still to come."""
        self.leave_sign.close()
        self.thread.join()

    def _read(self):
        rest = b""
        while not select.select([self.stream, self.leaving], [], [])[0].count(self.leaving):
            data = os.read(self.stream.fileno(), 65536)
            if not data:
                break
            *whole, rest = (rest + data).split(b"\n")
            self._add(whole)
        self._add([rest] if rest else [])
        for file in (self.stream, self.leaving, self.leave_sign):
            file.close()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def _add(self, lines):
        with self.changed:
            self.lines += [line.decode("utf-8", "backslashreplace") for line in lines]
            self.changed.notify_all()

    def wait_for(self, pattern, seconds=15.0, start=0):
        """The first match of `pattern` in a line from number `start` on."""
        deadline = time.monotonic() + seconds
        with self.changed:
            position = start
            while True:
                while position < len(self.lines):
                    if match := re.search(pattern, self.lines[position]):
                        return match
                    position += 1
                left = deadline - time.monotonic()
                if left <= 0 or self.ended:
                    raise AssertionError(f"no line matches {pattern!r} in:\n" + "\n".join(self.lines[start:]))
                self.changed.wait(left)

    def count(self, pattern):
        with self.changed:
            return sum(1 for line in self.lines if re.search(pattern, line))

    @property
    def text(self):
        with self.changed:
            return "\n".join(self.lines)


class Server:
    """`arguments` follow the binary's name. `allow`: patterns of warnings and errors the test explains."""

    def __init__(self, binary, arguments, folder, environment=None, allow=(), workers=None):
        self.folder, self.allow, self.workers = Path(folder), list(allow), workers
        self.expected_exit = 0
        self.check_leaks = True
        variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})}
        for name in [name for name, value in variables.items() if value is None]:
            del variables[name]
        self.process = subprocess.Popen(
            [str(binary), *map(str, arguments)],
            cwd=self.folder, env=variables, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )
        self.pid = self.process.pid
        processes.adopt(self.pid)
        self.out, self.log = Output(self.process.stdout), Output(self.process.stderr)
        self.addresses = []
        self.baseline = {}
        self.finished = False

    # -- life

    def wait_ready(self, seconds=60.0):
        """Ready is said when the first worker is; for the count of descriptors all of them must be there."""
        self.log.wait_for(SERVING, seconds)
        self.log.wait_for(LISTENING, 5)
        self.addresses = [parse_address(match[1]) for match in map(LISTENING.search, self.log.lines) if match]
        if self.workers:
            wait_until(self.knows_all_workers, 30, "all workers")
        self.baseline = self.descriptor_counts()

    def knows_all_workers(self):
        """Each front holds a pidfd of each worker."""
        opened = [processes.descriptors(front) for front in self.named("front")]
        return all(front is None or list(front.values()).count("anon_inode:[pidfd]") >= self.workers for front in opened)

    def signal(self, number):
        os.kill(self.pid, number)

    def wait_exit(self, seconds=20.0):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            alive = {pid: processes.name(pid) for pid in self.tree()}
            raise AssertionError(f"still there after {seconds} s: {alive}\n{self.log.text}") from None

    def stop(self):
        """TERM, then everything that must hold when a server has gone. Called for every test by the fixture."""
        if self.finished:
            return
        self.finished = True
        try:
            if self.process.poll() is None:
                if self.check_leaks:
                    self.check_running()
                self.signal(signal.SIGTERM)
            code = self.wait_exit()
            assert code == self.expected_exit, f"exit code {code}, expected {self.expected_exit}\n{self.log.text}"
            self.check_gone()
            self.check_log()
        finally:
            self.kill()

    def kill(self):
        """Leaves nothing behind, whatever happened."""
        self.finished = True
        for pid in reversed(processes.tree(self.pid)) if self.process.poll() is None else []:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(10)
        for pid in processes.stray_children():
            os.kill(pid, signal.SIGKILL)

    # -- what must hold

    def check_running(self):
        """Before the end: no zombie, and the long-lived processes hold the descriptors they had when ready."""
        wait_until(lambda: not self.zombies(), 5, "zombies to be reaped")
        if all(count is None for count in self.baseline.values()):
            return
        try:
            wait_until(lambda: not self.grown_descriptors(), 6, "descriptors to be closed")
        except AssertionError:
            raise AssertionError(f"descriptors leaked (process: before, now): {self.grown_descriptors()}") from None

    def check_gone(self):
        try:
            wait_until(lambda: not processes.stray_children(), 5, "left-over processes to end")
        except AssertionError:
            left = {pid: processes.command_line(pid) for pid in processes.stray_children()}
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"the server left processes behind: {left}") from None
        for address in self.addresses:
            assert not (isinstance(address, str) and os.path.exists(address)), f"socket {address} was left behind"

    def check_log(self):
        text = self.log.text
        assert not BROKEN.search(text), text
        unexplained = [
            line for line in self.log.lines
            if (match := MESSAGE.search(line)) and match[1] in ("warning", "error")
            and is_message_start(line) and not any(re.search(pattern, line) for pattern in self.allow)
        ]
        assert not unexplained, "unexplained log lines:\n" + "\n".join(unexplained) + "\n--- whole log:\n" + text

    # -- looking in

    def tree(self):
        return processes.tree(self.pid)

    def named(self, role):
        """Pids of our processes whose name says `role` (master, front, spawner, zygote, worker)."""
        return [pid for pid in self.tree() if role in processes.name(pid) or role in processes.command_line(pid)[:40]]

    def zombies(self):
        return [pid for pid in self.tree() if processes.state(pid) == "Z"]

    def descriptor_counts(self):
        counts = {}
        for pid in [self.pid, *self.named("front"), *self.named("spawner"), *self.named("zygote")]:
            opened = processes.descriptors(pid)
            # The front keeps static files open on purpose (bounded); links to files of the disk start with "/".
            kept = [link for link in (opened or {}).values() if link.startswith("/") and not link.startswith("/memfd:")]
            counts[pid] = None if opened is None else len(opened) - (len(kept) if pid in self.named("front") else 0)
        return counts

    def grown_descriptors(self):
        now = self.descriptor_counts()
        return {
            f"{processes.name(pid)} {pid}": (before, now[pid])
            for pid, before in self.baseline.items()
            if before is not None and now.get(pid) is not None and now[pid] > before
        }

    # -- talking to it

    @property
    def address(self):
        return self.addresses[0]

    @property
    def url(self):
        host, port = self.address
        return f"http://{host}:{port}" if ":" not in host else f"http://[{host}]:{port}"

    def connect(self, **options):
        return Client(self.address, **options)

    def request(self, method="GET", target="/", headers=(), body=b"", **options):
        """One request on a connection of its own."""
        with self.connect(**options) as client:
            return client.request(method, target, [*headers, ("Connection", "close")], body)

    def get(self, target="/", headers=()):
        return self.request("GET", target, headers)

    def raw(self, data, **options):
        """Sends `data`, then reads to the end of the connection."""
        with self.connect(**options) as client:
            client.send(data)
            return client.read_to_end()

    def is_healthy(self, target="/"):
        return self.get(target).status == 200


def is_message_start(line):
    """A line that begins a message, not one of a traceback or an application's own output that merely says "error:"."""
    return not line.startswith(" ") and MESSAGE.match(re.sub(r"^[\[\]\dTZ:.,+ -]*(cutwater(\[\d+\])?:? )?", "", line)) is not None


def parse_address(text):
    if text.startswith("unix:"):
        return text[5:]
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
