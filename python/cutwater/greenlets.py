"""The libraries of greenlets that a WSGI worker can run its requests in, behind one interface."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from typing import Any, Callable, Optional, Type

from cutwater import failure
from cutwater.failure import NoLoop

Callback = Callable[[], Any]


class Library:
    """What a worker needs of a library; an object of it is made in the process that serves."""

    name: str
    hub: Any  # the greenlet that waits for all others
    to_hub: Callback  # switches to it
    current: Callback  # the greenlet that runs
    call_soon: Callable[[Callback], Any]  # by the hub, in its present round or the next

    @staticmethod
    def patch() -> None:
        """Replaces what waits in the standard library; before the app is imported."""
        raise NotImplementedError

    @staticmethod
    def after_fork() -> None:
        """In the child: what was made before works again."""
        raise NotImplementedError

    def new_greenlet(self, run: Callback) -> Any:
        """Not begun: the first switch() does that, from the hub."""
        raise NotImplementedError

    def call_later(self, seconds: float, callback: Callback) -> None:
        """By the hub, after it has looked at its descriptors."""
        raise NotImplementedError

    def watch(self, descriptor: int, callback: Callback) -> Callback:
        """Has the hub call back whenever the descriptor is readable, until what is returned is called."""
        raise NotImplementedError


class Gevent(Library):
    name = "gevent"

    def __init__(self) -> None:
        import gevent

        self.hub = gevent.get_hub()
        self.to_hub = self.hub.switch
        self.current = gevent.getcurrent
        self.call_soon = self.hub.loop.run_callback
        self.new_greenlet = gevent.Greenlet  # type: ignore[method-assign]

    @staticmethod
    def patch() -> None:
        from gevent import monkey

        monkey.patch_all()

    @staticmethod
    def after_fork() -> None:
        import gevent

        gevent.reinit()

    def call_later(self, seconds: float, callback: Callback) -> None:
        timer = self.hub.loop.timer(seconds)
        timer.start(self._on_time, timer, callback)

    def _on_time(self, timer: Any, callback: Callback) -> None:
        timer.close()
        callback()

    def watch(self, descriptor: int, callback: Callback) -> Callback:
        watcher = self.hub.loop.io(descriptor, 1)
        watcher.start(callback)

        def stop() -> None:
            watcher.stop()
            watcher.close()

        return stop


class Eventlet(Library):
    name = "eventlet"

    def __init__(self) -> None:
        import eventlet
        from eventlet import greenthread, hubs

        self._hub = hubs.get_hub()
        self.hub = self._hub.greenlet
        self.to_hub = self._hub.switch
        self.current = eventlet.getcurrent
        self.call_soon = functools.partial(self._hub.schedule_call_global, 0)
        self._greenlet = greenthread.GreenThread
        # A child that the app forks must not change what its parent's epoll descriptor watches.
        os.register_at_fork(after_in_child=hubs.use_hub)

    @staticmethod
    def patch() -> None:
        import eventlet

        eventlet.monkey_patch()

    @staticmethod
    def after_fork() -> None:
        from eventlet import hubs

        hubs.use_hub()  # a new one: its epoll descriptor would be the parent's

    def new_greenlet(self, run: Callback) -> Any:
        greenlet = self._greenlet(self.hub)
        greenlet.run = functools.partial(greenlet.main, run, (), {})
        return greenlet

    def call_later(self, seconds: float, callback: Callback) -> None:
        self._hub.schedule_call_global(seconds, callback)

    def watch(self, descriptor: int, callback: Callback) -> Callback:
        listener = self._hub.add(self._hub.READ, descriptor, lambda _: callback(), lambda _: None, lambda: None)
        return functools.partial(self._hub.remove, listener)


_LIBRARIES = {library.name: library for library in (Gevent, Eventlet)}
NAMES = tuple(_LIBRARIES)


def find(name: str) -> Type[Library]:
    """Raises NoLoop when it cannot be imported."""
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise NoLoop(f'loop = "{name}" cannot be used: {failure.describe(error)}',
                     f"fix: pip install {name} in the app's environment, or remove loop") from error
    return _LIBRARIES[name]


def patched_by() -> Optional[str]:
    """The library that has replaced threads in this process, if one has: by us or by the app."""
    thread = sys.modules["_thread"]
    module = getattr(thread.start_new_thread, "__module__", None) or ""
    name = module.partition(".")[0]
    return name if name in NAMES else None
