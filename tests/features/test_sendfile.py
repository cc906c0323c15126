"""Answers that name another one: a file, by X-Accel-Redirect or X-Sendfile (faults.md 46), or a path of this server
(RFC 3875 section 6.2.2; faults.md 116b)."""

import json
import os
import shutil
import signal

import pytest

from support import gateway_peers as gateways
from support.peers import RawPeer
from test_gateway_clients import gateway, peer, route  # noqa: F401 (a fixture)
from test_php import php, site  # noqa: F401 (fixtures)

pytestmark = pytest.mark.timeout(90)
NAMES = ["X-Accel-Redirect", "X-Sendfile"]
CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def media(folder):
    place = folder / "media"
    (place / "a").mkdir(parents=True)
    for path, content in ((place / "a" / "b c.pdf", CONTENT), (folder / "secret", b"secret")):
        path.write_bytes(content)
        path.chmod(0o644)
        os.utime(path, (1_700_000_000,) * 2)  # an ETag for good
    (place / "link").symlink_to("../secret")
    for path in (place, place / "a"):
        path.chmod(0o755)
    return place


def sendfile(media):
    return {"/protected/": str(media)}


def target(by, media, name="a/b c.pdf"):
    return f"/protected/{name.replace(' ', '%20')}" if by == "X-Accel-Redirect" else f"{media}/{name}"


def ask(client, path, by, to, method="GET", headers=()):
    to = to.replace("%", "%25").replace(" ", "%20")
    return client.request(method, f"{path}?by={by}&to={to}", headers)


def check_answers(client, path, media, content_type="application/pdf"):
    """What every one of them does."""
    for by in NAMES:
        to = target(by, media)
        answer = ask(client, path, by, to)
        assert (answer.status, answer.body) == (200, CONTENT)
        assert (answer.get("Content-Type"), answer.get("Content-Length")) == (content_type, str(len(CONTENT)))
        assert answer.get("Accept-Ranges") == "bytes" and not any(answer.get(name) for name in NAMES)
        etag = answer.get("ETag")
        assert ask(client, path, by, to, headers=[("If-None-Match", etag)]).status == 304
        part = ask(client, path, by, to, headers=[("Range", "bytes=10-19")])
        assert (part.status, part.body, part.get("Content-Range")) == (206, CONTENT[10:20], f"bytes 10-19/{len(CONTENT)}")
        head = ask(client, path, by, to, "HEAD")
        assert (head.status, head.get("Content-Length"), head.get("ETag")) == (200, str(len(CONTENT)), etag)
        for name in ("nothing", "", "a", "../secret", "link"):
            answer = ask(client, path, by, target(by, media, name))
            assert answer.status == 404 and b"secret" not in answer.body and not any(answer.get(name) for name in NAMES)
    for by, to in (("X-Accel-Redirect", "/etc/passwd"), ("X-Sendfile", "/etc/passwd"), ("X-Sendfile", f"{media}x/y")):
        assert ask(client, path, by, to).status == 404


def test_a_file_named_by_where_links_lead(serve, folder, media):
    """As by PHP's __DIR__, or by who was told the real root."""
    (folder / "current").symlink_to("media")
    server = serve("django_site", target=None, sendfile=sendfile(folder / "current"), allow=[r"\[CW0515\]"])
    with server.connect() as client:
        for place in (folder / "current", media):
            assert ask(client, "/download", "X-Sendfile", f"{place}/a/b c.pdf").body == CONTENT
        for name in (f"{media}", f"{media}x/y", f"{folder}/secret", f"{media}/../secret", "/"):
            assert ask(client, "/download", "X-Sendfile", name).status == 404


def test_django(serve, media):
    server = serve("django_site", target=None, sendfile=sendfile(media), allow=[r"\[CW0515\]"])
    with server.connect() as client:
        check_answers(client, "/download", media)
        answer = ask(client, "/download", *("X-Accel-Redirect", "/protected/a/b%20c.pdf?x"))
        assert answer.get("Content-Disposition") == 'attachment; filename="report.pdf"'
        assert answer.get("Set-Cookie").startswith("seen=1") and answer.body == CONTENT
    line = r"\[CW0515\] app web: the answer to (GET|HEAD) /download names the file /protected/nothing, where there is no file; answered 404"
    server.log.wait_for(line)


