"""The access log: one line a request, safe whatever the client sends, in both formats and to a file."""

import concurrent.futures
import json
import os
import re
import signal
import time

import pytest

from support.processes import wait_until

pytestmark = pytest.mark.timeout(60)
COMBINED = re.compile(
    r'^(?P<address>\S+) - (?P<user>\S+) \[(?P<time>\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "(?P<request>(?:[^"\\]|\\.)*)" '
    r'(?P<status>\d{3}) (?P<size>\d+|-) "(?P<referer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"'
)


def lines_of(server, count, seconds=5):
    wait_until(lambda: len(server.out.lines) >= count, seconds, f"{count} access log lines")
    return server.out.lines


def lost_lines(server):
    return sum(int(count) for count in re.findall(r"(\d+) (?:more )?lines? of the access log", server.log.text))


def test_combined(serve):
    server = serve("kit")
    server.get("/a?b=c", [("Referer", "http://from/"), ("User-Agent", "tests/1")])
    match = COMBINED.match(lines_of(server, 1)[0])
    assert match, server.out.lines
    assert match["address"] == "127.0.0.1" and match["request"] == "GET /a?b=c HTTP/1.1" and match["status"] == "200"
    assert match["size"] == str(len("kit /a")) and match["referer"] == "http://from/" and match["agent"] == "tests/1"
    assert abs(time.mktime(time.strptime(match["time"][:20], "%d/%b/%Y:%H:%M:%S")) - time.time()) < 86400


def test_json(serve):
    server = serve("kit", config='[log]\nformat = "json"\n')
    server.get('/a?b="c"', [("User-Agent", 'quo"te\\ \xff'), ("Referer", "http://from/")])
    entry = json.loads(lines_of(server, 1)[0])
    expected = {"remote": "127.0.0.1", "method": "GET", "target": '/a?b="c"', "protocol": "HTTP/1.1", "scheme": "http", "status": 200,
                "bytes": len("kit /a"), "referer": "http://from/", "agent": 'quo"te\\ \xff'}
    assert {key: entry.get(key) for key in expected} == expected
    assert entry["ms"] > 0 and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entry["time"])


def test_to_a_file(serve, folder):
    server = serve("kit", config=f'[log]\naccess = "{folder}/access.log"\n')
    for number in range(20):
        server.get(f"/{number}")
    wait_until(lambda: (folder / "access.log").read_text().count("\n") == 20, 5, "20 lines in the file")
    assert server.out.lines == []
    assert all(COMBINED.match(line) for line in (folder / "access.log").read_text().splitlines())


def test_off(serve):
    server = serve("kit", config='[log]\naccess = "off"\n')
    server.get("/")
    server.stop()
    assert server.out.lines == []


