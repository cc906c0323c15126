"""The HTTP/1 corpus against the running server: one response for each word of `expect`, in order, and no more.

Sent whole and byte by byte; cut at every offset, the same cases run in src/codec/http1/corpus_test.cc.
"""

import pytest

from support.client import Closed
from support.corpus import cases

pytestmark = pytest.mark.timeout(60)
CASES = cases()


def test_there_is_a_corpus():
    assert len(CASES) > 100


@pytest.fixture(scope="module")
def server_for(serve_module):
    """A server whose body limit is the case's."""
    servers = {}

    def start(limit):
        if limit not in servers:
            config = f'[limits]\nbody = "{limit}B"\nheader_timeout = "5s"\n[log]\naccess = "off"\n'
            # The refusals are what this file is about; each may be logged.
            servers[limit] = serve_module("kit", config=config, allow=[r".*"])
        return servers[limit]

    return start


@pytest.mark.parametrize("pace", ["whole", "bytes"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(server_for, case, pace):
    if pace == "bytes" and len(case.raw) > 3000:
        pytest.skip("long: the codec's own test plays it byte by byte")
    server = server_for(case.limit_body)
    statuses, rest = converse(server, case, pace)
    for number, word in enumerate(case.expect):
        status = statuses[number] if number < len(statuses) else None
        assert matches(word, status), f"{case.expect} but got {statuses}, then {rest[:300]!r}"
    assert len(statuses) <= len(case.expect), f"{case.expect} but got {statuses}"
    assert server.is_healthy("/after")


def converse(server, case, pace):
    """The final statuses that came back before the connection ended. We end our side once all is there that should come."""
    first = case.raw.split(b" ", 1)[0].decode("latin-1")
    due = sum(word != "incomplete" for word in case.expect)
    statuses = []
    with server.connect(timeout=10) as client:
        try:
            client.send(case.raw) if pace == "whole" else client.send_slowly(case.raw)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            while True:
                if len(statuses) == due:
                    client.finish_sending()
                statuses.append(client.read_response(first if not statuses else "GET").status)
        except (Closed, OSError):
            return statuses, client.buffer


def matches(word, status):
    if word == "ok":
        return status is not None and 200 <= status < 300
    if word == "incomplete":
        return status is None or status >= 400
    if word.startswith("body-"):
        return status == int(word[5:])
    return status == int(word)
