"""Applications that exit, crash, hang, fork or eat memory: their request fails, a new worker comes, nobody else notices (faults.md 86-88)."""

import contextlib
import os
import resource
import signal
import time

import pytest

from support import processes
from support.memory_group import MemoryGroup
from support.processes import wait_until

pytestmark = [pytest.mark.wsgi, pytest.mark.timeout(90)]
NO_TRACE = {"PYTHONFAULTHANDLER": "0"}
APP_ERRORS = [r"CW050[234]", r"Traceback", r"Error"]
DEATHS = [*APP_ERRORS, r"CW05\d\d", r"CW08\d\d", r"worker"]


def begin(server, target):
    """A request that the application has begun: it says so in the log."""
    start = len(server.log.lines)
    client = server.connect(timeout=40)
    client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
    server.log.wait_for("the application waits", start=start)
    return client


@contextlib.contextmanager
def undisturbed(server):
    """A request beside what is done meanwhile, and one queued behind it: both are answered as if nothing had happened."""
    (server.folder / "go").unlink(missing_ok=True)
    with begin(server, "/waits") as sibling:
        yield
        (server.folder / "go").touch()
        assert sibling.read_response().body == b"waited"
    for _ in range(5):
        assert server.is_healthy()


@pytest.mark.parametrize("path, status", [
    ("hard_exit", 502), ("abort", 502), ("segfault", 502), ("system_exit", 500), ("keyboard_interrupt", 500),
])
def test_death_in_a_request(serve, path, status):
    server = serve("deadly", workers=2, allow=DEATHS, environment=NO_TRACE)
    workers = set(server.named("worker"))
    with undisturbed(server):
        assert server.get("/" + path).status == status
        wait_until(lambda: len(set(server.named("worker")) & workers) == 1, 10, "the worker to end")
        wait_until(lambda: len(server.named("worker")) == 2, 10, "its successor")


def test_shared_memory_that_no_worker_can_be_attached_to_any_more(serve):
    """Another generation has memory of its own."""
    server = serve("deadly", workers=2, allow=DEATHS)
    assert server.get("/spoil").text == "spoiled" and server.is_healthy()
    os.kill(server.named("worker")[0], signal.SIGKILL)
    server.log.wait_for(r"\[CW0522\].*a worker has spoiled the memory that it shares with the front")
    server.log.wait_for("generation 2 serves")
    assert server.is_healthy()
    server.baseline = {server.pid: server.baseline[server.pid]}


