"""Real web servers that ask an app, as a FastCGI authorizer, whom to let through to what they guard (FastCGI 1.0, section 6.3)."""

import json

import pytest

from support import web_servers
from support.client import Client
from test_web_servers import stop

pytestmark = pytest.mark.timeout(120)

ANN = [("Authorization", "Basic YW5uOng=")]
WAYS = [("apache", "tcp"), ("lighttpd", "tcp"), ("lighttpd", "unix")]  # Apache's module knows no unix sockets


@pytest.fixture(scope="module", params=WAYS, ids="-".join)
def guarded(serve_module, request):
    """A web server before an app that is its own guard, by another listener."""
    name, family = request.param
    place = serve_module.folder / "-".join(request.param)
    place.mkdir()
    place.chmod(0o777)  # their workers' user writes there what it spools
    guard = "127.0.0.1:0" if family == "tcp" else f"unix:{place}/guard"
    server = serve_module("kit", listen=[{"addr": address, "protocol": "fastcgi"} for address in ("127.0.0.1:0", guard)])
    program = {"apache": "/usr/sbin/apache2", "lighttpd": "/usr/sbin/lighttpd"}[name]
    behind, guard = server.addresses
    process, ports = getattr(web_servers, name)(program, place, [("fastcgi", behind)], guard=guard)
    request.addfinalizer(lambda: stop(process))

    def ask(*arguments, **options):
        with Client(("127.0.0.1", ports[0])) as client:
            return client.request(*arguments, **options)

    ask.name = name
    return ask


def test_who_is_let_through_comes_with_what_the_guard_said(guarded):
    answer = guarded("GET", "/guarded/a%20b?x=1", ANN)
    assert answer.status == 200, answer
    seen = json.loads(answer.body)
    assert (seen["PATH_INFO"], seen["QUERY_STRING"], seen["FCGI_ROLE"]) == ("/guarded/a b", "x=1", "RESPONDER")
    role = "ROLE" if guarded.name == "lighttpd" else "Role"
    assert (seen["REMOTE_USER"], seen[role]) == ("ann", "admin")


def test_a_body_is_for_who_comes_behind_the_guard(guarded):
    """lighttpd tells the guard of it all the same."""
    answer = guarded("POST", "/guarded", ANN, body=b"x" * 100_000)
    assert (answer.status, json.loads(answer.body)["CONTENT_LENGTH"]) == (200, "100000")


def test_who_is_not_gets_the_guards_answer(guarded):
    """Of Apache the client has the status alone: its page and its question are Apache's own."""
    for method, headers in (("GET", []), ("POST", []), ("GET", [("Authorization", "Basic YW5uOnk=")])):
        answer = guarded(method, "/guarded/x", headers, body=b"body" if method == "POST" else b"")
        assert answer.status == 401 and "ann" not in answer.text
        assert answer.all("Variable-Role") == []
        if guarded.name == "lighttpd":
            assert (answer.text, answer.get("WWW-Authenticate")) == ("who?", 'Basic realm="x"')