def test_streamed_bodies_of_apps_are_dropped(serve, media):
    server = serve("kit", sendfile=sendfile(media), allow=[r"\[CW0515\]"])
    with server.connect() as client:
        for count in (0, 1, 50_000):
            answer = client.request("GET", f"/named?count={count}&by=X-Accel-Redirect&to=/protected/a/b%2520c.pdf")
            assert (answer.status, answer.body, answer.get("Content-Type")) == (200, CONTENT, "text/x-mine")
        answer = client.request("GET", "/named?s=404%20None&by=X-Accel-Redirect&to=/protected/a/b%2520c.pdf", [("Range", "bytes=0-0")])
        assert (answer.status, answer.body) == (404, CONTENT)
        assert client.request("GET", "/", [("X-Sendfile", "/etc/passwd"), ("X-Accel-Redirect", "/protected/a")]).text == "kit /"
        assert client.request("GET", "/protected/a/b").text == "kit /protected/a/b"  # it is no route


def test_a_reload_tells_what_it_does_not_change(serve, media):
    server = serve("kit", sendfile=sendfile(media), allow=[r"\[CW0808\]"])
    file = server.folder / "cutwater.toml"
    file.write_text(file.read_text().replace('"/protected/"', '"/other/"'))
    server.process.send_signal(signal.SIGHUP)
    server.log.wait_for(r"\[CW0808\] changes of sendfile of app.web take effect at the next restart")


@pytest.mark.parametrize("where", ["app", "route"])
def test_a_folder_that_is_not_there(run_binary, folder, where):
    (folder / "app.py").write_text("def application(environ, start_response): ...")
    names = 'sendfile = { "/x/" = "nowhere" }'
    route_to = f'[[site]]\n[[site.route]]\nmatch = {{ path = "/a/*" }}\nproxy = {{ to = "http://127.0.0.1:1", {names} }}\n'
    (folder / "cutwater.toml").write_text(f"[app.web]\n{names}\n" if where == "app" else route_to)
    result = run_binary("check", "-c", "cutwater.toml")
    assert result.returncode != 0 and "CW0110" in result.stderr + result.stdout and "nowhere" in result.stderr + result.stdout


def test_a_folder_the_front_may_not_enter(serve, media):
    if os.getuid() != 0:
        pytest.skip("started as root alone the front is another user")
    server = serve("kit", sendfile=sendfile(media), allow=[r"\[CW0401\]"])
    (media / "a").chmod(0o700)
    with server.connect() as client:
        assert ask(client, "/named", "X-Sendfile", f"{media}/a/b c.pdf").status == 403
    server.log.wait_for(r"\[CW0401\].*a/b c\.pdf")


def test_php(php, media):  # noqa: F811
    server = php(f', sendfile = {{ "/protected/" = "{media}" }}', allow=[r"\[CW0515\]"])
    with server.connect() as client:
        check_answers(client, "/sendfile.php", media)
        assert ask(client, "/sendfile.php", *("X-Accel-Redirect", "/protected/a/b%20c.pdf")).get("Content-Disposition") == "attachment"


def test_php_without_leave(php, media):  # noqa: F811
    server = php(allow=[r"\[CW0516\]"])
    with server.connect() as client:
        for by in NAMES:
            answer = ask(client, "/sendfile.php", by, target(by, media))
            assert (answer.text, answer.get(by)) == ("dropped", None)
    server.log.wait_for(r"\[CW0516\] upstream .*: the answer to GET /sendfile\.php names a file, X-Accel-Redirect: /protected")


@pytest.mark.parametrize("protocol", ["uwsgi", "scgi", "fastcgi"])
def test_uwsgi_server(serve, peer, folder, media, protocol):  # noqa: F811
    shutil.copytree(os.path.join(os.path.dirname(__file__), "apps", "kit"), folder / "behind")
    behind = peer(gateways.uwsgi, folder / "behind", protocol)
    server = gateway(serve, route(protocol, behind, more=f', sendfile = {{ "/protected/" = "{media}" }}'), allow=[r"\[CW0515\]"])
    with server.connect() as client:
        check_answers(client, "/named", media, "text/x-mine")


def test_an_http_server(serve, peer, media):  # noqa: F811
    """The connection to it is used again, and what it says of the file wins."""

    def script(connection, _request):
        connection.sendall(b'HTTP/1.1 200 OK\r\nETag: "mine"\r\nX-Accel-Redirect: /protected/a/b%20c.pdf\r\nContent-Length: 7\r\n\r\ndropped')

    behind = peer(RawPeer, script)
    server = gateway(serve, route("proxy", behind, more=f', sendfile = {{ "/protected/" = "{media}" }}'))
    with server.connect() as client:
        for _ in range(3):
            answer = client.request("GET", "/")
            assert (answer.body, answer.get("ETag"), answer.get("Content-Type")) == (CONTENT, '"mine"', "application/pdf")
        assert client.request("GET", "/", [("If-None-Match", '"mine"')]).status == 304
    assert behind.accepted == 1


