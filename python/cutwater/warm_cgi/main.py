"""Entry of a warm interpreter: forks a child for each script it is told to run, and tells how each has ended.

    <python> [its flag] -c "..." <library>       descriptor 0: the channel to the spawner, a SOCK_SEQPACKET socket
"""

from __future__ import annotations

import array
import fcntl
import gc
import importlib
import json
import os
import platform
import select
import signal
import socket
import sys
import time
from typing import Any, Dict, List, NoReturn, Tuple

from cutwater.warm_cgi import preload, script, streams
from cutwater.warm_cgi.code_cache import CodeCache
from cutwater.warm_cgi.folders import Folders

MAXIMUM_MESSAGE = 64 * 1024
DESCRIPTORS = 5  # the script, its folder, and what become its standard streams


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
        self.socket = socket.socket(fileno=fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3))
        self.socket.setblocking(True)  # not so for whoever made it
        streams.take_places()
        streams.renew()
        self.children: Dict[int, int] = {}  # pid -> the spawner's number for the script
        script.OURS[:] = _ours()
        self.added = _added_variables()
        self.code = CodeCache()
        self.folders = Folders()
        self.child_ended, wakes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, _wake)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        self.own = [self.socket.fileno(), self.child_ended, wakes, errors]
        self.poll = select.poll()
        for descriptor in self.own[:2]:
            self.poll.register(descriptor, select.POLLIN)

    def run(self) -> None:
        self.folders.set_preloaded(preload.shadowable())
        self.send("ready", python=platform.python_version())
        gc.disable()  # what lives here is shared with the children: no collection writes to it
        for name in preload.names(library_first=sys.path):
            while self.look(0):
                pass
            importlib.import_module(name)
            self.folders.set_preloaded(preload.shadowable())
        preload.finish()
        self.folders.set_preloaded(preload.shadowable())
        script.OURS[:] = _ours()
        gc.collect()
        gc.freeze()
        while True:
            self.look(None)

    def look(self, timeout: Any) -> bool:
        """Does what there is to do; whether there was anything."""
        ready = self.poll.poll(timeout)
        for descriptor, _ in ready:
            if descriptor == self.child_ended:
                self.reap()
            else:
                self.receive()
        return bool(ready)

    def send(self, kind: str, **fields: Any) -> None:
        self.socket.send(json.dumps({"type": kind, **fields}).encode())

    def receive(self) -> None:
        room = socket.CMSG_LEN(DESCRIPTORS * array.array("i").itemsize)
        data, ancillary, _, _ = self.socket.recvmsg(MAXIMUM_MESSAGE, room, socket.MSG_CMSG_CLOEXEC)
        if not data:
            raise ConnectionResetError
        descriptors = array.array("i")
        for _, _, numbers in ancillary:
            descriptors.frombytes(numbers[: len(numbers) - len(numbers) % descriptors.itemsize])
        try:
            self.start(json.loads(data), list(descriptors))
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def start(self, message: Dict[str, Any], descriptors: List[int]) -> None:
        number = message["script"]
        if len(descriptors) != DESCRIPTORS:  # this process has too many open
            return self.send("cold", script=number, text="")
        try:
            job = script.Job(message, descriptors, self.own, self.code, self.folders, self.added)
            job.set_environment()
            pid = os.fork()
        except script.Cold as cold:
            return self.send("cold", script=number, text=str(cold))
        except (OSError, MemoryError):  # no process or memory for it now: who starts it otherwise says so
            return self.send("cold", script=number, text="")
        if pid == 0:
            job.run()
        self.children[pid] = number

    def reap(self) -> None:
        try:
            while os.read(self.child_ended, 512):
                pass
        except BlockingIOError:
            pass
        while True:
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
            for sign in (signal.SIGTERM, signal.SIGCONT):
                try:
                    os.killpg(pid, sign)
                except (ProcessLookupError, PermissionError):
                    break
        _, status = os.waitpid(pid, 0)
        if number is not None:
            code, killed = _outcome(status)
            self.send("ended", script=number, code=code, signal=killed)


def _ours() -> List[str]:
    return [name for name in sys.modules if name.partition(".")[0] == "cutwater"]


def _added_variables() -> Dict[bytes, bytes]:
    """What the interpreter (LC_CTYPE) or the site's own code has put into the environment since the process began."""
    with open("/proc/self/environ", "rb") as file:
        given = frozenset(file.read().split(b"\0"))
    return {name: value for name, value in os.environb.items() if name + b"=" + value not in given}


def _outcome(status: int) -> Tuple[int, int]:
    """Of a wait status: the exit code, and the signal that killed it or 0."""
    return (0, os.WTERMSIG(status)) if os.WIFSIGNALED(status) else (os.WEXITSTATUS(status), 0)


def _wake(*_: Any) -> None:
    """Whoever polls finds a byte of set_wakeup_fd()."""