@pytest.mark.parametrize("form", ["combined", "json"])
def test_injection(serve, form):
    """what a client sends never makes a line, ends a field or reaches a terminal."""
    server = serve("kit", config=f'[log]\nformat = "{form}"\n', allow=[r".*"])
    evil = b'\x1b[31m \x9b31m "quoted" \\ \xe2\x80\xa8 \xc2\x85 back\\slash'.replace(b"\x1b", b"\xe9")
    server.raw(b"GET /%1b%0a%0d%22%00x?%0a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    server.raw(b"GET /%1b[31m%22%0d%0ainjected HTTP/1.1\r\nHost: a\r\nUser-Agent: " + evil + b"\r\nReferer: " + evil + b"\r\nConnection: close\r\n\r\n")
    server.raw(b"GET /agent HTTP/1.1\r\nHost: a\r\nUser-Agent: " + evil + b"\xc2\xa0\r\nReferer: " + evil + b"\r\nConnection: close\r\n\r\n")
    server.raw(b'GET /" HTTP/1.1\r\nHost: a\r\n\x1b\r\n\r\n')
    server.get("/last")
    wait_until(lambda: any("/last" in line for line in server.out.lines), 5, "the last line")
    text = server.out.text
    agent = next(line for line in server.out.lines if "/agent" in line)
    assert "\xa0" in agent, "UTF-8 that does no harm stays"
    if form == "combined":
        assert agent.count(r"\xe9[31m \x9b31m \x22quoted\x22 \x5c \xe2\x80\xa8 \xc2\x85 back\x5cslash") == 2, agent
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", text), repr(text)
    assert not any(line.startswith("injected") for line in server.out.lines)
    for line in server.out.lines:
        if form == "json":
            json.loads(line)
        else:
            assert COMBINED.match(line), line
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", server.log.text), repr(server.log.text)


def test_one_line_for_each_bad_request(serve):
    server = serve("kit", allow=[r".*"])
    for _ in range(5):
        server.raw(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")
    server.get("/last")
    wait_until(lambda: any("/last" in line for line in server.out.lines), 5, "the last line")
    assert len([line for line in server.out.lines if '" 400 ' in line]) == 5
    assert len(server.out.lines) == 6


def test_static_files_are_logged_too(serve, folder):
    (folder / "files").mkdir()
    (folder / "files" / "a.txt").write_text("12345")
    server = serve("kit", config=f'[[site]]\n[[site.route]]\nmatch = {{ path = "/f/*" }}\nstatic = {{ root = "{folder}/files" }}\n')
    server.get("/f/a.txt")
    match = COMBINED.match(lines_of(server, 1)[0])
    assert match["request"] == "GET /f/a.txt HTTP/1.1" and match["size"] == "5"


def test_forwarded_address_is_the_one_logged(serve):
    server = serve("kit")
    server.get("/", [("X-Forwarded-For", "203.0.113.7")])
    assert lines_of(server, 1)[0].startswith("203.0.113.7 ")


def test_a_reader_that_went_away_does_not_stop_the_server(serve):
    """stdout closed by its reader: lines are lost, requests are not."""
    server = serve("kit", allow=[r"CW0402", r"access log"])
    server.out.leave()
    for number in range(200):
        assert server.get(f"/{number}").status == 200
    server.stop()
    assert lost_lines(server) == 200


def test_a_reader_that_does_not_read_does_not_stop_the_server(serve, folder):
    """A full pipe: nothing blocks; what does not fit is counted, at once and to the last."""
    fifo = folder / "pipe"
    os.mkfifo(fifo, 0o666)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    server = serve("kit", fronts=1, config=f'[log]\naccess = "{fifo}"\n', allow=[r"CW0402", r"access log"])
    with server.connect() as client:
        for number in range(4000):  # more than the queue takes
            assert client.request("GET", f"/{number}", [("User-Agent", "x" * 6000)]).status == 200
    server.log.wait_for("CW0402")
    server.stop()
    written = b"".join(iter(lambda: os.read(reader, 65536), b"")).count(b"\n")
    assert written > 0 and written + lost_lines(server) == 4000
    os.close(reader)


@pytest.mark.parametrize("form", ["combined", "json"])
def test_fronts_that_share_a_pipe_tear_no_lines(serve, folder, form):
    """Long and short lines of two fronts, a slow reader: each line is one, a long one is cut and says so."""
    fifo = folder / "pipe"
    os.mkfifo(fifo, 0o666)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    server = serve("kit", fronts=2, config=f'[log]\nformat = "{form}"\naccess = "{fifo}"\n')
    os.set_blocking(reader, True)

    def ask(name):
        for number in range(40):
            agent = "u" * (12000 if number % 2 else 20 * number)
            assert server.get(f"/{name}.{number}", [("User-Agent", agent)]).status == 200

    def read():
        while part := os.read(reader, 3000):
            parts.append(part)
            time.sleep(0.0005)

    parts = []
    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        reading = pool.submit(read)
        list(pool.map(ask, range(8)))
        server.stop()
        reading.result()
    os.close(reader)
    lines = b"".join(parts).decode().splitlines()
    if form == "json":
        entries = [json.loads(line) for line in lines]
        seen = {entry["target"] for entry in entries}
    else:
        entries = [COMBINED.fullmatch(line) for line in lines]
        assert all(entries), [line for line in lines if not COMBINED.fullmatch(line)][:3]
        seen = {entry["request"].split()[1] for entry in entries}
    assert len(lines) == len(seen) == 320
    assert sum(entry["agent"].endswith("u...") for entry in entries) == 160


def test_full_disk(serve):
    """/dev/full refuses every write."""
    server = serve("kit", config='[log]\naccess = "/dev/full"\n', allow=[r"CW0402", r"access log", r"No space"])
    for _ in range(50):
        assert server.is_healthy()


def test_rotation(serve, folder):
    """Renamed and USR1: the next lines go to a new file, none is lost."""
    path = folder / "access.log"
    server = serve("kit", config=f'[log]\naccess = "{path}"\n')
    for number in range(10):
        server.get(f"/{number}")
    wait_until(lambda: path.read_text().count("\n") == 10, 5, "10 lines")
    os.rename(path, folder / "access.log.1")
    server.signal(signal.SIGUSR1)
    wait_until(path.exists, 5, "the new file")
    for number in range(10):
        server.get(f"/{number}")
    wait_until(lambda: (path.read_text() + (folder / "access.log.1").read_text()).count("\n") == 20, 5, "20 lines in both")
