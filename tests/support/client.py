"""A raw HTTP/1.1 client that sends exactly the bytes it is given and reads responses strictly."""

import socket
import time


class Response:
    def __init__(self, version, status, reason, headers, body, trailers=()):
        self.version, self.status, self.reason = version, status, reason
        self.headers, self.body, self.trailers = headers, body, list(trailers)

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else default

    @property
    def text(self):
        return self.body.decode("latin-1")

    def __repr__(self):
        return f"<Response {self.status} {self.reason} {dict(self.headers)} {self.body[:200]!r}>"


class Closed(ConnectionError):
    """The server closed where a response, or the rest of one, should have been."""


class Client:
    def __init__(self, address, timeout=10.0, receive_buffer=None, source=None):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(address)
        if family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def send(self, data):
        if isinstance(data, str):
            data = data.encode("latin-1")
        self.socket.sendall(data)

    def send_slowly(self, data, pause=0.0):
        """One byte per segment."""
        for index in range(len(data)):
            self.socket.sendall(data[index : index + 1])
            if pause:
                time.sleep(pause)

    def finish_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def fill(self):
        """Reads once more; Closed at the end."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError as error:
            raise Closed(f"reset after {self.buffer[:200]!r}") from error
        if not data:
            raise Closed(f"closed after {self.buffer[:200]!r}")
        self.buffer += data

    def read_line(self):
        while b"\r\n" not in self.buffer:
            assert len(self.buffer) < 1 << 20, "no line end in 1 MB"
            self.fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def read_exactly(self, count):
        pieces, have = [self.buffer], len(self.buffer)
        while have < count:
            data = self.socket.recv(1 << 20)
            if not data:
                raise Closed(f"closed {count - have} bytes early")
            pieces.append(data)
            have += len(data)
        everything = b"".join(pieces)
        self.buffer = everything[count:]
        return everything[:count]

    def read_to_end(self):
        """Everything until the server closes (a reset counts as closed)."""
        pieces = [self.buffer]
        self.buffer = b""
        while True:
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            if not data:
                return b"".join(pieces)
            pieces.append(data)

    def count_to_end(self):
        """How many bytes come until the server closes; none of them is kept."""
        count, self.buffer = len(self.buffer), b""
        while data := self.socket.recv(1 << 20):
            count += len(data)
        return count

    def read_fields(self):
        fields = []
        while line := self.read_line():
            key, colon, value = line.partition(":")
            assert colon and key and not key[-1].isspace() and not key[0].isspace(), f"bad field line {line!r}"
            assert not any(ord(char) < 32 and char != "\t" or ord(char) == 127 for char in value), f"bad value {line!r}"
            fields.append((key, value.strip(" \t")))
        return fields

    def read_head(self):
        line = self.read_line()
        version, _, rest = line.partition(" ")
        status, _, reason = rest.partition(" ")
        assert version in ("HTTP/1.1", "HTTP/1.0") and len(status) == 3 and status.isdigit(), f"bad status line {line!r}"
        return Response(version, int(status), reason, self.read_fields(), b"")

    def read_chunks(self):
        pieces = []
        while True:
            line = self.read_line()
            size = int(line.split(";")[0], 16)
            if size == 0:
                return b"".join(pieces), self.read_fields()
            pieces.append(self.read_exactly(size))
            assert self.read_exactly(2) == b"\r\n"

    def read_response(self, method="GET"):
        """The next final response; interim ones are skipped (read_head shows them)."""
        response = self.read_head()
        while 100 <= response.status < 200:
            response = self.read_head()
        coding, length = response.get("Transfer-Encoding"), response.get("Content-Length")
        assert not (coding and length), f"both framings: {response}"
        if method == "HEAD" or response.status in (204, 304):
            if response.status == 204:
                assert coding is None and length is None, f"framing on a 204: {response}"
        elif coding:
            assert coding.lower() == "chunked", coding
            response.body, response.trailers = self.read_chunks()
        elif length is not None:
            assert length.isdigit()
            response.body = self.read_exactly(int(length))
        else:
            assert (response.get("Connection") or "").lower() == "close" or response.version == "HTTP/1.0", response
            response.body = self.read_to_end()
        return response

    def request(self, method="GET", target="/", headers=(), body=b"", host="localhost"):
        """Sends a well-formed request and reads its response; the connection stays open."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{key}: {value}" for key, value in headers)]
        if body and not any(key.lower() in ("content-length", "transfer-encoding") for key, _ in headers):
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return self.read_response(method)

    def closed_by_server(self, seconds=5.0):
        """True when the server closes within `seconds` without sending anything more."""
        self.socket.settimeout(seconds)
        try:
            return not self.buffer and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False


def chunked(*pieces, trailers=""):
    encoded = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    return encoded + b"0\r\n" + trailers.encode("latin-1") + b"\r\n"
