"""CGI scripts in C, sh, Perl and Python: what they get, and what becomes of what they say."""

import os
import pwd
import shutil
import subprocess

import pytest

from support import apps, processes
from support import gateway_peers as gateways
from support.client import chunked
from support.processes import alive, wait_until
from test_gateway_clients import peer  # noqa: F401 (a fixture)

pytestmark = pytest.mark.timeout(90)
IS_ROOT = os.getuid() == 0
SCRIPT_USER = "daemon" if IS_ROOT else pwd.getpwuid(os.getuid()).pw_name
SCRIPT = r"CW070\d"


def give(*paths):
    """To the user that the scripts run as."""
    for path in paths if IS_ROOT else ():
        shutil.chown(path, SCRIPT_USER, pwd.getpwnam(SCRIPT_USER).pw_gid)


@pytest.fixture
def scripts(folder, tool):
    place = folder / "cgi-bin"
    shutil.copytree(apps.APPS / "cgi_site", place)
    subprocess.run([tool("gcc"), "-O1", "-o", place / "hello.cgi", place / "hello.c"], check=True)
    (place / "windows.sh").write_bytes(b"#!/bin/sh\r\necho\r\n")
    (place / "lost.sh").write_text("#!/no/such/interpreter\n")
    (place / "text.sh").write_text("just text\n")
    (place / "plain.sh").write_text("#!/bin/sh\n")
    for path in [place, *place.rglob("*")]:
        path.chmod(0o755)
        if path.is_dir():
            give(path)
    (place / "plain.sh").chmod(0o644)
    return place


@pytest.fixture
def mark(folder):
    """A file that scripts tell their numbers in."""
    place = folder / "marks"
    place.mkdir()
    give(place)
    return place / "mark"


@pytest.fixture
def site(serve, scripts):
    def start(more="", *, before="", beside="", path="/cgi-bin/*", allow=(), fronts=1):
        place = serve.folder / f"site{len(serve.started)}"
        place.mkdir()
        interpreters = "" if "interpreters" in more else ', interpreters = { ".py" = "python3" }'
        (place / "cutwater.toml").write_text(
            f'fronts = {fronts}\n[[listen]]\naddr = "127.0.0.1:0"\n[[site]]\n{before}\n[[site.route]]\n'
            f'match = {{ path = "{path}" }}\ncgi = {{ dir = "{scripts}"{interpreters}{more} }}\n{beside}\n'
        )
        return serve.run(["serve", "-c", "cutwater.toml"], place, allow=allow)

    return start


def play(server, what, mark="", **more):
    query = "&".join(f"{name}={value}" for name, value in {"do": what, "mark": mark, **more}.items())
    return server.get(f"/cgi-bin/play.py?{query}")


def pids(mark):
    return [int(line) for line in mark.read_text().split()] if mark.exists() else []


def variables(response):
    return dict(line.split("=", 1) for line in response.text.splitlines() if "=" in line)


