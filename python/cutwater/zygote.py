"""The zygote: the app imported once, workers forked from it on the master's word."""

from __future__ import annotations

import errno
import gc
import os
import sys
import time
import warnings
from typing import Any, Dict, List, NoReturn

import _cutwater
from cutwater import failure, greenlets, messages, own_signals, unpatched, worker
from cutwater.channel import Channel, ChannelClosed


_FIX_OF_LIMITS = "raise the limits of processes, memory and open files of the app's user"


class _EndedInBetween(Exception):
    """The process in between ended before it had forked the worker: nothing of ours does that."""

    def __init__(self, status: int) -> None:
        self.fix = "look for what kills it; short of memory the kernel does (dmesg)"
        text = "the process in between was killed"
        if os.WIFSIGNALED(status):
            text += f" by signal {os.WTERMSIG(status)}"
        elif os.WIFEXITED(status):
            text = f"the process in between exited with status {os.WEXITSTATUS(status)}"
            self.fix = "look for what the app has registered with os.register_at_fork() or pthread_atfork()"
        super().__init__(text)


def freeze() -> None:
    """Everything alive now is shared with the workers: no collection shall ever write to it."""
    gc.collect()
    gc.freeze()


def run(service: worker.Service, channel: Channel) -> NoReturn:
    """Forks on demand until the master says quit or is gone."""
    master = os.getppid()
    while True:
        try:
            message, descriptors = channel.receive()
        except ChannelClosed:
            os._exit(0)
        if message["type"] == "quit":
            os._exit(0)
        if message["type"] == "fork":
            try:
                pid = _fork_worker(service, channel, message, descriptors, master)
            except _EndedInBetween as error:
                channel.send("fork_failed", worker=message["worker"], text=str(error), fix=error.fix)
            except (OSError, MemoryError) as error:  # for a while: the master asks again
                text = getattr(error, "strerror", None) or str(error)
                channel.send("fork_failed", worker=message["worker"], text=text, fix=_FIX_OF_LIMITS)
            else:
                channel.send("forked", worker=message["worker"], pid=pid)
        for descriptor in descriptors:
            os.close(descriptor)


def _fork() -> int:
    with warnings.catch_warnings():
        # From 3.12 on for every process with threads; which of them are safe was checked after the import.
        warnings.simplefilter("ignore", DeprecationWarning)
        return own_signals.fork_a_worker(unpatched.fork)


def _fork_worker(service: worker.Service, channel: Channel, message: Dict[str, Any], descriptors: List[int],
                 master: int) -> int:
    """Forks twice, so that the worker becomes the child of the master, the subreaper. Returns its pid."""
    if not descriptors:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    worker.flush_streams()
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        middle = _fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    if middle == 0:
        os.close(reader)
        _fork_again(service, channel, message, descriptors, master, writer)
    os.close(writer)
    try:
        answer = int(unpatched.read(reader, 32) or 0)
    finally:
        os.close(reader)
        _, status = unpatched.waitpid(middle, 0)
    if answer < 0:
        raise OSError(-answer, os.strerror(-answer))
    if answer == 0:
        raise _EndedInBetween(status)
    return answer


def _fork_again(service: worker.Service, channel: Channel, message: Dict[str, Any], descriptors: List[int],
                master: int, writer: int) -> NoReturn:
    """The process in between: writes the worker's pid, or the error number, negative. No exception may leave it."""
    try:
        pid = _fork()
    except OSError as error:
        pid = -(error.errno or errno.EAGAIN)
    except MemoryError:
        pid = -errno.ENOMEM
    if pid != 0:
        try:
            unpatched.write(writer, str(pid).encode())
        finally:
            os._exit(0)
    os.close(writer)
    messages.speak_through(None)
    channel.close()
    try:
        _become_worker(service, int(message["lane"]), descriptors, master)
    except SystemExit:
        raise
    except BaseException as error:
        messages.emit("error", "CW0506", [f"{service.app}: worker (pid {os.getpid()}) does not start: {failure.describe(error)}",
                                          failure.format_traceback(error)])
        os._exit(1)


def _become_worker(service: worker.Service, lane: int, descriptors: List[int], master: int) -> NoReturn:
    control, link = worker.split_descriptors(descriptors, with_channel=True)
    own_channel = Channel(control)
    messages.speak_through(own_channel)
    _cutwater.set_process_name("cutwater-worker")
    gc.enable()
    worker.reset_signals()
    _reseed()
    library = greenlets.patched_by()
    if library is not None:
        greenlets.find(library).after_fork()
    wait_for_master(master)
    worker.serve(service, own_channel, lane, link)


def _reseed() -> None:
    """Python reseeds `random` after a fork; numpy's global generator would give all workers the same numbers."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def wait_for_master(master: int) -> None:
    """Until this process is the master's child, which it becomes when the process in between has ended."""
    deadline = time.monotonic() + 1
    while os.getppid() != master and time.monotonic() < deadline:
        unpatched.sleep(0.0005)
