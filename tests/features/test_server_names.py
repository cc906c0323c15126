"""Servers that are named: all their addresses are used, and what the name says later is heard (faults.md 119)."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from support import peers
from support.processes import wait_until
from test_proxy import gateway, peer, proxy  # noqa: F401

pytestmark = pytest.mark.timeout(90)


class Resolver:
    """Answers for names that end in ".test", in the server under test alone."""

    def __init__(self, folder, monkeypatch):
        library = folder / "resolver.so"
        source = Path(__file__).parent.parent / "support" / "resolver.c"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        library.chmod(0o755)
        self.file = folder / "names"
        monkeypatch.setenv("LD_PRELOAD", str(library))
        monkeypatch.setenv("RESOLVER_FILE", str(self.file))
        self.say("")

    def say(self, text):
        new = self.file.with_suffix(".new")
        new.write_text(text + "\n")
        new.chmod(0o644)
        os.replace(new, self.file)


@pytest.fixture
def resolver(folder, monkeypatch, sanitized):
    if sanitized:
        pytest.skip("the sanitizer must be loaded before any other library; the release build is tested")
    return Resolver(folder, monkeypatch)


@pytest.fixture
def places(peer):  # noqa: F811
    """Servers at one port of several addresses; each answers with its address."""

    def start(*addresses):
        first = socket.create_server((addresses[0], 0))
        port = first.getsockname()[1]
        listeners = [first, *(socket.create_server((address, port)) for address in addresses[1:])]
        return port, [
            peer(peers.RawPeer, peers.answering(peers.response(address.encode())), listener)
            for address, listener in zip(addresses, listeners, strict=True)
        ]

    return start


def upstream(port, name="api.test", **settings):
    lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
    return f'[upstream.api]\nservers = ["{name}:{port}"]\nlook_up = "100ms"\nbalance = "round_robin"\n{lines}'


def answers(server, count=12):
    return {server.get("/").text for _ in range(count)}


def test_each_address_is_a_server(serve, resolver, places):
    port, _ = places("127.0.0.2", "127.0.0.3", "127.0.0.4")
    resolver.say("api.test 127.0.0.2 127.0.0.3")
    server = gateway(serve, proxy("api", upstream=upstream(port)))
    assert answers(server) == {"127.0.0.2", "127.0.0.3"}
    resolver.say("api.test 127.0.0.3 127.0.0.4")
    server.log.wait_for(f"upstream api: api.test:{port} is 127.0.0.3, 127.0.0.4 now")
    assert answers(server) == {"127.0.0.3", "127.0.0.4"}


def test_one_that_leaves_finishes_what_it_runs(serve, resolver, places):
    port, (old, _new) = places("127.0.0.2", "127.0.0.3")

    def script(connection, request):
        if request.startswith(b"GET /long "):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
            server.log.wait_for("127.0.0.3 now")
            wait_until(lambda: server.get("/").text == "127.0.0.3", 5, "the other one")
            connection.sendall(b"def")
        else:
            connection.sendall(peers.response(b"old"))

    old.script = script
    resolver.say("api.test 127.0.0.2")
    server = gateway(serve, proxy("api", upstream=upstream(port)))
    assert answers(server) == {"old"}
    with server.connect() as client:
        client.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
        client.read_head()
        resolver.say("api.test 127.0.0.3")
        assert client.read_exactly(6) == b"abcdef"
    wait_until(lambda: not old.open, 5, "the connections to the old one to end")
    assert answers(server) == {"127.0.0.3"}


@pytest.mark.parametrize("answer", ["other.test 127.0.0.9", "api.test !"], ids=["unknown", "no answer"])
def test_a_name_that_is_lost_keeps_its_addresses(serve, resolver, places, answer):
    port, _ = places("127.0.0.2")
    resolver.say("api.test 127.0.0.2")
    server = gateway(serve, proxy("api", upstream=upstream(port)), allow=[r"CW0601"])
    assert answers(server) == {"127.0.0.2"}
    resolver.say(answer)
    server.log.wait_for(rf"warning\[CW0601\] upstream api: api\.test:{port}: .*; the addresses it had stay in use")
    assert answers(server) == {"127.0.0.2"}
    resolver.say("api.test 127.0.0.2")
    server.log.wait_for("is 127.0.0.2 now")
    assert server.log.count("CW0601") == 1


def test_a_name_that_is_known_later(serve, resolver, places):
    port, _ = places("127.0.0.2")
    server = gateway(serve, proxy("api", upstream=upstream(port)), allow=[r"CW0601", r"CW0607"])
    assert server.get("/").status == 503
    resolver.say("api.test 127.0.0.2")
    server.log.wait_for("is 127.0.0.2 now")
    assert answers(server) == {"127.0.0.2"}


def test_a_dead_address_is_passed_over_and_named(serve, resolver, places):
    port, _ = places("127.0.0.2")
    resolver.say("api.test 127.0.0.2 127.0.0.3")
    server = gateway(serve, proxy(f"http://api.test:{port}"), allow=[r"CW0602", r"CW0603"])
    assert answers(server) == {"127.0.0.2"}
    server.log.wait_for(rf"error\[CW0602\] upstream api\.test:{port}: \(127\.0\.0\.3\) cannot be reached: Connection refused")


def test_the_host_of_a_check_is_the_name(serve, resolver, places):
    port, (one, _) = places("127.0.0.2", "127.0.0.3")
    resolver.say("api.test 127.0.0.2 127.0.0.3")
    server = gateway(serve, proxy("api", upstream=upstream(port, check='{ path = "/well", every = "100ms" }')))
    one.wait_for_requests(2)
    assert f"\r\nHost: api.test:{port}\r\n".encode() in one.requests[0]
    assert answers(server) == {"127.0.0.2", "127.0.0.3"}


def test_nobody_waits_for_a_resolver_that_hangs(serve, resolver, places):
    port, _ = places("127.0.0.2")
    resolver.say("api.test 127.0.0.2")
    server = gateway(serve, proxy("api", upstream=upstream(port)))
    resolver.say("api.test ~")
    server.log.wait_for("the resolver hangs")
    assert answers(server) == {"127.0.0.2"}
    server.signal(signal.SIGTERM)
    server.wait_exit(5)
