"""wsgiref's validator around an application that uses all of PEP 3333: it raises at any breach by the server."""

from wsgiref.validate import validator


def plain(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    answer = b"%s %d" % (environ["REQUEST_METHOD"].encode(), len(body))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer]


def lines(environ, start_response):
    """One line by readline, some by readlines, the rest by iteration."""
    stream = environ["wsgi.input"]
    first = stream.readline(10)
    some = stream.readlines(1)
    rest = list(stream)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%r" % [first, some, rest]]


def streamed(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    for piece in (b"one ", b"two ", b"three"):
        yield piece


def written(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"written ")
    return [b"returned"]


def replaced(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        raise ValueError("on purpose")
    except ValueError:
        import sys

        start_response("503 Service Unavailable", [("Content-Type", "text/plain")], sys.exc_info())
    return [b"replaced"]


def empty(environ, start_response):
    start_response("304 Not Modified", [])
    return []


def errors(environ, start_response):
    stream = environ["wsgi.errors"]
    stream.write("one\n")
    stream.writelines(["two\n", "three\n"])
    stream.flush()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"fine"]


PATHS = {"/lines": lines, "/streamed": streamed, "/written": written, "/replaced": replaced, "/empty": empty,
         "/errors": errors}


def choose(environ, start_response):
    return PATHS.get(environ["PATH_INFO"], plain)(environ, start_response)


application = validator(choose)