@pytest.mark.parametrize("path", ["hard_exit_mid_body", "segfault_mid_body"])
def test_death_in_the_middle_of_a_response_is_a_visible_cut(serve, path):
    server = serve("deadly", workers=2, allow=DEATHS, environment=NO_TRACE)
    with undisturbed(server):
        answer = server.raw(f"GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"5\r\nfirst\r\n")


def test_closed_descriptors(serve):
    server = serve("deadly", workers=2, allow=DEATHS)
    with undisturbed(server):
        server.raw("GET /close_descriptors HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        wait_until(lambda: server.is_healthy(), 10, "a good worker")
    for _ in range(20):
        assert server.is_healthy()


def test_fork_returning_twice_gives_one_response(serve):
    server = serve("deadly", workers=1, allow=DEATHS)
    with server.connect() as client:
        response = client.request("GET", "/fork_returns")
        assert response.body == b"parent"
        assert client.request("GET", "/").body == b"fine"
        client.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.fill()


def test_more_memory_than_a_process_may_have_is_a_500(serve):
    """RLIMIT_AS: MemoryError in that request, and the worker goes on."""
    server = serve("deadly", workers=1, allow=DEATHS)
    (worker,) = server.named("worker")
    processes.limit(worker, resource.RLIMIT_AS, 1 << 30)
    assert server.get("/ten_gigabytes").status == 500
    server.log.wait_for("GET /ten_gigabytes raised MemoryError")
    assert server.is_healthy() and server.named("worker") == [worker]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_the_kernel_kills_for_memory(serve):
    group = MemoryGroup.create(200 << 20)
    if group is None:
        pytest.skip("no control group with a memory limit can be made here")
    try:
        server = serve("deadly", workers=2, allow=DEATHS)
        workers = server.named("worker")
        with undisturbed(server):
            # Whoever is not busy with the sibling: only the one that eats may be in the group.
            (idle,) = [pid for pid in workers if pid != int((server.folder / "waiting.pid").read_text())]
            group.add(idle)
            assert server.request("GET", "/ten_gigabytes_touched", timeout=60).status == 502
            server.log.wait_for(rf"CW0521.*\(pid {idle}\) was killed by SIGKILL, maybe out of memory")
        assert server.log.count("SIGKILL") == 1
    finally:
        group.remove()


def test_a_kill_from_outside_reads_the_same(serve):
    """What the kernel does when memory is short, done by the test."""
    server = serve("deadly", workers=2, allow=DEATHS)
    with undisturbed(server):
        sibling = (server.folder / "waiting.pid").read_text()
        with begin(server, "/waits_for_ever") as dying:
            victim = int((server.folder / "waiting.pid").read_text())
            assert victim != int(sibling)
            os.kill(victim, signal.SIGKILL)
            assert dying.read_response().status == 502
        server.log.wait_for(rf"CW0521.*\(pid {victim}\) was killed by SIGKILL, maybe out of memory")


@pytest.mark.parametrize("path", ["spins", "hangs_in_c", "deadlocks", "sleeps_on"])
def test_a_hang_ends_at_its_timeout(serve, path):
    """504 and a line that names the request; the replacement first, then TERM, then KILL."""
    server = serve("deadly", workers=1, timeout="1s", grace="1s", allow=DEATHS)
    (stuck,) = server.named("worker")
    assert server.request("GET", "/" + path, timeout=20).status == 504
    server.log.wait_for(rf"CW0501.*GET /{path}")
    assert server.request("GET", "/", timeout=20).status == 200
    wait_until(lambda: not processes.alive(stuck), 15, "the stuck worker to be killed")
    assert server.is_healthy() and len(server.named("worker")) == 1


def events(server):
    """What the application's processes have noted: (event, pid, time), in this order."""
    lines = (server.folder / "events.txt").read_text().splitlines()
    return [(event, int(pid), float(moment)) for event, pid, moment in map(str.split, lines)]


def test_the_order_of_things_at_a_hang(serve):
    """`timeout` counts from the claim, not from the arrival; the replacement is imported before the stuck worker hears
    TERM, and KILL comes `grace` after that."""
    server = serve("deadly", workers=1, preload=False, timeout="1s", grace="1500ms", allow=DEATHS, environment={"IMPORT_SECONDS": "0.5"})
    (stuck,) = server.named("worker")
    with begin(server, "/takes_a_while") as first, server.connect(timeout=40) as second:
        second.send("GET /notes_its_end HTTP/1.1\r\nHost: a\r\n\r\n")
        sent = time.monotonic()
        assert first.read_response().body == b"done"
        assert second.read_response().status == 504
        answered = time.monotonic()
    wait_until(lambda: not processes.alive(stuck), 15, "the stuck worker to be killed")
    killed = time.monotonic()
    seen = events(server)
    assert [event for event, _, _ in seen] == ["begins", "imported", "claimed", "begins", "imported", "asked"]
    (claimed, begins, imported, asked) = seen[2:]
    assert claimed[1] == asked[1] == stuck
    wait_until(lambda: server.named("worker") == [begins[1]] == [imported[1]], 5, "the replacement alone to be there")
    assert claimed[2] - sent > 0.4 and 1 <= answered - claimed[2] < 6
    assert killed - asked[2] > 1.4
    server.log.wait_for(rf"CW0501.*GET /notes_its_end.*pid {stuck}\) is replaced")
    server.log.wait_for(rf"pid {stuck}\) did not finish in time and was killed")


def test_killed_while_answering_two_connections(serve):
    """Exactly the request it was running fails; the queued one is run by the next worker."""
    server = serve("kit", workers=1, allow=DEATHS)
    with server.connect() as first, server.connect() as second:
        first.send("GET /kill?signal=KILL HTTP/1.1\r\nHost: a\r\n\r\n")
        second.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n")
        assert first.read_response().status == 502
        assert second.read_response().text == "kit /second"
    assert len(processes.tree(server.pid)) >= 4
