"""Ten thousand idle connections and thousands of slow ones; everybody else is served as if they were not there (faults.md 72)."""

import resource
import time

import pytest

from support import processes
from support.processes import wait_until

pytestmark = [pytest.mark.load, pytest.mark.timeout(300)]
PER_SECOND, SECONDS = 100, 5
MOST_MEMORY = 64 << 20  # for all of them


def latencies(server, while_waiting=lambda: None):
    """Of good traffic at a steady pace, sorted; every answer is 200."""
    found = []
    with server.connect() as client:
        begin = time.monotonic()
        for number in range(PER_SECOND * SECONDS):
            while time.monotonic() < begin + number / PER_SECOND:
                while_waiting()
            asked = time.monotonic()
            assert client.request("GET", "/").status == 200
            found.append(time.monotonic() - asked)
    return sorted(found)


def p99(sorted_values):
    return sorted_values[len(sorted_values) * 99 // 100]


class Crowd:
    def __init__(self, server, idle, slow):
        self.idle, self.heads, self.bodies, self.readers = [], [], [], []
        for _ in range(idle):
            self.idle.append(server.connect())
            self.idle[-1].request("GET", "/")
        for _ in range(slow):
            self.heads.append(server.connect())
            self.heads[-1].send("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
            self.bodies.append(server.connect())
            self.bodies[-1].send("POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc")
            self.readers.append(server.connect(receive_buffer=1))
            self.readers[-1].send("GET /files/large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        self.next = 0

    def trickle(self):
        """One of each kind goes on by a byte."""
        self.next = (self.next + 1) % len(self.heads)
        self.heads[self.next].send("x")
        self.bodies[self.next].send("y" * 50)
        self.readers[self.next].socket.recv(1)
        time.sleep(0.001)

    def close(self):
        for client in self.idle + self.heads + self.bodies + self.readers:
            client.close()


def as_many_as_may_be():
    """10,000 idle and 1,000 slow ones of each kind; as many fewer as this process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    share = min(1.0, (hard - 700) / 13_000)  # the front keeps some descriptors for itself too
    if share < 0.1:
        pytest.skip(f"{hard} descriptors are too few for a crowd")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return int(10_000 * share), int(1000 * share)


def test_good_traffic_in_a_crowd(serve, folder):
    idle, slow = as_many_as_may_be()
    (folder / "files").mkdir()
    (folder / "files" / "large.bin").write_bytes(b"x" * (8 << 20))
    limits = '[limits]\nheader_timeout = "4m"\nbody_min_rate = "0B/s"\nkeepalive = "5m"\n'
    route = f'[[site]]\n[[site.route]]\nmatch = {{ path = "/files/*" }}\nstatic = {{ root = "{folder}/files" }}\n'
    # The system itself takes a while to find memory for the buffers of so many readers, once: CW0405.
    server = serve("kit", workers=2, fronts=1, config=limits + route, allow=[r"slow", r"CW0405"])
    (front,) = server.named("front")
    alone = p99(latencies(server))
    before = processes.memory(front)
    crowd = Crowd(server, idle, slow)
    # What else runs on the machine may spoil one round, a crowd that slows the front spoils all.
    among = min(p99(latencies(server, crowd.trickle)) for _ in range(3))
    grown = processes.memory(front) - before
    print(f"p99 {alone * 1e3:.2f} ms alone, {among * 1e3:.2f} ms among {idle} idle and 3 x {slow} slow; {grown >> 10} KB")
    assert among < max(2 * alone, 0.005) and grown < MOST_MEMORY
    crowd.close()
    wait_until(lambda: len(processes.descriptors(front) or ()) < 100, 20, "the connections to be closed")
    assert server.is_healthy()
