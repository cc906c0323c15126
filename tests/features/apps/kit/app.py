"""An application whose paths do one useful thing each."""

import hashlib
import json
import os
import signal
import sys
import threading
import time
from urllib.parse import parse_qs

VERSION = "one"


def text(start_response, body, status="200 OK", headers=()):
    body = body if isinstance(body, bytes) else str(body).encode()
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *headers])
    return [body]


def environ_as_json(environ, start_response, query):
    values = {key: value for key, value in environ.items() if isinstance(value, (str, int, bool, tuple))}
    values["types"] = {key: type(value).__name__ for key, value in environ.items()}
    values["exact dict"] = type(environ) is dict
    return text(start_response, json.dumps(values))


def echo(environ, start_response, query):
    return text(start_response, environ["wsgi.input"].read(-1))


def digest(environ, start_response, query):
    sha, size = hashlib.sha256(), 0
    while piece := environ["wsgi.input"].read(65536):
        sha.update(piece)
        size += len(piece)
    return text(start_response, f"{size} {sha.hexdigest()}")


def filter_data(environ, start_response, query):
    """A FastCGI filter: a line of its data, its body, the rest of its data."""
    data = environ["cutwater.fcgi_data"]
    line, body, rest = data.readline(), environ["wsgi.input"].read(), data.read()
    return text(start_response, json.dumps({
        "line": line.decode("latin-1"), "data": hashlib.sha256(line + rest).hexdigest(), "body": hashlib.sha256(body).hexdigest(),
        "behind": len(data.read() + environ["wsgi.input"].read()),
        **{name: environ.get(name) for name in ("FCGI_ROLE", "FCGI_DATA_LENGTH", "FCGI_DATA_LAST_MOD", "CONTENT_LENGTH")},
    }))


def authorize(environ, start_response, query):
    """A FastCGI authorizer: who the user is, for who comes next; or the door."""
    if environ.get("HTTP_AUTHORIZATION") != "Basic YW5uOng=":
        return text(start_response, "who?", "401 Unauthorized", [("WWW-Authenticate", 'Basic realm="x"')])
    return text(start_response, "", headers=[("Variable-REMOTE_USER", "ann"), ("Variable-Role", "admin")])


def guarded(environ, start_response, query):
    """What a request says that was let through; as an authorizer, who is: by the field, or as a server has read it (Apache)."""
    if environ.get("FCGI_ROLE") != "AUTHORIZER":
        return environ_as_json(environ, start_response, query)
    if environ.get("REMOTE_USER") == "ann" and environ.get("REMOTE_PASSWD") == "x":
        environ["HTTP_AUTHORIZATION"] = "Basic YW5uOng="
    return authorize(environ, start_response, query)


def size(environ, start_response, query):
    count = 0
    while piece := environ["wsgi.input"].read(1 << 20):
        count += len(piece)
    return text(start_response, count)


def variable(environ, start_response, query):
    return text(start_response, os.environ.get(query["name"], ""))


def ignore_body(environ, start_response, query):
    return text(start_response, "ignored")


def sleep(environ, start_response, query):
    if "say" in query:
        print(f"sleeps {query['say']}\n", end="", flush=True)  # in one piece, whatever else is logged
    time.sleep(float(query.get("s", "0.1")))
    return text(start_response, "slept")


def marked(environ, start_response, query):
    """A file of this process has an odd number of bytes for as long as it is in here."""
    with open(f"marks.{os.getpid()}", "ab", buffering=0) as marks:
        marks.write(b"(")
        time.sleep(float(query.get("s", "0.1")))
        marks.write(b")")
    return text(start_response, "marked")


def spin(environ, start_response, query):
    end = time.monotonic() + float(query.get("s", "60"))
    while time.monotonic() < end:
        pass
    return text(start_response, "spun")


