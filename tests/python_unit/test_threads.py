"""The worker side of `threads = N` at the link: which frames reach which request, who waits for what, how it ends."""

import contextlib
import os
import select
import signal
import time

import pytest

from python_unit.bridge import CREDIT, DESCRIPTOR, DISCONNECT, INITIAL_CREDIT, Response

APP = '''
import os
import threading
import time

barriers = {}
lock = threading.Lock()

def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/meet":
        with lock:
            barrier = barriers.setdefault(query, threading.Barrier(int(query)))
        barrier.wait(20)
    if path == "/stream":
        start_response("200 OK", [])
        return stream(int(query))
    if path == "/waits":
        open(f"begun-{threading.get_ident()}", "w").close()
        while not os.path.exists(query):
            time.sleep(0.002)
    if path == "/helper":  # another thread of the application reads the body
        read = []
        thread = threading.Thread(target=lambda: read.append(environ["wsgi.input"].read()))
        thread.start()
        thread.join()
        body = read[0]
    else:
        body = environ["wsgi.input"].read()
    start_response("200 OK", [])
    return [threading.current_thread().name.encode(), b" %d" % len(body)]

def stream(blocks):
    for number in range(blocks):
        yield b"%06d\\n" % number * 4096
'''


def expected(blocks):
    return b"".join(b"%06d\n" % number * 4096 for number in range(blocks))


@pytest.fixture
def threaded(start, every_python):
    bridge = start("app:application", files={"app.py": APP}, python=every_python, threads=3)
    bridge.channel.expect("imported")
    bridge.worker = bridge.start_worker()
    return bridge


def collect_all(bridge, tickets, credit=lambda ticket: True, until=None, body_file=None):
    """The responses of requests that run at once, by ticket; until all are complete, or `until(responses)`."""
    link, answers = bridge.links[0], {ticket: Response() for ticket in tickets}
    deadline = time.monotonic() + 20
    while not (until(answers) if until else all(answer.complete for answer in answers.values())):
        assert time.monotonic() < deadline, f"{answers}\n{bridge.log}"
        frames = link.drain()
        for frame in frames:
            ticket = (frame[2], frame[3])
            if ticket in answers:
                bridge._take(link, answers[ticket], frame, credit(ticket), body_file)
        link.wake_workers()
        if not frames and link.prepare_to_sleep():
            select.select([bridge.front_wakes[0]], [], [], 0.2)
        link.awake()
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(bridge.front_wakes[0])
    return answers


def pay(bridge, ticket, answer):
    bridge.links[0].send_down(0, CREDIT, *ticket, len(answer.body))
    bridge.links[0].wake_workers()


def test_requests_run_at_once(threaded):
    tickets = [threaded.submit(target="/meet?3") for _ in range(3)]
    answers = collect_all(threaded, tickets)
    assert len({answer.body for answer in answers.values()}) == 3
    threaded.settle()


def test_credit_reaches_the_request_it_is_for(threaded):
    """All three threads wait for credit: one of them looks out, and hands on what is not its own."""
    tickets = [threaded.submit(target="/stream?100") for _ in range(3)]
    stuck = collect_all(threaded, tickets, credit=lambda ticket: False,
                        until=lambda all_of_them: all(len(a.body) == INITIAL_CREDIT for a in all_of_them.values()))
    for chosen in reversed(tickets):
        pay(threaded, chosen, stuck[chosen])
        paid = collect_all(threaded, tickets, until=lambda all_of_them: all_of_them[chosen].complete)
        for ticket in tickets:
            stuck[ticket].body += paid[ticket].body
        assert stuck[chosen].body == expected(100)
        waiting = [ticket for ticket in tickets if ticket != chosen and len(stuck[ticket].body) == INITIAL_CREDIT]
        assert len(waiting) == tickets.index(chosen)
    threaded.settle()


def test_disconnect_reaches_the_request_it_is_for(threaded):
    tickets = [threaded.submit(target="/stream?100") for _ in range(3)]
    stuck = collect_all(threaded, tickets, credit=lambda ticket: False,
                        until=lambda all_of_them: all(len(a.body) == INITIAL_CREDIT for a in all_of_them.values()))
    threaded.links[0].send_down(0, DISCONNECT, *tickets[1], 0)
    queued = threaded.submit(target="/")
    assert threaded.collect(queued).status == 200
    for ticket in (tickets[0], tickets[2]):
        pay(threaded, ticket, stuck[ticket])
    rest = collect_all(threaded, [tickets[0], tickets[2]])
    assert all(stuck[ticket].body + answer.body == expected(100) for ticket, answer in rest.items())
    threaded.settle()


