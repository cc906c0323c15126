"""Both ends of a link in this very process, turned by hand: what AsgiWorker and GreenletTeam do without a loop or a hub."""

import importlib.machinery
import importlib.util
import os
import socket
import sysconfig
from pathlib import Path

from python_unit.bridge import Fronts, Response

BUILDS = {"abi3": ".abi3.so", "full": sysconfig.get_config_var("EXT_SUFFIX")}


def load_extension(build, which):
    path = str(Path(build) / "library" / f"_cutwater{BUILDS[which]}")
    spec = importlib.util.spec_from_file_location("_cutwater", path, loader=importlib.machinery.ExtensionFileLoader("_cutwater", path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Callbacks:
    """Those that a loop would call: in rounds, as all loops do it."""

    def __init__(self):
        self.soon, self.later = [], []

    def call_soon(self, callback):
        self.soon.append(callback)

    def call_later(self, seconds, callback):
        self.later.append((seconds, callback))

    def round(self):
        called, self.soon = self.soon, []
        for callback in called:
            callback()
        return bool(called)


class ByHand(Fronts):
    """`engine` has turn(), and is what a loop would call; `callbacks` is where it says that it should be."""

    engine = callbacks = None

    def __init__(self, build, fronts=1, lanes=2):
        super().__init__(build, fronts, lanes)
        self.answers_of = [{} for _ in range(fronts)]
        self.answers = self.answers_of[0]

    def lane(self, lane=0):
        """What the extension takes of a new worker: descriptors that are its own from then on."""
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) for _ in range(self.fronts)]
        wake = os.eventfd(0, os.EFD_NONBLOCK)
        for link, (ours, _) in zip(self.links, pairs):
            link.attach_lane(lane, os.dup(wake), ours.detach())
        return {"segment": os.dup(self.segment), "lane": lane, "wake": wake,
                "front_wakes": [os.dup(descriptor) for descriptor in self.front_wakes],
                "front_alarms": [os.dup(descriptor) for descriptor in self.front_wakes],
                "lane_sockets": [theirs.detach() for _, theirs in pairs]}

    def ask(self, *arguments, front=0, **options):
        ticket = self.submit(*arguments, front=front, **options)
        self.answers_of[front][ticket] = Response()
        return ticket

    def take_in(self, front=0, credit=False, body_file=None):
        """What the workers have sent so far."""
        for frame in self.links[front].drain():
            assert frame[0] != -1, frame
            answer = self.answers_of[front].get((frame[2], frame[3]))
            if answer is not None:
                assert not answer.complete, (answer, frame)
                answer.frames.append((frame[0], frame[4]))
                self._take(self.links[front], answer, frame, credit, body_file)
        self.links[front].wake_workers()

    def say(self, kind, ticket, value=0, payload=b"", *, front=0, lane=0):
        assert self.links[front].send_down(lane, kind, *ticket, value, payload)

    def turn(self):
        self.engine.turn()

    def settle(self):
        """Turns until nobody has anything to do: no request is on its way."""
        for _ in range(1000):
            if not self.callbacks.round():
                return
        raise AssertionError("it never comes to rest")

    def go_on(self, **options):
        """What woke the worker, and what the fronts then find."""
        self.turn()
        self.settle()
        for front in range(self.fronts):
            if self.links[front] is not None:
                self.take_in(front, **options)

    def in_use(self):
        return sum(link.in_use() for link in self.links if link is not None)
