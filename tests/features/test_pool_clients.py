"""Clients that leave, or take their answers slowly, while a process of a pool works for them."""

import os
import signal

import pytest

from support import gateway_peers as gateways
from support.processes import wait_until
from test_gateway_clients import gateway
from test_php import site  # noqa: F401 (a fixture)
from test_pools import POOL_USER, begin, php, pool_processes  # noqa: F401 (a fixture)

pytestmark = pytest.mark.timeout(90)


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_client_that_leaves(php, folder, leave):
    server = php('timeout = "1s"\n', processes="1", allow=["CW0714"])
    server.check_leaks = False
    pid = server.get("/pid.php").text
    for _ in range(5):
        client, _ = begin(server, "/endless.php")
        getattr(client, leave)()
        assert server.get("/pid.php").text == pid, "what it writes fails, and it goes on with the next"
    assert server.log.count(r"CW0714\]") == 0
    leave_busy(server, folder, leave, f"{folder}/never")
    assert server.get("/pid.php").text != pid, "it never writes: its time ends it"
    server.log.wait_for("CW0714.*GET /quiet.php")
    assert server.log.count(r"CW0714\]") == 1


def leave_busy(server, folder, leave, until):
    """A client that is gone while its process goes on, and says nothing to anybody."""
    begun = folder / "flags" / "begun"
    client = server.connect()
    client.send(f"GET /quiet.php?until={until}&begun={begun} HTTP/1.1\r\nHost: a\r\n\r\n")
    wait_until(begun.exists, 10, "the request to begin")
    getattr(client, leave)()


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_nobody_gets_the_busy_process_of_a_client_that_left(php, folder, leave):
    server = php(processes='{ max = 2, idle = "300ms" }')
    pid = server.get("/pid.php").text
    flag = folder / "flags" / "go"
    leave_busy(server, folder, leave, flag)
    others = {server.get("/pid.php").text for _ in range(5)}
    assert len(others) == 1 and pid not in others
    flag.touch()
    with server.connect() as client:  # both are busy at once when it is free again
        waiting, text = begin(server, f"/wait.php?until={folder}/flags/again")
        with waiting:
            seen = {text, client.request("GET", "/pid.php").text}
            (folder / "flags" / "again").touch()
    assert seen == {pid, *others}


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_who_comes_behind_a_client_that_left_waits_in_the_line(php, folder, leave):
    server = php('queue_timeout = "200ms"\ntimeout = "30s"\n', processes="1", allow=["CW0716"])
    server.check_leaks = False
    pid = server.get("/pid.php").text
    flag = folder / "flags" / "go"
    leave_busy(server, folder, leave, flag)
    assert server.get("/pid.php").status == 503
    flag.touch()
    assert wait_until(lambda: server.get("/pid.php").text.startswith(pid) and pid, 5, "the process to be free") == pid


def test_a_page_that_goes_on_without_its_client(php, folder):
    """ignore_user_abort: to its end, and nobody has its process meanwhile."""
    server = php('queue_timeout = "200ms"\n', processes="1", allow=["CW0716"])
    server.check_leaks = False
    pid = server.get("/pid.php").text
    flag, done = folder / "flags" / "go", folder / "flags" / "done"
    client, _ = begin(server, f"/stubborn.php?until={flag}&done={done}")
    client.reset()
    assert server.get("/pid.php").status == 503
    flag.touch()
    assert wait_until(lambda: server.get("/pid.php").text.startswith(pid) and pid, 5, "the process to be free") == pid
    assert done.exists()


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_libfcgi_program_whose_client_left(serve, folder, leave):
    """Every server of FastCGI accepts the next connection when it is done with one, and takes an empty one for no request."""
    built = gateways.libfcgi_program(folder)
    config = (
        f'[pool.lib]\ncommand = "{built}"\nuser = "{POOL_USER}"\nprocesses = 1\n'
        '[[site]]\n[[site.route]]\nmatch = { path = "/*" }\nfastcgi = { to = "lib", buffer = true }\n'
    )
    server = gateway(serve, config, allow=["CW0608"])
    server.check_leaks = False
    before = wait_until(lambda: pool_processes(server), 5, "the process")
    for _ in range(20):
        client = server.connect()
        client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n" + "a" * 10_000)
        getattr(client, leave)()
        assert server.request("POST", "/x", body=b"four").text.endswith("body 4\n")
    assert pool_processes(server) == before


@pytest.mark.parametrize("where", ["", "&direct"])
def test_a_slow_client_keeps_no_place_of_a_process_that_died(php, folder, where):
    server = php(processes="1", allow=["CW0712", "CW0604"])
    server.check_leaks = False
    count = folder / "flags" / "count"
    with server.connect(receive_buffer=4096) as client:
        client.send(f"GET /large.php?count={count}{where} HTTP/1.1\r\nHost: a\r\n\r\n")
        client.read_head()
        sizes = []

        def stands():
            sizes.append(count.stat().st_size if count.exists() else 0)
            return len(sizes) > 50 and sizes[-1] > 0 and sizes[-1] == sizes[-50]

        wait_until(stands, 20, "nothing more to be taken of it")
        assert (sizes[-1] == 300) == (where == ""), sizes[-1]
        victim, = pool_processes(server)
        os.kill(victim, signal.SIGKILL)
        assert server.get("/pid.php").status == 200
        assert server.log.count("CW0716") == 0
        server.log.wait_for(rf"CW0712\] pool php: process {victim} was killed by SIGKILL.* while it ran GET /large\.php")


def test_what_waits_leaves(php, folder):
    server = php(processes="1")
    server.check_leaks = False
    flag = folder / "flags" / "go"
    waiting, _ = begin(server, f"/wait.php?until={flag}")
    begun = folder / "flags" / "begun"
    with waiting:
        with server.connect() as client:
            client.send("GET /other/a.txt HTTP/1.1\r\nHost: a\r\n\r\n")  # the front watches the connection from here on
            assert client.read_response().status == 200
            client.send(f"GET /quiet.php?until={flag}&begun={begun} HTTP/1.1\r\nHost: a\r\n\r\n")
            assert server.get("/other/a.txt").status == 200
            client.reset()
        assert server.get("/other/a.txt").status == 200
        flag.touch()
        assert server.get("/pid.php").status == 200
    assert not begun.exists()
