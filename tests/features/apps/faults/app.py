"""One path for each way in which an application can break its contract."""

import gzip
import io
import os
import sys
import tempfile
import time

PLAIN = [("Content-Type", "text/plain")]
CLOSED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "closed.txt")


class Body:
    """Iterates over `pieces` (an exception among them is raised) and records each close()."""

    def __init__(self, *pieces, close_raises=False):
        self.pieces, self.close_raises = iter(pieces), close_raises

    def __iter__(self):
        return self

    def __next__(self):
        piece = next(self.pieces)
        if isinstance(piece, BaseException):
            raise piece
        return piece

    def close(self):
        with open(CLOSED, "a") as file:
            file.write("closed\n")
        if self.close_raises:
            raise RuntimeError("close went wrong")


def raises_before(environ, start_response):
    raise ValueError("before start_response")


def raises_after_start(environ, start_response):
    start_response("200 OK", PLAIN)
    raise ValueError("after start_response")


def raises_mid_body(environ, start_response):
    start_response("200 OK", PLAIN)
    return Body(b"first", ValueError("in the middle"))


def raises_mid_body_with_length(environ, start_response):
    start_response("200 OK", [*PLAIN, ("Content-Length", "100")])
    return Body(b"first", ValueError("in the middle"))


def never_starts(environ, start_response):
    return [b"no head"]


def returns_none(environ, start_response):
    start_response("200 OK", PLAIN)


def returns_str(environ, start_response):
    start_response("200 OK", PLAIN)
    return "text"


def returns_int(environ, start_response):
    start_response("200 OK", PLAIN)
    return 7


def yields_str(environ, start_response):
    start_response("200 OK", PLAIN)
    return Body("text")


def yields_str_mid_body(environ, start_response):
    start_response("200 OK", PLAIN)
    return Body(b"first", "text")


def starts_twice(environ, start_response):
    start_response("200 OK", PLAIN)
    start_response("200 OK", PLAIN)
    return [b"twice"]


def exc_info_before_output(environ, start_response):
    start_response("200 OK", [*PLAIN, ("X-First", "1")])
    try:
        raise ValueError("replaced")
    except ValueError:
        start_response("503 Service Unavailable", PLAIN, sys.exc_info())
    return [b"replaced"]


def exc_info_after_output(environ, start_response):
    write = start_response("200 OK", PLAIN)
    write(b"sent already")
    try:
        raise ValueError("too late")
    except ValueError:
        start_response("500 Internal Server Error", PLAIN, sys.exc_info())
    return [b"unreachable"]


def status(environ, start_response):
    values = {"none": None, "bytes": b"200 OK", "int": 200, "split": "200 OK\r\nX-Injected: 1", "nul": "200 O\0K"}
    name = environ["QUERY_STRING"].replace("%20", " ")
    start_response(values.get(name, name), PLAIN)
    return [b"body"]


HEADERS = {
    "tuple": tuple(PLAIN), "dict": dict(PLAIN), "none": None, "pair_of_three": [("A", "b", "c")], "list_pair": [["A", "b"]],
    "bytes_name": [(b"A", "b")], "bytes_value": [("A", b"b")], "int_value": [("A", 1)], "empty_name": [("", "b")],
    "space_name": [("A b", "c")], "colon_name": [("A:", "c")], "ctl_name": [("A\r\nB", "c")], "crlf": [("A", "b\r\nX-Injected: 1")],
    "lf": [("A", "b\nX-Injected: 1")], "nul": [("A", "b\0")], "wide": [("A", "\u65e5")], "wide_name": [("\u65e5", "a")],
    "latin": [("A", "caf\u00e9")],
}


def header(environ, start_response):
    start_response("200 OK", HEADERS[environ["QUERY_STRING"]])
    return [b"body"]


HOP_BY_HOP = {
    "connection": ("Connection", "close"), "te": ("Transfer-Encoding", "chunked"), "keepalive": ("Keep-Alive", "300"),
    "upgrade": ("Upgrade", "h2c"), "trailer": ("Trailer", "X"), "proxy": ("Proxy-Connection", "close"), "TE": ("TE", "trailers"),
}


def hop_by_hop(environ, start_response):
    start_response("200 OK", [*PLAIN, HOP_BY_HOP[environ["QUERY_STRING"]]])
    return [b"body"]


def length(environ, start_response):
    claimed, actual = environ["QUERY_STRING"].split(",")
    start_response("200 OK", [*PLAIN, ("Content-Length", claimed)])
    return Body(b"x" * int(actual))


def late_excess(environ, start_response):
    """All that was announced, and then more."""
    if environ["QUERY_STRING"] == "write":
        write = start_response("200 OK", [*PLAIN, ("Content-Length", "4")])
        write(b"xxxx")
        write(b"late")
        return [b"later"]
    start_response("200 OK", [*PLAIN, ("Content-Length", "4")])
    return Body(b"xx", b"xx", b"late", b"later") if environ["QUERY_STRING"] == "iterator" else [b"xxxx", b"y" * 40_000]


def head_without_body(environ, start_response):
    start_response("200 OK", PLAIN)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"body"]


def lazy_start(environ, start_response):
    """start_response() is only called when the first block is asked for."""

    def pieces():
        start_response("201 Created", PLAIN)
        yield b"lazy"

    return pieces()


def two_lengths(environ, start_response):
    start_response("200 OK", [*PLAIN, ("Content-Length", "4"), ("Content-Length", "4")])
    return [b"body"]


