"""The real nginx in front of an app, by uwsgi_pass, scgi_pass and fastcgi_pass, over TCP and unix sockets."""

import hashlib
import json
import os
import subprocess

import pytest

from support import processes
from support.client import Client, Closed
from support.processes import wait_until

pytestmark = pytest.mark.timeout(120)

WAYS = [(protocol, family) for protocol in ("uwsgi", "scgi", "fastcgi") for family in ("tcp", "unix")]

UNBUFFERED = ".unbuffered"  # behind the address: an nginx that passes bodies on as they come

SERVER = """
  server {{
    listen unix:{front};
    server_name shop.example;
    set_real_ip_from unix:;
    real_ip_header X-Test-Client;
    ignore_invalid_headers off;
    location / {{
      include /etc/nginx/{protocol}_params;
      {index}
      {protocol}_param X-Real-IP $remote_addr;
      {protocol}_param REMOTE_USER ann;
      {protocol}_param UWSGI_FILE /etc/passwd;
      {protocol}_param PHP_VALUE auto_prepend_file=/etc/passwd;
      {protocol}_param LD_PRELOAD /evil.so;
      {protocol}_request_buffering {buffering};
      {protocol}_pass {back};
    }}
    location /environ/tls {{
      include /etc/nginx/{protocol}_params;
      {protocol}_param HTTPS on;
      {protocol}_param SERVER_PORT 443;
      {protocol}_pass {back};
    }}
    location /environ/scheme {{
      include /etc/nginx/{protocol}_params;
      {protocol}_param UWSGI_SCHEME https;
      {protocol}_pass {back};
    }}
    location /old/ {{
      rewrite ^/old/(.*)$ /environ/$1 break;
      include /etc/nginx/{protocol}_params;
      {protocol}_pass {back};
    }}
  }}
"""


def configuration(place, servers):
    user = "user www-data;" if os.getuid() == 0 else ""
    temporary = " ".join(f"{kind}_temp_path {place}/temp-{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return (f"{user} daemon off; pid {place}/pid; error_log {place}/error.log; events {{ }}\n"
            f"http {{ access_log off; client_max_body_size 50m; {temporary}\n{''.join(servers)}}}\n")


def start(tool, place, sockets):
    """With the nginx.conf there, until it listens."""
    nginx = subprocess.Popen([tool("nginx", "nginx"), "-p", place, "-c", place / "nginx.conf"])
    processes.adopt(nginx.pid)
    wait_until(lambda: nginx.poll() is None and all(map(os.path.exists, sockets)), 20, "nginx")
    return nginx


@pytest.fixture(scope="module")
def fronts(serve_module, tool):
    """The address of an nginx for each way; all of them pass on to one server."""
    place = serve_module.folder
    listens = [{"addr": "127.0.0.1:0" if family == "tcp" else f"unix:{place}/{protocol}", "protocol": protocol}
               for protocol, family in WAYS]
    server = serve_module("kit", workers=2, listen=listens, allow=[r"CW05"])
    servers, addresses = [], {}
    for (protocol, family), back in zip(WAYS, server.addresses, strict=True):
        addresses[protocol, family] = f"{place}/{protocol}-{family}.front"
        back = f"unix:{back}" if isinstance(back, str) else f"{back[0]}:{back[1]}"
        for buffering, ending in (("on", ""), ("off", UNBUFFERED)):
            front = addresses[protocol, family] + ending
            index = "fastcgi_index index.php;" if protocol == "fastcgi" else ""  # left over from PHP
            servers.append(SERVER.format(protocol=protocol, front=front, back=back, buffering=buffering, index=index))
    (place / "nginx.conf").write_text(configuration(place, servers))
    nginx = start(tool, place, [path + ending for path in addresses.values() for ending in ("", UNBUFFERED)])
    yield server, addresses
    nginx.terminate()
    nginx.wait(20)


@pytest.fixture(params=WAYS, ids="-".join)
def nginx(fronts, request):
    server, addresses = fronts
    path = addresses[request.param]

    def connect(ending="", **options):
        return Client(path + ending, **options)

    connect.server, connect.family = server, request.param[1]
    return connect


