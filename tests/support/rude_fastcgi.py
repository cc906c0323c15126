"""A FastCGI program, on descriptor 0, that does what its query says: what programs do wrong (tests/features/test_pool_faults.py)."""

import os
import signal
import socket
import struct
import sys
import time

END, PARAMS, STDIN, STDOUT, STDERR = 3, 4, 5, 6, 7
HEAD = b"Content-Type: text/plain\r\n\r\n"
DONE = struct.pack(">IB3x", 0, 0)


def record(kind, content=b"", number=1, length=None):
    return struct.pack(">BBHHBx", 1, kind, number, len(content) if length is None else length, 0) + content


def answer(text, head=HEAD, end=DONE):
    return record(STDOUT, head + text) + record(STDOUT) + record(END, end)


def read_exactly(connection, count):
    pieces = b""
    while len(pieces) < count:
        piece = connection.recv(count - len(pieces))
        if not piece:
            raise EOFError
        pieces += piece
    return pieces


def read_until(connection, last):
    """Records up to the empty one of that kind; the contents of FCGI_PARAMS."""
    params = b""
    while True:
        _, kind, _, length, padding = struct.unpack(">BBHHBx", read_exactly(connection, 8))
        content = read_exactly(connection, length + padding)[:length]
        if kind == PARAMS:
            params += content
        if kind == last and not length:
            return params


def query_of(params):
    at, values = 0, {}
    while at < len(params):
        lengths = []
        for _ in range(2):
            length = params[at]
            if length & 0x80:
                length = struct.unpack_from(">I", params, at)[0] & 0x7FFFFFFF
                at += 3
            at += 1
            lengths.append(length)
        name, value = params[at : at + lengths[0]], params[at + lengths[0] : at + sum(lengths)]
        values[name] = value.decode()
        at += sum(lengths)
    return values[b"QUERY_STRING"]


def flood(connection, write, count):
    line = b"so it goes, on and on and on\n" * 1000
    for _ in range(count // len(line)):
        write(line)
    connection.sendall(answer(b"done"))


def leave_daemon(obeys):
    """Nothing is answered; a child of its own session holds the connection, be it against SIGTERM."""

    def act(connection):
        settled, settling = os.pipe()
        if os.fork() == 0:
            os.setsid()
            for number in () if obeys else (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            os.close(settling)
            time.sleep(1000)
        os.close(settling)
        os.read(settled, 1)
        os._exit(0)

    return act


def ignore_terminate(connection):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connection.sendall(answer(b"done"))


def kill_with(number):
    return lambda connection: os.kill(os.getpid(), number)


def say(*pieces):
    """Says this, and closes the connection."""

    def run(connection):
        for piece in pieces:
            connection.sendall(piece)
        connection.close()

    return run


DEEDS = {
    "fine": lambda connection: connection.sendall(answer(b"pid %d" % os.getpid())),
    "nothing": say(),
    "http": say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "half_head": say(record(STDOUT, b"Content-Type: text/pl")),
    "no_head": say(answer(b"", head=b"just text")),
    "status": say(answer(b"", head=b"Status: 2000\r\n\r\n")),
    "interim": say(answer(b"", head=b"Status: 103 Early\r\n\r\n")),
    "injection": say(answer(b"", head=b"Status: 200 OK\rX: y\r\n\r\n")),
    "large_head": say(*[record(STDOUT, b"X-%d: " % number + b"x" * 30000 + b"\r\n") for number in range(10)]),
    "wrong_id": say(record(STDOUT, HEAD, number=7)),
    "id_0": say(record(STDOUT, HEAD, number=0)),
    "kind": say(record(99, b"x" * 10)),
    "version": say(b"\2" + record(STDOUT, HEAD)[1:]),
    "failed": say(answer(b"text", end=struct.pack(">IB3x", 1, 0))),
    "failed_first": say(record(END, struct.pack(">IB3x", 1, 0))),
    "overloaded": say(record(END, struct.pack(">IB3x", 0, 2))),
    "only_errors": say(record(STDERR, HEAD) + record(STDOUT) + record(END, DONE)),
    "mid_record": say(record(STDOUT, HEAD + b"abc", length=1000)),
    "short": say(record(STDOUT, b"Content-Length: 100\r\n" + HEAD + b"abc") + record(END, DONE)),
    "no_end": say(record(STDOUT, HEAD + b"abc")),
    "more": lambda connection: connection.sendall(answer(b"once") + answer(b"twice")),
    "errors": lambda connection: flood(connection, lambda line: connection.sendall(record(STDERR, line)), 100 << 20),
    "descriptor_2": lambda connection: flood(connection, lambda line: os.write(2, line), 100 << 20),
    "gigabyte": lambda connection: flood(connection, lambda line: connection.sendall(record(STDOUT, HEAD + line)), 1 << 30),
    "daemon": leave_daemon(obeys=True),
    "stubborn_daemon": leave_daemon(obeys=False),
    "ignore_term": ignore_terminate,
    "exit_0": lambda connection: os._exit(0),
    "exit_1": lambda connection: os._exit(1),
    "segv": kill_with(signal.SIGSEGV),
    "abort": kill_with(signal.SIGABRT),
    "bus": kill_with(signal.SIGBUS),
    "kill": kill_with(signal.SIGKILL),
    "stop": kill_with(signal.SIGSTOP),
    "hang": lambda connection: time.sleep(1000),
    "deaf": lambda connection: (connection.sendall(answer(b"done")), connection.close()),
}

listening = socket.socket(fileno=0)
while True:
    connection, _ = listening.accept()
    try:
        while connection.fileno() >= 0:
            deed = query_of(read_until(connection, PARAMS))
            if deed != "deaf":
                read_until(connection, STDIN)
            DEEDS[deed](connection)
    except (EOFError, OSError):
        pass
    connection.close()
