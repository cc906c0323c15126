"""The small WSGI applications of the benchmark, chosen by path."""

import json
import time

HELLO = b"Hello, world!"
TEN_KB = json.dumps({"items": [{"number": number, "name": "item", "ok": True} for number in range(230)]}).encode()
PIECE = b"x" * 1024
PLAIN = [("Content-Type", "text/plain"), ("Content-Length", "13")]


def rows():
    """Made and written as JSON, about 85 us on the machine the targets were set on."""
    return {
        "user": {"id": 4711, "name": "Ada Lovelace", "roles": ["admin", "editor"]},
        "orders": [{"id": number, "total": number * 1.25, "lines": [number, number + 1], "open": number % 2 == 0} for number in range(60)],
    }


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/":
        start_response("200 OK", PLAIN)
        return [HELLO]
    if path == "/json":
        body = json.dumps(rows()).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]
    if path == "/10k":
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(TEN_KB)))])
        return [TEN_KB]
    if path == "/post":
        size = len(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        body = b"%013d" % size
        start_response("200 OK", PLAIN)
        return [body]
    if path == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (PIECE for _ in range(16))
    if path == "/sleep":
        time.sleep(0.05)
        start_response("200 OK", PLAIN)
        return [HELLO]
    if path == "/compute":
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass
        start_response("200 OK", PLAIN)
        return [HELLO]
    start_response("404 Not Found", PLAIN)
    return [HELLO]
