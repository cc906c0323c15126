"""SIGHUP and pools: what their processes read at their start is read anew, and no request is lost."""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import processes
from support.processes import wait_until
from test_php import site, works_on_to_its_end  # noqa: F401 (a fixture)
from test_pools import begin, php, pool_processes, read_chunk  # noqa: F401 (a fixture)

pytestmark = pytest.mark.timeout(90)


def test_hangup_replaces_the_processes(php, folder):
    """Idle ones at once, busy ones behind their request: what they read at their start is read anew, and nobody waits in vain."""
    ini = folder / "flags" / "php.ini"
    ini.write_text("user_agent = before\n")
    server = php(f'env = {{ PHPRC = "{folder}/flags" }}\n', processes="2")
    server.check_leaks = False
    wait_until(lambda: len(pool_processes(server)) == 2, 5, "both processes")
    before = set(pool_processes(server))
    flag = folder / "flags" / "go"
    waiting, busy = begin(server, f"/wait.php?until={flag}")
    assert server.get("/ini.php").text.startswith("before ")
    ini.write_text("user_agent = behind\n")
    server.signal(signal.SIGHUP)
    server.log.wait_for("the processes of pools make way for new ones")
    wait_until(lambda: len(before & set(pool_processes(server))) == 1, 5, "the idle one to end")
    assert server.get("/ini.php").text.startswith("behind ")
    assert processes.alive(int(busy))
    with waiting:
        flag.touch()
        assert read_chunk(waiting) == "done\n"
    wait_until(lambda: not before & set(pool_processes(server)) and len(pool_processes(server)) == 2, 5, "both new ones")
    with ThreadPoolExecutor(4) as threads:
        assert {answer.text.split()[0] for answer in threads.map(lambda _: server.get("/ini.php"), range(20))} == {"behind"}


def test_a_storm_of_hangups_loses_no_request(php):
    server = php(processes='{ min = 2, max = 3, idle = "300ms" }')
    server.check_leaks = False
    stop = threading.Event()

    def ask(_):
        statuses = set()
        with server.connect() as client:
            while not stop.is_set():
                statuses.add(client.request("POST", "/pid.php", body=b"a").status)
        return statuses

    with ThreadPoolExecutor(3) as threads:
        asking = threads.map(ask, range(3))
        for number in range(1, 11):
            before = set(pool_processes(server))
            server.signal(signal.SIGHUP)
            wait_until(lambda: server.log.count("make way for new ones") >= number, 5, "the reload")
            wait_until(lambda: not before & set(pool_processes(server)), 5, "the old ones to end")
        stop.set()
        assert set().union(*asking) == {200}


def test_hangup_changes_no_setting_of_a_pool(php):
    server = php(processes="1", allow=["CW0808"])
    server.check_leaks = False
    file = server.folder / "cutwater.toml"
    file.write_text(file.read_text().replace("processes = 1", "processes = 3"))
    wait_until(lambda: pool_processes(server), 5, "the process")
    before = pool_processes(server)
    server.signal(signal.SIGHUP)
    server.log.wait_for(r"CW0808\] changes of pools take effect at the next restart")
    wait_until(lambda: len(pool_processes(server)) == 1 and pool_processes(server) != before, 5, "the new process")


def test_a_broken_configuration_replaces_nothing(php):
    server = php(processes="1", allow=[r"CW\d+"])
    server.check_leaks = False
    wait_until(lambda: pool_processes(server), 5, "the process")
    pid = server.get("/pid.php").text
    file = server.folder / "cutwater.toml"
    file.write_text(file.read_text() + "broken\n")
    server.signal(signal.SIGHUP)
    server.log.wait_for("CW0807")
    assert server.get("/pid.php").text == pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_works_on_behind_its_answer_is_no_less_finished(php, folder, number):
    server = php()
    server.check_leaks = False
    works_on_to_its_end(server, number, folder / "flags" / "go", folder / "flags" / "done")
