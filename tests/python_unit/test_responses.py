"""What a worker makes of an application's response (PEP 3333; faults.md 74-82, 84-86)."""

import os
import signal
import time

import pytest

from python_unit.apps import faulty as faulty_app
from python_unit.bridge import ABORT, BEFORE_HEAD, CANCEL, COMPLETE, CREDIT, DISCONNECT, FILE, HEAD, INITIAL_CREDIT, RELEASES


def test_a_small_response_is_one_frame(faulty):
    response = faulty.get("/")
    assert (response.status, response.reason, response.length) == (200, "OK", 13)
    assert response.frames == [(HEAD, COMPLETE | RELEASES)]
    assert faulty.get("/several").frames == [(HEAD, COMPLETE | RELEASES)]


@pytest.mark.parametrize("path, body, length", [
    ("/several", b"one two three", 13), ("/empty", b"", 0), ("/generator", b"one two", None),
    ("/long_list", b"x" * 100_000 + b"y" * 300_000, 400_000), ("/writes", b"1234", None),
])
def test_bodies(faulty, path, body, length):
    response = faulty.get(path)
    assert (response.status, response.body, response.length) == (200, body, length)
    assert not response.aborted
    faulty.settle()


def test_each_block_is_sent_at_once(faulty):
    assert faulty.get("/writes").pieces == [b"1", b"2", b"3", b"4"]


def test_close_is_called_exactly_once(faulty):
    faulty.get("/closed")
    for path in ("/closable", "/too_much", "/too_little", "/text_midway", "/writes", "/no_content"):
        faulty.get(path)
        faulty.settle()  # the answer may be there before close() is called
        assert faulty.get("/closed").body == b"1", path
    faulty.request("HEAD", "/closable")
    faulty.settle()
    assert faulty.get("/closed").body == b"1"


def test_close_may_raise(faulty):
    assert faulty.get("/close_raises").body == b"a"
    assert faulty.get("/").status == 200
    faulty.wait_log("close() of GET /close_raises raised ValueError: in close")


def test_input_is_still_there_in_close(faulty):
    faulty.request("POST", "/close_reads_input", body=b"late body")
    faulty.settle()
    assert faulty.get("/late").body == b"b'late body'"


def test_more_than_content_length_is_cut(faulty):
    response = faulty.get("/too_much")
    assert (response.body, response.length, response.aborted, response.before_head) == (b"abc", 3, True, False)
    faulty.wait_log("GET /too_much sent more than its Content-Length of 3 bytes")


@pytest.mark.parametrize("path", ["/too_little", "/too_little_list"])
def test_less_than_content_length_is_aborted(faulty, path):
    response = faulty.get(path)
    assert (response.body, response.length, response.aborted, response.before_head) == (b"abc", 10, True, False)
    faulty.wait_log(f"GET {path} sent 3 bytes, less than its Content-Length of 10")


def test_bodies_that_may_not_be(fresh_faulty):
    """For HEAD an app may answer as for GET, which is said once; a body with 204 or 304 is its mistake, said once."""
    for method, path, length, warnings in (("HEAD", "/", 13, 1), ("HEAD", "/generator", None, 1), ("HEAD", "/long_list", 400_000, 1),
                                           ("GET", "/no_content", None, 2), ("GET", "/not_modified", 5, 2)):
        response = fresh_faulty.request(method, path)
        assert (response.body, response.length, response.aborted) == (b"", length, False), path
        assert fresh_faulty.get("/").status == 200  # the one worker logs before it takes this
        assert fresh_faulty.log.count("CW0504") == warnings, path


@pytest.mark.parametrize("number", range(len(faulty_app.STATUSES)))
def test_bad_status(faulty, number):
    response = faulty.get(f"/bad_status?{number}")
    assert response.frames == [(ABORT, BEFORE_HEAD)] and response.before_head


@pytest.mark.parametrize("number", range(len(faulty_app.HEADERS)))
def test_bad_header(faulty, number):
    response = faulty.get(f"/bad_header?{number}")
    assert response.frames == [(ABORT, BEFORE_HEAD)] and response.before_head


def test_hop_by_hop_fields_are_left_out_where_that_is_wanted(start):
    bridge = start("faulty:application", hop_by_hop="drop")
    bridge.channel.expect("imported")
    bridge.start_worker()
    names = {"connection", "transfer-encoding", "keep-alive", "te", "upgrade", "trailer"}
    numbers = [number for number, headers in enumerate(faulty_app.HEADERS)
               if type(headers) is list and str(headers[0][0]).lower() in names]
    assert len(numbers) == len(names)
    for number in numbers:
        response = bridge.get(f"/bad_header?{number}")
        assert (response.status, response.headers, response.body, response.length) == (200, [], b"never", 5)
    assert bridge.get("/bad_header?0").before_head  # all other rules hold as ever
    assert bridge.log.count("warning[CW0508]") == 1
    bridge.wait_log("GET /bad_header set Connection, which belongs to the connection; it was left out")


