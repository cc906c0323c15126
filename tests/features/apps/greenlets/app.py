"""What shows that requests run at once in greenlets, for gevent and for eventlet, and what must not be mixed up between them.

Written as an app for any server: nothing here but `library` knows that greenlets are used.
"""

import contextvars
import hashlib
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import parse_qs
from urllib.request import urlopen

PLAIN = [("Content-Type", "text/plain")]
PATCHED_AT_IMPORT = f"{socket.socket.__module__} {time.sleep.__module__} {threading.get_ident.__module__} {select.select.__module__}"
AT_IMPORT = threading.get_ident()
local = threading.local()
lock = threading.Lock()
queues = {}
barriers = {}
inside = []
variable = contextvars.ContextVar("variable", default="nothing")


def patched(environ, start_response):
    return text(start_response, PATCHED_AT_IMPORT)


def flags(environ, start_response):
    return text(start_response, f"{environ['wsgi.multithread']} {environ['wsgi.multiprocess']} {environ['wsgi.run_once']}")


def naps(environ, start_response, seconds="0.05"):
    time.sleep(float(seconds))
    return text(start_response, "napped")


def meet(environ, start_response, n="2"):
    """Answers once so many requests are here together."""
    barrier = barriers.setdefault(n, threading.Barrier(int(n)))
    barrier.wait(20)
    return text(start_response, str(threading.get_ident()))


def waits(environ, start_response, name="go"):
    """Until the test makes a file of that name."""
    print(f"the application waits for {name} in {os.getpid()}", file=sys.stderr, flush=True)
    while not os.path.exists(name):
        time.sleep(0.005)
    return text(start_response, f"waited for {name}")


def wants_socket(environ, start_response, key="wsgi.websocket"):
    return text(start_response, f"has {environ[key]}")


def takes(environ, start_response, name="a"):
    """What another request puts there."""
    return text(start_response, queues.setdefault(name, queue.Queue()).get(timeout=20))


def puts(environ, start_response, name="a", what="x"):
    queues.setdefault(name, queue.Queue()).put(what)
    return text(start_response, "put")


def locks(environ, start_response):
    """How many are inside together: one."""
    with lock:
        inside.append(1)
        time.sleep(0.002)
        count = len(inside)
        inside.clear()
    return text(start_response, str(count))


def fetches(environ, start_response, url=""):
    with urlopen(url, timeout=20) as response:
        return text(start_response, response.read().decode())


def fetches_with_requests(environ, start_response, url=""):
    import requests

    return text(start_response, requests.get(url, timeout=20).text)


def greenlet(environ, start_response):
    """Who runs this, the how manieth request of his it is, and what he finds."""
    local.count = getattr(local, "count", 0) + 1
    found = variable.get()
    variable.set("left behind")
    same = threading.current_thread() is threading.main_thread() or threading.get_ident() == AT_IMPORT
    return text(start_response, f"{threading.get_ident()} {local.count} {same} {found}")


def remembers(environ, start_response, value="1"):
    """Its context stays its own while others run."""
    variable.set(value)
    for _ in range(10):
        time.sleep(0.002)
        if variable.get() != value:
            return text(start_response, f"{variable.get()} instead of {value}")
    return text(start_response, "kept")


def threads(environ, start_response):
    """A thread of the app, joined in the request."""
    found = []
    thread = threading.Thread(target=lambda: (time.sleep(0.01), found.append("ran")))
    thread.start()
    thread.join()
    return text(start_response, found[0])


def runs_program(environ, start_response):
    return text(start_response, subprocess.run(["echo", "hello"], capture_output=True, text=True, check=True).stdout.strip())


def block_of(name, number):
    return hashlib.sha256(f"{name} {number}".encode()).digest() * 1024


def streams(environ, start_response, name="a", blocks="200", pause="0"):
    """32 KB blocks that say whose they are."""
    start_response("200 OK", PLAIN)
    print(f"the application streams {name}", file=sys.stderr, flush=True)
    try:
        for number in range(int(blocks)):
            yield block_of(name, number)
            if float(pause):
                time.sleep(float(pause))
    finally:
        print(f"the application ends {name}", file=sys.stderr, flush=True)


