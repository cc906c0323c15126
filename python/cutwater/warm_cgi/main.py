"""Entry of a warm interpreter: forks a child for each script it is told to run, and tells how each has ended.

    <python> [its flag] -c "..." <library>       descriptor 0: the channel from the spawner, a SOCK_SEQPACKET socket

What is said to the spawner goes into a pipe that the first message brings, a line for each.

What is done here for a request is little, and with few objects: each page of memory that is written to after a fork is
copied, here and in the child, and that is most of what a request costs. For the same reason the modules are few.
"""

from __future__ import annotations

import _signal
import _socket
import fcntl
import gc
import os
import select
import sys
from json.decoder import JSONDecoder

from cutwater.warm_cgi import preload, script, streams
from cutwater.warm_cgi.code_cache import CodeCache
from cutwater.warm_cgi.folders import Folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, NoReturn, Tuple

MAXIMUM_MESSAGE = 64 * 1024
DESCRIPTORS = 5  # the script, its folder, and what become its standard streams
NUMBER = 4  # bytes of a descriptor's number, in the order of this machine
ROOM = _socket.CMSG_LEN(DESCRIPTORS * NUMBER)
FLAGS = _socket.MSG_CMSG_CLOEXEC


def run() -> NoReturn:
    """Until the spawner closes the channel. Its scripts run on then: they become the spawner's children."""
    errors = fcntl.fcntl(2, fcntl.F_DUPFD_CLOEXEC, 3)  # where the spawner looks for the last words
    try:
        Zygote(errors).run()
    except (BrokenPipeError, ConnectionResetError):
        pass
    except BaseException:
        os.dup2(errors, 2)
        raise
    os._exit(0)


class Zygote:
    def __init__(self, errors: int) -> None:
        library = sys.argv.pop(1)
        sys.path[:] = [entry for entry in sys.path if entry not in ("", library)]
        self.socket = _socket.socket(fileno=fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3))
        self.socket.setblocking(True)  # not so for whoever made it
        _, (self.answers,) = self.hear()
        streams.take_places()
        streams.renew()
        self.children: Dict[int, int] = {}  # pid -> the spawner's number for the script
        self.added = _added_variables()
        self.code = CodeCache()
        self.folders = Folders()
        self.scan = JSONDecoder().scan_once
        self.child_ended, wakes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        for number in (_signal.SIGHUP, _signal.SIGUSR1, _signal.SIGUSR2, _signal.SIGTTIN, _signal.SIGTTOU):
            if _signal.getsignal(number) == _signal.SIG_DFL:  # the master's, whoever sends it to all
                _signal.signal(number, _signal.SIG_IGN)
                script.IGNORED.append(number)
        _signal.signal(_signal.SIGCHLD, _wake)
        _signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        self.has_variables = False
        self.own = [self.answers, self.socket.fileno(), self.child_ended, wakes, errors]
        self.poll = select.poll()
        for descriptor in self.own[1:3]:
            self.poll.register(descriptor, select.POLLIN)

    def run(self) -> None:
        if len(os.listdir("/proc/self/task")) > 1:
            return self.send('{"type": "unfit", "text": "what runs at its start (sitecustomize, .pth files) begins threads, '
                             'and they do not survive a fork"}')
        preload.begin()
        gc.disable()  # what lives here is shared with the children: no collection writes to it
        self.settle()
        self.send('{"type": "ready", "python": "%s"}' % sys.version.split()[0])
        poll, channel = self.poll.poll, self.own[1]
        while True:
            for descriptor, _ in poll():
                if descriptor == channel:
                    self.receive()
                else:
                    self.reap()

    def settle(self) -> None:
        """When modules were imported."""
        self.folders.set_preloaded(preload.shadowable())
        script.OURS[:] = [name for name in sys.modules if name.partition(".")[0] == "cutwater"]
        gc.collect()
        gc.freeze()

    def send(self, text: str) -> None:
        os.write(self.answers, text.encode() + b"\n")

    def hear(self) -> Tuple[bytes, List[int]]:
        data, ancillary, _, _ = self.socket.recvmsg(MAXIMUM_MESSAGE, ROOM, FLAGS)
        if not data:
            raise ConnectionResetError
        descriptors = []
        for _, _, numbers in ancillary:
            for at in range(0, len(numbers) - NUMBER + 1, NUMBER):
                descriptors.append(int.from_bytes(numbers[at:at + NUMBER], sys.byteorder))
        return data, descriptors

    def receive(self) -> None:
        data, descriptors = self.hear()
        try:
            self.start(self.scan(data.decode(), 0)[0], descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def start(self, message: Dict[str, Any], descriptors: List[int]) -> None:
        number = message["script"]
        try:
            if len(descriptors) != DESCRIPTORS:  # this process has too many open
                raise script.Cold
            job = script.Job(message, descriptors, self.own, self.added)
            job.find(self.code, self.folders, self.settle)
            if not self.has_variables:
                self.take_variables(job)
            pid = os.fork()
        except script.Cold as cold:
            return self.send_cold(number, str(cold))
        except (OSError, MemoryError):  # no process or memory for it now: who starts it otherwise says so
            return self.send_cold(number, "")
        if pid == 0:
            job.run()
        self.children[pid] = number

    def take_variables(self, job: script.Job) -> None:
        """Once, of the first request: what is the same in the next ones is not to be set in each child. Not what comes from
        its client."""
        self.has_variables = True
        for name, value in job.environment().items():
            if not name.startswith((b"HTTP_", b"AUTH", b"REMOTE_", b"QUERY_", b"SSL_")):
                os.environb[name] = value

    def send_cold(self, number: int, why: str) -> None:
        import json

        self.send('{"type": "cold", "script": %d, "text": %s}' % (number, json.dumps(why)))

    def reap(self) -> None:
        try:
            os.read(self.child_ended, 512)  # what is left wakes this once more
        except BlockingIOError:
            pass
        while self.children:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            self.on_end(found.si_pid)

    def on_end(self, pid: int) -> None:
        """While it was not waited for its group has its number: what is left of that hears at once."""
        number = self.children.pop(pid, None)
        if number is not None:
            try:
                os.killpg(pid, _signal.SIGTERM)
                os.killpg(pid, _signal.SIGCONT)
            except (ProcessLookupError, PermissionError):
                pass
        _, status = os.waitpid(pid, 0)
        if number is not None:
            killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            code = 0 if killed else os.WEXITSTATUS(status)
            self.send('{"type": "ended", "script": %d, "code": %d, "signal": %d}' % (number, code, killed))


def _added_variables() -> Dict[bytes, bytes]:
    """What the interpreter (LC_CTYPE) or the site's own code has put into the environment since the process began."""
    with open("/proc/self/environ", "rb") as file:
        given = frozenset(file.read().split(b"\0"))
    return {name: value for name, value in os.environb.items() if name + b"=" + value not in given}


def _wake(*_: Any) -> None:
    """Whoever polls finds a byte of set_wakeup_fd()."""
