"""Requests handed over by a web server in front, by uwsgi, SCGI and FastCGI: the app cannot tell by which way they came."""

import hashlib
import json
import os
import resource
import socket
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.client import Client, Closed
from support.gateways import (
    BEGIN, DATA, GET_VALUES, GET_VALUES_RESULT, PARAMS, REQUESTS, STDOUT, UNKNOWN_TYPE, GatewayClient, fastcgi_request, record,
    uwsgi_packet, variables_of,
)

pytestmark = [pytest.mark.wsgi, pytest.mark.timeout(120)]

PROTOCOLS = ["uwsgi", "scgi", "fastcgi"]
WAYS = [(protocol, family) for protocol in PROTOCOLS for family in ("tcp", "unix")]


def listens(folder):
    """HTTP first, then each protocol by TCP and on a unix socket."""
    yield {"addr": "127.0.0.1:0"}
    for protocol, family in WAYS:
        place = "127.0.0.1:0" if family == "tcp" else f"unix:{folder}/{protocol}.sock"
        yield {"addr": place, "protocol": protocol}


@pytest.fixture(scope="module", params=[False, True], ids=["", "validated"])
def server(serve_module, request):
    # Its own each time: pytest comes back to a parameter when tests are dealt out anew, and the earlier server still runs.
    folder = Path(tempfile.mkdtemp(dir=serve_module.folder))
    folder.chmod(0o755)
    return serve_module("kit", listen=list(listens(folder)), validated=request.param, allow=[r"CW0406"])


@pytest.fixture(params=WAYS, ids="-".join)
def way(server, request):
    """A function that opens a connection."""
    protocol, _ = request.param
    address = server.addresses[1 + WAYS.index(request.param)]
    return lambda **options: GatewayClient(address, protocol, **options)


# What may differ from the same request by HTTP: the port the client came from, and what only a web server in front says.
DIFFERENCES = {"REMOTE_PORT", "DOCUMENT_ROOT", "FCGI_ROLE"}

AUTHORITY = "http://example.org:8080"
MATRIX = [
    ("GET", "/environ", [], b""),
    ("GET", "/environ?x=1&y=%20&&z", [("Accept", "*/*"), ("User-Agent", "a b"), ("X-2nd-Field", "c, d")], b""),
    ("GET", "/environ/a%20b/%C3%A9/%2525?%41=%zz", [("Cookie", "a=b; c=d")], b""),
    ("GET", "/environ/./x/../y//z", [], b""),
    ("GET", "/../environ/%2e%2e/../environ/x", [], b""),
    ("HEAD", "/environ", [("X-Latin", "\xe4\xf6")], b""),
    ("POST", "/environ", [("Content-Type", "text/plain; charset=x")], b"12345"),
    ("POST", "/environ", [], b""),
    ("PUT", "/environ/x", [("X-Empty", "")], b"\0" * 70_000),
    ("DELETE", "/environ?q", [("If-None-Match", '"x"')], b""),
    ("OPTIONS", "/environ", [], b""),
    ("M-SEARCH", "/environ", [], b""),
    ("GET", "/environ", [("X-Forwarded-For", "192.0.2.1, 192.0.2.2"), ("X-Forwarded-Proto", "https")], b""),
    ("GET", "/environ", [("X-Real-Ip", "192.0.2.9"), ("Forwarded", "for=192.0.2.3;proto=https")], b""),
    ("GET", "/environ", [("Proxy", "http://evil"), ("Expect-Ct", "x")], b""),
    ("GET", "/environ", [("X-Forwarded-Proto", "https")], b""),
    ("GET", "/environ", [("X-Twice", "a"), ("X-Other", "c"), ("X-Twice", "b")], b""),
    ("GET", "/environ", [("Cookie", "a=b"), ("Cookie", "c=d")], b""),
    ("GET", "/environ", [("X.Foo", "a"), ("X!", "b")], b""),
    ("GET", AUTHORITY + "/environ/x?y=z", [], b""),
    ("OPTIONS", "*", [], b""),
]