def test_a_bad_content_length_says_what_to_do(faulty):
    number = faulty_app.HEADERS.index([("Content-Length", "abc")])
    assert faulty.get(f"/bad_header?{number}").before_head
    faulty.wait_log("web: GET /bad_header raised ValueError: Content-Length abc is no number, so the response is not sent (500): "
                    "write the bytes of the body in digits, or leave Content-Length out")


@pytest.mark.parametrize("number", range(len(faulty_app.RESULTS)))
def test_bad_result(faulty, number):
    assert faulty.get(f"/bad_result?{number}").before_head
    faulty.wait_log("bad_result raised TypeError: ")


@pytest.mark.parametrize("path", ["/raises", "/raises_after_start", "/no_start", "/no_start_empty", "/starts_twice"])
def test_failed_before_the_head(faulty, path):
    response = faulty.get(path)
    assert response.aborted and response.before_head and response.status == 0
    assert faulty.get("/").body == b"Hello, world\n"
    faulty.settle()


@pytest.mark.parametrize("path", ["/raises_midway", "/text_midway", "/replaced_too_late"])
def test_failed_after_the_head(faulty, path):
    response = faulty.get(path)
    assert (response.status, response.body, response.aborted, response.before_head) == (200, b"begun", True, False)


def test_the_log_has_the_users_line_first_and_cannot_be_forged(faulty):
    faulty.get("/raises")
    faulty.wait_log("error[CW0502] web: GET /raises ")
    faulty.get("/")
    lines = faulty.log[faulty.log.rindex("error[CW0502] web: GET /raises "):].splitlines()
    assert lines[0].startswith(r"error[CW0502] web: GET /raises raised ValueError: boom\nerror[CW0000]")
    assert "\x1b" not in faulty.log
    assert lines[1].startswith("  at faulty.py:") and "in raises(): raise ValueError(" in lines[1]
    assert lines[2].startswith("  Traceback")
    assert not any(line.startswith("error[CW0000]") for line in lines)
    assert "main.py" not in faulty.log and "zygote.py" not in faulty.log


def test_exc_info_replaces_the_head(faulty):
    response = faulty.get("/replaced")
    assert (response.status, response.reason, response.body) == (503, "Busy", b"replaced")
    assert response.headers == [("X-Replaced", "yes")]


def test_kept_callables_raise(faulty):
    faulty.get("/keeps_start_response")
    faulty.get("/")
    assert faulty.get("/uses_kept").body == (
        b"start_response() was called after its request had ended|write() was called after its request had ended")


# ---- back-pressure and lost clients


def test_an_unread_response_stops_at_its_credit(faulty):
    ticket = faulty.submit("GET", "/endless")
    sizes = []

    def note(response, frame):
        sizes.append(len(response.body))

    with pytest.raises(TimeoutError):
        faulty.collect(ticket, credit=False, seconds=0.7, on_frame=note)
    assert sizes[-1] == INITIAL_CREDIT
    faulty.links[0].send_down(0, CREDIT, *ticket, 1000)
    faulty.links[0].wake_workers()
    with pytest.raises(TimeoutError):
        faulty.collect(ticket, credit=False, seconds=0.3, on_frame=note)
    assert sizes[-1] == 1000
    faulty.links[0].send_down(0, CREDIT, *ticket, 16384)
    faulty.links[0].wake_workers()
    faulty.collect(ticket, until=lambda response: len(response.body) > 1_000_000)
    _send_until_released(faulty, ticket, DISCONNECT)
    assert int(faulty.get("/endless_count").body) > 60


@pytest.mark.parametrize("kind", [DISCONNECT, CANCEL])
def test_a_lost_client_ends_the_iteration(faulty, kind):
    ticket = faulty.submit("GET", "/endless")
    faulty.collect(ticket, until=lambda r: len(r.body) > 100_000)
    _send_until_released(faulty, ticket, kind)
    assert faulty.get("/endless_count").body.isdigit()


def _send_until_released(bridge, ticket, kind):
    bridge.links[0].send_down(0, kind, *ticket, 0)
    bridge.links[0].wake_workers()
    bridge.settle()


# ---- files


def content(size):
    return bytes(i % 251 for i in range(size))


@pytest.mark.parametrize("size, offset", [(0, 0), (100, 0), (70_000, 0), (70_000, 69_000), (300_000, 0), (300_000, 17)])
def test_file_wrapper(faulty, size, offset):
    response = faulty.get(f"/file?{size},{offset}")
    assert (response.body, response.length) == (content(size)[offset:], size - offset)
    assert any(kind == FILE for kind, _ in response.frames) == (size - offset > 65536)
    faulty.settle()
    assert faulty.get("/file_closed").body == b"True"