def length_on_204(environ, start_response):
    start_response("204 No Content", [("Content-Length", "4")])
    return []


def closes(environ, start_response):
    start_response("200 OK", PLAIN)
    return Body(b"a", b"b")


def close_raises(environ, start_response):
    start_response("200 OK", PLAIN)
    return Body(b"fine", close_raises=True)


def bytes_subclass(environ, start_response):
    class Block(bytes):
        pass

    start_response("200 OK", PLAIN)
    return [Block(b"sub"), Block(b"class")]


def lazy_iterable(environ, start_response):
    """An iterable that is no iterator, knows no length and has a close() of its own."""

    class Lazy:
        def __iter__(self):
            return iter([b"a", b"", b"b"])

        def close(self):
            with open(CLOSED, "a") as file:
                file.write("closed\n")

    start_response("200 OK", PLAIN)
    return Lazy()


def environ_changes(environ, start_response):
    """What an application does to its environ is gone with the next request."""
    found = "changed" in environ or "HTTP_HOST" not in environ
    environ["changed"] = "yes"
    del environ["HTTP_HOST"]
    environ["wsgi.version"] = None
    start_response("200 OK", PLAIN)
    return [b"found" if found else b"fresh"]


def file_without_fileno(environ, start_response):
    start_response("200 OK", PLAIN)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"from memory" * 1000), 100)


class Broken:
    """Gives one block, then fails."""

    def __init__(self):
        self.blocks = [b"first"]

    def read(self, size):
        if self.blocks:
            return self.blocks.pop()
        raise OSError("the disk is gone")


class Upper(io.FileIO):
    def read(self, size=-1):
        return super().read(size).upper()


def file_of(environ, start_response):
    """Objects whose read() is not, or not from its start, what the bytes behind their descriptor are."""
    kind = environ["QUERY_STRING"]
    with open("lines.txt", "wb") as file:
        file.writelines(b"line %d\n" % number for number in range(20_000))
    file = Broken() if kind == "broken" else open("lines.txt", "rb")
    if kind == "gzip":
        with gzip.open("lines.gz", "wb") as packed:
            packed.write(file.read())
        file = gzip.open("lines.gz", "rb")
    elif kind == "own_read":
        file = Upper("lines.txt")
    elif kind == "line_read":
        file.readline()
    elif kind == "buffered":
        file.read(10)  # the descriptor stands 8 KiB on
    elif kind == "shell":
        file = tempfile.NamedTemporaryFile()
        with open("lines.txt", "rb") as plain:
            file.write(plain.read())
        file.seek(0)
    start_response("200 OK", PLAIN)
    return environ["wsgi.file_wrapper"](file)


def file_closed(environ, start_response):
    start_response("200 OK", PLAIN)
    with open(__file__, "rb") as file:
        return environ["wsgi.file_wrapper"](file)


def file_of_text(environ, start_response):
    start_response("200 OK", PLAIN)
    return environ["wsgi.file_wrapper"](io.StringIO("text"))


def write_then_iterate(environ, start_response):
    write = start_response("200 OK", PLAIN)
    write(b"1")
    write(b"2")
    rest = [b"3", b"4"]
    return {"list": rest, "one": [b"34"], "tuple": tuple(rest)}.get(environ["QUERY_STRING"]) or Body(*rest)


def waits_until_seen(environ, start_response):
    """Goes on when the client has put a file there."""

    def wait():
        deadline = time.monotonic() + 20
        while not os.path.exists("seen") and time.monotonic() < deadline:
            time.sleep(0.005)
        return b"two"

    def pieces(first):
        yield first
        yield wait()

    write = start_response("200 OK", PLAIN)
    if environ["QUERY_STRING"] == "written":
        write(b"one")
        return Body(wait())
    body = Body()
    body.pieces = pieces(b"" if environ["QUERY_STRING"] == "empty" else b"one")
    return body


def empty_pieces(environ, start_response):
    """The head may be replaced until the first piece that is not empty."""

    def pieces():
        yield b""
        yield b""
        try:
            raise ValueError("replaced")
        except ValueError:
            start_response("503 Service Unavailable", PLAIN, sys.exc_info())
        yield b"late"

    start_response("200 OK", PLAIN)
    return pieces()


def input_kept(environ, start_response):
    """Hands the previous request's input to this one."""
    global kept
    before, kept = globals().get("kept"), environ["wsgi.input"]
    outcome = "first"
    if before is not None:
        try:
            outcome = "read %r" % before.read()
        except Exception as error:
            outcome = type(error).__name__
    start_response("200 OK", PLAIN)
    return [outcome.encode()]


def start_response_kept(environ, start_response):
    """Calls the previous request's start_response and write."""
    global kept_start
    before, kept_start = globals().get("kept_start"), start_response
    outcome = "first"
    if before is not None:
        try:
            before("200 OK", [("X-Stale", "1")])
            outcome = "accepted"
        except Exception as error:
            outcome = type(error).__name__
    start_response("200 OK", PLAIN)
    return [outcome.encode()]


def deep(environ, start_response):
    return deep(environ, start_response)


def slow_close(environ, start_response):
    class Slow(Body):
        def close(self):
            time.sleep(0.3)
            super().close()

    start_response("200 OK", [*PLAIN, ("Content-Length", "4")])
    return Slow(b"body")


def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    if not name:
        start_response("200 OK", [*PLAIN, ("Content-Length", "4")])
        return [b"fine"]
    return globals()[name](environ, start_response)