def environ(nginx, target="/environ", headers=(), **options):
    with nginx() as client:
        response = client.request(options.pop("method", "GET"), target, headers, host="shop.example", **options)
        assert response.status == 200, response
        return json.loads(response.body)


@pytest.fixture(scope="module")
def tool():
    def find(name, package):
        path = next((f"{folder}/{name}" for folder in ("/usr/sbin", "/usr/bin") if os.path.exists(f"{folder}/{name}")), None)
        assert path, f"{name} is missing: apt-get install {package}"
        return path

    return find


def test_the_app_sees_the_client(nginx):
    values = environ(nginx, "/environ/a%20b?x=1", [("X-Test-Client", "192.0.2.77"), ("Cookie", "a=b"), ("X-Own", "y")])
    expected = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/environ/a b", "QUERY_STRING": "x=1", "REQUEST_URI": "/environ/a%20b?x=1",
        "SERVER_NAME": "shop.example", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "192.0.2.77", "HTTP_COOKIE": "a=b",
        "HTTP_HOST": "shop.example", "HTTP_X_OWN": "y", "wsgi.url_scheme": "http", "SCRIPT_NAME": "",
    }
    assert {key: values.get(key) for key in expected} == expected
    assert values["REMOTE_USER"] == "ann" and values["UWSGI_FILE"] == "/etc/passwd"  # data, no more
    with nginx() as client:
        assert client.request("GET", "/variable?name=LD_PRELOAD").text != "/evil.so"


def test_the_name_of_the_server_comes_from_nginx_alone(nginx):
    with nginx() as client:
        values = json.loads(client.request("GET", "/environ", host="evil.example:81").body)
    assert values["HTTP_HOST"].startswith("evil.example") and values["SERVER_NAME"] == "shop.example" and values["SERVER_PORT"] != "81"


def test_https_comes_from_nginx_alone(nginx):
    forged = [("X-Test-Client", "192.0.2.77"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "10.9.9.9")]
    values = environ(nginx, "/environ", forged)
    assert values["wsgi.url_scheme"] == "http" and values["REMOTE_ADDR"] == "192.0.2.77"
    values = environ(nginx, "/environ/tls")
    assert values["wsgi.url_scheme"] == "https" and values["HTTPS"] == "on" and values["SERVER_PORT"] == "443"


def test_the_scheme_as_uwsgi_has_it(nginx):
    """Its users write this beside parameters that say neither HTTPS nor REQUEST_SCHEME."""
    values = environ(nginx, "/environ/scheme")
    assert values["wsgi.url_scheme"] == "https" and values["UWSGI_SCHEME"] == "https"


def test_paths_are_as_nginx_has_rewritten_them(nginx):
    values = environ(nginx, "/old/a%20b?x=1")
    assert (values["SCRIPT_NAME"], values["PATH_INFO"]) == ("", "/environ/a b")
    assert (values["REQUEST_URI"], values["QUERY_STRING"]) == ("/old/a%20b?x=1", "x=1")


def test_an_index_for_php_is_no_part_of_the_path(nginx):
    values = environ(nginx, "/environ/")
    assert (values["SCRIPT_NAME"], values["PATH_INFO"]) == ("", "/environ/")


def test_names_that_are_no_variables(nginx):
    values = environ(nginx, "/environ", [("X.Foo", "a"), ("X-Test-Client", "192.0.2.77")])
    assert values["X-Real-IP"] == "192.0.2.77" and not [key for key in values if "FOO" in key]


# By uwsgi_params the path is PATH_INFO too. The others' do not name that, and their users add a line, or have nginx split the path.
MOUNTS = {
    "uwsgi": ("uwsgi", "uwsgi_param SCRIPT_NAME /app;"),
    "scgi": ("scgi", "scgi_param SCRIPT_NAME /app; scgi_param PATH_INFO $document_uri;"),
    "scgi, of the URL": ("scgi", "scgi_param SCRIPT_NAME /app;"),
    "uwsgi, modifier 30": ("uwsgi", "uwsgi_param SCRIPT_NAME /app; uwsgi_modifier1 30;"),
    "scgi, the rest": ("scgi", "scgi_param SCRIPT_NAME /app; scgi_param PATH_INFO $rest;"),
    "fastcgi": ("fastcgi", "fastcgi_param PATH_INFO $fastcgi_script_name; fastcgi_param SCRIPT_NAME /app;"),
    "fastcgi, split": ("fastcgi", "fastcgi_split_path_info ^(/app)(.*)$; fastcgi_param PATH_INFO $fastcgi_path_info;"),
}