class TestTheRequest:
    def test_variables_of_rfc_3875(self, site, scripts):
        server = site()
        headers = [("Accept", "a"), ("accept", "b"), ("X-Mine", "c"), ("Content-Type", "text/x"), ("Proxy", "http://evil/"),
                   ("X_Mine", "forged")]
        response = server.request("POST", "/cgi-bin/env.sh/more%20path/x?a=b&c=%20+d", headers, b"12345")
        found = variables(response)
        host, port = server.address
        expected = {
            "CONTENT_LENGTH": "5", "CONTENT_TYPE": "text/x", "GATEWAY_INTERFACE": "CGI/1.1", "PATH_INFO": "/more path/x",
            "PATH_TRANSLATED": f"{scripts}/more path/x", "QUERY_STRING": "a=b&c=%20+d", "REMOTE_ADDR": "127.0.0.1",
            "REQUEST_METHOD": "POST", "SCRIPT_NAME": "/cgi-bin/env.sh", "SERVER_NAME": "localhost",
            "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_SOFTWARE": "cutwater", "SCRIPT_FILENAME": f"{scripts}/env.sh",
            "REQUEST_URI": "/cgi-bin/env.sh/more%20path/x?a=b&c=%20+d", "DOCUMENT_ROOT": str(scripts), "HTTP_ACCEPT": "a, b",
            "HTTP_X_MINE": "c", "HTTP_HOST": "localhost", "REQUEST_SCHEME": "http",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
        }
        assert {name: found.get(name) for name in expected} == expected
        assert found["SERVER_PORT"].isdigit() and found["REMOTE_PORT"].isdigit()
        assert "HTTP_PROXY" not in found and "HTTP_CONTENT_TYPE" not in found and "HTTP_CDN_LOOP" not in found

    def test_who_an_authorizer_says_it_is(self, site, peer):
        granting = gateways.answer("fastcgi", head=b"Variable-REMOTE_USER: ann\r\nVariable-AUTH_TYPE: Basic\r\n")
        authorizer = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(granting))
        server = site(beside=f'auth = {{ fastcgi = {{ to = "{authorizer.url}" }} }}')
        found = variables(server.get("/cgi-bin/env.sh", [("Remote-User", "evil"), ("Auth-Type", "evil")]))
        assert (found["REMOTE_USER"], found["AUTH_TYPE"]) == ("ann", "Basic")
        assert "evil" not in found.values()

    def test_what_an_authorizer_says_that_is_listed(self, site, peer, scripts):
        (scripts / "env.py").write_text("import os\nprint('Content-Type: text/plain\\n')\n"
                                        "for item in os.environ.items(): print('='.join(item))\n")
        granting = gateways.answer("fastcgi", head=b"Variable-X_ROLE: admin\r\nVariable-level: 3\r\nVariable-FOO: bar\r\n")
        authorizer = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(granting))
        beside = f'auth = {{ fastcgi = {{ to = "{authorizer.url}" }}, variables = ["X_ROLE", "level"] }}'
        for more in ("", ", warm = false"):
            server = site(more, beside=beside, allow=[r"\[CW0613\]"])
            for script in ("env.sh", "env.py", "env.py"):
                found = variables(server.get(f"/cgi-bin/{script}", [("X-Role", "evil"), ("Level", "evil")]))
                assert (found["X_ROLE"], found["level"]) == ("admin", "3"), (script, more)
                assert "FOO" not in found and "evil" not in found.values()
            assert server.log.count(r"\[CW0613\] upstream 127\.0\.0\.1:\d+: its Variable-FOO does not reach the scripts") == 1
            assert server.log.count(r"\[CW0613\]") == 1

    def test_nothing_else(self, site, scripts, monkeypatch):
        """No secret of the server, no descriptor, no right, and never an argument (faults.md 60, 115)."""
        monkeypatch.setenv("SECRET_KEY", "of the server")
        server = site(', env = { MODE = "test", PATH = "/usr/bin:/bin" }')
        for query in ["-s", "-d+allow_url_include%3d1", "a+b", "%2Dx"]:
            text = server.get(f"/cgi-bin/env.sh?{query}").text
            assert "arguments: ./env.sh 0\n" in text
        assert "SECRET_KEY" not in text and "of the server" not in text
        assert f"folder: {scripts}\n" in text
        assert "umask: 0022\n" in text
        assert "descriptors: 0 1 2 3 \n" in text  # 3: the folder that ls reads
        assert f"user: {pwd.getpwnam(SCRIPT_USER).pw_uid}\n" in text
        names = set(variables(server.get("/cgi-bin/env.sh")))
        known = {"GATEWAY_INTERFACE", "QUERY_STRING", "DOCUMENT_URI", "DOCUMENT_ROOT", "PATH_INFO", "REDIRECT_STATUS", "PATH",
                 "MODE", "HTTP_HOST", "HTTP_CONNECTION"}
        others = {name for name in names - known if not name.startswith(("SERVER_", "REMOTE_", "REQUEST_", "SCRIPT_"))}
        assert not others

    def test_a_program_in_c(self, site):
        server = site()
        assert server.get("/cgi-bin/hello.cgi?x=1").text == "hello 1 x=1\n"
        assert server.request("HEAD", "/cgi-bin/hello.cgi").body == b""

    @pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
    def test_bodies(self, site, size):
        body = os.urandom(size)
        server = site()
        response = server.request("POST", "/cgi-bin/echo.pl", [] if size else [("Content-Length", "0")], body)
        assert (response.get("X-Length"), response.get("X-Read")) == (str(size), str(size))
        assert response.body == body

    @pytest.mark.parametrize("size", [10, 200_000])
    def test_a_chunked_body_has_a_length(self, site, size):
        """It is complete before the script starts."""
        body = os.urandom(size)
        pieces = [body[at:at + 50_000] for at in range(0, size, 50_000)]
        with site().connect() as client:
            client.send(b"POST /cgi-bin/echo.pl HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.send(chunked(*pieces))
            response = client.read_response()
        assert response.get("X-Length") == str(size)
        assert response.body == body

    @pytest.mark.parametrize("size", [10, 3_000_000])
    def test_streams_by_their_names(self, site, scripts, size):
        """/dev/stdin and the others are opened anew, which takes rights of the script's user."""
        (scripts / "names.sh").write_text("#!/bin/sh\necho > /dev/stdout; echo heard > /dev/stderr; exec cat /dev/stdin\n")
        (scripts / "names.sh").chmod(0o755)
        body = os.urandom(size)
        server = site(allow=[SCRIPT])
        assert server.request("POST", "/cgi-bin/names.sh", [], body).body == body
        server.log.wait_for(r"warning\[CW0707\].*names\.sh: heard")

    def test_a_body_that_nobody_reads(self, site):
        assert site().request("POST", "/cgi-bin/hello.cgi", [], b"x" * 500_000).status == 200


class TestWhichScript:
    def test_walking_real_files(self, site):
        server = site()
        assert server.get("/cgi-bin/sub/hello.sh").text == "hello from sub: \n"
        assert server.get("/cgi-bin/sub/hello.sh/a//b").text == "hello from sub: /a/b\n"

    @pytest.mark.parametrize("target", ["/cgi-bin/../../bin/sh", "/cgi-bin/..;/bin/sh", "/cgi-bin/", "/cgi-bin/sub", "/cgi-bin/sub/", "/cgi-bin/none.sh", "/cgi-bin/sub/none/x",
                                        "/cgi-bin/..%2f..%2fbin/sh", "/cgi-bin/.hidden", "/cgi-bin/out.sh", "/cgi-bin/env.sh~",
                                        "/cgi-bin/%2e%2e/cgi-bin-not/x", "/cgi-bin/" + "a" * 300])
    def test_what_is_none(self, site, scripts, target):
        (scripts / ".hidden").write_text("#!/bin/sh\n")
        (scripts / "out.sh").symlink_to("/bin/sh")
        assert site().get(target).status == 404

    def test_an_index(self, site):
        server = site(', index = "hello.sh"')
        assert server.get("/cgi-bin/sub/").text == "hello from sub: \n"
        assert server.get("/cgi-bin/sub").status == 301
        assert server.get("/cgi-bin/").status == 404

    def test_by_suffix(self, site, scripts):
        """As Apache's AddHandler: what has another ending is no script, and no file of that ending is ever sent."""
        static = f'[[site.route]]\nmatch = {{ path = "/files/*" }}\nstatic = {{ root = "{scripts}", strip = "/files" }}'
        server = site(', suffixes = [".sh", ".pl"]', before=static)
        assert server.get("/cgi-bin/sub/hello.sh/x").text == "hello from sub: /x\n"
        assert server.get("/cgi-bin/play.py").status == 404
        assert server.get("/files/play.py").status == 404  # it has an interpreter
        assert server.get("/files/env.sh").status == 404
        assert server.get("/files/ENV.SH.").status == 404
        assert server.get("/files/hello.c").status == 200

    def test_sources_are_never_sent(self, site, scripts):
        static = f'[[site.route]]\nmatch = {{ path = "/files/*" }}\nstatic = {{ root = "{scripts.parent}", strip = "/files" }}'
        server = site(before=static)
        (scripts.parent / "page.html").write_text("page")
        assert server.get("/files/page.html").text == "page"
        for path in ["cgi-bin/hello.c", "cgi-bin/sub/hello.sh", "cgi-bin//hello.c", "%63gi-bin/hello.c"]:
            assert server.get(f"/files/{path}").status == 404

    @pytest.mark.parametrize("name, status, words", [
        ("plain.sh", 403, "chmod"),
        ("lost.sh", 500, "#!/no/such/interpreter"),
        ("windows.sh", 500, "Windows"),
        ("text.sh", 500, "#!/bin/sh"),
    ])
    def test_what_cannot_be_executed(self, site, name, status, words):
        """faults.md 61."""
        server = site(allow=[SCRIPT])
        assert server.get(f"/cgi-bin/{name}").status == status
        server.log.wait_for(rf"error\[CW0701\].*cgi-bin/{name}")
        assert words in server.log.text

    def test_a_missing_interpreter(self, site):
        server = site(', interpreters = { ".py" = "no-such-python" }', allow=[SCRIPT])
        assert server.get("/cgi-bin/play.py").status == 500
        server.log.wait_for(r"error\[CW0701\].*no-such-python")

    def test_perl_by_its_interpreter(self, site, scripts):
        """It needs no right to be run, and no first line."""
        (scripts / "page.pl").write_text('print "X-Page: yes\\n\\n$ENV{QUERY_STRING} ", <STDIN>;')
        (scripts / "page.pl").chmod(0o644)
        answer = site(', interpreters = { ".pl" = "perl" }').request("POST", "/cgi-bin/page.pl?a", [], b"b")
        assert (answer.status, answer.get("X-Page"), answer.text) == (200, "yes", "a b")

    def test_php_by_its_interpreter(self, site, scripts, tool):
        """php-cgi runs what SCRIPT_FILENAME names, and takes no query for its arguments."""
        tool("php-cgi")
        (scripts / "page.php").write_text("<?php header('X-Page: yes'); echo $_GET['x'] ?? '', $_POST['y'] ?? '', $_SERVER['PATH_INFO'] ?? '';")
        server = site(', interpreters = { ".php" = "php-cgi" }')
        answer = server.request("POST", "/cgi-bin/page.php/a?x=1", [("Content-Type", "application/x-www-form-urlencoded")], b"y=2")
        assert (answer.status, answer.get("X-Page"), answer.text) == (200, "yes", "12/a")
        for query in ("-s", "-d+allow_url_include%3d1+-d+auto_prepend_file%3dphp://input", "%ADd+allow_url_include%3d1"):
            assert server.request("POST", f"/cgi-bin/page.php?{query}", [], b"<?php echo 'evil';").text == ""


class TestTheAnswer:
    def test_status(self, site):
        server = site()
        assert play(server, "status", status="404").status == 404
        assert play(server, "status", status="418%20Teapot").body == b"body"

    def test_headers(self, site):
        response = play(site(), "headers")
        assert response.all("Set-Cookie") == ["a=1", "b=2"]
        assert response.get("X-Accel-Redirect") is None
        assert response.text == "ok"

    def test_redirects(self, site):
        server = site(allow=[r"CW0610"])
        there = play(server, "location", to="http://other.example/x")
        assert (there.status, there.get("Location")) == (302, "http://other.example/x")
        moved = play(server, "location_and_body", to="/elsewhere")
        assert (moved.status, moved.get("Location"), moved.text) == (302, "/elsewhere", "moved")
        assert play(server, "location", to="/cgi-bin/sub/hello.sh/y").text == "hello from sub: /y\n"
        again = play(server, "location", to="/cgi-bin/play.py%3Fdo%3Dlocation%26to%3D/cgi-bin/env.sh%3Fz%3D1").text
        assert "REDIRECT_URL=/cgi-bin/play.py\n" in again

    @pytest.mark.parametrize("to, status", [
        ("/cgi-bin/env.sh/%250d%250aX-Evil:y", 502), ("/cgi-bin/env.sh/%2500", 502), ("/cgi-bin/env.sh/%0dX-Evil:y", 502),
        ("//evil.example/x", 302), ("/cgi-bin/env.sh/" + "x" * 3_000, 200), ("/cgi-bin/..%252f..%252fbin/sh", 404),
        ("/cgi-bin/play.py%3Fdo%3Dlocation%26to%3D/cgi-bin/play.py", 200),
    ])
    def test_what_a_local_redirect_may_name(self, site, to, status):
        """faults.md 65, 116b: it is looked at as if a client had sent it."""
        server = site(allow=[SCRIPT, "CW0610"])
        answer = play(server, "location", to=to)
        assert answer.status == status and answer.get("X-Evil") is None
        assert server.get("/cgi-bin/hello.cgi").status == 200

    def test_nph(self, site):
        server = site(", nph = true")
        response = server.get("/cgi-bin/nph-raw.sh")
        assert (response.version, response.status, response.get("X-Mine")) == ("HTTP/1.1", 203, "yes")
        assert response.text == "non-parsed"
        assert server.get("/cgi-bin/hello.cgi").status == 200  # others speak CGI as ever

    def test_nph_only_where_it_is_wanted(self, site):
        server = site(allow=[SCRIPT])
        assert server.get("/cgi-bin/nph-raw.sh").status == 502
        server.log.wait_for(r"error\[CW0704\].*HTTP status line")

    def test_a_large_answer(self, site):
        response = play(site(), "big", bytes=50_000_000)
        assert response.body == b"x" * 50_000_000

    def test_a_gigabyte(self, site, sanitized):
        """faults.md 114: nothing of it stays in memory."""
        server = site()
        [front] = server.named("front")
        before = processes.memory(front)
        size = 2**28 if sanitized else 2**30
        with server.connect(timeout=60) as client:
            client.send(f"GET /cgi-bin/play.py?do=big&bytes={size} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert client.count_to_end() > size
        # A sanitizer keeps what was freed for a while.
        assert sanitized or processes.memory(front) - before < 20 * 2**20

    def test_a_gigabyte_that_nobody_reads(self, site, mark):
        """It is held back, and ended with its client."""
        server = site(allow=[SCRIPT])  # which may live to say that its pipe is broken
        [front] = server.named("front")
        before = processes.memory(front)
        with server.connect() as client:
            client.send(f"GET /cgi-bin/play.py?do=big&bytes={2**30}&mark={mark} HTTP/1.1\r\nHost: a\r\n\r\n")
            [pid] = wait_until(lambda: pids(mark), 10, "the script")
            assert server.get("/cgi-bin/hello.cgi").status == 200
            assert processes.memory(front) - before < 20 * 2**20
            client.reset()
        wait_until(lambda: not alive(pid), 5, "the script's end")

    def test_a_head_without_end(self, site, mark):
        server = site(allow=[SCRIPT])
        assert play(server, "endless_head", mark).status == 502
        server.log.wait_for(r"error\[CW0704\].*play\.py")
        [pid] = pids(mark)
        wait_until(lambda: not alive(pid), 5, "the script's end")

    @pytest.mark.parametrize("query, why", [
        ("do=nothing", "without an answer"),
        ("do=exit&code=127", "exited with status 127 without an answer"),
        ("do=killed", "was killed by SIGSEGV without an answer"),
        ("do=no_end", "within the head"),
        ("do=status&status=2%0000", "control"),
        ("do=status&status=abc", "malformed Status"),
        ("do=status&status=%ff%fe%fd", "Status"),
        ("do=raw&bytes=hello%20world%0a%0a", "colon"),
        ("do=raw&bytes=%00%01%02%ff%0a%0a", "control"),
        ("do=raw&bytes=Status:%20200%0aTransfer-Encoding:%20chunked%0a%0a", "transfer coding"),
        ("do=closes", "closed its output without an answer"),
        ("do=status&status=2000", "Status"),
        ("do=status&status=99", "Status"),
        ("do=status&status=103%20Early", "Status|interim"),
        ("do=status&status=200%20OK%0dX-Evil:%20y", "control"),
        ("do=raw&bytes=X-A:%20b%0a%20folded%0a%0a", ""),
        ("do=raw&bytes=X%20A:%20b%0a%0a", ""),
        ("do=raw&bytes=Content-Length:%203%0aContent-Length:%204%0a%0aabc", "Content-Length"),
        ("do=raw&bytes=Content-Length:%20-1%0a%0aabc", "Content-Length"),
        ("do=raw&bytes=Content-Length:%203,%203%0a%0aabc", "Content-Length"),
        ("do=raw&bytes=HTTP/1.1%20200%20OK%0d%0a%0d%0a", "HTTP status line"),
        ("do=many_fields", ""),
    ])
    def test_no_answer(self, site, query, why):
        server = site(allow=[SCRIPT])
        assert server.get(f"/cgi-bin/play.py?{query}").status == 502
        server.log.wait_for(rf"error\[CW0704\].*play\.py.*{why}")
        assert server.get("/cgi-bin/hello.cgi").status == 200

    def test_a_body_without_a_head(self, site):
        """faults.md 116b: from CGI programs alone."""
        assert site().get("/cgi-bin/play.py?do=raw&bytes=%0abody").text == "body"

    @pytest.mark.parametrize("status", [204, 304])
    def test_a_body_where_none_may_be(self, site, status):
        with site().connect() as client:
            client.send(f"GET /cgi-bin/play.py?do=status&status={status} HTTP/1.1\r\nHost: a\r\n\r\n"
                        "GET /cgi-bin/hello.cgi HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            received = client.read_to_end()
        assert received.startswith(b"HTTP/1.1 %d " % status) and b"body" not in received and received.count(b"HTTP/1.1 ") == 2

    def test_less_than_announced_is_a_cut(self, site):
        server = site(allow=[SCRIPT])
        with server.connect() as client:
            client.send("GET /cgi-bin/play.py?do=short HTTP/1.1\r\nHost: a\r\n\r\n")
            received = client.read_to_end()
        assert b"Content-Length: 10\r\n" in received and received.endswith(b"\r\n\r\nabc")
        server.log.wait_for(r"error\[CW0704\].*before the end of its answer")
        assert server.get("/cgi-bin/play.py?do=long").body == b"abc"

    def test_the_error_stream_is_in_the_log(self, site):
        server = site(allow=[SCRIPT])
        assert play(server, "complain").status == 200
        for line in ["first", "second ", "no end"]:
            server.log.wait_for(rf"warning\[CW0707\] cgi /cgi-bin/\*: request [0-9a-f]{{8}} GET /cgi-bin/play\.py: {line}")
        assert "\x1b" not in server.log.text

    def test_a_flood_of_errors(self, site):
        """faults.md 113: read on, dropped, and nothing of it fills memory or log."""
        server = site(allow=[SCRIPT])
        [front] = server.named("front")
        before = processes.memory(front)
        with server.connect(timeout=60) as client:
            assert client.request("GET", "/cgi-bin/play.py?do=errors&megabytes=1024").text == "done"
        server.log.wait_for(r"CW0707.*and 10\d{8} bytes more")
        assert processes.memory(front) - before < 20 * 2**20
        assert len(server.log.text) < 100_000
