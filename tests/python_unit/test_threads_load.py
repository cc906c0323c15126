"""The worker side of `threads = N` under load from several fronts: every kind of call at once. What ./test tsan runs, too."""

import contextlib
import hashlib
import os
import random
import select
import threading

import pytest

from python_unit.bridge import BODY, DESCRIPTOR, DISCONNECT, HEAD, Response

pytestmark = pytest.mark.timeout(500)
FRONTS, AT_ONCE, UPLOAD = 2, 12, 200_000

APP = '''
import hashlib
import os
import sys
import threading
import time

def application(environ, start_response):
    path, name = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/raises":
        raise LookupError("meant to")
    if path == "/blocks":
        time.sleep(0.002)
    if path == "/computes":
        end = time.thread_time() + 0.002
        while time.thread_time() < end:
            pass
    if path == "/hashes":
        name += " " + hashlib.sha256(environ["wsgi.input"].read()).hexdigest()
    if path == "/helper":  # another thread of the application reads the body
        read = []
        thread = threading.Thread(target=lambda: read.append(environ["wsgi.input"].read()))
        thread.start()
        thread.join()
        name += " " + hashlib.sha256(read[0]).hexdigest()
    if path == "/file":
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](open("file", "rb"))
    if path == "/writes":
        write = start_response("200 OK", [])
        for _ in range(10):
            write(name.encode())
        return []
    start_response("200 OK", [])
    if path in ("/streams", "/leaves"):
        return blocks(name, 10 if path == "/streams" else 100_000)
    return [name.encode()]

def blocks(name, count):
    for number in range(count):
        yield hashlib.sha256(f"{name} {number}".encode()).digest() * 1024
'''

# How often which kind of call is made. Most are quick, as in life; then the leader keeps its role.
KINDS = {"quick": 30, "blocks": 4, "computes": 2, "streams": 3, "leaves": 2, "hashes": 3, "helper": 1, "file": 2, "writes": 2,
         "raises": 1}


def expected(kind, name, body):
    if kind == "streams":
        return b"".join(hashlib.sha256(f"{name} {number}".encode()).digest() * 1024 for number in range(10))
    if kind in ("hashes", "helper"):
        return f"{name} {hashlib.sha256(body).hexdigest()}".encode()
    return {"file": body, "writes": name.encode() * 10}.get(kind, name.encode())


class Front(threading.Thread):
    """Keeps some requests of all kinds under way until `count` were answered as they must be."""

    def __init__(self, bridge, index, count, body):
        super().__init__(daemon=True)
        self.bridge, self.index, self.left = bridge, index, count
        self.link, self.wake = bridge.links[index], bridge.front_wakes[index]
        self.random, self.body = random.Random(index), body
        self.upload = os.memfd_create("body")
        os.write(self.upload, body)
        self.open, self.problem = {}, None
        self.half = threading.Event()

    def run(self):
        try:
            half = self.left // 2
            while self.left or self.open:
                self.begin_some()
                self.take_in()
                if self.left <= half:
                    self.half.set()
        except BaseException as error:
            self.problem = error
        finally:
            self.half.set()
            os.close(self.upload)

    def begin_some(self):
        while self.left and len(self.open) < AT_ONCE:
            [kind] = self.random.choices(list(KINDS), KINDS.values())
            name = f"{self.index}-{self.left}"
            body = {"place": DESCRIPTOR, "length": UPLOAD} if kind in ("hashes", "helper") else {}
            ticket = self.bridge.submit("POST" if body else "GET", f"/{kind}?{name}", front=self.index, **body)
            self.open[ticket] = (kind, name, Response())
            self.left -= 1

    def take_in(self):
        frames = self.link.drain()
        for frame in frames:
            assert frame[0] != -1, frame
            ticket = (frame[2], frame[3])
            if ticket in self.open:
                self.take(ticket, frame)
        self.link.wake_workers()
        if not frames and self.link.prepare_to_sleep():
            assert select.select([self.wake], [], [], 20)[0], f"nothing comes of {list(self.open)}\n{self.bridge.log[-8000:]}"
        self.link.awake()
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.wake)

    def take(self, ticket, frame):
        kind, name, answer = self.open[ticket]
        self.bridge._take(self.link, answer, frame, kind != "leaves", self.upload)
        if kind == "leaves" and frame[0] in (HEAD, BODY) and len(answer.body) > 40_000:
            assert self.link.send_down(frame[1], DISCONNECT, *ticket, 0)
            del self.open[ticket]
        if answer.complete:
            del self.open[ticket]
            assert answer.before_head if kind == "raises" else answer.status == 200, (kind, answer)
            assert kind == "raises" or answer.body == expected(kind, name, self.body), (kind, name, len(answer.body))


@pytest.mark.parametrize("threads", [2, 4])
def test_all_kinds_of_calls_at_once(start, pytestconfig, threads):
    """In the middle of it a second worker takes over."""
    count = 5000 if pytestconfig.getoption("--long") else 150
    bridge = start("app:application", files={"app.py": APP}, threads=threads, fronts=FRONTS)
    bridge.channel.expect("imported")
    body = random.Random(7).randbytes(UPLOAD)
    (bridge.root / "file").write_bytes(body)
    fronts = [Front(bridge, index, count, body) for index in range(FRONTS)]
    first = bridge.start_worker()
    for front in fronts:
        front.start()
    fronts[0].half.wait()
    second = bridge.start_worker(lane=1)
    first.retire()
    for front in fronts:
        front.join(400)
        assert front.problem is None, f"{front.problem!r}\n{bridge.log[-8000:]}"
        assert not front.is_alive()
    bridge.settle()
    second.retire()
    for worker in (first, second):
        assert worker.wait() == 0, bridge.log[-8000:]
    assert "ThreadSanitizer" not in bridge.log
    assert bridge.log.count("LookupError: meant to") > 0
