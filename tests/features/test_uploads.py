"""Large bodies: on the disk, not in memory; in a file that has no name; gone when the disk is full (faults.md 66-68)."""

import gzip
import hashlib
import os
import re
import resource
import shutil
import stat
import subprocess

import pytest

from support import processes
from support.processes import wait_until

pytestmark = pytest.mark.timeout(120)
BLOCK = bytes(1 << 20)
MOST_MEMORY = 8 << 20  # what the front may grow by, however large the body


def spooled_files(server, spool):
    """Paths below /proc of what the fronts have open there."""
    return [
        f"/proc/{front}/fd/{number}" for front in server.named("front")
        for number, link in (processes.descriptors(front) or {}).items() if link.startswith(f"{spool}/")
    ]


def everything_below(spool):
    return [path for path in spool.rglob("*") if not path.is_dir()]


def send_blocks(client, count, *, chunked, watch):
    for number in range(count):
        client.socket.sendall(b"100000\r\n%s\r\n" % BLOCK if chunked else BLOCK)
        if number % 16 == 15:
            watch()
    if chunked:
        client.send("0\r\n\r\n")


def upload(server, spool, megabytes, target, *, chunked=False):
    """Answer, the front's growth in bytes, and the stat of each spool file that was seen."""
    (front,) = server.named("front")
    server.request("POST", target, body=BLOCK)  # whatever is made once is there
    before, most, seen = processes.memory(front), 0, {}

    def watch():
        nonlocal most
        most = max(most, processes.memory(front) - before)
        for path in spooled_files(server, spool):
            status = os.stat(path)
            seen[status.st_ino] = status
            assert not everything_below(spool), "a spooled body has a name"

    with server.connect(timeout=300) as client:
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {megabytes << 20}"
        client.send(f"POST {target} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n")
        send_blocks(client, megabytes, chunked=chunked, watch=watch)
        answer = client.read_response()
        assert client.request("GET", "/next").text == "kit /next"
    return answer, most, list(seen.values())


def test_a_folder_for_spool_files_that_cannot_be_had_is_told_once(serve, folder):
    elsewhere = folder / "nowhere"
    server = serve("kit", fronts=2, environment={"TMPDIR": str(elsewhere)}, allow=[r"CW0409"])
    server.stop()
    (told,) = [line for line in server.log.lines if "CW0409" in line]
    assert re.search(rf"TMPDIR is not used: {elsewhere}/cutwater-\d+: No such file or directory; .* goes to /(var/)?tmp/cutwater-\d+", told)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_few_hundred_megabytes(serve, spool, chunked, sanitized):
    server = serve("kit", fronts=1, config='[limits]\nbody = "1GB"\n', environment={"TMPDIR": str(spool)})
    answer, grown, files = upload(server, spool, 300, "/digest", chunked=chunked)
    assert answer.text == f"{300 << 20} {hashlib.sha256(bytes(300 << 20)).hexdigest()}"
    check_files(files, spool, 300)
    if not sanitized:  # the sanitizer keeps freed memory
        assert grown < MOST_MEMORY, f"the front grew by {grown} bytes"
    wait_until(lambda: not spooled_files(server, spool), 5, "the spool file to be closed")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_ten_gigabytes(serve, spool):
    if shutil.disk_usage(spool).free < 12 << 30:
        pytest.skip("less than 12 GB of disk are free")
    config = '[limits]\nbody = "10GB"\n'
    server = serve("kit", fronts=1, config=config, timeout="10m", environment={"TMPDIR": str(spool)}, allow=[r"CW0405"])
    answer, grown, files = upload(server, spool, 10 << 10, "/size")
    assert answer.text == str(10 << 30)
    check_files(files, spool, 10 << 10)
    print(f"the front grew by {grown >> 10} KB")
    assert grown < MOST_MEMORY
    wait_until(lambda: not spooled_files(server, spool), 5, "the spool file to be closed")


def check_files(files, spool, megabytes):
    (status,) = files
    assert status.st_nlink == 0 and stat.S_IMODE(status.st_mode) == 0o600
    (private,) = spool.iterdir()
    assert stat.S_IMODE(private.stat().st_mode) == 0o700 and private.stat().st_uid == status.st_uid


def check_refused_for_room(server, spool, size):
    with server.connect(timeout=30) as client:
        try:
            client.send(b"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
        except (BrokenPipeError, ConnectionResetError):
            pass
        response = client.read_response()
        assert response.status == 507 and response.get("Connection") == "close"
        assert int(response.get("Retry-After")) > 0
    wait_until(lambda: not spooled_files(server, spool), 5, "the spool file to be closed")
    assert not everything_below(spool)
    data = b"y" * 300_000
    assert server.request("POST", "/digest", body=data).text == f"300000 {hashlib.sha256(data).hexdigest()}"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_a_full_disk_is_507_and_has_room_again(serve, spool):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=1777", "none", spool], check=True)
    try:
        server = serve("kit", allow=[r"CW0513"], environment={"TMPDIR": str(spool)})
        for _ in range(3):
            check_refused_for_room(server, spool, 30_000_000)
        wait_until(lambda: shutil.disk_usage(spool).used < 100_000, 5, "the disk to be empty")
        server.log.wait_for(rf"CW0513.*cannot spool a request body: in {spool}/.*: No space left on device; answered 507")
        server.stop()
    finally:
        subprocess.run(["umount", "-l", spool], check=True)


def test_a_limit_on_file_sizes_is_507(serve, spool):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20 << 20, limits[1]))
    try:
        server = serve("kit", allow=[r"CW0513"], environment={"TMPDIR": str(spool)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    check_refused_for_room(server, spool, 30_000_000)


@pytest.mark.parametrize("framing, body", [
    ("Content-Length: 10", b"hello"), ("Content-Length: 10000000", bytes(5_000_000)),
    ("Transfer-Encoding: chunked", b"5\r\nhello\r\n"), ("Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n"),
    ("Transfer-Encoding: chunked", b"5\r\nhel"),
])
def test_a_body_cut_short_reaches_no_application(serve, spool, framing, body):
    server = serve("kit", environment={"TMPDIR": str(spool)})
    with server.connect() as client:
        client.send(b"POST /log?text=ran HTTP/1.1\r\nHost: a\r\n" + framing.encode() + b"\r\n\r\n" + body)
        client.finish_sending()
        assert b" 200 " not in client.read_to_end()
    server.get("/log?text=after")  # the only worker: it would have run the other one before
    server.log.wait_for("errors after")
    assert "errors ran" not in server.log.text
    assert not spooled_files(server, spool) and not everything_below(spool)


def test_a_compressed_body_comes_as_it_is(serve):
    """The limit is on what is sent, and nothing is inflated."""
    server = serve("kit", config='[limits]\nbody = "10KB"\n')
    body = gzip.compress(bytes(1 << 20))
    answer = server.request("POST", "/digest", [("Content-Encoding", "gzip")], body)
    assert len(body) < 10240 and answer.text == f"{len(body)} {hashlib.sha256(body).hexdigest()}"
