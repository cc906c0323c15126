"""A worker of a WSGI app whose requests run in greenlets: the hub, and the extension's GreenletTeam beside it."""

from __future__ import annotations

import os
import sys
from typing import Callable, Dict, List, NoReturn, Optional

import _cutwater
from cutwater import failure, greenlets, messages, worker
from cutwater.channel import Channel


class GreenletService:
    """One app beside one hub."""

    def __init__(self, service: worker.Service, host: worker.Host, channel: Channel, lane: int,
                 link: worker.LinkDescriptors) -> None:
        self._pid = os.getpid()
        self._host = host
        self._channel = channel
        self._library = greenlets.find(service.loop)()
        self._main = self._library.current()
        self._reason: Optional[str] = None
        self._watches: Dict[int, Callable[[], None]] = {}
        library = self._library
        self._team = _cutwater.greenlet_team(
            service.application, host, sys.stderr, hub=library.hub, to_hub=library.to_hub, current=library.current,
            new_greenlet=library.new_greenlet, call_soon=library.call_soon, call_later=library.call_later,
            drained=self._end, detached=self._watch_nothing, drop_hop_by_hop=service.drop_hop_by_hop,
            concurrency=service.concurrency, workers=service.workers, lane=lane, **link._asdict())
        os.register_at_fork(after_in_child=self._team.forked)

    def serve(self) -> str:
        """The reason to end."""
        self._watch(self._team.wake_descriptor, self._team.turn)
        for socket in self._team.lane_sockets:
            self._watch(socket, self._look_at_sockets)
        self._watch(self._channel.fileno(), self._look_at_control)
        self._watch(self._host.signals, self._look_at_control)
        self._channel.send("ready", pid=os.getpid())
        self._library.call_soon(self._team.turn)
        while self._reason is None:
            try:
                self._library.to_hub()
            except (SystemExit, KeyboardInterrupt):  # of a signal handler, or of a greenlet that the app has begun
                if os.getpid() != self._pid:
                    raise
                self._team.stop("system_exit")
        self._watch_nothing()
        return self._reason

    def _watch(self, descriptor: int, callback: Callable[[], None]) -> None:
        self._watches[descriptor] = self._library.watch(descriptor, callback)

    def _watch_nothing(self) -> None:
        self._unwatch(list(self._watches))

    def _unwatch(self, descriptors: List[int]) -> None:
        for descriptor in descriptors:
            stop = self._watches.pop(descriptor, None)
            if stop is not None:
                stop()

    def _look_at_sockets(self) -> None:
        self._unwatch(self._team.look_at_sockets())

    def _look_at_control(self) -> None:
        if os.getpid() != self._pid:
            return self._watch_nothing()
        reason = self._host.control()
        if reason is not None:
            self._team.stop(reason)

    def _end(self, reason: str) -> None:
        if self._reason is None:
            self._reason = reason
            self._library.call_soon(self._main.switch)


def serve(service: worker.Service, channel: Channel, lane: int, link: worker.LinkDescriptors) -> NoReturn:
    """Serves until told to end; ends the process."""
    host = worker.Host(service.app, service.root, channel)
    worker.watch_parent(channel)
    own = os.getpid()
    status = 0
    raised: Optional[BaseException] = None
    reason = "broken"
    try:
        reason = GreenletService(service, host, channel, lane, link).serve()
        status = int(reason == "descriptors_closed")
    except BaseException as error:
        raised, status = error, 1
    if os.getpid() != own:
        host.leave_child(raised)
    if status and raised is not None:
        messages.emit("error", "CW0506", [f"{service.app}: worker (pid {os.getpid()}) ends: {failure.describe(raised)}",
                                          failure.format_traceback(raised)])
    worker.leave(channel, reason, status)
