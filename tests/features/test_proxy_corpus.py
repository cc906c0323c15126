"""The HTTP/1 corpus through a proxy route: what arrives behind it is as many requests as were let through, and each of them
framed once (faults.md 34)."""

import re

import pytest

from features.test_http1_corpus import converse, matches
from support import peers
from support.corpus import cases

pytestmark = pytest.mark.timeout(60)
# What is answered without asking anybody else.
OWN = {b"OPTIONS * "}


@pytest.fixture(scope="module")
def behind():
    peer = peers.RawPeer(peers.answering(peers.response()))
    yield peer
    peer.stop()


@pytest.fixture(scope="module")
def server_for(serve_module, behind):
    """A server whose body limit is the case's, with all it gets going to the one behind."""
    servers = {}

    def start(limit):
        if limit not in servers:
            config = f'[limits]\nbody = "{limit}B"\nheader_timeout = "5s"\n[log]\naccess = "off"\n'
            route = f'[[site]]\n[[site.route]]\nmatch = {{ path = "/*" }}\nproxy = {{ to = "{behind.url}" }}\n'
            servers[limit] = serve_module("kit", config=config + route, allow=[r".*"])
            servers[limit].check_leaks = False  # it keeps a connection to the one behind
        return servers[limit]

    return start


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_case(server_for, behind, case):
    server = server_for(case.limit_body)
    before = len(behind.requests)
    statuses, rest = converse(server, case, "whole")
    assert len(statuses) <= len(case.expect), f"{case.expect} but got {statuses}"
    for number, word in enumerate(case.expect):
        status = statuses[number] if number < len(statuses) else None
        assert matches(word, status), f"{case.expect} but got {statuses}, then {rest[:300]!r}"
    requests = behind.requests[before:]
    let_through = 0 if case.raw.startswith(tuple(OWN)) else case.expect.count("ok")
    assert len(requests) == let_through, requests
    for request in requests:
        head = request.partition(b"\r\n\r\n")[0]
        assert len(re.findall(rb"^host:", head, re.I | re.M)) == 1, head
        assert len(re.findall(rb"^(?:content-length|transfer-encoding):", head, re.I | re.M)) <= 1, head
        assert not re.search(rb"[\0\r\n]", head.replace(b"\r\n", b"")), head
        assert b" /evil " not in head, head
