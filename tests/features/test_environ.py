"""The WSGI environ: complete, correct, and free of what clients must not be able to set."""

import json
import os
import sys

import pytest

pytestmark = [pytest.mark.wsgi, pytest.mark.timeout(60)]
FORGOTTEN = r"\[CW0408\]"  # said of a private address whose word is not believed


@pytest.fixture(scope="module", params=[False, True], ids=["", "validated"])
def server(serve_module, request):
    return serve_module("kit", validated=request.param)


@pytest.fixture(scope="module")
def serve_untrusting(serve_module):
    """The tests' own address is a stranger's."""
    return serve_module("kit", listen={"addr": "127.0.0.1:0", "trusted_proxies": ["10.0.0.0/8"]}, allow=[FORGOTTEN])


def environ(server, target="/environ", headers=(), method="GET", body=b"", host="example.org:8080"):
    with server.connect() as client:
        response = client.request(method, target, headers, body, host=host)
        assert response.status == 200, response
        return json.loads(response.body)


def test_everything_pep_3333_asks_for(server):
    values = environ(server, "/environ/a%20b?x=1&y=%20", [("X-Custom", "Hi"), ("Accept", "*/*")])
    assert values["exact dict"] is True
    expected = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/environ/a b", "QUERY_STRING": "x=1&y=%20",
        "SERVER_NAME": "example.org", "SERVER_PORT": "8080", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "example.org:8080", "HTTP_X_CUSTOM": "Hi", "HTTP_ACCEPT": "*/*", "wsgi.url_scheme": "http",
        "wsgi.version": [1, 0], "wsgi.run_once": False, "wsgi.input_terminated": True,
    }
    assert {key: values.get(key) for key in expected} == expected
    assert values["REMOTE_PORT"].isdigit()
    assert values["types"]["wsgi.multithread"] == values["types"]["wsgi.multiprocess"] == "bool"
    for key in ("wsgi.input", "wsgi.errors", "wsgi.file_wrapper"):
        assert key in values["types"]
    assert values["wsgi.multithread"] is False
    assert values.get("CONTENT_LENGTH", "") == "" and values.get("CONTENT_TYPE", "") == ""
    assert all(kind in ("str", "bool", "tuple") for key, kind in values["types"].items() if key.isupper())


def test_multiprocess_says_how_many_workers(serve):
    assert environ(serve("kit", workers=2))["wsgi.multiprocess"] is True


def test_nothing_of_the_servers_environment_leaks_in(server):
    values = environ(server)
    assert "PATH" not in values and "HOME" not in values and "CUTWATER_CONTROL_FD" not in values


def test_body_fields(server):
    values = environ(server, method="POST", headers=[("Content-Type", "text/x; charset=y")], body=b"12345")
    assert values["CONTENT_TYPE"] == "text/x; charset=y" and values["CONTENT_LENGTH"] == "5"
    assert "HTTP_CONTENT_TYPE" not in values and "HTTP_CONTENT_LENGTH" not in values


