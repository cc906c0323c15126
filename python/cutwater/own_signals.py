"""The signals that a process of the app's is told things by, and what they are in children that the app forks.

multiprocessing forks, and ends its children with SIGTERM: what only tells a worker's loop would keep them alive, and
Pool waiting. So there our handlers give way to the default, which programs started by exec() have anyway. What the app
has installed itself is left alone. Our own forks, of workers from the zygote, keep all as it is."""

from __future__ import annotations

import os
import signal
from _thread import _local  # gevent and eventlet have no say in it
from typing import Any, Callable, Dict

_ours: Dict[int, Callable[..., Any]] = {}
_wakeup = -1
_masks = _local()
_forks_a_worker = False


def handle(number: int, handler: Callable[..., Any]) -> None:
    _ours[number] = handler
    signal.signal(number, handler)


def wake_by(descriptor: int) -> None:
    global _wakeup
    _wakeup = descriptor
    signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)


def watch_forks() -> None:
    """Once in a process and those that it forks."""
    os.register_at_fork(before=_hold_back, after_in_parent=_go_on, after_in_child=_give_way)


def fork_a_worker(fork: Callable[[], int]) -> int:
    global _forks_a_worker
    _forks_a_worker = True
    try:
        return fork()
    finally:
        _forks_a_worker = False


def _hold_back() -> None:
    """Else a signal that comes before the child has its defaults would be lost in our handler."""
    _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, _ours)


def _go_on() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)


def _give_way() -> None:
    if not _forks_a_worker:
        for number, handler in _ours.items():
            if signal.getsignal(number) == handler:
                signal.signal(number, signal.SIG_DFL)
        _leave_wakeup()
    _go_on()


def _leave_wakeup() -> None:
    """A signal of the child wakes nobody in its parent."""
    if _wakeup < 0:
        return
    current = signal.set_wakeup_fd(-1)
    if current not in (-1, _wakeup):
        signal.set_wakeup_fd(current, warn_on_full_buffer=False)  # an event loop's, of which the app has asked for signals
