"""Every way to keep and to break PEP 3333, by path."""

import io
import os
import sys
import tempfile
import threading
import time

KEPT = {}
CLOSED = []
PAGES = {}


def page(function):
    PAGES["/" + function.__name__] = function
    return function


def application(environ, start_response):
    return PAGES.get(environ["PATH_INFO"], hello)(environ, start_response)


def fine(start_response, *headers):
    return start_response("200 OK", [("Content-Type", "text/plain"), *headers])


class Body:
    """An iterable that counts its close()."""

    def __init__(self, blocks, on_close=None):
        self.blocks, self.on_close = blocks, on_close

    def __iter__(self):
        return iter(self.blocks)

    def close(self):
        CLOSED.append(self)
        if self.on_close:
            self.on_close()


def hello(environ, start_response):
    fine(start_response)
    return [b"Hello, world\n"]


# ---- bodies


@page
def several(environ, start_response):
    fine(start_response)
    return [b"one ", b"", b"two ", b"three"]


@page
def long_list(environ, start_response):
    fine(start_response)
    return [b"x" * 100_000, b"y" * 300_000]


@page
def empty(environ, start_response):
    fine(start_response)
    return []


@page
def generator(environ, start_response):
    fine(start_response)
    yield b""
    yield b"one "
    yield b"two"


@page
def endless(environ, start_response):
    fine(start_response)
    count = 0
    try:
        while True:
            count += 1
            yield b"x" * 16384
    finally:
        KEPT["endless"] = count


@page
def endless_count(environ, start_response):
    fine(start_response)
    return [str(KEPT.get("endless")).encode()]


@page
def writes(environ, start_response):
    write = fine(start_response)
    write(b"1")
    write(b"2")
    return Body([b"3", b"4"])


@page
def closed(environ, start_response):
    fine(start_response)
    count = len(CLOSED)
    CLOSED.clear()
    return [str(count).encode()]


@page
def closable(environ, start_response):
    fine(start_response)
    return Body([b"a", b"b"])


@page
def close_raises(environ, start_response):
    def fail():
        raise ValueError("in close")

    fine(start_response)
    return Body([b"a"], fail)


@page
def close_reads_input(environ, start_response):
    def read():
        KEPT["late"] = environ["wsgi.input"].read()

    fine(start_response)
    return Body([b"a"], read)


@page
def late(environ, start_response):
    fine(start_response)
    return [repr(KEPT.get("late")).encode()]


# ---- lengths and statuses


@page
def too_much(environ, start_response):
    fine(start_response, ("Content-Length", "3"))
    return Body([b"ab", b"cdef", b"gh"])


@page
def too_little(environ, start_response):
    fine(start_response, ("Content-Length", "10"))
    return Body([b"abc"])


@page
def too_little_list(environ, start_response):
    fine(start_response, ("Content-Length", "10"))
    return [b"abc"]


@page
def no_content(environ, start_response):
    start_response("204 No Content", [("Content-Length", "5")])
    return Body([b"dropped"])


@page
def not_modified(environ, start_response):
    start_response("304 Not Modified", [("Content-Length", "5")])
    return [b"dropped"]


STATUSES = ["OK", "20X OK", "2000 OK", "200OK", "200 OK\r\nX: y", b"200 OK", "99", "100 Continue", "", "200 O\u20acK", None]


@page
def bad_status(environ, start_response):
    start_response(STATUSES[int(environ["QUERY_STRING"])], [])
    return [b"never"]


HEADERS = [
    (("A", "b"),), {"A": "b"}, [["A", "b"]], [("A", b"b")], [("A", 1)], [("", "b")], [("A B", "c")], [("A\n", "c")],
    [("A", "b\r\nC: d")], [("A", "b\0")], [("A", "\u65e5")], [("A\u65e5", "b")], [("Connection", "close")],
    [("Transfer-Encoding", "chunked")], [("keep-alive", "1")], [("TE", "x")], [("Upgrade", "h2c")], [("Trailer", "x")],
    [("Content-Length", "abc")], [("Content-Length", "1"), ("content-length", "1")], [("Content-Length", "-1")],
    [("A", "b", "c")], None, [("A:", "b")],
]


@page
def bad_header(environ, start_response):
    start_response("200 OK", HEADERS[int(environ["QUERY_STRING"])])
    return [b"never"]


RESULTS = [None, "text", b"bytes", 7, ["text"], [1], iter([b"", "text"]), [None]]


@page
def bad_result(environ, start_response):
    fine(start_response)
    return RESULTS[int(environ["QUERY_STRING"])]


@page
def text_midway(environ, start_response):
    fine(start_response)
    return Body([b"begun", "text"])


@page
def no_start(environ, start_response):
    return [b"body"]


@page
def no_start_empty(environ, start_response):
    return []


# ---- exceptions


@page
def raises(environ, start_response):
    raise ValueError("boom\nerror[CW0000] not a line of ours \x1b[31m")


@page
def raises_after_start(environ, start_response):
    fine(start_response)
    raise ValueError("boom")


@page
def raises_midway(environ, start_response):
    fine(start_response)
    yield b"begun"
    raise ValueError("midway")