@pytest.mark.parametrize("request_number", range(len(MATRIX)))
def test_the_environ_is_that_of_http(server, way, request_number):
    method, target, headers, body = MATRIX[request_number]
    with server.connect() as client:
        # HTTP gives a body of no bytes a length, a web server in front always gives one.
        length = [("Content-Length", str(len(body)))]
        client.send(f"{method} {target} HTTP/1.1\r\nHost: example.org:8080\r\n")
        client.send("".join(f"{key}: {value}\r\n" for key, value in [*headers, *length]) + "\r\n")
        client.send(body)
        by_http = client.read_response(method)
    with way() as client:
        by_gateway = client.ask(method, target.removeprefix(AUTHORITY), headers, body)  # as web servers do
    assert by_gateway.status == by_http.status == (204 if target == "*" else 200)
    assert by_gateway.get("Content-Type") == by_http.get("Content-Type")
    if method == "HEAD" or target == "*":
        assert by_gateway.body == by_http.body
        return
    expected, seen = json.loads(by_http.body), json.loads(by_gateway.body)
    expected["REQUEST_URI"] = expected["REQUEST_URI"].removeprefix(AUTHORITY)
    for difference in DIFFERENCES:
        for values in (expected, seen):
            values.pop(difference, None)
            values["types"].pop(difference, None)
    assert seen == expected


@pytest.mark.parametrize("method, target, headers, status", [
    ("GET", "/environ/%0A", [], 400),
    ("GET", "/environ", [("X", "a\1b")], 400),
    ("GET", "/environ?" + "x" * 20_000, [], 414),
    ("GET", "/environ", [("X", "x" * 20_000)], 431),
    ("GET", "/environ", [(f"X-{number}", "x") for number in range(120)], 431),
    ("M" * 65, "/environ", [], 400),
], ids=["control byte in the path", "control byte in a field", "long target", "long field", "many fields", "long method"])
def test_what_http_refuses_is_refused(server, way, method, target, headers, status):
    with server.connect() as client:
        assert client.request(method, target, headers).status == status
    with way() as client:
        assert client.ask(method, target, headers).status == status


def test_variables_of_other_servers_are_inert(server, way, tmp_path):
    """faults.md 93, 94: plain keys of the environ, and nothing besides."""
    (tmp_path / "evil.py").write_text("raise SystemExit('run')\n")
    magic = {
        "UWSGI_FILE": str(tmp_path / "evil.py"), "UWSGI_SCRIPT": "evil", "UWSGI_MODULE": "evil", "UWSGI_CALLABLE": "evil",
        "UWSGI_HOME": "/", "UWSGI_PYHOME": "/", "UWSGI_CHDIR": "/", "UWSGI_SETENV": "LD_PRELOAD=x", "UWSGI_APPID": "x",
        "UWSGI_POSTFILE": "/x", "UWSGI_TOUCH_RELOAD": "/x", "PHP_VALUE": "auto_prepend_file=x", "PHP_ADMIN_VALUE": "x=y",
        "LD_PRELOAD": "/evil.so", "PYTHONPATH": str(tmp_path), "SCRIPT_FILENAME": "exec:///bin/true",
    }
    with way() as client:
        seen = json.loads(client.ask("GET", "/environ", **magic).body)
    assert {name: seen[name] for name in magic} == magic
    assert seen["SCRIPT_NAME"] == "" and seen["PATH_INFO"] == "/environ"
    for name in ("LD_PRELOAD", "PHP_VALUE", "UWSGI_FILE", "PYTHONPATH"):
        with way() as client:
            assert "evil" not in client.ask("GET", f"/variable?name={name}", **magic).text


def test_the_web_server_may_say_more(server, way):
    """What an administrator adds for the app, as to any server of that protocol. No key that we make can be replaced."""
    more = {
        "REMOTE_USER": "ann", "SSL_CLIENT_S_DN": "CN=\xe4", "wsgi.input": "x", "wsgi.url_scheme": "gopher",
        "SERVER_SOFTWARE": "evil", "HTTP_PROXY": "http://evil", "cutwater.x": "y",
    }
    with way() as client:
        seen = json.loads(client.ask("GET", "/environ", **more).body)
    assert seen["REMOTE_USER"] == "ann" and seen["SSL_CLIENT_S_DN"] == "CN=\xe4"
    assert seen["wsgi.url_scheme"] == "http" and seen["SERVER_SOFTWARE"].startswith("cutwater/")
    assert "HTTP_PROXY" not in seen and "cutwater.x" not in seen and seen.get("wsgi.input") != "x"


