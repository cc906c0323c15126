"""The error log: what workers and apps say goes where everything else goes, and holds nobody up."""

import json
import os
import re
import signal
import subprocess

import pytest

from support.client import Client
from support.processes import wait_until

pytestmark = pytest.mark.timeout(60)

APP = """
import os, subprocess, sys, time
def application(environ, start_response):
    what = environ["PATH_INFO"]
    if what.startswith("/raise"):
        raise ValueError("the app's own words")
    if what == "/long":
        raise ValueError("x" * 200_000 + " the end")
    if what == "/exit":
        sys.exit(1)
    if what == "/print":
        print("printed by the app", file=sys.stderr)
    if what == "/read":
        try:
            os.read(2, 1)
        except OSError as error:
            what = error.strerror
    if what == "/late":
        open("asked", "x").close()
        while not os.path.exists("go"):
            time.sleep(0.01)
        print("too late", file=sys.stderr)
    if what == "/leave":
        subprocess.Popen(["/bin/sh", "-c", "echo begun >&2; while echo going on >&2; do sleep 0.05; done"], start_new_session=True)
    if what == "/stderr":
        with open("/dev/stderr", "w") as stream:
            stream.write("by its name\\n")
    if what == "/abort":
        os.write(2, b"last words, without an end")
        os.abort()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [what.encode()]
"""
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "


@pytest.fixture
def place(folder):
    place = folder / "hello"
    place.mkdir()
    (place / "app.py").write_text(APP)
    return place


def start_quiet(serve, place, **options):
    """A server that does not say on standard error where it listens."""
    address = str(place / "s.sock")
    server = serve(listen=f"unix:{address}", ready=False, **options)
    server.addresses = [address]
    wait_until(lambda: answers(address), 30, "the server")
    return server


def answers(address):
    try:
        with Client(address) as client:
            return client.request("GET", "/").status == 200
    except OSError:
        return False


def test_a_file_gets_all_that_workers_and_apps_say(serve, place):
    server = start_quiet(serve, place, config='[log]\nerror = "errors.log"\n')
    log = place / "errors.log"
    assert server.get("/raise").status == 500
    wait_until(lambda: "ValueError: the app's own words" in log.read_text(), 5, "the traceback")
    assert server.get("/print").status == 200
    wait_until(lambda: "\nprinted by the app\n" in log.read_text(), 5, "what the app printed")
    log.rename(place / "errors.1")
    server.signal(signal.SIGUSR1)
    wait_until(log.exists, 5, "the new file")
    assert server.get("/print").status == 200
    wait_until(lambda: log.read_text() == "printed by the app\n", 5, "what the app printed next")
    assert server.get("/abort").status == 502
    wait_until(lambda: "CW0521" in log.read_text(), 5, "the worker's death")
    server.stop()
    before, after = (place / "errors.1").read_text(), log.read_text()
    assert re.search(rf"^{TIME}error\[CW0502\] web: GET /raise raised ValueError: the app's own words\n  at app.py:6 ", before, re.MULTILINE)
    assert re.search("^  Traceback ", before, re.MULTILINE) and "last words, without an end" in after
    assert not [line for line in server.log.lines if "app.py" in line and "CW0502" in line] and "printed" not in server.log.text


def test_apps_need_no_right_to_the_file(serve, place):
    if os.getuid() != 0:
        pytest.skip("only root can run the app as somebody else")
    server = start_quiet(serve, place, config='[log]\nerror = "errors.log"\n', user="daemon")
    assert (place / "errors.log").stat().st_uid == 0
    assert server.get("/print").status == server.get("/stderr").status == 200
    wait_until(lambda: (place / "errors.log").read_text().endswith("printed by the app\nby its name\n"), 5, "what the app wrote")


def test_an_app_reads_nothing_there_and_leaves_nobody_waiting(serve, place):
    """What an app started may outlive the server; with its log gone it ends as with any pipe that nobody reads."""
    server = start_quiet(serve, place, config='[log]\nerror = "errors.log"\n')
    assert server.get("/read").text == "Bad file descriptor"
    assert server.get("/leave").status == 200
    wait_until(lambda: "begun\n" in (place / "errors.log").read_text(), 5, "the program's first line")
    server.stop()  # looks for processes that are left


def test_without_a_master_what_runs_does_not_fail_at_a_word(serve, place):
    server = start_quiet(serve, place, config='[log]\nerror = "errors.log"\n')
    with Client(server.address) as client:
        client.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until((place / "asked").exists, 10, "the request to run")
        server.signal(signal.SIGKILL)
        server.expected_exit = -signal.SIGKILL
        server.wait_exit()
        (place / "go").touch()
        assert client.read_response().text == "/late"
    server.check_leaks = False


def test_as_json(serve, place):
    server = serve(arguments=["--json"], allow=[".*"])
    assert server.get("/raise").status == 500
    server.log.wait_for("CW0502")
    entry = next(entry for entry in map(json.loads, server.log.lines) if entry.get("code") == "CW0502")
    assert entry["severity"] == "error" and "time" in entry
    assert entry["text"].startswith("web: GET /raise raised ValueError: the app's own words\nat app.py:6 ")


def test_the_level_holds_for_workers_too(serve, place):
    server = start_quiet(serve, place, config='[log]\nlevel = "error"\n', allow=["CW0502"])
    assert server.get("/exit").status == 500  # an error of the request, a warning of the worker that ends
    server.log.wait_for("CW0502.*SystemExit")
    wait_until(lambda: server.get("/").status == 200, 10, "another worker")
    server.stop()
    assert not server.log.count("CW0505|serving")


def test_a_long_message_keeps_beginning_and_end(serve, place):
    server = serve(allow=["CW0502"])
    assert server.get("/long").status == 500
    server.log.wait_for("GET /long raised ValueError: xxx")
    server.log.wait_for(r"\d+ characters more")
    server.log.wait_for("x the end$")
    assert server.get("/").status == 200


def test_a_log_that_nobody_reads_holds_nobody_up(binary, place, app_python):
    """The pipe takes 64 KiB, about a hundred tracebacks; what comes then is lost, and counted when it is read again."""
    address = str(place / "s.sock")
    command = [binary, "serve", "app:application", "-b", f"unix:{address}", "-w", "1", "--access-log", "off", "--python", app_python]
    process = subprocess.Popen(command, cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: answers(address), 30, "the server")
        with Client(address) as client:
            assert {client.request("GET", f"/raise/{number}").status for number in range(400)} == {500}  # the same would be counted
            assert client.request("GET", "/").status == 200
        os.set_blocking(process.stderr.fileno(), False)
        while process.stderr.read(65536):
            pass
        with Client(address) as client:
            assert client.request("GET", "/raise").status == 500
        os.set_blocking(process.stderr.fileno(), True)
        process.send_signal(signal.SIGTERM)
        assert re.search(rb"\d{2,3} messages were lost here", process.stderr.read())
    finally:
        process.send_signal(signal.SIGTERM)
        process.stderr.close()
        assert process.wait(20) == 0


def test_what_fails_again_and_again_is_counted(serve):
    server = serve("kit", allow=[r"CW0502"])
    with server.connect() as client:
        for _ in range(30):
            assert client.request("GET", "/big").status == 500
    blocks = r"error\[CW0502\] web: GET /big raised"
    again = re.compile(r"CW0502\] web: GET /big raised .* \(the same (\d+) more times\)")
    wait_until(lambda: server.log.count(blocks) + sum(int(m[1]) - 1 for m in map(again.search, server.log.lines) if m) == 30, 10, "all to be counted")
    assert server.log.count("Traceback") < 30