def pattern(size):
    block = bytes(range(256)) * 256
    return (block * (size // len(block) + 1))[:size]


def big(environ, start_response, query):
    return text(start_response, pattern(int(query["n"])))


def stream(environ, start_response, query):
    count, size, pause = int(query.get("count", 4)), int(query.get("size", 1024)), float(query.get("pause", 0))
    start_response("200 OK", [("Content-Type", "text/plain")])

    def pieces():
        for number in range(count):
            if pause and number:
                time.sleep(pause)
            yield b"%c" % (97 + number % 26) * size

    return pieces()


class Endless:
    """Never ends by itself; a file tells when it was closed."""

    def __init__(self, marker):
        self.marker, self.count = marker, 0

    def __iter__(self):
        return self

    def __next__(self):
        self.count += 1
        return b"x" * 65536

    def close(self):
        with open(self.marker, "a") as file:
            file.write(f"closed after {self.count}\n")


def endless(environ, start_response, query):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Endless(query["marker"])


def file(environ, start_response, query):
    opened = open(query["path"], "rb")
    if "offset" in query:
        opened.seek(int(query["offset"]))
    headers = [("Content-Type", "application/octet-stream")]
    if "length" in query:
        headers.append(("Content-Length", query["length"]))
    start_response("200 OK", headers)
    return environ["wsgi.file_wrapper"](opened, 8192)


def pid(environ, start_response, query):
    return text(start_response, os.getpid())


def version(environ, start_response, query):
    return text(start_response, VERSION)


def kill(environ, start_response, query):
    os.kill(os.getpid(), getattr(signal, "SIG" + query["signal"]))
    time.sleep(60)


def close_all(environ, start_response, query):
    os.closerange(3, 1000)
    return text(start_response, "closed")


def log(environ, start_response, query):
    print("printed", query["text"])
    sys.stderr.write("written " + query["text"] + "\n")
    environ["wsgi.errors"].write("errors " + query["text"] + "\n")
    environ["wsgi.errors"].flush()
    return text(start_response, "logged")


def threads(environ, start_response, query):
    return text(start_response, f"{threading.current_thread().name} {threading.active_count()}")


def headers(environ, start_response, query):
    count, size = int(query["count"]), int(query.get("size", 10))
    return text(start_response, "ok", headers=[(f"X-Header-{number}", "v" * size) for number in range(count)])


def named(environ, start_response, query):
    """Names a file; the pieces behind are nobody's."""
    start_response(query.get("s", "200 OK"), [("Content-Type", "text/x-mine"), (query["by"], query["to"])])
    return [b"dropped"] * int(query.get("count", 1))


def cookies(environ, start_response, query):
    return text(start_response, "ok", headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Path=/")])


def internal(environ, start_response, query):
    return text(start_response, "", headers=[("X-Accel-Redirect", "/secret"), ("X-Sendfile", "/srv/secret")])


def status(environ, start_response, query):
    return text(start_response, query.get("body", "body"), query["s"])


def no_content(environ, start_response, query):
    start_response(query["s"], [])
    return [b"not to be sent"] if "body" in query else []


PATHS = {
    "/close_all": close_all,
    "/environ": environ_as_json, "/echo": echo, "/filter": filter_data, "/authorize": authorize, "/guarded": guarded, "/digest": digest, "/size": size, "/variable": variable, "/ignore": ignore_body, "/sleep": sleep, "/marked": marked,
    "/spin": spin, "/big": big, "/stream": stream, "/endless": endless, "/file": file, "/pid": pid,
    "/version": version, "/kill": kill, "/log": log, "/threads": threads, "/headers": headers, "/named": named, "/cookies": cookies,
    "/internal": internal, "/status": status, "/no_content": no_content,
}


def application(environ, start_response):
    query = {key: values[0] for key, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
    handle = PATHS.get(environ["PATH_INFO"])
    for path in ("/environ", "/filter", "/guarded", "/echo/"):
        if environ["PATH_INFO"].startswith(path):
            handle = PATHS[path.rstrip("/")]
    if handle is None:
        return text(start_response, "kit " + environ["PATH_INFO"])
    return handle(environ, start_response, query)