def test_tls_of_the_web_server_is_believed(server, way):
    with way() as client:
        seen = json.loads(client.ask("GET", "/environ", host="shop.example", remote=("192.0.2.7", 99), HTTPS="on").body)
    expected = {"wsgi.url_scheme": "https", "REMOTE_ADDR": "192.0.2.7", "REMOTE_PORT": "99", "SERVER_NAME": "shop.example"}
    assert {key: seen[key] for key in expected} == expected


def test_a_clients_own_forwarding_fields_are_not(server, way):
    """They decide nothing; the app is handed what the web server handed on, as by uWSGI."""
    headers = [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https"), ("X-Real-Ip", "192.0.2.1"), ("Via", "1.1 cache"),
               ("Forwarded", "garbage"), ("X-Forwarded-Ssl", "off")]  # which contradict each other
    with way() as client:
        seen = json.loads(client.ask("GET", "/environ", headers, remote=("203.0.113.5", 1)).body)
    assert seen["REMOTE_ADDR"] == "203.0.113.5" and seen["wsgi.url_scheme"] == "http" and "HTTPS" not in seen
    assert {key: seen.get(key) for key in ("HTTP_" + name.upper().replace("-", "_") for name, _ in headers)} == {
        "HTTP_" + name.upper().replace("-", "_"): value for name, value in headers}