def test_a_length_is_decimal(server):
    with server.connect() as client:
        client.send("POST /environ HTTP/1.1\r\nHost: a\r\nContent-Length: 010\r\n\r\n0123456789" + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        assert json.loads(client.read_response().body)["CONTENT_LENGTH"] == "10"
        assert client.read_response().text == "kit /next"


def test_a_chunked_body_has_its_length_when_buffered(server):
    with server.connect() as client:
        client.send("POST /environ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        values = json.loads(client.read_response().body)
    assert values["CONTENT_LENGTH"] == "3" and "HTTP_TRANSFER_ENCODING" not in values


@pytest.mark.parametrize("target, path", [
    ("/environ/%C3%A9", "/environ/\u00c3\u00a9"),  # bytes as latin-1, PEP 3333
    ("/environ/%2525", "/environ/%25"),
    ("/environ/a+b", "/environ/a+b"),
    ("/environ/./x/../y", "/environ/y"),
])
def test_path_info(server, target, path):
    values = environ(server, target)
    assert values["PATH_INFO"] == path and values["REQUEST_URI"] == target


def test_latin_1_values(server):
    with server.connect() as client:
        client.send(b"GET /environ HTTP/1.1\r\nHost: a\r\nX-Name: caf\xe9\xff\r\n\r\n")
        assert json.loads(client.read_response().body)["HTTP_X_NAME"] == "caf\u00e9\u00ff"


def test_prefix_is_the_script_name(serve):
    server = serve("kit", prefix="/shop", allow=[])
    with server.connect() as client:
        values = json.loads(client.request("GET", "/shop/environ?a").body)
        assert (values["SCRIPT_NAME"], values["PATH_INFO"]) == ("/shop", "/environ")
        assert client.request("GET", "/shopping").status == 404


def test_repeated_fields(server):
    repeated = [("X-A", "1"), ("X-A", "2"), ("Cookie", "a=1"), ("Cookie", "b=2"), ("Accept", "x"), ("x-a", ""), ("Accept", "y"), ("X-A", "4")]
    for _ in range(2):
        values = environ(server, headers=repeated)
        assert (values["HTTP_X_A"], values["HTTP_ACCEPT"], values["HTTP_COOKIE"]) == ("1, 2, , 4", "x, y", "a=1; b=2")
    values = environ(server, headers=[("X-A", "1")])
    assert values["HTTP_X_A"] == "1" and "HTTP_COOKIE" not in values


@pytest.mark.parametrize("name", ["Content-Type", "Authorization", "Sec-WebSocket-Key"])
@pytest.mark.parametrize("second", ["a", "b"])
def test_repeated_single_fields_are_refused(server, name, second):
    assert server.get("/", [(name, "a"), (name.lower(), second)]).status == 400


def test_names_that_could_pose_as_others_are_dropped(server):
    """What clients claim about themselves is not believed."""
    values = environ(server, headers=[
        ("X_Forwarded_For", "6.6.6.6"), ("Content_Length", "9"), ("Transfer_Encoding", "chunked"), ("X.Real.IP", "6.6.6.6"),
        ("REMOTE_USER", "root"), ("Proxy", "http://evil"), ("pRoXy", "http://evil"),
    ])
    for name in ("HTTP_X_FORWARDED_FOR", "HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_X_REAL_IP", "HTTP_REMOTE_USER",
                 "REMOTE_USER", "HTTP_PROXY"):
        assert name not in values, name


def test_names_that_could_pose_as_others_are_refused_where_told_to(serve):
    """faults.md 37, mode "refuse"."""
    server = serve("kit", config='[limits]\nheader_names = "refuse"\n[log]\nlevel = "debug"\n')
    assert server.get("/environ", [("X-Real-IP", "6.6.6.6"), ("X-2", "a_b")]).status == 200
    for name in ("X_Forwarded_For", "Content_Length", "X.Real.IP", "REMOTE_USER"):
        assert server.get("/environ", [(name, "9")]).status == 400, name
    server.log.wait_for("a header name that may be taken for another")


def test_hop_by_hop_fields_cannot_take_ours_away(server):
    """What clients claim about themselves is not believed."""
    named_away = "keep-alive, Host, Cookie, Content-Length, X-Forwarded-For, Authorization, X-Custom"
    values = environ(server, method="POST", body=b"12345", headers=[
        ("Connection", named_away), ("Cookie", "a=1"), ("Authorization", "Basic x"), ("X-Custom", "gone"), ("X-Forwarded-For", "203.0.113.7")])
    assert values["HTTP_HOST"] == "example.org:8080" and values["HTTP_COOKIE"] == "a=1" and values["CONTENT_LENGTH"] == "5"
    assert values["REMOTE_ADDR"] == "203.0.113.7" and values["HTTP_AUTHORIZATION"] == "Basic x"
    assert "HTTP_X_CUSTOM" not in values and "HTTP_CONNECTION" not in values


def test_a_proxy_field_does_not_touch_a_configured_proxy(serve):
    server = serve("kit", env={"HTTP_PROXY": "http://configured"})
    assert server.get("/variable?name=HTTP_PROXY", [("Proxy", "http://evil")]).text == "http://configured"
    assert "HTTP_PROXY" not in environ(server, headers=[("Proxy", "http://evil"), ("pRoXy", "http://evil")])


class TestForwarded:
    """The tests' own address is loopback, which is trusted by default."""

    SPOOF = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil"), ("X-Forwarded-Port", "1"),
             ("X-Forwarded-Ssl", "on"), ("X-Forwarded-Protocol", "https"), ("X-Forwarded-Scheme", "https"), ("X-Forwarded-Server", "evil"),
             ("X-Forwarded-Prefix", "/evil"), ("X-Url-Scheme", "https"), ("Front-End-Https", "on"), ("Forwarded", "for=6.6.6.6;proto=https"),
             ("X-Real-IP", "6.6.6.6"), ("X-Client-IP", "6.6.6.6"), ("Via", "1.1 evil")]

    def test_an_untrusted_peer_is_not_believed(self, serve_untrusting):
        values = environ(serve_untrusting, headers=self.SPOOF)
        assert values["REMOTE_ADDR"] == "127.0.0.1" and values["wsgi.url_scheme"] == "http" and "HTTPS" not in values
        assert values["SERVER_PORT"] == "8080" and values["SCRIPT_NAME"] == ""
        named = {"HTTP_" + name.upper().replace("-", "_") for name, _ in self.SPOOF}
        assert not named & values.keys()
        assert not any("6.6.6.6" in str(value) or "evil" in str(value) for key, value in values.items() if key != "types"), values

    @pytest.mark.parametrize("name, value", SPOOF)
    def test_each_field_alone_is_removed(self, serve_untrusting, name, value):
        values = environ(serve_untrusting, headers=[(name.swapcase(), value)])
        assert "HTTP_" + name.upper().replace("-", "_") not in values
        assert values["REMOTE_ADDR"] == "127.0.0.1" and values["wsgi.url_scheme"] == "http"

    def test_a_trusted_peer_is_believed(self, server):
        values = environ(server, headers=[("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https")])
        assert values["REMOTE_ADDR"] == "203.0.113.7" and values["wsgi.url_scheme"] == "https" and values["HTTPS"] == "on"

    def test_the_rightmost_untrusted_address_counts(self, server):
        values = environ(server, headers=[("X-Forwarded-For", "6.6.6.6, 203.0.113.7, 127.0.0.1")])
        assert values["REMOTE_ADDR"] == "203.0.113.7"

    def test_forwarded_field(self, server):
        values = environ(server, headers=[("Forwarded", 'for="[2001:db8::7]:4711";proto=https')])
        assert values["REMOTE_ADDR"] == "2001:db8::7" and values["wsgi.url_scheme"] == "https"

    def test_contradictions_are_refused(self, server):
        assert server.get("/", [("X-Forwarded-Proto", "https"), ("X-Forwarded-Ssl", "off")]).status == 400

    @pytest.mark.parametrize("value", ["unknown", "not an address", "1.2.3.4.5", "[::1", "a" * 3000, ", ,"])
    def test_nonsense_is_nobodys_address(self, server, value):
        assert environ(server, headers=[("X-Forwarded-For", value)])["REMOTE_ADDR"] == "127.0.0.1"

    def test_environment_variable(self, serve):
        server = serve("kit", environment={"FORWARDED_ALLOW_IPS": "10.1.1.1"}, allow=[FORGOTTEN])
        assert environ(server, headers=[("X-Forwarded-For", "203.0.113.7")])["REMOTE_ADDR"] == "127.0.0.1"

    @pytest.mark.parametrize("named, believed", [("127.0.0.2", True), ("10.1.1.1, 127.0.0.0/30", True), ("127.0.0.3", False), (None, False)])
    def test_whom_the_environment_variable_names_is_believed(self, serve, named, believed):
        """A peer that nobody believes by default."""
        server = serve("kit", environment={"FORWARDED_ALLOW_IPS": named}, allow=[] if believed else [FORGOTTEN])
        fields = [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https")]
        with server.connect(source="127.0.0.2") as client:
            values = json.loads(client.request("GET", "/environ", fields).text)
        seen = values["REMOTE_ADDR"], values["wsgi.url_scheme"]
        assert seen == (("203.0.113.7", "https") if believed else ("127.0.0.2", "http"))


def test_unix_socket_peer(serve, folder):
    server = serve("kit", listen=f"unix:{folder}/app.sock")
    values = environ(server)
    assert values["SERVER_NAME"] and values["SERVER_PORT"] and "REMOTE_ADDR" in values
    server.stop()
    assert not os.path.exists(f"{folder}/app.sock")


def test_http_1_0_without_host(server):
    with server.connect() as client:
        client.send("GET /environ HTTP/1.0\r\n\r\n")
        values = json.loads(client.read_response().body)
    assert values["SERVER_NAME"] and values["SERVER_PORT"].isdigit() and values["SERVER_PROTOCOL"] == "HTTP/1.0"


def test_each_request_has_its_own_environ(server):
    with server.connect() as client:
        first = json.loads(client.request("GET", "/environ", [("X-Once", "1")]).body)
        second = json.loads(client.request("GET", "/environ").body)
    assert "HTTP_X_ONCE" in first and "HTTP_X_ONCE" not in second


def test_the_interpreter_is_the_one_asked_for(serve, app_python):
    server = serve("kit")
    assert server.get().status == 200
    if app_python != sys.executable:
        version = os.popen(f"{app_python} -c 'import platform; print(platform.python_version())'").read().strip()
        assert version in server.log.text