@page
def starts_twice(environ, start_response):
    fine(start_response)
    fine(start_response)
    return [b"never"]


@page
def replaced(environ, start_response):
    fine(start_response)
    try:
        raise ValueError("replaced")
    except ValueError:
        start_response("503 Busy", [("X-Replaced", "yes")], exc_info=sys.exc_info())
    return [b"replaced"]


@page
def replaced_too_late(environ, start_response):
    fine(start_response)
    yield b"begun"
    try:
        raise KeyError("too late")
    except KeyError:
        start_response("503 Busy", [], sys.exc_info())
    yield b"never"


@page
def exits(environ, start_response):
    sys.exit(3)


@page
def keeps_start_response(environ, start_response):
    KEPT["start_response"] = start_response
    KEPT["write"] = fine(start_response)
    return [b"kept"]


@page
def uses_kept(environ, start_response):
    answers = []
    for call in (lambda: KEPT["start_response"]("200 OK", []), lambda: KEPT["write"](b"x")):
        try:
            call()
            answers.append("nothing")
        except RuntimeError as error:
            answers.append(str(error))
    fine(start_response)
    return ["|".join(answers).encode()]


# ---- input


def run_plan(source, plan):
    """What each step of a plan such as "read:3,readline,iter" gives."""
    answers = []
    for step in plan.split(","):
        name, _, size = step.partition(":")
        if name == "iter":
            answers.append(list(source))
        elif name == "next":
            answers.append(next(source, None))
        else:
            arguments = [] if not size else [None if size == "None" else int(size)]
            answers.append(getattr(source, name)(*arguments))
    return answers


@page
def reads(environ, start_response):
    """The query is the plan."""
    answers = run_plan(environ["wsgi.input"], environ["QUERY_STRING"])
    fine(start_response)
    return [repr(answers).encode()]


@page
def echo(environ, start_response):
    body = environ["wsgi.input"].read()
    fine(start_response, ("X-Length", environ.get("CONTENT_LENGTH", "none")))
    return [body]


@page
def keeps_input(environ, start_response):
    KEPT["input"] = environ["wsgi.input"]
    fine(start_response)
    return [b"kept"]


@page
def uses_kept_input(environ, start_response):
    fine(start_response)
    try:
        return [repr(KEPT["input"].read()).encode()]
    except ValueError as error:
        return [str(error).encode()]


@page
def threads_read(environ, start_response):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(environ["wsgi.input"].read()))
    thread.start()
    thread.join()
    fine(start_response)
    return answers


# ---- files


def make_file(data):
    file = tempfile.TemporaryFile()
    file.write(data)
    file.seek(0)
    return file


@page
def file(environ, start_response):
    size, offset, length = (environ["QUERY_STRING"].split(",") + ["", ""])[:3]
    data = make_file(bytes(i % 251 for i in range(int(size))))
    data.seek(int(offset or 0))
    fine(start_response, *([("Content-Length", length)] if length else []))
    KEPT["file"] = data
    return environ["wsgi.file_wrapper"](data, 4096)


@page
def file_closed(environ, start_response):
    fine(start_response)
    return [repr(KEPT["file"].closed).encode()]


@page
def file_without_fileno(environ, start_response):
    fine(start_response)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"x" * 20_000))


@page
def file_with_own_read(environ, start_response):
    class Upper(io.FileIO):
        def read(self, size=-1):
            return super().read(size).upper()

    with open("upper.txt", "wb") as plain:
        plain.write(b"text")
    fine(start_response)
    return environ["wsgi.file_wrapper"](Upper("upper.txt"))


@page
def file_closed_early(environ, start_response):
    data = make_file(b"x" * 200_000)
    fine(start_response)
    wrapper = environ["wsgi.file_wrapper"](data)
    data.close()
    return wrapper


# ---- processes


@page
def forks(environ, start_response):
    pid = os.fork()
    if pid == 0:
        fine(start_response)
        return [b"from the child"]
    _, status = os.waitpid(pid, 0)
    fine(start_response)
    return [b"child ended with %d" % os.WEXITSTATUS(status)]


@page
def forks_and_exits(environ, start_response):
    pid = os.fork()
    if pid == 0:
        sys.exit(7)
    _, status = os.waitpid(pid, 0)
    fine(start_response)
    return [b"child ended with %d" % os.WEXITSTATUS(status)]


@page
def forks_and_reads(environ, start_response):
    pid = os.fork()
    if pid == 0:
        try:
            environ["wsgi.input"].read()
        except ValueError:
            os._exit(5)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    fine(start_response)
    return [b"child ended with %d" % os.WEXITSTATUS(status)]


@page
def closes_descriptors(environ, start_response):
    os.closerange(3, 1000)
    fine(start_response)
    return [b"closed"]


@page
def sleeps(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"]))
    fine(start_response)
    return [b"slept"]


@page
def pid(environ, start_response):
    fine(start_response)
    return [str(os.getpid()).encode()]


@page
def signals(environ, start_response):
    import signal

    fine(start_response)
    return [repr([signal.getsignal(signal.SIGHUP), signal.getsignal(signal.SIGINT)]).encode()]