@pytest.mark.parametrize("protocol, lines", MOUNTS.values(), ids=MOUNTS.keys())
def test_an_app_below_a_path_of_nginx(serve, tool, protocol, lines):
    server = serve("kit", listen=[{"addr": "127.0.0.1:0", "protocol": protocol}])
    host, port = server.address
    front = f"{server.folder}/front"
    place = f"include /etc/nginx/{protocol}_params; {lines} {protocol}_pass {host}:{port};"
    (server.folder / "nginx.conf").write_text(configuration(
        server.folder, [f"server {{ listen unix:{front}; location ~ ^/app(?<rest>/.*)?$ {{ {place} }} }}"]))
    nginx = start(tool, server.folder, [front])
    try:
        with Client(front) as client:
            values = json.loads(client.request("GET", "/app/environ/a%20b?x=1").body)
            # FastCGI's usual parameters say the same of any path: there it needs `prefix`.
            assert client.request("GET", "/app").text == ("kit /app" if protocol == "fastcgi" else "kit ")
        assert (values["SCRIPT_NAME"], values["PATH_INFO"]) == ("/app", "/environ/a b")
        assert (values["REQUEST_URI"], values["QUERY_STRING"]) == ("/app/environ/a%20b?x=1", "x=1")
    finally:
        nginx.terminate()
        nginx.wait(20)


def test_repeated_fields_are_one_variable(nginx):
    values = environ(nginx, "/environ", [("X-Some", "a"), ("X-Some", "b"), ("Accept", "c"), ("Accept", "d")])
    assert values["HTTP_X_SOME"] == "a, b" and values["HTTP_ACCEPT"] == "c, d"


def test_bodies_both_ways(nginx):
    body = os.urandom(3_000_000)
    with nginx() as client:
        assert client.request("POST", "/digest", body=body).text == f"{len(body)} {hashlib.sha256(body).hexdigest()}"
        assert len(client.request("GET", "/big?n=5000000").body) == 5_000_000
        assert len(client.request("GET", "/stream?count=20&size=50000").body) == 1_000_000
        client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        assert client.read_response().text == "abc"


def test_a_chunked_body_that_nginx_does_not_wait_for(nginx):
    """By FastCGI it has no length then; by the others nginx waits all the same."""
    body = os.urandom(300_000)
    with nginx(UNBUFFERED) as client:
        for pieces in ([b"abc"], [], [body[at : at + 50_000] for at in range(0, len(body), 50_000)]):
            client.send(b"POST /digest HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in pieces:
                client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            client.send(b"0\r\n\r\n")
            whole = b"".join(pieces)
            assert client.read_response().text == f"{len(whole)} {hashlib.sha256(whole).hexdigest()}"


def test_heads_as_the_app_gave_them(nginx):
    with nginx() as client:
        head = client.request("HEAD", "/big?n=1000")
        assert head.status == 200 and head.get("Content-Length") == "1000" and head.body == b""
        assert len(head.all("Date")) == 1 and head.get("Content-Type") == "text/plain"


def test_a_dead_worker_is_no_complete_answer(nginx):
    """By TCP a reset says it. On a unix socket this nginx takes the end for the answer's, whatever FastCGI left out."""
    with nginx() as client:
        client.send(b"GET /stream?count=1000&size=20000&pause=0.05 HTTP/1.1\r\nHost: a\r\n\r\n")
        response = client.read_head()
        assert response.status == 200
        for worker in nginx.server.named("worker"):
            os.kill(worker, 9)
        if nginx.family == "tcp":
            with pytest.raises(Closed):
                client.read_chunks()


def test_it_serves_on(nginx):
    with nginx() as client:
        assert client.request("GET", "/x").text == "kit /x"
