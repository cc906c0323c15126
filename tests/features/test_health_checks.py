"""Servers behind us are asked whether they are well, in each protocol; who is not gets no requests."""

import pytest

from support import gateway_peers, peers
from support.processes import wait_until
from test_gateway_clients import PROTOCOLS, copied, gateway, peer, route  # noqa: F401 (a fixture)
from test_php import php_fpm, site  # noqa: F401 (a fixture)

pytestmark = pytest.mark.timeout(90)


def checked(*servers, path, every="100ms", more=""):
    urls = ", ".join(f'"{getattr(server, "url", server)}"' for server in servers)
    check = f'check = {{ path = "{path}", every = "{every}" }}'
    return f'[upstream.api]\nservers = [{urls}]\nbalance = "round_robin"\n{check}\n{more}'


class Patient:
    """A raw server whose health the test decides."""

    def __init__(self, name):
        self.name, self.well, self.checks = name, True, 0

    def __call__(self, connection, request):
        if request.startswith(b"GET /readyz?full=1 "):
            self.checks += 1
            connection.sendall(peers.response(status="204 Well" if self.well else "503 Not now"))
            return False
        connection.sendall(peers.response(self.name))
        return True


def test_who_fails_gets_no_requests_until_it_passes(serve, peer):  # noqa: F811
    patients = [Patient(b"one"), Patient(b"two")]
    servers = [peer(peers.RawPeer, patient) for patient in patients]
    config = route("proxy", "api", before=checked(*servers, path="/readyz?full=1"))
    server = gateway(serve, config, allow=[r"CW0620", r"CW0607", r"passes its check"])
    wait_until(lambda: all(patient.checks >= 3 for patient in patients), what="checks")
    assert {server.get("/").text for _ in range(4)} == {"one", "two"}
    asked = next(request for request in servers[0].requests if b"/readyz" in request).decode()
    assert f"\r\nHost: {servers[0].url.removeprefix('http://')}\r\n" in asked and "\r\nUser-Agent: Cutwater/" in asked

    patients[0].well = False
    server.log.wait_for(r"warning\[CW0620\] upstream api: 127\.0\.0\.1:\d+ fails its check GET /readyz\?full=1: answered 503; it gets no")
    assert {server.get("/").text for _ in range(6)} == {"two"}
    patients[1].well = False
    wait_until(lambda: server.log.count("CW0620") == 2, what="both to fail")
    assert server.get("/").status == 503

    patients[0].well = True
    server.log.wait_for(r"upstream api: 127\.0\.0\.1:\d+ passes its check again")
    assert {server.get("/").text for _ in range(4)} == {"one"}


def test_a_server_that_hangs_is_found_by_its_check(serve, peer):  # noqa: F811
    hangs = peer(peers.RawPeer, lambda _connection, _request: True)
    works = peer(peers.RawPeer, peers.answering(peers.response(b"fine")))
    config = route("proxy", "api", before=checked(hangs, works, path="/"))
    server = gateway(serve, config, allow=[r"CW0620", r"CW0607"])
    server.log.wait_for(r"CW0620.* did not answer in time")
    assert {server.get("/x").text for _ in range(6)} == {"fine"}
    assert not any(b"GET /x" in request for request in hangs.requests)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_in_each_protocol(serve, peer, folder, protocol):  # noqa: F811
    behind = peer(gateway_peers.uwsgi, copied(folder), protocol)
    sick = route(protocol, "api", before=checked(behind, path="/status?s=500%20Sick", every="1s"))
    server = gateway(serve, sick, allow=[r"CW0620", r"CW0607"])
    server.log.wait_for(r"CW0620.*GET /status\?s=500%20Sick: answered 500")
    assert server.get("/version").status == 503

    well = route(protocol, "api", before=checked(behind, path="/version"))
    server = gateway(serve, well)
    wait_until(lambda: behind.log.count("GET /version") >= 3, what="checks in uWSGI's log")
    assert server.get("/version").status == 200


def test_ping_of_php_fpm(serve, peer, folder, site):  # noqa: F811
    address = f"unix:{folder / 'fpm' / 'php.sock'}"
    config = route("fastcgi", "api", more=f', root = "{site}"', before=checked(address, path="/ping"))
    server = gateway(serve, config, allow=[r"CW0620", r"CW0607", r"passes its check", r"CW0604"])
    server.log.wait_for(r"CW0620.* cannot be reached: No such file or directory")
    assert server.get("/").status == 503
    behind = peer(php_fpm, folder)
    server.log.wait_for(r"passes its check again")
    assert server.get("/").text == "index of /index.php\n"
    behind.kill()
    wait_until(lambda: server.log.count("CW0620") == 2, what="the check to fail")
    assert server.get("/").status == 503


def test_mistakes_are_named(run_binary, folder):
    place = folder / "mistaken"
    place.mkdir()
    for check, code, words in (
        ("{}", "CW0109", "upstream.api.check has no path"),
        ('{ path = "readyz" }', "CW0103", 'upstream.api.check.path: "readyz" is no URL path'),
        ('{ path = "/", evry = "1s" }', "CW0101", 'did you mean "every"?'),
    ):
        config = f'[upstream.api]\nservers = ["http://127.0.0.1:9"]\ncheck = {check}\n'
        (place / "cutwater.toml").write_text(config + route("proxy", "api"))
        done = run_binary("check", cwd=place)
        said = done.stdout + done.stderr
        assert done.returncode == 2 and code in said and words in said, said
