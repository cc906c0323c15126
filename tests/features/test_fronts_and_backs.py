"""Whatever protocol a request comes by and whatever protocol the server behind speaks, client and app see the same."""

import json
import os

import pytest

from support.client import Client
from support.gateways import GatewayClient

pytestmark = pytest.mark.timeout(120)

FRONTS = ["http", "uwsgi", "scgi", "fastcgi"]
BACKS = {"http": "proxy", "uwsgi": "uwsgi", "scgi": "scgi", "fastcgi": "fastcgi"}

# What a server behind another one may see otherwise than one that a client asks: the connection, the gateway protocols' own
# words, and by HTTP what the one before says of the client.
DIFFERENCES = {"REMOTE_PORT", "FCGI_ROLE", "GATEWAY_INTERFACE", "DOCUMENT_URI", "HTTP_CDN_LOOP", "HTTP_VIA", "HTTP_FORWARDED",
               "HTTP_X_REAL_IP", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST"}


@pytest.fixture(scope="module")
def servers(serve_module):
    """The one before, which has routes to each back end, and the one behind; both listen by every protocol."""
    listens = [{"addr": "127.0.0.1:0", "protocol": protocol} for protocol in FRONTS]
    behind = serve_module("kit", listen=listens)
    routes = ["[[site]]"]
    for name, route in BACKS.items():
        host, port = behind.addresses[FRONTS.index(name)]
        to = f"{'http://' if name == 'http' else ''}{host}:{port}"
        routes += [f'[[site.route]]\nmatch = {{ path = "/{path}/{name}/*" }}\n{route} = {{ to = "{to}" }}' for path in ("environ", "echo")]
    before = serve_module("kit", listen=listens, config="\n".join(routes))
    for server in (before, behind):
        server.check_leaks = False  # the two keep connections to each other
    return before, behind


def ask(server, front, method, target, headers, body):
    address = server.addresses[FRONTS.index(front)]
    if front == "http":
        with Client(address) as client:
            return client.request(method, target, headers, body, host="shop.example:8080")
    with GatewayClient(address, front) as client:
        return client.ask(method, target, headers, body, host="shop.example:8080")


def seen_by_the_app(answer):
    values = json.loads(answer.body)
    values.pop("types")
    values.setdefault("CONTENT_LENGTH", "0")  # gateway protocols say it always
    return {name: value for name, value in values.items() if name not in DIFFERENCES}


@pytest.mark.parametrize("back", BACKS)
@pytest.mark.parametrize("front", FRONTS)
def test_every_way_is_the_same(servers, front, back):
    before, behind = servers
    headers = [("Cookie", "a=b; c=d"), ("X-Own", "one, two")]
    for method, target, more, body in (("GET", f"/environ/{back}/a%20b/%C3%A9?x=1&y=%20", [], b""),
                                       ("POST", f"/environ/{back}/?x", [("Content-Type", "text/x; y=z")], os.urandom(100_000))):
        fields = [*headers, *more]
        expected = ask(behind, "http", method, target, fields, body)
        answer = ask(before, front, method, target, fields, body)
        assert (answer.status, answer.reason, answer.get("Content-Type")) == (200, "OK", expected.get("Content-Type"))
        assert seen_by_the_app(answer) == seen_by_the_app(expected)
        if body:
            answer = ask(before, front, method, f"/echo/{back}/", fields, body)
            assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize("back", BACKS)
@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("fields", [[("X-Forwarded-For", "192.0.2.9, 127.0.0.1"), ("X-Forwarded-Proto", "https")],
                                    [("Forwarded", "for=192.0.2.9;proto=https, for=127.0.0.1;proto=https")],
                                    [("X-Forwarded-For", "192.0.2.9"), ("Forwarded", "for=192.0.2.9;proto=https")]])
def test_every_way_names_the_client(servers, front, back, fields):
    """What a proxy before the first one said of the client, and what a web server before it knows itself."""
    before, _ = servers
    seen = seen_by_the_app(ask(before, front, "GET", f"/environ/{back}/", fields, b""))
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("192.0.2.9", "https")
    if front != "http":
        with GatewayClient(before.addresses[FRONTS.index(front)], front) as client:
            seen = seen_by_the_app(client.ask("GET", f"/environ/{back}/", remote=("192.0.2.7", 99), HTTPS="on"))
        assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("192.0.2.7", "https")