def test_idle_leader_takes_the_lookout_over(threaded):
    """While requests wait for credit a thread becomes free: new requests wake it, and credit still reaches the others."""
    streams = [threaded.submit(target="/stream?100") for _ in range(2)]
    flag = threaded.root / "go"
    last = threaded.submit(target=f"/waits?{flag}")
    stuck = collect_all(threaded, streams, credit=lambda ticket: False,
                        until=lambda all_of_them: all(len(a.body) == INITIAL_CREDIT for a in all_of_them.values()))
    flag.touch()
    assert threaded.collect(last).status == 200
    for _ in range(20):
        assert threaded.get("/").status == 200
    for ticket in streams:
        pay(threaded, ticket, stuck[ticket])
    rest = collect_all(threaded, streams)
    assert all(stuck[ticket].body + answer.body == expected(100) for ticket, answer in rest.items())
    threaded.settle()


@pytest.mark.parametrize("path", ["/", "/helper"])
def test_bodies_by_descriptor(threaded, path):
    """Several ask for their descriptors at once on the one socket."""
    file = os.memfd_create("body")
    os.write(file, b"x" * 300_000)
    for _ in range(10):
        tickets = [threaded.submit("POST", path, place=DESCRIPTOR, length=300_000) for _ in range(3)]
        answers = collect_all(threaded, tickets, body_file=file)
        assert all(answer.body.endswith(b" 300000") for answer in answers.values())
    os.close(file)
    threaded.settle()


def test_retire_finishes_what_runs(threaded):
    flag = threaded.root / "go"
    tickets = [threaded.submit(target=f"/waits?{flag}") for _ in range(3)]
    wait_begun(threaded, 3)
    threaded.worker.retire()
    left = threaded.submit(target="/")
    flag.touch()
    assert all(answer.status == 200 for answer in collect_all(threaded, tickets).values())
    assert threaded.worker.channel.expect("ending")["reason"] == "retired"
    assert threaded.worker.channel.expect("exiting")["reason"] == "retired" and threaded.worker.wait() == 0
    assert threaded.links[0].lane_died(0) == []
    successor = threaded.start_worker(lane=1)
    assert threaded.collect(left).status == 200
    assert successor.pid != threaded.worker.pid


def test_death_tells_all_that_ran(threaded):
    tickets = [threaded.submit(target="/waits?never") for _ in range(3)]
    wait_begun(threaded, 3)
    queued = threaded.submit(target="/")
    os.kill(threaded.worker.pid, signal.SIGKILL)
    threaded.worker.wait()
    assert sorted(threaded.links[0].lane_died(0)) == sorted(tickets)
    threaded.start_worker(lane=1)
    assert threaded.collect(queued).status == 200


def test_sigterm_waits_for_the_requests(threaded):
    flag = threaded.root / "go"
    tickets = [threaded.submit(target=f"/waits?{flag}") for _ in range(2)]
    wait_begun(threaded, 2)
    os.kill(threaded.worker.pid, signal.SIGTERM)
    flag.touch()
    assert all(answer.status == 200 for answer in collect_all(threaded, tickets).values())
    assert threaded.worker.channel.expect("ending")["reason"] == "terminated"
    assert threaded.worker.channel.expect("exiting")["reason"] == "terminated" and threaded.worker.wait() == 0


def wait_begun(bridge, count):
    """So many requests are in the application."""
    deadline = time.monotonic() + 10
    while len(list(bridge.root.glob("begun-*"))) != count:
        assert time.monotonic() < deadline, bridge.log
        time.sleep(0.002)


ASGI_APP = "async def application(scope, receive, send):\n    raise NotImplementedError\n"
WSGI_APP = "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'x']\n"


@pytest.mark.parametrize("text, settings, code, told", [
    (ASGI_APP, {"threads": 2}, "CW0318", "threads is for WSGI apps"), (WSGI_APP, {"loop": "uvloop"}, "CW0319", 'loop = "uvloop" is for ASGI and Tornado apps'),
])
def test_settings_of_the_other_interface_are_refused(start, text, settings, code, told):
    bridge = start("app:application", files={"app.py": text}, mode="check", **settings)
    failed = bridge.channel.expect("failed")
    assert failed["code"] == code and told in failed["text"] and "\nfix: " in failed["text"]


def test_settings_that_fit(start):
    for text, settings in ((ASGI_APP, {"threads": 1, "loop": "asyncio"}), (WSGI_APP, {"threads": 8, "loop": "auto"})):
        bridge = start("app:application", files={"app.py": text}, mode="check", **settings)
        assert bridge.channel.expect("imported")["protocol"] in ("wsgi", "asgi")
