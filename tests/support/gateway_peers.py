"""Servers behind us that speak FastCGI, SCGI and uwsgi: real ones, and raw ones that do exactly what a test says."""

import re
import shutil
import struct
import subprocess
from pathlib import Path

from .peers import ProcessPeer, RawPeer

UWSGI_SOCKETS = {"uwsgi": "--socket", "scgi": "--scgi-socket", "fastcgi": "--fastcgi-socket"}


def program(*names, package):
    for name in names:
        if path := shutil.which(name) or shutil.which(f"/usr/sbin/{name}"):
            return path
    raise AssertionError(f"{names[0]} is missing: apt-get install {package}")


class Killed(ProcessPeer):
    """One that takes its time over TERM."""

    stop = ProcessPeer.kill


def uwsgi(folder, protocol, *options, processes=2):
    """uWSGI serving app:application of `folder` by that protocol."""
    command = [
        program("uwsgi-core", package="uwsgi-core uwsgi-plugin-python3"), "--plugin", "python3", UWSGI_SOCKETS[protocol],
        "127.0.0.1:0", "--wsgi-file", "app.py", "--callable", "application", "--master", "--processes", processes,
        "--die-on-term", "--need-app", "--buffer-size", "65535", *options,
    ]
    return Killed(command, folder, re.compile(r"bound to TCP address (127\.0\.0\.1:\d+)"))


def libfcgi_program(folder):
    """A program on libfcgi, compiled here, for every role."""
    place = folder / "libfcgi"
    place.mkdir(mode=0o755)
    source, built = Path(__file__).with_name("fastcgi_program.c"), place / "fastcgi_program"
    subprocess.run([program("cc", "gcc", package="gcc"), "-O1", "-o", built, source, "-lfcgi"], check=True)
    return built


def libfcgi(folder):
    """That program, running."""
    built = libfcgi_program(folder)
    place = built.parent
    address = place / "program.sock"
    started = Killed([built, address], place, re.compile("(listening)"))
    address.chmod(0o666)
    started.url = f"unix:{address}"
    return started


# ---- raw ones


def variables_of(protocol, request):
    """The variables of a request as it came, in their order."""
    if protocol == "scgi":
        size, _, rest = request.partition(b":")
        words = rest[: int(size)].split(b"\0")[:-1]
        return dict(zip(words[::2], words[1::2]))
    if protocol == "uwsgi":
        pairs = request[4 : 4 + int.from_bytes(request[1:3], "little")]
        words = []
        while pairs:
            size = int.from_bytes(pairs[:2], "little")
            words.append(pairs[2 : 2 + size])
            pairs = pairs[2 + size :]
        return dict(zip(words[::2], words[1::2]))
    params = stream_of(request, PARAMS)
    found = {}
    while params:
        sizes = []
        for _ in range(2):
            if params[0] < 128:
                sizes.append(params[0])
                params = params[1:]
            else:
                sizes.append(int.from_bytes(params[:4], "big") & 0x7FFFFFFF)
                params = params[4:]
        found[params[: sizes[0]]] = params[sizes[0] : sum(sizes)]
        params = params[sum(sizes) :]
    return found


def body_of(protocol, request):
    if protocol == "scgi":
        size, _, rest = request.partition(b":")
        return rest[int(size) + 1 :]
    if protocol == "uwsgi":
        return request[4 + int.from_bytes(request[1:3], "little") :]
    return stream_of(request, STDIN)


BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES, GET_VALUES_RESULT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10


def records_of(data):
    """(type, id, content) of each whole record, and how many bytes they are."""
    found, used = [], 0
    while len(data) >= used + 8:
        _, kind, identity, length, padding, _ = struct.unpack_from(">BBHHBB", data, used)
        if len(data) < used + 8 + length + padding:
            break
        found.append((kind, identity, data[used + 8 : used + 8 + length]))
        used += 8 + length + padding
    return found, used


def stream_of(data, kind):
    return b"".join(content for one, _, content in records_of(data)[0] if one == kind)


def record(kind, content=b"", identity=1, padding=0, version=1):
    return struct.pack(">BBHHBB", version, kind, identity, len(content), padding, 0) + content + b"\0" * padding


def stdout(data, size=60_000):
    return b"".join(record(STDOUT, data[at : at + size], padding=at % 8) for at in range(0, len(data), size))


def end(status=0, application=0):
    return record(END, struct.pack(">IB3x", application, status))


def answer(protocol, body=b"", head=b"Content-Type: text/plain\r\n", status="200 OK"):
    """A good answer in that protocol."""
    line = f"HTTP/1.1 {status}\r\n" if protocol == "uwsgi" else f"Status: {status}\r\n"
    data = line.encode() + head + b"\r\n" + body
    return stdout(data) + end() if protocol == "fastcgi" else data


def size_of_request(protocol, data):
    """Bytes of the first request in `data`, or 0: it is not complete."""
    if protocol == "fastcgi":
        used = 0
        while len(data) >= used + 8:
            _, kind, _, length, padding, _ = struct.unpack_from(">BBHHBB", data, used)
            used += 8 + length + padding
            if len(data) >= used and kind == STDIN and length == 0:
                return used
        return 0
    if protocol == "uwsgi":
        size = 4 + int.from_bytes(data[1:3], "little") if len(data) >= 4 else None
    else:
        digits, colon, _ = data.partition(b":")
        size = len(digits) + 1 + int(digits) + 1 if colon else None
    if size is None or len(data) < size:
        return 0
    size += int(variables_of(protocol, data[:size]).get(b"CONTENT_LENGTH", b"0"))
    return size if len(data) >= size else 0


class RawGatewayPeer(RawPeer):
    """As RawPeer, for requests of one of these protocols; `url` is host:port. By FastCGI it is a program that takes one
    request at a time, and says so when it is asked; `asked` counts that, once it is said."""

    def __init__(self, protocol, script):
        self.protocol, self.asked = protocol, 0
        super().__init__(script)
        self.url = self.url.removeprefix("http://")

    def without_questions(self, connection, received):
        while self.protocol == "fastcgi" and len(received) >= 8 and received[1] == GET_VALUES:
            records, _ = records_of(received)
            if not records:
                break
            received = received[8 + int.from_bytes(received[4:6], "big") + received[6] :]
            connection.sendall(record(GET_VALUES_RESULT, b"\x0f\x01FCGI_MPXS_CONNS0", identity=0))
            self.asked += 1
        return received

    def size_of(self, received):
        return size_of_request(self.protocol, received)

    def variables(self, index=-1):
        return {name.decode(): value.decode("latin-1") for name, value in variables_of(self.protocol, self.requests[index]).items()}

    def body(self, index=-1):
        return body_of(self.protocol, self.requests[index])


def answering(data, keep=False):
    """A script that sends the same bytes each time, and closes the connection unless it is to be kept."""

    def script(connection, _request):
        connection.sendall(data)
        return keep

    return script
