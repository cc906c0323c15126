"""The zygote: the app imported once, workers forked from it on the master's word."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import warnings
from typing import Any, Dict, List, NoReturn

import _cutwater
from cutwater import worker
from cutwater.channel import Channel, ChannelClosed


def freeze() -> None:
    """Everything alive now is shared with the workers: no collection shall ever write to it."""
    gc.collect()
    gc.freeze()


def run(application: Any, app: str, root: str, channel: Channel) -> NoReturn:
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
            pid = _fork_worker(application, app, root, channel, message, descriptors, master)
            channel.send("forked", worker=message["worker"], pid=pid)
        for descriptor in descriptors:
            os.close(descriptor)


def _fork() -> int:
    with warnings.catch_warnings():
        # From 3.12 on for every process with threads; which of them are safe was checked after the import.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _fork_worker(application: Any, app: str, root: str, channel: Channel, message: Dict[str, Any], descriptors: List[int],
                 master: int) -> int:
    """Forks twice, so that the worker becomes the child of the master, the subreaper. Returns its pid."""
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe2(os.O_CLOEXEC)
    middle = _fork()
    if middle == 0:
        try:
            pid = _fork()
        except OSError:
            os._exit(1)
        if pid != 0:
            os.write(writer, str(pid).encode())
            os._exit(0)
        os.close(reader)
        os.close(writer)
        channel.close()
        _become_worker(application, app, root, int(message["lane"]), descriptors, master)
    os.close(writer)
    try:
        answer = os.read(reader, 32)
    finally:
        os.close(reader)
        os.waitpid(middle, 0)
    if not answer:
        raise OSError("cannot fork a worker")
    return int(answer)


def _become_worker(application: Any, app: str, root: str, lane: int, descriptors: List[int], master: int) -> NoReturn:
    gc.enable()
    worker.reset_signals()
    _reseed()
    follow_master(master)
    control, link = worker.split_descriptors(descriptors, with_channel=True)
    worker.serve(application, app, root, Channel(control), lane, link)


def _reseed() -> None:
    """Python reseeds `random` after a fork; numpy's global generator would give all workers the same numbers."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def follow_master(master: int) -> None:
    """SIGTERM when the master dies; to be set once the process is its child, and in vain if it died before."""
    deadline = time.monotonic() + 1
    while os.getppid() != master and time.monotonic() < deadline:
        time.sleep(0.0005)
    _cutwater.set_parent_death_signal(signal.SIGTERM)
