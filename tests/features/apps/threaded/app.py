"""What shows that requests run at once in threads, and what must not be mixed up between them."""

import hashlib
import os
import sys
import threading
import time
from urllib.parse import parse_qs

PLAIN = [("Content-Type", "text/plain")]
local = threading.local()
lock = threading.Lock()
barriers = {}
inside = most_inside = 0


def meet(environ, start_response, n="2"):
    """Answers once so many requests are here together."""
    with lock:
        barrier = barriers.setdefault(n, threading.Barrier(int(n)))
    barrier.wait(20)
    return text(start_response, threading.current_thread().name)


def thread(environ, start_response):
    """Who runs this, the how manieth request of his it is, and how many there are of him."""
    local.count = getattr(local, "count", 0) + 1
    own = threading.current_thread()
    names = [each.name for each in threading.enumerate() if each.name.startswith("cutwater-")]
    return text(start_response, f"{own.name} {local.count} {len(names)} {own is threading.main_thread()}")


def flags(environ, start_response):
    return text(start_response, f"{environ['wsgi.multithread']} {environ['wsgi.multiprocess']}")


def waits(environ, start_response, name="go"):
    """Until the test makes a file of that name."""
    print(f"the application waits for {name} in {os.getpid()}", file=sys.stderr, flush=True)
    while not os.path.exists(name):
        time.sleep(0.005)
    return text(start_response, f"waited for {name}")


def naps(environ, start_response, seconds="0.05"):
    time.sleep(float(seconds))
    return text(start_response, "napped")


def computes(environ, start_response, seconds="0.02"):
    """Uses so much of a processor; the answer is how many did so at once."""
    global inside, most_inside
    with lock:
        inside += 1
        most_inside = max(most_inside, inside)
    end = time.thread_time() + float(seconds)
    while time.thread_time() < end:
        pass
    with lock:
        inside -= 1
    return text(start_response, str(most_inside))


def block_of(name, number):
    return hashlib.sha256(f"{name} {number}".encode()).digest() * 1024


def streams(environ, start_response, name="a", blocks="200"):
    """32 KB blocks that say whose they are."""
    start_response("200 OK", PLAIN)
    print(f"the application streams {name}", file=sys.stderr, flush=True)
    try:
        for number in range(int(blocks)):
            yield block_of(name, number)
    finally:
        print(f"the application ends {name}", file=sys.stderr, flush=True)


def hashes(environ, start_response, read="0"):
    digest = hashlib.sha256()
    size = int(read) or -1
    while data := environ["wsgi.input"].read(size):
        digest.update(data)
    return text(start_response, digest.hexdigest())


def file(environ, start_response):
    start_response("200 OK", PLAIN)
    return environ["wsgi.file_wrapper"](open("big.bin", "rb"))


def raises(environ, start_response):
    raise LookupError(environ["QUERY_STRING"])


def exits(environ, start_response):
    sys.exit(3)


def forks(environ, start_response):
    child = os.fork()
    if child == 0:
        os._exit(7)
    return text(start_response, str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))


def fork_returns(environ, start_response):
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return text(start_response, "parent" if child else "child")


def closes_descriptors(environ, start_response):
    os.closerange(3, 4096)
    return text(start_response, "closed them")


def pid(environ, start_response):
    return text(start_response, str(os.getpid()))


def text(start_response, answer):
    start_response("200 OK", PLAIN)
    return [answer.encode()]


ROUTES = {function.__name__: function for function in (
    meet, thread, flags, waits, naps, computes, streams, hashes, file, raises, exits, forks, fork_returns,
    closes_descriptors, pid)}


def application(environ, start_response):
    route = ROUTES[environ["PATH_INFO"].strip("/") or "pid"]
    if route is raises:
        return raises(environ, start_response)
    query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    return route(environ, start_response, **query)