# ---- local redirects


def redirecting(serve, folder, to, protocol, more="", **options):
    """A site with a redirecting program at /go, and what it may lead to."""
    place = folder / "files"
    place.mkdir()
    place.chmod(0o755)
    (place / "x.txt").write_text("static")
    config = route(protocol, to, "/go/*") + more
    config += f'[[site.route]]\nmatch = {{ path = "/static/*" }}\nstatic = {{ root = "{place}" }}\n'
    config += '[[site.route]]\nmatch = { path = "/*" }\napp = "web"\n'
    return serve("kit", config=config, **options)


def test_local_redirects_of_scgi(serve, peer, folder):  # noqa: F811
    """What stands there answers, whoever that is: as to GET, without a body."""
    goal = []
    behind = peer(gateways.RawGatewayPeer, "scgi", lambda connection, _: connection.sendall(b"Location: %s\n\n" % goal[-1]) or False)
    server = redirecting(serve, folder, behind, "scgi", allow=[r"\[CW0610\]"])
    with server.connect() as client:
        goal.append(b"/static/x.txt?q")
        for method in ("GET", "POST"):
            answer = client.request(method, "/go/a", body=b"body" if method == "POST" else b"")
            assert (answer.status, answer.text, answer.get("Location")) == (200, "static", None)
        assert client.request("HEAD", "/go/a").get("Content-Length") == "6"
        goal.append(b"/environ/caf%C3%A9?a=%20b")
        answer = client.request("POST", "/go/a?other", [("Content-Type", "x/y"), ("Cookie", "c=1")], body=b"x" * 100_000)
        seen = json.loads(answer.body)
        assert (seen["REQUEST_METHOD"], seen["QUERY_STRING"], seen["REQUEST_URI"]) == ("GET", "a=%20b", "/environ/caf%C3%A9?a=%20b")
        assert seen["PATH_INFO"] == "/environ/caf\u00c3\u00a9" and seen["HTTP_COOKIE"] == "c=1" and seen["REDIRECT_URL"] == "/go/a"
        assert "CONTENT_TYPE" not in seen and seen.get("CONTENT_LENGTH", "") in ("", "0")
        for nowhere in (b"/%zz", b"/a b", b"/go/a"):
            goal.append(nowhere)
            asked = len(behind.requests)
            assert client.request("GET", "/go/a").status == 502
            assert len(behind.requests) - asked == (6 if nowhere == b"/go/a" else 1)
    server.log.wait_for(r"\[CW0610\] upstream .*: the answer to GET /go/a is (more local redirects|a local redirect)")


def test_the_client_follows_all_others(serve, peer, folder):  # noqa: F811
    for head in (b"Location: http://a.example/static/x.txt\n\n", b"Location: //a.example/x\n\n", b"Status: 303\nLocation: /static/x.txt\n\n",
                 b"Location: /static/x.txt\nSet-Cookie: a=1\n\n"):
        behind = peer(gateways.RawGatewayPeer, "scgi", gateways.answering(head))
        server = gateway(serve, route("scgi", behind))
        answer = server.get("/go")
        assert answer.status in (302, 303) and answer.get("Location").encode() in head


def test_local_redirects_of_libfcgi(serve, peer, folder):  # noqa: F811
    behind = peer(gateways.libfcgi, folder)
    other = f'[[site.route]]\nmatch = {{ path = "/other/*" }}\nfastcgi = {{ to = "{behind.url}" }}\n'
    other += 'auth = { fastcgi = { to = "%s" } }\n' % behind.url
    server = redirecting(serve, folder, behind, "fastcgi", other, allow=[r"\[CW060[8]\]", r"\[CW0610\]"])
    with server.connect() as client:
        assert client.request("POST", "/go/a?go=/static/x.txt", body=b"x" * 70_000).text == "static"
        assert client.request("GET", "/go/a?go=/other/b").status == 403  # who must let it through is asked there, too
        answer = client.request("GET", "/go/a?go=/other/b", [("Cookie", "a=pass")])
        assert answer.text == "role RESPONDER path /other/b user ada body 0\n"
        assert client.request("GET", "/go/a?go=/go/a?go=/go/a?go=/static/x.txt").text == "static"
        assert client.request("GET", "/go/a" + "?go=/go/a" * 6 + "?go=/static/x.txt").status == 502
