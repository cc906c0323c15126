"""Answers by the same objects again and again, and by such that changed meanwhile."""

import json

OK = "200 OK"
LENGTH = ("Content-Length", "2")


class Name(str):
    """No plain str: letting it go may run code."""


class Pair(tuple):
    pass


# By path: status, fields, body. The tuples are the same objects in every request.
ANSWERS = {
    "/constant": (OK, [("Content-Type", "text/plain"), LENGTH, ("X-Mark", "one")], b"ab"),
    "/same_but_one": (OK, [("Content-Type", "text/plain"), LENGTH, ("X-Mark", "two")], b"ab"),
    "/shorter": (OK, [("Content-Type", "text/plain"), LENGTH], b"ab"),
    "/none": (OK, [], b"unframed"),
    "/other_status": ("404 Not Found", [("Content-Type", "text/plain"), LENGTH, ("X-Mark", "one")], b"ab"),
    "/no_content": ("204 No Content", [LENGTH, ("X-Mark", "none")], b""),
    "/not_modified": ("304 Not Modified", [LENGTH, ("ETag", '"a"')], b""),
    "/many": (OK, [LENGTH, *((f"X-{number}", str(number)) for number in range(40))], b"ab"),
    "/subclasses": (Name("202 Accepted"), [Pair(LENGTH), (Name("X-Mark"), Name("sub"))], b"ab"),
    "/refused": (OK, [LENGTH, ("X-Mark", "a\nb")], b"ab"),
    "/left_out": (OK, [LENGTH, ("Connection", "x-mark"), ("X-Mark", "left")], b"ab"),
}
changing = [LENGTH, ("X-Mark", "a"), ("X-Mark", "b")]


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/environ":
        body = json.dumps({key: value for key, value in environ.items() if isinstance(value, str)}).encode()
        start_response(OK, [("Content-Length", str(len(body)))])
        return [body]
    if path == "/turned":  # the same list, the same tuples, in another order
        changing.reverse()
        start_response(OK, changing)
        return [b"ab"]
    status, fields, body = ANSWERS[path]
    start_response(status, list(fields))
    return [body]
