"""The credit that an ASGI worker gives for a streamed body and a WebSocket's messages: enough, and in few frames."""

import contextlib
import os
import random
import select
import time

import pytest

from python_unit.bridge import BODY_WANTED, HEAD, STREAMED

MESSAGE_UP, CREDIT_UP = 6, 8
BODY_PIECE, BODY_END, MESSAGE_DOWN = 1, 2, 6
BINARY, MORE_FOLLOWS = 2, 0x100
WINDOW = 32 * 1024
HALF = WINDOW // 2
LONGEST = 32 * 1024 - 64  # half of a ring

APP = '''
import asyncio, os

async def application(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while scope["path"] == "/late" and not os.path.exists("now"):
            await asyncio.sleep(0.001)
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "bytes": b"%d" % len(message["bytes"])})
    elif scope["type"] == "http":
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message["body"]), message["more_body"]
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"%d" % size})
'''


class Front:
    """Keeps to the credit of one request, as our fronts do."""

    def __init__(self, bridge, ticket):
        self.bridge, self.ticket, self.link = bridge, ticket, bridge.links[0]
        self.credit, self.frames, self.lane, self.wanted = WINDOW, [], 0, False
        self.answers, self.body, self.began = [], b"", False

    def look(self, until, seconds=10.0):
        """What comes from the worker is noted until `until()`; False: for so long nothing came."""
        quiet_since = time.monotonic()
        while not until():
            self.link.wake_workers()
            frames = self.link.drain()
            for kind, lane, slot, generation, value, payload in frames:
                assert (slot, generation) == self.ticket
                self.lane = lane
                if kind == CREDIT_UP:
                    self.credit += value
                    self.frames.append(value)
                    assert self.credit <= WINDOW
                elif kind == MESSAGE_UP:
                    self.answers.append(int(payload))
                elif kind == BODY_WANTED:
                    self.wanted = True
                elif kind == HEAD:
                    self.began, self.body = True, payload[4]
            if frames:
                quiet_since = time.monotonic()
                continue
            left = quiet_since + seconds - time.monotonic()
            if left <= 0:
                return False
            if self.link.prepare_to_sleep():
                select.select([self.bridge.front_wakes[0]], [], [], left)
            self.link.awake()
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self.bridge.front_wakes[0])
        return True

    def send(self, kind, value, payload, cost):
        assert cost <= self.credit
        sent = [False]

        def try_it():
            sent[0] = sent[0] or self.link.send_down(self.lane, kind, *self.ticket, value, payload)
            return sent[0]

        assert self.look(try_it), "the ring stays full"
        self.credit -= cost

    def message(self, size):
        """In as many pieces as the credit asks for."""
        while True:
            assert self.look(lambda: self.credit > 0), "the worker waits, and gives no credit"
            count = min(size, self.credit, LONGEST)
            size -= count
            self.send(MESSAGE_DOWN, BINARY | (MORE_FOLLOWS if size else 0), bytes(count), count if size else max(count, 1))
            if not size:
                return


@pytest.fixture
def bridge(start):
    bridge = start("app:application", files={"app.py": APP}, protocol="asgi", concurrency=8)
    bridge.channel.expect("imported")
    bridge.start_worker()
    return bridge


def open_socket(bridge, path):
    front = Front(bridge, bridge.submit(target=path, websocket=True))
    assert front.look(lambda: front.began)
    return front


def test_small_messages_cost_few_frames_of_credit(bridge):
    front = open_socket(bridge, "/")
    for count in range(1, 2001):
        front.message(64)
        assert front.look(lambda: len(front.answers) == count)
    assert 0 < len(front.frames) <= 2000 * 64 // HALF
    assert min(front.frames) >= HALF


def test_no_size_is_left_without_credit(bridge):
    front = open_socket(bridge, "/")
    rng = random.Random(20)
    sizes = [1 << 20, 0, WINDOW, 0, HALF, HALF + 1, WINDOW - 1, 1, WINDOW + 1, HALF - 1, WINDOW]
    sizes += [rng.choice([0, 1, 100, HALF - 1, HALF, WINDOW, 100 << 10, rng.randrange(50_000)]) for _ in range(300)]
    for count, size in enumerate(sizes, 1):  # some in a row, some when the worker waits for the next
        front.message(size)
        if rng.random() < 0.5:
            assert front.look(lambda: len(front.answers) == count)
    assert front.look(lambda: len(front.answers) == len(sizes))
    assert front.answers == sizes


def test_empty_messages_alone_use_the_window_up_and_get_it_back(bridge):
    front = open_socket(bridge, "/")
    for _ in range(WINDOW + HALF):
        front.message(0)
    assert front.look(lambda: len(front.answers) == WINDOW + HALF)


@pytest.mark.parametrize("first", [1, WINDOW - 1000, 1 << 20])
def test_behind_a_message_that_waits_no_more_than_the_window_gathers(bridge, first):
    """Of long messages that the application has not asked for yet there is one, and a window of the next."""
    front = open_socket(bridge, "/late")
    front.message(first)
    front.look(lambda: False, seconds=0.2)  # for whatever is owed
    sent = 0
    while front.credit > 1:
        count = min(front.credit - 1, 3000)
        sent += count
        front.send(MESSAGE_DOWN, BINARY | MORE_FOLLOWS, bytes(count), count)
        front.look(lambda: front.credit > 1, seconds=0.2)
        assert sent <= WINDOW
    (bridge.root / "now").touch()
    front.message(1 << 20)
    front.message(0)
    assert front.look(lambda: front.answers == [first, sent + (1 << 20), 0])


def test_a_streamed_body_gets_credit_in_few_frames_and_none_behind_its_end(bridge):
    front = Front(bridge, bridge.submit("POST", "/", place=STREAMED, length=300_000))
    assert front.look(lambda: front.wanted)
    for _ in range(300):
        assert front.look(lambda: front.credit >= 1000), "the worker waits, and gives no credit"
        front.send(BODY_PIECE, 0, bytes(1000), 1000)
    front.send(BODY_END, 0, b"", 0)
    assert front.look(lambda: front.body)
    assert front.body == b"300000"
    assert 300_000 - WINDOW - HALF <= sum(front.frames)
    assert len(front.frames) <= 300_000 // HALF
