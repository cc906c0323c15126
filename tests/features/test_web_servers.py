"""The real Apache (mod_proxy_uwsgi, _scgi, _fcgi) and lighttpd (mod_scgi, which speaks uwsgi too, mod_fastcgi, with `host` and without) in front."""

import hashlib
import json
import os
from contextlib import ExitStack

import pytest

from support import apps, processes, web_servers
from support.client import Client, Closed

pytestmark = pytest.mark.timeout(120)

PROTOCOLS = {"apache": ("uwsgi", "scgi", "fastcgi"), "lighttpd": ("scgi", "fastcgi", "uwsgi")}
WAYS = [(name, protocol, family) for name, protocols in PROTOCOLS.items() for protocol in protocols for family in ("tcp", "unix")]


def stop(process):
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="module")
def fronts(serve_module, request):
    """The address of a web server for each way; all of them pass on to one server."""
    place = serve_module.folder
    place.chmod(0o777)  # their workers' user writes there what it spools
    listens = [{"addr": "127.0.0.1:0" if family == "tcp" else f"unix:{place}/{name}-{protocol}", "protocol": protocol}
               for name, protocol, family in WAYS]
    server = serve_module("kit", workers=2, listen=listens, allow=[r"CW05"])
    addresses, running = {}, ExitStack()
    request.addfinalizer(running.close)
    for name, program, package in (("apache", "/usr/sbin/apache2", "apache2-bin"), ("lighttpd", "/usr/sbin/lighttpd", "lighttpd")):
        assert os.path.exists(program), f"{program} is missing: apt-get install {package}"
        chosen = [(way, back) for way, back in zip(WAYS, server.addresses, strict=True) if way[0] == name]
        folder = place / name
        folder.mkdir()
        folder.chmod(0o777)
        process, ports = getattr(web_servers, name)(program, folder, [(way[1], back) for way, back in chosen])
        running.callback(stop, process)
        addresses.update((way, ("127.0.0.1", port)) for (way, _), port in zip(chosen, ports, strict=True))
    return server, addresses


@pytest.fixture(params=WAYS, ids="-".join)
def front(fronts, request):
    server, addresses = fronts
    address = addresses[request.param]

    def connect(**options):
        return Client(address, **options)

    connect.server, connect.address = server, address
    connect.name, connect.protocol, connect.family = request.param
    return connect


def environ(front, target="/environ", headers=(), method="GET", **options):
    with front() as client:
        response = client.request(method, target, headers, host="shop.example", **options)
        assert response.status == 200, response
        return json.loads(response.body)


def test_the_app_sees_the_client(front):
    values = environ(front, "/environ/a%20b?x=1", [("Cookie", "a=b"), ("X-Own", "y"), ("User-Agent", "tester")])
    expected = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/environ/a b", "QUERY_STRING": "x=1",
        "REQUEST_URI": "/environ/a%20b?x=1", "SERVER_NAME": "shop.example", "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "shop.example", "HTTP_COOKIE": "a=b", "HTTP_X_OWN": "y",
        "HTTP_USER_AGENT": "tester", "wsgi.url_scheme": "http",
    }
    assert {key: values.get(key) for key in expected} == expected
    assert "HTTP_PROXY" not in values


def test_paths_are_those_that_were_asked_for(front):
    for target, path in (("/environ", "/environ"), ("/environ/", "/environ/"), ("/environ/%C3%A9", "/environ/\xc3\xa9"),
                         ("/environ/%2525", "/environ/%25"), ("/environ/x+y", "/environ/x+y")):
        values = environ(front, target)
        assert (values["PATH_INFO"], values["SCRIPT_NAME"]) == (path, ""), target


# lighttpd and two of Apache's modules do not say where the app begins; for those it is written once more.
MOUNTED = [("apache", "uwsgi", {})] + [
    (name, protocol, {"prefix": "/app"}) for name, protocols in PROTOCOLS.items() for protocol in protocols]


@pytest.mark.parametrize("name, protocol, options", MOUNTED)
def test_an_app_below_a_path_of_the_web_server(serve, name, protocol, options):
    server = serve("kit", listen=[{"addr": "127.0.0.1:0", "protocol": protocol}], **options)
    place = server.folder / name
    place.mkdir()
    place.chmod(0o777)
    program = {"apache": "/usr/sbin/apache2", "lighttpd": "/usr/sbin/lighttpd"}[name]
    process, ports = getattr(web_servers, name)(program, place, [(protocol, server.addresses[0])], mount="/app")
    try:
        with Client(("127.0.0.1", ports[0])) as client:
            values = json.loads(client.request("GET", "/app/environ/a%20b?x=1", host="shop.example").body)
        assert (values["SCRIPT_NAME"], values["PATH_INFO"]) == ("/app", "/environ/a b")
        assert (values["REQUEST_URI"], values["QUERY_STRING"]) == ("/app/environ/a%20b?x=1", "x=1")
    finally:
        stop(process)