def writes(environ, start_response, name="a", blocks="20"):
    """By write(), from a thread of its own."""
    write = start_response("200 OK", PLAIN)

    def run():
        for number in range(int(blocks)):
            write(block_of(name, number))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return []


def writes_on(environ, start_response):
    """A thread still writes when the request is over."""
    write = start_response("200 OK", PLAIN)

    def run():
        try:
            while True:
                write(b"x" * 65536)
        except Exception as error:
            print(f"the writer met {type(error).__name__}", file=sys.stderr, flush=True)

    threading.Thread(target=run, daemon=True).start()
    time.sleep(0.3)
    return []


def hashes(environ, start_response, read="0"):
    digest = hashlib.sha256()
    size = int(read) or -1
    while data := environ["wsgi.input"].read(size):
        digest.update(data)
        time.sleep(0)
    return text(start_response, digest.hexdigest())


def lines(environ, start_response):
    """Each line of the body with its length."""
    return text(start_response, " ".join(str(len(line)) for line in environ["wsgi.input"]))


def file(environ, start_response):
    start_response("200 OK", PLAIN)
    return environ["wsgi.file_wrapper"](open("big.bin", "rb"))


def raises(environ, start_response):
    raise LookupError(environ["QUERY_STRING"])


def raises_in_the_middle(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b"begun"
    time.sleep(0.01)
    raise LookupError("in the middle")


def exits(environ, start_response):
    sys.exit(3)


def exits_beside(environ, start_response):
    """In a greenlet that the app has begun: gevent ends the program then."""
    import gevent

    gevent.spawn(sys.exit, 3)
    time.sleep(0.05)
    return text(start_response, "still here")


def is_killed(environ, start_response):
    """As gevent's kill() and Timeout do: thrown into the greenlet while it waits."""
    import gevent

    gevent.spawn_later(0.02, gevent.getcurrent().kill)
    time.sleep(10)


def times_out(environ, start_response):
    import gevent

    try:
        with gevent.Timeout(0.05):
            time.sleep(10)
    except gevent.Timeout:
        return text(start_response, "timed out")


def dies(environ, start_response):
    os.kill(os.getpid(), signal.SIGKILL)


def computes(environ, start_response, seconds="0.02"):
    end = time.process_time() + float(seconds)
    while time.process_time() < end:
        pass
    return text(start_response, "computed")


def forks(environ, start_response):
    child = os.fork()
    if child == 0:
        os._exit(7)
    return text(start_response, str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))


def fork_sleeps(environ, start_response):
    """A child that uses the hub, too, and ends after its parent has gone on."""
    child = os.fork()
    if child == 0:
        time.sleep(0.2)
        os._exit(5)
    time.sleep(0.1)
    return text(start_response, str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))


def fork_returns(environ, start_response):
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return text(start_response, "parent" if child else "child")


def memory(environ, start_response):
    with open("/proc/self/statm") as statm:
        return text(start_response, str(int(statm.read().split()[1]) * 4096))


def environment(environ, start_response):
    """What any server would say of the same request."""
    names = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_X_ONE",
             "SERVER_PROTOCOL", "wsgi.url_scheme", "wsgi.multithread", "wsgi.run_once")
    return text(start_response, "\n".join(f"{name}={environ.get(name)!r}" for name in names))


def no_content(environ, start_response):
    start_response("204 No Content", [])
    return []


def echoes(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("201 Created", [("Content-Type", "application/octet-stream"), ("X-Size", str(len(body)))])
    return [body]


def pid(environ, start_response):
    return text(start_response, str(os.getpid()))


def text(start_response, answer):
    start_response("200 OK", PLAIN)
    return [answer.encode()]


ROUTES = {function.__name__: function for function in (
    patched, flags, naps, meet, waits, wants_socket, takes, puts, locks, fetches, fetches_with_requests, greenlet, remembers, threads,
    runs_program, streams, writes, writes_on, hashes, lines, file, raises, raises_in_the_middle, exits, exits_beside, is_killed, times_out, dies,
    computes, forks, fork_sleeps, fork_returns, memory, environment, no_content, echoes, pid)}


def application(environ, start_response):
    route = ROUTES[environ["PATH_INFO"].strip("/") or "pid"]
    if route in (raises, environment, echoes):
        return route(environ, start_response)
    query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    return route(environ, start_response, **query)
