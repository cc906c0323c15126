"""Reads the body by the plan its query names and answers a digest of everything the calls returned."""

import hashlib

PLANS = [
    [("read", ())],
    [("read", (-1,)), ("read", ()), ("read", (5,))],
    [("read", (0,)), ("read", (10,)), ("read", (100_000,)), ("read", ()), ("readline", ())],
    [("readline", ())] * 3 + [("read", ())],
    [("readline", (5,)), ("readline", (-1,)), ("readline", (0,)), ("readlines", ())],
    [("readlines", (200,)), ("readlines", (1,)), ("readlines", (-1,))],
    [("read", (3,)), ("list", ()), ("read", ())],
    [("readlines", ()), ("readline", ()), ("read", (1,))],
    [("read", (None,)), ("readline", (None,)), ("readlines", (None,))],
]


def digest(stream, plan):
    results = [list(stream) if name == "list" else getattr(stream, name)(*arguments) for name, arguments in plan]
    return hashlib.sha256(repr(results).encode()).hexdigest()


def application(environ, start_response):
    answer = digest(environ["wsgi.input"], PLANS[int(environ["QUERY_STRING"])]).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer]
