"""One request by hand, as wrk will send it: is the answer right, how many bytes is it, is the connection kept?"""

import http.client
import io
import socket
from typing import NamedTuple

from .load import WHOLE_POST

QUIET = 0.3  # seconds without a byte: the answer is over, the connection is kept


class Seen(NamedTuple):
    status: int
    body: bytes
    wire_bytes: int
    kept_alive: bool


class Recorded:
    """A socket for http.client that plays back what came."""

    def __init__(self, data):
        self.data = data

    def makefile(self, *_):
        return io.BytesIO(self.data)


def request_bytes(port, path, close, post):
    what = WHOLE_POST if post else {"method": "GET", "body": b"", "headers": {}}
    lines = [f"{what['method']} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *(f"{name}: {value}" for name, value in what["headers"].items())]
    if post:
        lines.append(f"Content-Length: {len(what['body'])}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + what["body"]


def until_quiet(connection):
    """What comes, and whether the connection was still open afterwards."""
    connection.settimeout(10)
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
            connection.settimeout(QUIET)
        return data, False
    except TimeoutError:
        return data, bool(data)


def probe(port, path, close, post):
    request = request_bytes(port, path, close, post)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        data, kept_alive = until_quiet(connection)
        if kept_alive:
            connection.sendall(request)
            again, _ = until_quiet(connection)
            kept_alive = bool(again) and parsed(again) == parsed(data)  # the chunks may be cut otherwise
    return Seen(*parsed(data), len(data), kept_alive)


def parsed(data):
    response = http.client.HTTPResponse(Recorded(data))
    response.begin()
    return response.status, response.read()