@pytest.mark.parametrize("protocol", [*PROTOCOLS, "http"])
def test_a_load_balancer_that_is_not_named_is_said_once(serve, folder, protocol):
    headers = [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https")]
    listens = [{"addr": f"unix:{folder}/{name}.sock", "protocol": protocol, "trusted_users": ["*"]} for name in "ab"]
    listens[1]["trusted_proxies"] = ["10.0.0.0/8", "unix"]
    if protocol == "http":
        for listen in listens:
            del listen["trusted_users"]
    server = serve("kit", listen=listens, allow=[r"CW0408"], fronts=1)  # each says it once
    for address, scheme in zip(server.addresses * 2, ("http", "https") * 2):
        if protocol == "http":
            with Client(address) as client:
                seen = json.loads(client.request("GET", "/environ", headers).body)
        else:
            with GatewayClient(address, protocol) as client:
                seen = json.loads(client.ask("GET", "/environ", headers, remote=("10.0.0.5", 1)).body)
        assert (seen["wsgi.url_scheme"], "HTTP_X_FORWARDED_PROTO" in seen) == (scheme, scheme == "https" or protocol != "http")
    told = r"removed X-Forwarded-For, X-Forwarded-Proto from a request of a unix socket"
    if protocol != "http":
        told = r"X-Forwarded-For, X-Forwarded-Proto of a request of 10\.0\.0\.5, which trusted_proxies does not name, did not decide"
    server.log.wait_for(rf"CW0408\] listen unix:.*/a\.sock: {told}")
    assert server.log.count(r"CW0408\]") == 1


def test_bodies_of_any_size_both_ways(way):
    body = os.urandom(3_000_000)
    with way() as client:
        assert client.ask("POST", "/digest", body=body).text == f"{len(body)} {hashlib.sha256(body).hexdigest()}"
    with way() as client:
        assert len(client.ask("GET", "/big?n=5000000").body) == 5_000_000
    with way() as client:
        answer = client.ask("GET", "/stream?count=20&size=50000")
        assert len(answer.body) == 1_000_000 and answer.get("Content-Length") is None


def test_a_body_that_ends_early_reaches_no_app(server, way):
    with way() as client:
        behind = 13 if client.protocol == "fastcgi" else 0  # padding, and the record that ends the body
        client.send(REQUESTS[client.protocol](variables_of("POST", "/echo"), b"12345")[: -1 - behind])
        client.finish_sending()
        assert client.read_to_end() == b""


@pytest.mark.parametrize("protocol, data", [
    ("uwsgi", b"\0\0\0\0"), ("uwsgi", b"\0\x05\0\0\0\0\1\0x"), ("uwsgi", b"\0\x05\0\0\x09\0A\0\0"),
    ("uwsgi", uwsgi_packet([("CONTENT_LENGTH", "1"), ("CONTENT_LENGTH", "1")])), ("uwsgi", b"\0\xff"),
    ("uwsgi", uwsgi_packet([*variables_of("GET", "/"), ("\xc3\xa9", "x")])),
    ("scgi", b"0:,"), ("scgi", b"99999999999:"), ("scgi", b"99999999999999999999:"), ("scgi", b"012:"), ("scgi", b"x" * 30), ("scgi", b"7:SCGI\0001\0,"),
    ("scgi", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("fastcgi", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), ("fastcgi", record(BEGIN, 0, b"\0\1\0\0\0\0\0\0")),
    ("fastcgi", b"\2" + record(BEGIN, 1, b"\0\1\0\0\0\0\0\0")[1:]), ("fastcgi", b"\1\1\0"),
    ("fastcgi", record(BEGIN, 1, b"\0\1\0\0\0\0\0\0") + record(PARAMS, 1, b"\xff\xff\xff\xff" * 2) + record(PARAMS, 1)),
])
def test_what_is_not_the_protocol_is_closed(server, protocol, data):
    """faults.md 95, 96, 97, 101"""
    for address in (server.addresses[1 + WAYS.index((protocol, family))] for family in ("tcp", "unix")):
        with Client(address) as client:
            client.send(data)
            client.finish_sending()
            assert client.read_to_end() == b""
        with GatewayClient(address, protocol) as client:
            assert client.ask().status == 200


def test_other_modifiers_are_refused_in_words(server):
    for data in (uwsgi_packet([("A", "b")], modifiers=(5, 0)), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"):
        with Client(server.addresses[1]) as client:
            client.send(data)
            client.finish_sending()
            assert client.read_to_end().startswith(b"HTTP/1.1 501 Not Implemented\r\n")
    server.log.wait_for(r"CW0406.*a uwsgi request with modifier1 5 was answered 501")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_web_server_that_should_speak_http_is_told(serve, protocol):
    """nginx's uwsgi_pass, say, to a listener without `protocol`. Of strangers no more is said than of any bad request."""
    listens = [{"addr": "127.0.0.1:0", "trusted_proxies": trusted} for trusted in ([], ["127.0.0.1"])]
    server = serve("kit", listen=listens, allow=[r"CW0406"])
    for address in server.addresses:
        with Client(address) as client:
            client.send(REQUESTS[protocol](variables_of("GET", "/")))
            client.finish_sending()
            assert client.read_to_end().startswith(b"HTTP/1.1 400 ")
    name = {"fastcgi": "a FastCGI", "scgi": "an SCGI", "uwsgi": "a uwsgi"}[protocol]
    server.log.wait_for(rf"CW0406\] listen 127.0.0.1:{server.addresses[1][1]}: no HTTP request: {name} request")
    assert server.log.count("CW0406") == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_files_and_nothing_above_them(serve, folder, protocol):
    """Static files are answered whatever protocol asks, and `..` leads no further than by HTTP (faults.md 102)."""
    (folder / "files").mkdir()
    large = os.urandom(3_000_000)
    (folder / "files" / "large").write_bytes(large)
    (folder / "secret").write_text("secret")
    config = f'[[site]]\n[[site.route]]\nmatch = {{ path = "/files/*" }}\nstatic = {{ root = "{folder}/files" }}\n'
    server = serve("kit", listen=[{"addr": "127.0.0.1:0"}, {"addr": "127.0.0.1:0", "protocol": protocol}], config=config)
    with GatewayClient(server.addresses[1], protocol) as client:
        answer = client.ask("GET", "/files/large")
        assert answer.status == 200 and answer.body == large
    with GatewayClient(server.addresses[1], protocol) as client:
        answer = client.ask("GET", "/files/large", [("Range", "bytes=1000000-1999999")])
        assert answer.status == 206 and answer.body == large[1_000_000:2_000_000]
    for target in ("/files/../../secret", "/files/%2e%2e/%2e%2e/secret", "/files/..%2f..%2fsecret", "/files//../../secret"):
        with server.connect() as client, GatewayClient(server.addresses[1], protocol) as gateway:
            by_http, by_gateway = client.request("GET", target), gateway.ask("GET", target)
            assert by_gateway.status == by_http.status and by_gateway.body == by_http.body
            assert b"secret" != by_gateway.body


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_dead_worker_shows_as_a_reset(serve, protocol):
    server = serve("kit", listen={"addr": "127.0.0.1:0", "protocol": protocol}, allow=[r"CW05"])
    with GatewayClient(server.address, protocol) as client:
        client.send(REQUESTS[protocol](variables_of("GET", "/stream?count=1000&size=1000&pause=0.05")))
        client.read_exactly(10)
        os.kill(server.named("worker")[0], 9)
        with pytest.raises(ConnectionResetError):
            while client.socket.recv(65536):
                pass


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_strangers_are_closed_unread(serve, protocol, folder):
    """faults.md 92"""
    server = serve("kit", listen=[{"addr": "127.0.0.1:0", "protocol": protocol, "trusted_proxies": ["10.0.0.5"]},
                                  {"addr": f"unix:{folder}/s.sock", "protocol": protocol, "trusted_users": []}],
                   allow=[r"CW0407"])
    with Client(server.addresses[0]) as client:
        assert client.read_to_end() == b""
    server.log.wait_for(r"CW0407.*closed a connection of 127\.0\.0\.1, which trusted_proxies does not name")
    # Cutwater's own user is always trusted, and a test that is not root is that user: then there is no stranger.
    if os.getuid() == 0:
        with Client(server.addresses[1]) as client:
            assert client.read_to_end() == b""
    else:
        with GatewayClient(server.addresses[1], protocol) as client:
            assert client.ask().status == 200


def test_the_environment_may_name_the_web_servers_of_fastcgi(serve):
    """As who starts FastCGI applications tells them (specification section 3.2)."""
    listens = [{"addr": "127.0.0.1:0", "protocol": protocol} for protocol in ("fastcgi", "scgi")]
    server = serve("kit", listen=listens, environment={"FCGI_WEB_SERVER_ADDRS": "192.0.2.1,192.0.2.2"}, allow=[r"CW0407"])
    with Client(server.addresses[0]) as client:
        assert client.read_to_end() == b""
    server.log.wait_for(r"CW0407.*127\.0\.0\.1, which trusted_proxies or FCGI_WEB_SERVER_ADDRS of the environment does not name")
    with GatewayClient(server.addresses[1], "scgi") as client:
        assert client.ask().status == 200


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be somebody else")
def test_whoever_may_open_the_socket_is_not_trusted_for_that(serve, folder):
    """The kernel says who connects."""
    server = serve("kit", listen={"addr": f"unix:{folder}/s.sock", "protocol": "scgi", "mode": "666"}, allow=[r"CW0407"])
    ask = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('%s'); print(s.recv(9))" % server.address
    # nobody may be the front's own user; daemon is not.
    answer = subprocess.run(["python3", "-c", ask], user="daemon", capture_output=True, text=True, timeout=20)
    assert answer.stdout == "b''\n", answer
    server.log.wait_for(r"CW0407.*closed a connection of user daemon \(\d+\), which trusted_users does not name")


def test_a_stop_finishes_what_runs(serve):
    server = serve("kit", listen={"addr": "127.0.0.1:0", "protocol": "uwsgi"})
    with GatewayClient(server.address, "uwsgi") as client:
        client.send(REQUESTS["uwsgi"](variables_of("GET", "/stream?count=4&size=5&pause=0.2")))
        line = client.read_line()
        server.signal(15)
        assert line == "HTTP/1.1 200 OK"
        assert client.read_to_end().endswith(b"aaaaabbbbbcccccddddd")
    server.wait_exit()


def test_fastcgi_requests_share_a_connection(serve):
    """The slow one does not hold up the quick one; the connection serves on."""
    server = serve("kit", workers=2, listen={"addr": "127.0.0.1:0", "protocol": "fastcgi"})
    with GatewayClient(server.address, "fastcgi") as client:
        client.send(fastcgi_request(variables_of("GET", "/sleep?s=1"), request_id=1, keep=True))
        client.send(fastcgi_request(variables_of("GET", "/quick"), request_id=2, keep=True))
        assert client.read_output(2).endswith(b"\r\n\r\nkit /quick")
        assert client.read_output(1).endswith(b"\r\n\r\nslept")
        client.send(fastcgi_request(variables_of("GET", "/last"), request_id=1, keep=False))
        assert client.read_output(1).endswith(b"kit /last")
        assert client.closed_by_server()


def test_a_body_that_nobody_takes_holds_up_no_other_request(serve):
    """Its server does not read; the other requests of the connection go on, and nothing of it is lost."""
    body, received = os.urandom(20_000_000), []
    with socket.create_server(("127.0.0.1", 0)) as behind:
        config = f'[[site]]\n[[site.route]]\nmatch = {{ path = "/up" }}\nproxy = {{ to = "http://127.0.0.1:{behind.getsockname()[1]}" }}\n'
        server = serve("kit", listen={"addr": "127.0.0.1:0", "protocol": "fastcgi"}, config=config)
        with GatewayClient(server.address, "fastcgi") as client:
            client.send(fastcgi_request(variables_of("POST", "/up"), body, request_id=1, keep=True))
            client.send(fastcgi_request(variables_of("POST", "/echo"), b"hello", request_id=2, keep=True))
            assert client.read_output(2).endswith(b"\r\n\r\nhello")
            peer, _ = behind.accept()
            with peer, peer.makefile("rb") as stream:
                while stream.readline() != b"\r\n":
                    pass
                received.append(stream.read(len(body)))
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nhave")
            assert client.read_output(1).endswith(b"\r\n\r\nhave")
    assert received == [body]


def test_fields_for_web_servers_reach_them_alone(way):
    """faults.md 46: X-Accel-Redirect and X-Sendfile name what no client may know."""
    with way() as client:
        answer = client.ask(target="/internal")
    assert (answer.get("X-Accel-Redirect"), answer.get("X-Sendfile")) == ("/secret", "/srv/secret")


def test_fields_for_web_servers_reach_no_client(serve):
    for trusted, seen in ((["127.0.0.1"], ("/secret", "/srv/secret")), ([], (None, None))):
        server = serve("kit", listen={"addr": "127.0.0.1:0", "trusted_proxies": trusted}, allow=[r"\[CW0516\]"])
        answer = server.get("/internal")
        assert (answer.get("X-Accel-Redirect"), answer.get("X-Sendfile")) == seen
        if not trusted:
            server.log.wait_for(r"\[CW0516\] app web: the answer to GET /internal names a file, .*, but \[app\.web\] has no `sendfile`")
        assert server.log.count("CW0516") == (0 if trusted else 1)


def test_fastcgi_tells_the_app_its_role(serve):
    server = serve("kit", listen={"addr": "127.0.0.1:0", "protocol": "fastcgi"})
    for role, name in ((1, "RESPONDER"), (2, "AUTHORIZER")):
        with GatewayClient(server.address, "fastcgi") as client:
            client.send(fastcgi_request(variables_of("GET", "/environ"), role=role))
            head, _, body = client.read_output().partition(b"\r\n\r\n")
            assert head.startswith(b"Status: 200 OK") and json.loads(body)["FCGI_ROLE"] == name


@pytest.fixture(scope="module")
def fastcgi(serve_module):
    return serve_module("kit", workers=2, listen={"addr": "127.0.0.1:0", "protocol": "fastcgi"},
                        config='[limits]\nbody = "8MB"\n', allow=["CW0512"]).address


def ask_chunked(address, target, body, **options):
    """As a web server does that passes the chunks' content on as it comes."""
    with GatewayClient(address, "fastcgi") as client:
        variables = variables_of("POST", target, [("Transfer-Encoding", "chunked")], **options.pop("more", {}))
        client.send(fastcgi_request(variables, body, length="", **options))
        head, _, answer = client.read_output().partition(b"\r\n\r\n")
    return int(head.split()[1]), answer


@pytest.mark.parametrize("size", [0, 5, 60_000, 66_000, 3_000_000])
def test_a_body_of_unknown_length(fastcgi, size):
    body = os.urandom(size)
    assert ask_chunked(fastcgi, "/digest", body) == (200, f"{size} {hashlib.sha256(body).hexdigest()}".encode())
    status, answer = ask_chunked(fastcgi, "/environ", body)
    values = json.loads(answer)
    assert (status, values["CONTENT_LENGTH"], values["wsgi.input_terminated"]) == (200, str(size), True)
    assert "HTTP_TRANSFER_ENCODING" not in values


def test_a_filter_with_a_body_of_unknown_length(fastcgi):
    body, data = os.urandom(100_000), b"a line\n" + os.urandom(100_000)
    more = {"FCGI_DATA_LENGTH": str(len(data))}
    status, answer = ask_chunked(fastcgi, "/filter", body, more=more, role=3, data=data)
    seen = json.loads(answer)
    assert status == 200 and (seen["body"], seen["data"]) == tuple(hashlib.sha256(part).hexdigest() for part in (body, data))


def test_a_body_of_unknown_length_has_a_limit(fastcgi):
    assert ask_chunked(fastcgi, "/digest", b"x" * (8 * 1024 * 1024))[0] == 200
    assert ask_chunked(fastcgi, "/digest", b"x" * (8 * 1024 * 1024 + 1))[0] == 413


@pytest.mark.parametrize("length", ["", "0", "4", "6"])
def test_a_body_that_is_not_as_announced_reaches_no_app(fastcgi, length):
    with GatewayClient(fastcgi, "fastcgi") as client:
        client.send(fastcgi_request(variables_of("POST", "/echo"), b"hello", length=length, keep=True))
        assert client.read_output().startswith(b"Status: 400 ")
        client.send(fastcgi_request(variables_of("POST", "/echo"), b"hello"))
        assert client.read_output().endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize("body", [0, 5, 100_000])
@pytest.mark.parametrize("size", [0, 30, 20_000, 64_000, 65_000, 300_000, 3_000_000])
def test_a_filter_gets_the_data_it_is_to_filter(fastcgi, size, body):
    body, data = os.urandom(body), os.urandom(size // 2).replace(b"\n", b"x") + b"\n" + os.urandom(size // 2)
    more = {"FCGI_DATA_LENGTH": str(len(data)), "FCGI_DATA_LAST_MOD": "1789000000"}
    with GatewayClient(fastcgi, "fastcgi") as client:
        client.send(fastcgi_request(variables_of("POST", "/filter", **more), body, role=3, data=data))
        head, _, answer = client.read_output().partition(b"\r\n\r\n")
    assert head.startswith(b"Status: 200 OK"), head
    assert json.loads(answer) == {
        "line": data[: data.index(b"\n") + 1].decode("latin-1"), "data": hashlib.sha256(data).hexdigest(),
        "body": hashlib.sha256(body).hexdigest(), "behind": 0, "FCGI_ROLE": "FILTER", **more,
        "CONTENT_LENGTH": str(len(body)),
    }


@pytest.mark.parametrize("data, length, status", [
    (b"1234", "5", 400), (b"1234", "3", 400), (b"", "-1", 400), (b"", "x", 400), (b"", None, 400), (b"", "9000000", 413),
], ids=["short", "long", "negative", "no number", "missing", "over limits.body"])
def test_filter_data_of_another_length_reach_no_app(fastcgi, data, length, status):
    more = {} if length is None else {"FCGI_DATA_LENGTH": length}
    with GatewayClient(fastcgi, "fastcgi") as client:
        client.send(fastcgi_request(variables_of("GET", "/filter", **more), role=3, data=data, keep=True))
        assert client.read_output().startswith(b"Status: %d " % status)
        client.send(fastcgi_request(variables_of("GET", "/next"), keep=True))
        assert client.read_output().endswith(b"kit /next")


def test_data_are_a_filters_alone(fastcgi):
    with GatewayClient(fastcgi, "fastcgi") as client:
        client.send(fastcgi_request(variables_of("GET", "/environ", FCGI_DATA_LENGTH="4"), data=b"data", keep=True))
        head, _, body = client.read_output().partition(b"\r\n\r\n")
        assert "cutwater.fcgi_data" not in json.loads(body)["types"]
        client.send(record(DATA, 9, b"of nobody") + fastcgi_request(variables_of("GET", "/next")))
        assert client.read_output().endswith(b"kit /next")


def test_fastcgi_says_what_it_can(fastcgi):
    """Names nobody knows are left out of the answer (specification section 4.1)."""
    names = [b"FCGI_MPXS_CONNS", b"FCGI_NONE", b"FCGI_MAX_REQS", b"FCGI_MAX_CONNS"]
    with GatewayClient(fastcgi, "fastcgi") as client:
        client.send(record(GET_VALUES, 0, b"".join(bytes([len(name), 0]) + name for name in names)))
        kind, request_id, content = client.read_record()
        assert (kind, request_id) == (GET_VALUES_RESULT, 0) and b"FCGI_NONE" not in content
        assert b"\x0f\x01FCGI_MPXS_CONNS1" in content and b"FCGI_MAX_CONNS" in content and b"FCGI_MAX_REQS" in content
        client.send(record(77, 0, b"what?"))
        kind, request_id, content = client.read_record()
        assert (kind, request_id, content) == (UNKNOWN_TYPE, 0, b"\x4d" + b"\0" * 7)
        client.send(fastcgi_request(variables_of("GET", "/next")))
        assert client.read_output().endswith(b"kit /next")


def test_more_fastcgi_connections_than_select_can_watch(fastcgi):
    """CVE-2012-6687: descriptors beyond FD_SETSIZE, in one front."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with ExitStack() as stack:
            clients = [stack.enter_context(GatewayClient(fastcgi, "fastcgi")) for _ in range(1100)]
            for number in (0, 1030, 1099):
                clients[number].send(fastcgi_request(variables_of("GET", f"/{number}")))
                assert clients[number].read_output().endswith(b"kit /%d" % number)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_authorizer_says_variables(fastcgi):
    """What the web server takes as variables of the request that it lets pass, and what it sends to the client instead."""
    with GatewayClient(fastcgi, "fastcgi") as client:
        headers = [("Authorization", "Basic YW5uOng=")]
        client.send(fastcgi_request(variables_of("GET", "/authorize", headers), role=2, keep=True))
        head, _, body = client.read_output().partition(b"\r\n\r\n")
        fields = head.split(b"\r\n")
        assert fields[0] == b"Status: 200 OK" and body == b""
        assert b"Variable-REMOTE_USER: ann" in fields and b"Variable-Role: admin" in fields
        client.send(fastcgi_request(variables_of("GET", "/authorize"), role=2))
        head, _, body = client.read_output().partition(b"\r\n\r\n")
        assert head.startswith(b"Status: 401 ") and b"Variable-" not in head and body == b"who?"
        assert b'\r\nWWW-Authenticate: Basic realm="x"' in head


def test_a_dead_worker_leaves_a_fastcgi_answer_without_its_end(serve, folder):
    server = serve("kit", listen={"addr": f"unix:{folder}/s.sock", "protocol": "fastcgi"}, allow=[r"CW05"])
    with GatewayClient(server.address, "fastcgi") as client:
        client.send(fastcgi_request(variables_of("GET", "/stream?count=1000&size=1000&pause=0.05")))
        assert client.read_record()[0] == STDOUT
        os.kill(server.named("worker")[0], 9)
        with pytest.raises(Closed):
            client.read_output()
