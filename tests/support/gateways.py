"""Raw clients of the gateway protocols: what a web server in front sends, and strict reading of what it gets."""

import struct
from urllib.parse import unquote_to_bytes

from .client import Client, Response


def variables_of(method, target, headers=(), body=b"", host="example.org:8080", remote=("127.0.0.1", 4711), **more):
    """The variables nginx sends for a request: its uwsgi_params or scgi_params, then a variable for each field."""
    path, _, query = target.partition("?")
    name, _, port = host.partition(":")
    variables = [
        ("REQUEST_METHOD", method), ("REQUEST_URI", target), ("PATH_INFO", unquote_to_bytes(path).decode("latin-1")),
        ("QUERY_STRING", query), ("CONTENT_TYPE", ""), ("SERVER_PROTOCOL", "HTTP/1.1"), ("REQUEST_SCHEME", "http"),
        ("DOCUMENT_ROOT", "/srv/http"), ("REMOTE_ADDR", remote[0]), ("REMOTE_PORT", str(remote[1])),
        ("SERVER_NAME", name), ("SERVER_PORT", port or "80"), ("HTTP_HOST", host),
    ]
    for key, value in headers:
        variable = key.upper().replace("-", "_")
        variables.append((variable if variable == "CONTENT_TYPE" else "HTTP_" + variable, value))
    variables = [(key, value) for key, value in variables if not (key == "CONTENT_TYPE" and not value)]
    return [*variables, *more.items()]


def uwsgi_packet(variables, modifiers=(0, 0)):
    pairs = b"".join(
        len(text).to_bytes(2, "little") + text for pair in variables for text in (item.encode("latin-1") for item in pair)
    )
    return bytes([modifiers[0]]) + len(pairs).to_bytes(2, "little") + bytes([modifiers[1]]) + pairs


def uwsgi_request(variables, body=b""):
    return uwsgi_packet([*variables, ("CONTENT_LENGTH", str(len(body)))]) + body


def scgi_request(variables, body=b""):
    fields = [("CONTENT_LENGTH", str(len(body))), ("SCGI", "1"), *variables]
    head = "".join(f"{key}\0{value}\0" for key, value in fields).encode("latin-1")
    return b"%d:%s," % (len(head), head) + body


BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA = range(1, 9)
GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE = 9, 10, 11


def record(kind, request_id, content=b"", padding=0):
    return struct.pack(">BBHHBB", 1, kind, request_id, len(content), padding, 0) + content + b"\0" * padding


def fastcgi_length(length):
    return bytes([length]) if length < 128 else struct.pack(">I", length | 1 << 31)


def fastcgi_stream(kind, request_id, data):
    pieces = [data[at : at + 60_000] for at in range(0, len(data), 60_000)]
    return b"".join(record(kind, request_id, piece, padding=len(piece) % 8) for piece in [*pieces, b""])


def fastcgi_request(variables, body=b"", request_id=1, keep=False, role=1, data=None, length=None):
    """`length`: what CONTENT_LENGTH says, where that is not the body's."""
    length = str(len(body)) if length is None else length
    pairs = [[item.encode("latin-1") for item in pair] for pair in [*variables, ("CONTENT_LENGTH", length)]]
    params = b"".join(fastcgi_length(len(name)) + fastcgi_length(len(value)) + name + value for name, value in pairs)
    begin = record(BEGIN, request_id, struct.pack(">HB5x", role, keep))
    streams = fastcgi_stream(PARAMS, request_id, params) + fastcgi_stream(STDIN, request_id, body)
    return begin + streams + (b"" if data is None else fastcgi_stream(DATA, request_id, data))


REQUESTS = {"uwsgi": uwsgi_request, "scgi": scgi_request, "fastcgi": fastcgi_request}


class GatewayClient(Client):
    """One request on one connection, as the protocol has it."""

    def __init__(self, address, protocol, **options):
        super().__init__(address, **options)
        self.protocol = protocol

    def ask(self, method="GET", target="/", headers=(), body=b"", **options):
        self.send(REQUESTS[self.protocol](variables_of(method, target, headers, body, **options), body))
        return self.read_answer(method)

    def read_record(self):
        """(type, request id, content)"""
        version, kind, request_id, length, padding, _ = struct.unpack(">BBHHBB", self.read_exactly(8))
        assert version == 1
        content = self.read_exactly(length)
        self.read_exactly(padding)
        return kind, request_id, content

    def read_output(self, request_id=1):
        """STDOUT of one request, whose records alone come, up to its END_REQUEST."""
        output = b""
        while True:
            kind, whose, content = self.read_record()
            assert whose == request_id and kind in (STDOUT, END), (kind, whose)
            if kind == END:
                assert content == b"\0" * 8
                return output
            output += content

    def read_answer(self, method="GET"):
        if self.protocol == "fastcgi":
            self.buffer = self.read_output()
        line = self.read_line()
        begin, _, rest = line.partition(" ")
        assert begin == ("HTTP/1.1" if self.protocol == "uwsgi" else "Status:"), line
        status, _, reason = rest.partition(" ")
        response = Response(begin, int(status), reason, self.read_fields(), b"")
        assert not response.all("Connection") and not response.all("Transfer-Encoding"), response
        if self.protocol == "fastcgi":
            response.body, self.buffer = self.buffer, b""
        else:
            response.body = self.read_to_end()
        length = response.get("Content-Length")
        if length is not None and method != "HEAD":
            assert len(response.body) == int(length), f"{len(response.body)} bytes of {response}"
        return response