@pytest.mark.parametrize("protocol", PROTOCOLS["lighttpd"])
def test_lighttpd_rewrites_all_paths_to_the_name_of_a_socket(serve, protocol):
    """As Django's and flup's users of lighttpd were told to. The client knows nothing of that name, and so does the app."""
    server = serve("kit", listen=[{"addr": "127.0.0.1:0", "protocol": protocol}])
    place = server.folder / "lighttpd"
    place.mkdir()
    place.chmod(0o777)
    process, ports = web_servers.lighttpd(
        "/usr/sbin/lighttpd", place, [(protocol, server.addresses[0])], mount="/shop.fcgi", rewrite="/shop.fcgi$1")
    try:
        with Client(("127.0.0.1", ports[0])) as client:
            values = json.loads(client.request("GET", "/environ/a%20b?x=1", host="shop.example").body)
        assert (values["SCRIPT_NAME"], values["PATH_INFO"]) == ("", "/environ/a b")
        assert (values["REQUEST_URI"], values["QUERY_STRING"]) == ("/environ/a%20b?x=1", "x=1")
    finally:
        stop(process)


def test_a_client_cannot_forge(front):
    forged = [("Proxy", "http://evil"), ("Remote-User", "root"), ("Https", "on")]
    values = environ(front, "/environ", forged)
    assert {name: values.get(name) for name in ("HTTP_PROXY", "REMOTE_USER", "HTTPS", "wsgi.url_scheme")} == {
        "HTTP_PROXY": None, "REMOTE_USER": None, "HTTPS": None, "wsgi.url_scheme": "http"}


def test_repeated_fields_are_one_variable(front):
    values = environ(front, "/environ", [("X-Some", "a"), ("X-Some", "b")])
    assert values["HTTP_X_SOME"] == "a, b"


def test_bodies_both_ways(front):
    body = os.urandom(3_000_000)
    with front() as client:
        assert client.request("POST", "/digest", body=body).text == f"{len(body)} {hashlib.sha256(body).hexdigest()}"
        assert len(client.request("GET", "/big?n=5000000").body) == 5_000_000
        assert len(client.request("GET", "/stream?count=20&size=50000").body) == 1_000_000


def test_a_chunked_body(front):
    """Two of Apache's modules refuse it themselves, whoever is behind them; the other ways give it a length, or FastCGI's end."""
    with front() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        response = client.read_response("POST")
        if front.name == "apache" and front.protocol != "fastcgi":
            assert response.status == 411
            return
        assert response.text == "abc"
        body = os.urandom(300_000)  # more than Apache takes in before it asks
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:70_000], body[70_000:])) + b"0\r\n\r\n"
        client.send(b"POST /digest HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        assert client.read_response("POST").text == f"{len(body)} {hashlib.sha256(body).hexdigest()}"


def test_heads_as_the_app_gave_them(front):
    with front() as client:
        head = client.request("HEAD", "/big?n=1000")
        assert head.status == 200 and head.get("Content-Length") in ("1000", None) and head.body == b""
        assert len(head.all("Date")) == 1 and head.get("Content-Type") == "text/plain"
        assert client.request("GET", "/status?s=404+Not+Found").status == 404
        assert client.request("GET", "/cookies").all("Set-Cookie") == ["a=1", "b=2; Path=/"]


def test_a_file_answer(front, tmp_path):
    (tmp_path / "file").write_bytes(os.urandom(2_000_000))
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    with front() as client:
        assert client.request("GET", f"/file?path={tmp_path}/file").body == (tmp_path / "file").read_bytes()


def test_a_dead_worker_is_no_complete_answer(front):
    """By TCP a reset says it, by FastCGI the missing end. A unix socket with neither says nothing."""
    with front() as client:
        client.send(b"GET /stream?count=1000&size=20000&pause=0.05 HTTP/1.1\r\nHost: a\r\n\r\n")
        response = client.read_head()
        assert response.status == 200
        for worker in front.server.named("worker"):
            os.kill(worker, 9)
        if front.family == "tcp" or front.protocol == "fastcgi":
            with pytest.raises(Closed):
                client.read_chunks()


@pytest.mark.parametrize("protocol, family", [(protocol, family) for protocol in PROTOCOLS["lighttpd"] for family in ("unix", "tcp")])
def test_lighttpd_may_start_it(binary, folder, app_python, protocol, family):
    """`bin-path` without `host`: the socket that lighttpd has made is descriptor 0 of what it starts."""
    apps.copy("kit", folder / "kit")
    settings = {"target": "app:application", "workers": 1, "python": str(app_python), "watch": "off"}
    apps.write_config(folder / "kit", settings, [{"addr": "fd:0", "protocol": protocol}], "", 1)
    address = str(folder / "socket") if family == "unix" else ("", web_servers.free_ports(1)[0])
    command = f"{binary} serve -c {folder}/kit/cutwater.toml"
    lighttpd, ports = web_servers.lighttpd("/usr/sbin/lighttpd", folder, [(protocol, address)], command)
    started = []
    try:
        with Client(("127.0.0.1", ports[0]), timeout=60) as client:
            assert client.request("GET", "/here").text == "kit /here"
            started = processes.tree(lighttpd.pid)
            assert client.request("POST", "/echo", body=b"body").text == "body"
    finally:
        stop(lighttpd)
        processes.wait_until(lambda: not any(map(processes.alive, started)), 20, "what lighttpd started is gone")
        processes.stray_children()  # they fell to us, and are reaped
    assert len(started) > 3  # master, front, worker and kin


def test_it_serves_on(front):
    with front() as client:
        assert client.request("GET", "/x").text == "kit /x"
