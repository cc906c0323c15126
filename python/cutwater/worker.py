"""A worker process: what surrounds the extension's loop, from its first signal handler to its exit."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from typing import Any, Callable, List, NamedTuple, NoReturn, Optional, Tuple

import _cutwater
from cutwater import failure, messages, no_socket, own_signals, unpatched
from cutwater.channel import Channel, ChannelClosed

# A worker that hangs in the app when the master dies, or at its exit in the app's own handlers, ends after this.
_ORPHAN_MILLISECONDS = 4000
_EXIT_MILLISECONDS = 3000

# With several threads a quick request waits for this long behind each one that computes. An app may have set its own.
_PYTHONS_SWITCH_INTERVAL = 0.005
_SWITCH_INTERVAL = 0.0005

# A terminal sends them to all, and so does who looks for processes by name; the master decides.
IGNORED_SIGNALS = (signal.SIGINT, signal.SIGHUP)
# As these. An app may use them for itself: then what it installed while it was imported stays, in its workers too.
_FREE_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU)

# File objects that only hold another one.
_FILE_SHELLS = {("tempfile", "_TemporaryFileWrapper"), ("django.core.files.base", "File")}


class Host:
    """What the extension's loop asks of Python; src/python/host.h is its other side."""

    def __init__(self, app: str, root: str, channel: Channel) -> None:
        self._app = app
        self._root = root
        self._channel = channel
        self._terminated = False
        self.signals, self.signals_sender = _make_wakeup_pipe()
        self._threads: List[threading.Thread] = []
        own_signals.handle(signal.SIGTERM, self._terminate)

    def _terminate(self, *_: Any) -> None:
        self._terminated = True

    def terminate_and_tell(self, *_: Any) -> None:
        """The handler beside a loop that has Python's own wake-up descriptor for itself."""
        self._terminated = True
        try:
            unpatched.write(self.signals_sender, b"T")
        except OSError:
            pass  # full: it is readable already; or closed by the app, which control() reports

    def control(self) -> Optional[str]:
        """The reason to end, or None: called when the channel or a signal has something to say."""
        try:
            while unpatched.read(self.signals, 4096):
                pass
        except BlockingIOError:
            pass
        except OSError:
            messages.emit("error", "CW0506", [
                f"{self._app}: worker (pid {os.getpid()}) ends: the worker's own descriptors are closed: did the application close them?",
                "fix: close only what the app has opened; look for os.closerange()"])
            return "descriptors_closed"
        if self._terminated:
            return "terminated"
        try:
            received = self._channel.receive_waiting()
        except ChannelClosed:
            return "master_gone"
        if received is None:
            return None
        message, descriptors = received
        for descriptor in descriptors:
            os.close(descriptor)
        return "quit" if message["type"] == "quit" else None

    def ending(self, reason: str) -> None:
        """This worker takes no request any more, and has some to finish: the master starts its successor now."""
        try:
            self._channel.send("ending", reason=reason)
        except OSError:
            pass  # the master is gone, or the app closed our descriptors

    def exception(self, method: str, path: str, what: str, error: BaseException) -> None:
        lines = [f"{self._app}: {messages.request_name(method, path)} {what} {failure.describe(error)}"]
        if what.startswith("close()"):
            lines[0] = f"{self._app}: close() of {messages.request_name(method, path)} raised {failure.describe(error)}"
        place = failure.last_user_line(error, self._root)
        if place is not None:
            lines.append(f"at {place}")
        lines.append(failure.format_traceback(error))
        messages.emit("error", "CW0502", lines)
        no_socket.tell(self._app, error)
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            messages.emit("warning", "CW0505", [f"{self._app}: worker (pid {os.getpid()}) ends, since the app asked for it"])

    def problem(self, code: str, method: str, path: str, text: str) -> None:
        severity = "warning" if code in ("CW0504", "CW0508") else "error"
        if code == "CW0504" and method == "HEAD":  # as most apps do, and may
            severity = "info"
        messages.emit(severity, code, [f"{self._app}: {messages.request_name(method, path)} {text}"])

    def plain_file(self, file: Any) -> Optional[Tuple[int, int]]:
        """(descriptor, offset) if reading the object gives exactly the bytes of a file from there on, else None."""
        try:
            for _ in range(3):
                kind = type(file)
                if (kind.__module__, kind.__qualname__) not in _FILE_SHELLS:
                    break
                file = file.file
            if type(file) not in (io.FileIO, io.BufferedReader, io.BufferedRandom) or "read" in vars(file):
                return None
            if type(file) is io.BufferedRandom:
                file.flush()
            if type(file) is not io.FileIO and type(file.raw) is not io.FileIO:
                return None
            return file.fileno(), file.tell()
        except (OSError, ValueError, AttributeError):
            return None  # closed, or not a real file: reading it says the rest

    def start_thread(self, run: Callable[[], None], number: int) -> bool:
        """A thread that serves requests. False, and a message, when the system gives none."""
        thread = threading.Thread(target=run, name=f"cutwater-{number}", daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            messages.emit("warning", "CW0509", [
                f"{self._app}: worker (pid {os.getpid()}) gets no thread more than {len(self._threads)}: {error}",
                "fix: raise the limit of processes (ulimit -u) and of memory, or lower threads"])
            return False
        self._threads.append(thread)
        return True

    def join_threads(self) -> None:
        """What a thread of the app's requests leaves behind, such as its connections, is closed before the process ends."""
        for thread in self._threads:
            thread.join(1)

    def leave_child(self, error: Optional[BaseException]) -> NoReturn:
        """Ends a child that the app forked and that came back from the app as if it were the worker."""
        status = 0
        if isinstance(error, SystemExit):
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            status = 1
            messages.emit("error", "CW0502", [f"{self._app}: a forked child raised {failure.describe(error)}",
                                              failure.format_traceback(error)])
        else:
            messages.emit("warning", "CW0507", [
                f"{self._app}: a child forked by the app came back from it; it was ended, the worker answers",
                "fix: end the child with os._exit()"])
        flush_streams()
        os._exit(status & 0xFF)


def flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # closed or replaced by the app
            pass


def _make_wakeup_pipe() -> Tuple[int, int]:
    """A signal that arrives just before the loop sleeps must wake it: Python writes a byte for each."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    own_signals.wake_by(writer)
    return reader, writer


def ignore_signal(*_: Any) -> None:
    """A handler, not SIG_IGN, which programs started by the app would inherit."""


def ignore_signals() -> None:
    """Until here by SIG_IGN, as the master started this process."""
    for number in IGNORED_SIGNALS + _FREE_SIGNALS:
        if number in IGNORED_SIGNALS or signal.getsignal(number) == signal.SIG_IGN:  # else sitecustomize's
            own_signals.handle(number, ignore_signal)


def reset_signals() -> None:
    """What the app installed while it was imported was meant for another kind of process."""
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if callable(handler) and handler is not signal.default_int_handler and number not in IGNORED_SIGNALS + _FREE_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
    for number in IGNORED_SIGNALS:
        own_signals.handle(number, ignore_signal)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


class Service(NamedTuple):
    """What all workers of a generation serve, and how."""

    application: Any
    app: str
    root: str
    drop_hop_by_hop: bool
    protocol: str = "wsgi"  # "wsgi" | "asgi" | "tornado"
    loop: str = "auto"
    concurrency: int = 1  # requests of one worker at once
    workers: int = 1
    lifespan: str = "auto"  # "auto" | "on" | "off"
    cancel: bool = False  # the task of a request whose client has left
    threads: int = 1


class LinkDescriptors(NamedTuple):
    """What ties a worker to the fronts; the last three have one entry for each front."""

    segment: int
    wake: int
    front_wakes: List[int]
    front_alarms: List[int]
    lane_sockets: List[int]


def split_descriptors(descriptors: List[int], with_channel: bool) -> Tuple[int, LinkDescriptors]:
    """(channel or -1, the link's) of a `fork` or `attach` message."""
    head = 3 if with_channel else 2
    fronts = descriptors[head:]
    if not fronts or len(fronts) % 3 != 0:
        raise ChannelClosed("a worker's descriptors are incomplete")
    channel = descriptors[2] if with_channel else -1
    return channel, LinkDescriptors(descriptors[0], descriptors[1], fronts[::3], fronts[1::3], fronts[2::3])


def watch_parent(channel: Channel) -> None:
    """The end of the channel ends this process, even when the app hangs."""
    try:
        _cutwater.end_with_parent(channel.fileno(), _ORPHAN_MILLISECONDS)
    except OSError:
        pass  # the end of the channel is noticed all the same, unless the app hangs


def leave(channel: Channel, reason: str, status: int) -> NoReturn:
    """Says why, and ends this process, the app's own exit handlers included."""
    try:
        channel.send("exiting", reason=reason)
    except OSError:
        pass  # the app closed our descriptors
    _cutwater.exit_within(_EXIT_MILLISECONDS, status)
    sys.exit(status)


def serve(service: Service, channel: Channel, lane: int, link: LinkDescriptors) -> NoReturn:
    """Serves until told to end; ends the process."""
    if service.protocol in ("asgi", "tornado"):
        from cutwater import asgi  # asyncio is not for every app

        asgi.serve(service, channel, lane, link)
    if service.loop in ("gevent", "eventlet"):
        from cutwater import greenlet_worker

        greenlet_worker.serve(service, channel, lane, link)
    host = Host(service.app, service.root, channel)
    watch_parent(channel)
    status = 0
    if service.threads > 1 and sys.getswitchinterval() == _PYTHONS_SWITCH_INTERVAL:
        sys.setswitchinterval(_SWITCH_INTERVAL)
    channel.send("ready", pid=os.getpid())
    try:
        reason = _cutwater.serve_wsgi(
            service.application, host, sys.stderr, lane=lane, control=channel.fileno(), signals=host.signals,
            drop_hop_by_hop=service.drop_hop_by_hop, threads=service.threads, switch_interval=sys.getswitchinterval(),
            **link._asdict())
        status = int(reason == "descriptors_closed")
    except BaseException as error:
        messages.emit("error", "CW0506", [f"{service.app}: worker (pid {os.getpid()}) ends: {failure.describe(error)}",
                                          failure.format_traceback(error)])
        reason, status = "broken", 1
    leave(channel, reason, status)