@pytest.mark.parametrize("size", [5_000, 300_000])
def test_file_wrapper_stops_at_content_length(faulty, size):
    response = faulty.get(f"/file?{size},10,{size // 2}")
    assert (response.body, response.aborted) == (content(size)[10:10 + size // 2], False)
    assert f"/file?{size}" not in faulty.log


@pytest.mark.parametrize("size", [5_000, 300_000])
def test_file_shorter_than_content_length(faulty, size):
    response = faulty.get(f"/file?{size},0,{size + 1}")
    assert (response.body, response.aborted, response.before_head) == (content(size), True, False)


def test_file_wrapper_reads_what_is_no_plain_file(faulty):
    assert faulty.get("/file_without_fileno").body == b"x" * 20_000
    assert faulty.get("/file_with_own_read").body == b"TEXT"
    assert faulty.get("/file_closed_early").before_head


# ---- processes


@pytest.mark.parametrize("path, status", [("/forks", 0), ("/forks_and_exits", 7), ("/forks_and_reads", 5)])
def test_a_forked_child_never_answers(faulty, path, status):
    response = faulty.request("POST", path, body=b"x" * 100)
    assert response.body == b"child ended with %d" % status
    assert faulty.get("/").body == b"Hello, world\n"


def test_system_exit_ends_the_worker(start):
    bridge = start("faulty:application")
    bridge.channel.expect("imported")
    worker = bridge.start_worker()
    assert bridge.get("/exits").before_head
    assert worker.channel.expect("exiting")["reason"] == "system_exit"
    assert worker.wait() == 0
    bridge.wait_log("raised SystemExit: 3")
    bridge.wait_log("CW0505")
    bridge.start_worker(1)
    assert bridge.get("/").status == 200


def test_a_worker_without_descriptors_ends(start):
    bridge = start("faulty:application")
    bridge.channel.expect("imported")
    worker = bridge.start_worker()
    bridge.get("/closes_descriptors", seconds=5)
    assert worker.wait() == 1
    bridge.wait_log("did the application close them?")


def test_term_finishes_the_running_request(start):
    bridge = start("faulty:application")
    bridge.channel.expect("imported")
    worker = bridge.start_worker()
    ticket = bridge.submit("GET", "/sleeps?0.5")
    pid = worker.pid
    time.sleep(0.2)
    os.kill(pid, signal.SIGTERM)
    assert bridge.collect(ticket).body == b"slept"
    assert worker.channel.expect("exiting")["reason"] == "terminated"
    assert worker.wait() == 0


@pytest.mark.parametrize("end", ["retire", "quit", "term", "int", "close"])
def test_an_idle_worker_ends_at_once(start, end):
    bridge = start("faulty:application")
    bridge.channel.expect("imported")
    worker = bridge.start_worker()
    if end == "retire":
        worker.retire()
    elif end == "quit":
        worker.channel.send("quit")
    elif end == "term":
        os.kill(worker.pid, signal.SIGTERM)
    elif end == "close":
        worker.channel.ours.close()
    else:
        os.kill(worker.pid, signal.SIGINT)
        assert bridge.get("/").status == 200  # a terminal sends INT to all: the master decides
        worker.retire()
    assert worker.wait(3) == 0


def test_a_busy_worker_ends_soon_after_the_master(start):
    bridge = start("faulty:application")
    bridge.channel.expect("imported")
    worker = bridge.start_worker()
    bridge.submit("GET", "/sleeps?60")
    time.sleep(0.3)  # it has begun
    worker.channel.ours.close()
    assert worker.wait(6) == -signal.SIGKILL


def test_two_fronts(start):
    bridge = start("faulty:application", fronts=2)
    bridge.channel.expect("imported")
    bridge.start_worker()
    for _ in range(20):
        tickets = [bridge.submit("GET", "/", front=front) for front in (0, 1)]
        for front, ticket in enumerate(tickets):
            assert bridge.collect(ticket, front=front).body == b"Hello, world\n"


def test_two_workers_share_the_queue(start):
    bridge = start("faulty:application")
    bridge.channel.expect("imported")
    workers = [bridge.start_worker(lane) for lane in (0, 1)]
    slow = bridge.submit("GET", "/sleeps?1")
    assert {bridge.get("/pid").body for _ in range(10)} <= {str(worker.pid).encode() for worker in workers}
    assert bridge.collect(slow).body == b"slept"


def test_nothing_leaks(start, every_python):
    bridge = start("faulty:application", python=every_python)
    bridge.channel.expect("imported")
    worker = bridge.start_worker()
    paths = ["/", "/several", "/generator", "/writes", "/closable", "/replaced", "/file?70000", "/file?100",
             "/bad_header?3", "/bad_status?0", "/bad_result?1", "/echo", "/reads?iter"]

    def round_of(count):
        for _ in range(count):
            for path in paths:
                bridge.request("POST", path, [("X-Header", "value"), ("Content-Type", "a/b")], b"line\n" * 200)

    def resident():
        with open(f"/proc/{worker.pid}/statm") as file:
            return int(file.read().split()[1]) * 4

    def descriptors():
        return len(os.listdir(f"/proc/{worker.pid}/fd"))

    round_of(30)
    memory, open_files = resident(), descriptors()
    round_of(100)
    assert resident() - memory < 300, "kilobytes grew"  # one leaked object a request would be over 1000 x 50 bytes
    assert descriptors() == open_files
