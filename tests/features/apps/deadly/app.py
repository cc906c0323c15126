"""One path for each way in which an application can take its worker with it, or hold it for ever."""

import ctypes
import os
import signal
import sys
import threading
import time

PLAIN = [("Content-Type", "text/plain")]


def note(event):
    """A line of events.txt, for tests of what comes after what."""
    with open("events.txt", "a") as file:
        file.write(f"{event} {os.getpid()} {time.monotonic()}\n")


def is_slow_to_import():
    note("begins")
    time.sleep(float(os.environ["IMPORT_SECONDS"]))
    note("imported")


if "IMPORT_SECONDS" in os.environ:
    is_slow_to_import()


def abort(environ, start_response):
    os.abort()


def spoil(environ, start_response):
    """As a native package does that writes where it must not."""
    with open("/proc/self/maps") as maps:
        line = next(line for line in maps if "cutwater-link" in line)
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(int(line.split("-")[0], 16))
        memory.write(b"\xff" * 8)
    start_response("200 OK", PLAIN)
    return [b"spoiled"]


def close_descriptors(environ, start_response):
    os.closerange(3, 1000)
    start_response("200 OK", PLAIN)
    return [b"closed them"]


def fork_returns(environ, start_response):
    """The child returns from the application as if it were the worker."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        answer = b"parent"
    else:
        answer = b"child"
    start_response("200 OK", [*PLAIN, ("Content-Length", str(len(answer)))])
    return [answer]


def hard_exit(environ, start_response):
    os._exit(0)


def keyboard_interrupt(environ, start_response):
    raise KeyboardInterrupt


def segfault(environ, start_response):
    ctypes.string_at(0)


def system_exit(environ, start_response):
    sys.exit(3)


def deadlocks(environ, start_response):
    lock = threading.Lock()
    with lock, lock:
        pass


def hangs_in_c(environ, start_response):
    """A lock that is never given, and the GIL kept: no Python code runs any more, no signal handler either."""
    mutex = ctypes.create_string_buffer(256)
    lock = ctypes.PyDLL(None).pthread_mutex_lock
    lock(mutex)
    lock(mutex)


def hard_exit_mid_body(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b"first"
    os._exit(0)


def say_waiting():
    with open("waiting.pid", "w") as file:
        file.write(str(os.getpid()))
    print("the application waits", file=sys.stderr, flush=True)


def segfault_mid_body(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b"first"
    ctypes.string_at(0)


def sleeps_on(environ, start_response):
    """Whatever signal comes."""
    while True:
        time.sleep(300)


def notes_its_end(environ, start_response):
    """Goes on for ever, but tells when it was asked to end."""
    signal.signal(signal.SIGTERM, lambda *_: note("asked"))
    note("claimed")
    while True:
        time.sleep(300)


def takes_a_while(environ, start_response):
    say_waiting()
    time.sleep(0.7)
    start_response("200 OK", PLAIN)
    return [b"done"]


def spins(environ, start_response):
    while True:
        pass


def ten_gigabytes(environ, start_response):
    block = bytearray(10 << 30)
    start_response("200 OK", PLAIN)
    return [b"%d" % len(block)]


def ten_gigabytes_touched(environ, start_response):
    blocks = [b"x" * (1 << 20) for _ in range(10 << 10)]
    start_response("200 OK", PLAIN)
    return [b"%d" % len(blocks)]


def waits(environ, start_response):
    """Until the test says go."""
    say_waiting()
    while not os.path.exists("go"):
        time.sleep(0.005)
    start_response("200 OK", PLAIN)
    return [b"waited"]


def waits_for_ever(environ, start_response):
    say_waiting()
    time.sleep(300)


def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    if not name:
        start_response("200 OK", [*PLAIN, ("Content-Length", "4")])
        return [b"fine"]
    return globals()[name](environ, start_response)
