"""php-fpm behind us, running real pages; and which script a path means (faults.md 60-65)."""

import functools
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import time

import pytest

from support import gateway_peers as gateways
from support import processes
from support.processes import wait_until
from test_gateway_clients import gateway, peer, route  # noqa: F401 (a fixture)

pytestmark = pytest.mark.timeout(90)

FPM = """
[global]
error_log = /proc/self/fd/2
daemonize = no
log_level = notice
[www]
listen = {socket}
listen.mode = 0666
{user}
pm = static
pm.max_children = {children}
ping.path = /ping
catch_workers_output = no
php_admin_value[session.save_path] = {sessions}
php_admin_value[upload_max_filesize] = 20M
php_admin_value[post_max_size] = 20M
php_admin_value[log_errors] = on
php_admin_value[display_errors] = off
"""


def php_fpm(folder, children=3):
    place = folder / "fpm"
    sessions = place / "sessions"
    sessions.mkdir(parents=True, exist_ok=True)
    sessions.chmod(0o777)
    user = "user = www-data\ngroup = www-data" if os.getuid() == 0 else ""
    (place / "fpm.conf").write_text(FPM.format(socket=place / "php.sock", user=user, sessions=sessions, children=children))
    program = gateways.program("php-fpm8.2", "php-fpm8.3", "php-fpm8.4", "php-fpm", package="php-fpm")
    started = gateways.Killed([program, "-F", "-O", "-y", place / "fpm.conf"], place, re.compile("(ready to handle connections)"))
    started.url = f"unix:{place / 'php.sock'}"
    return started


@pytest.fixture
def site(folder):
    place = folder / "site"
    shutil.copytree(os.path.join(os.path.dirname(__file__), "apps", "php_site"), place)
    for path in [place, *place.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return place


@pytest.fixture
def php(serve, peer, folder, site):  # noqa: F811
    def start(more="", children=3, before="", to=None, **options):
        behind = peer(php_fpm, folder, children)
        config = route("fastcgi", to or behind.url, more=f', root = "{site}"{more}', before=before)
        return gateway(serve, config, **options)

    return start


def test_pages(php, site):
    server = php()
    with server.connect() as client:
        answer = client.request("GET", "/")
        assert answer.text == "index of /index.php\n" and answer.get("X-Page") == "index"
        assert client.request("GET", "/admin/").text == "admin\n"
        for method, expected in (("GET", 1 << 20), ("HEAD", 0)):
            client.send(f"{method} /big.php HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = client.read_response(method)
            assert answer.status == 200 and len(answer.body) == expected
        answer = client.request("GET", "/headers.php")
        assert (answer.status, answer.text, answer.get("X-One")) == (418, "short\n", "1")
        assert answer.all("X-Many") == ["a", "b"] and answer.get("Set-Cookie") == "flavour=plain"
        answer = client.request("GET", "/redirect.php")
        assert (answer.status, answer.get("Location")) == (302, "/elsewhere")


def test_server_variables(php, site):
    server = php()
    with server.connect() as client:
        seen = json.loads(client.request("GET", "/server.php/more/%C3%A9?a=b&c", [("X-Mine", "1")], host="shop.example:81").body)
        assert seen["SCRIPT_NAME"] == "/server.php" and seen["SCRIPT_FILENAME"] == f"{site}/server.php"
        assert seen["DOCUMENT_ROOT"] == str(site) and seen["PATH_INFO"] == "/more/\u00e9"
        assert seen["PHP_SELF"] == "/server.php/more/\u00e9" and seen["QUERY_STRING"] == "a=b&c"
        assert seen["REQUEST_URI"] == "/server.php/more/%C3%A9?a=b&c" and seen["HTTP_X_MINE"] == "1"
        assert seen["SERVER_NAME"] == "shop.example" and seen["SERVER_PORT"] == "81" and seen["REMOTE_ADDR"] == "127.0.0.1"
        plain = json.loads(client.request("GET", "/server.php").body)
        assert "PATH_INFO" not in plain or plain["PATH_INFO"] == ""


def test_a_link_that_a_deployment_switches(serve, peer, folder, site):  # noqa: F811
    """Told where the link leads, PHP cannot answer from where it led before, which it remembers for two minutes."""
    for name in ("one", "two"):
        shutil.copytree(site, folder / name)
        (folder / name / "release.php").write_text(f"<?php echo '{name}';")
        (folder / name / f"{name}.php").write_text("<?php echo basename(__DIR__);")
    current = folder / "current"
    current.symlink_to("one")
    behind = peer(php_fpm, folder)
    server = gateway(serve, route("fastcgi", behind.url, more=f', root = "{current}", real_root = true'))
    assert server.get("/release.php").text == server.get("/one.php").text == "one"
    (folder / "fresh").symlink_to("two")
    (folder / "fresh").rename(current)
    wait_until(lambda: server.get("/two.php").text == "two", 10, "the other release")
    assert server.get("/release.php").text == "two" and server.get("/one.php").status == 404
    shutil.rmtree(folder / "one")
    assert server.get("/release.php").text == "two"


@pytest.mark.parametrize("query", ["-s", "-d+allow_url_include%3d1", "-d+allow_url_include%3d1+-d+auto_prepend_file%3d/etc/passwd"])
def test_a_query_is_no_command_line(php, query):
    """faults.md 60: what PHP's CGI program took for flags is a query, passed on as it came; no source, no file of others."""
    with php().connect() as client:
        answer = client.request("GET", f"/server.php?{query}")
        seen = json.loads(answer.body)
        assert answer.status == 200 and seen["QUERY_STRING"] == query and seen["REQUEST_URI"] == f"/server.php?{query}"


def test_session(php):
    server = php()
    with server.connect() as client:
        first = client.request("GET", "/session.php")
        cookie = first.get("Set-Cookie").split(";")[0]
        assert first.text == "visit 1\n" and cookie.startswith("PHPSESSID=")
        assert client.request("GET", "/session.php", [("Cookie", cookie)]).text == "visit 2\n"
        assert client.request("GET", "/session.php").text == "visit 1\n"


@pytest.mark.parametrize("buffer", ["true", "false"])
def test_uploads(php, buffer):
    server = php(f", buffer = {buffer}")
    data = os.urandom(3_000_000)
    parts = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nsomebody\r\n'
    parts += b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n' + data + b"\r\n--x--\r\n"
    with server.connect() as client:
        answer = client.request("POST", "/upload.php", [("Content-Type", "multipart/form-data; boundary=x")], body=parts)
        assert answer.text == f"somebody a.bin {len(data)} {hashlib.sha256(data).hexdigest()}\n"
        for size in (0, 1, 65_535, 65_536, 200_000):
            body = os.urandom(size)
            answer = client.request("POST", "/raw.php", [("Content-Type", "x/y"), ("Content-Length", str(size))], body=body)
            assert answer.text == f"{size} {hashlib.sha256(body).hexdigest()}\n"


def test_streaming(php, folder):
    server = php()
    flag = folder / "go"
    with server.connect() as client:
        client.send(f"GET /stream.php?until={flag} HTTP/1.1\r\nHost: a\r\n\r\n")
        client.read_head()
        assert client.read_line() == "6" and client.read_line() == "first\n"
        flag.write_text("")
        assert client.read_chunks()[0] == b"last\n"


def test_a_page_that_works_on_behind_its_answer(php, folder):
    """To its end, though what it says then reaches nobody; and its client waits for none of that."""
    server = php()
    flag, done = folder / "go", folder / "fpm" / "sessions" / "done"
    with server.connect() as client:
        assert client.request("GET", f"/late.php?until={flag}&done={done}").text == "whole"
        assert client.request("GET", "/").status == 200
        assert not done.exists()
        flag.write_text("")
        wait_until(done.exists)
        assert client.request("GET", "/").status == 200


def test_nobody_waits_for_a_page_that_has_said_that_it_is_done(php, folder):
    """As the answers of Symfony and Laravel do. Its process is as busy as before, and no kept connection leads to it."""
    server = php(children=2)
    flag, done = folder / "go", folder / "fpm" / "sessions" / "done"
    with server.connect() as client:
        assert client.request("GET", f"/finish.php?until={flag}&done={done}").text.startswith("done ")
        for _ in range(20):
            assert client.request("GET", "/").status == 200
        assert not done.exists()
    flag.write_text("")
    wait_until(done.exists)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_works_on_behind_its_answer_is_no_less_finished(php, folder, number):
    """By a stop as by a reload: PHP ends a page whose connection is closed."""
    server = php()
    works_on_to_its_end(server, number, folder / "go", folder / "fpm" / "sessions" / "done")


def works_on_to_its_end(server, number, flag, done):
    assert server.get(f"/late.php?until={flag}&done={done}").text == "whole"
    server.signal(number)
    if number == signal.SIGTERM:
        server.log.wait_for("what runs is finished")
    time.sleep(0.5)
    assert server.process.poll() is None and not done.exists()
    flag.write_text("")
    if number == signal.SIGTERM:
        assert server.wait_exit() == 0
    wait_until(done.exists)


def test_the_error_log_of_php(php):
    server = php(allow=[r"\[CW0608\]"])
    assert server.get("/warn.php").text == "fine\n"
    server.log.wait_for(r"\[CW0608\] upstream unix:\S+: request [0-9a-f]{8} GET /\S+: (PHP message: )?a message of PHP")
    assert server.get("/broken.php").status == 500
    server.log.wait_for("undefined_function")


def test_a_route_without_root(serve, peer, folder, site):  # noqa: F811
    """php-fpm says no more than that it finds nothing."""
    behind = peer(php_fpm, folder)
    server = gateway(serve, route("fastcgi", behind), allow=[r"\[CW0608\]"])
    assert server.get("/index.php").status == 404
    server.log.wait_for("CW0608.*Primary script unknown")
    server.log.wait_for("fix: `root` of the route must be the folder of the scripts, as php-fpm sees it too")


def test_a_page_that_hangs_and_one_that_dies(php):
    server = php(', timeout = "500ms"', children=2, allow=[r"\[CW060[345]\]"])
    assert server.get("/hang.php").status == 504
    assert server.get("/die.php").status == 502
    assert server.get("/").status == 200


def test_kept_connections_starve_nobody(php, folder):
    """A process of php-fpm that holds an idle connection serves nobody else."""
    upstream = f'[upstream.php]\nservers = ["unix:{folder}/fpm/php.sock"]\nkeepalive = 8\n'
    server = php(', timeout = "10s"', children=2, before=upstream, to="php")
    clients = [server.connect() for _ in range(8)]
    for _ in range(5):
        for client in clients:
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        for client in clients:
            assert client.read_response().status == 200
    for client in clients:
        client.close()


def test_one_process_serves_us_and_others(php, folder):
    """Nobody has said how many there are: what is kept for a moment is in nobody's way for longer."""
    server = php(', timeout = "10s"', children=1)
    ping = b"".join(gateways.record(kind, content) for kind, content in [
        (gateways.BEGIN, b"\0\1" + b"\0" * 6),
        (gateways.PARAMS, b"".join(bytes([len(name), len(value)]) + name + value for name, value in [
            (b"SCRIPT_NAME", b"/ping"), (b"SCRIPT_FILENAME", b"/ping"), (b"REQUEST_METHOD", b"GET")])),
        (gateways.PARAMS, b""), (gateways.STDIN, b"")])
    with server.connect() as one, server.connect() as two:
        for _ in range(20):
            assert one.request("GET", "/").status == 200
            assert two.request("POST", "/", body=b"x").status == 200
            assert one.request("GET", "/").status == 200
            with socket.socket(socket.AF_UNIX) as other:
                other.settimeout(10)
                other.connect(str(folder / "fpm" / "php.sock"))
                other.sendall(ping)
                assert b"pong" in b"".join(iter(functools.partial(other.recv, 4096), b""))


@pytest.mark.parametrize("keepalive", [0, 8])
def test_a_client_that_does_not_read_holds_no_process(php, folder, keepalive):
    upstream = f'[upstream.php]\nservers = ["unix:{folder}/fpm/php.sock"]\nkeepalive = {keepalive}\n'
    server = php(', timeout = "10s"', children=1, before=upstream, to="php")
    with server.connect() as slow, server.connect() as other:
        for _ in range(3):  # on a connection that has taken several the process is held by it
            assert slow.request("GET", "/").status == 200
        slow.send("GET /big.php?megabytes=20 HTTP/1.1\r\nHost: a\r\n\r\n")
        slow.read_head()
        assert other.request("GET", "/").status == 200
        opened = processes.descriptors(server.named("front")[0])
        assert opened is None or sum(name.endswith("(deleted)") for name in opened.values()) == 1
        assert len(slow.read_chunks()[0]) == 20 << 20


def test_an_application_that_routes_by_itself(php, site):
    """Scripts, the files beside them, and one script for everything else."""
    (site / "style.css").write_text("body {}")
    (site / ".env").write_text("PASSWORD=x")
    (site / "upper.PHP").write_text("<?php secret();")
    (site / "old.php~").write_text("<?php secret();")
    (site / "admin" / "logo.png").write_bytes(b"png")
    server = php(', files = true, fallback = "/server.php"')
    with server.connect() as client:
        answer = client.request("GET", "/style.css")
        assert (answer.status, answer.text, answer.get("Content-Type")) == (200, "body {}", "text/css; charset=utf-8")
        assert client.request("GET", "/admin/logo.png").body == b"png"
        assert client.request("GET", "/").text == "index of /index.php\n" and client.request("GET", "/admin/").text == "admin\n"
        assert client.request("GET", "/admin").status == 301
        assert client.request("POST", "/style.css", body=b"x").status == 405
        for path in ("/pretty/page", "/nothing.php", "/.env", "/upper.PHP", "/old.php~", "/a%2Fb", "/style.css/more", "/admin/nothing"):
            seen = json.loads(client.request("GET", path + "?a=1").body)
            assert (seen["SCRIPT_NAME"], seen["REQUEST_URI"], seen["QUERY_STRING"]) == ("/server.php", path + "?a=1", "a=1")
            assert seen["SCRIPT_FILENAME"] == f"{site}/server.php" and not seen.get("PATH_INFO")


def test_files_beside_scripts_alone(php, site):
    (site / "style.css").write_text("body {}")
    sources = ["config.inc", "x.phtml", "x.php5", "x.phar", "index.php.bak", "index.php.swp", "wp-config.php.save", "dump.sql", "s.cgi"]
    for name in [*sources, "a.module.css", "app.dist.js"]:
        (site / name).write_text("as it is")
    server = php(", files = true")
    assert server.get("/style.css").text == "body {}" and server.get("/pretty").status == 404
    assert {server.get("/" + name).status for name in sources} == {404}
    assert server.get("/a.module.css").text == server.get("/app.dist.js").text == "as it is"
    assert server.get("/").text == "index of /index.php\n"


# ---- which script


@pytest.fixture
def scripts(serve, peer, site):  # noqa: F811
    """Says which script it was asked for."""
    behind = None

    def script(connection, request):
        variables = gateways.variables_of("fastcgi", request)
        text = variables[b"SCRIPT_FILENAME"].removeprefix(str(site).encode()) + b" " + variables.get(b"PATH_INFO", b"")
        connection.sendall(gateways.answer("fastcgi", text))
        return False

    behind = peer(gateways.RawGatewayPeer, "fastcgi", script)
    (site / "a.jpg").write_text("<?php evil();")
    (site / ".hidden.php").write_text("x")
    (site / "x.txt\u023a.php").write_text("odd, but a script")
    (site / "old.php~").write_text("x")
    (site / "pipe.php").symlink_to("/etc/passwd")
    (site / "inside.php").symlink_to("index.php")
    os.mkfifo(site / "fifo.php")
    (site / "up").mkdir()
    (site / "up" / "a.jpg").write_text("<?php evil();")
    return gateway(serve, route("fastcgi", behind, more=f', root = "{site}"'))


@pytest.mark.parametrize("path, seen", [
    ("/", "/index.php "), ("/index.php", "/index.php "), ("/index.php/", "/index.php /"), ("/index.php/a/b.php", "/index.php /a/b.php"),
    ("/index.php/" + "x" * 5000, "/index.php /" + "x" * 5000), ("/admin/", "/admin/index.php "), ("/inside.php", "/inside.php "),
    ("/folder.php/inner.php", "/folder.php/inner.php "), ("/folder.php/inner.php/x", "/folder.php/inner.php /x"),
    ("/x.txt%C8%BA.php", "/x.txt\u023a.php "), ("/index.php?-s", "/index.php "), ("/up/../index.php", "/index.php "),
    ("/index.php/%2e%2e/admin/", "/admin/index.php "), ("/index%2ephp", "/index.php "),
])
def test_scripts_found(scripts, path, seen):
    answer = scripts.get(path)
    assert answer.status == 200 and answer.body.decode() == seen


@pytest.mark.parametrize("path, status", [
    ("/up/a.jpg/x.php", 404), ("/a.jpg/.php", 404), ("/a.jpg", 404), ("/a.php%0a/x", 400), ("/a.jpg%20%00.php", 400), ("/none.php", 404),
    ("/none.php/x", 404), ("/INDEX.PHP", 404), ("/index.php.", 404), ("/index.php::$DATA", 404), ("/index.php%20", 404), ("/.hidden.php", 404),
    ("/old.php~", 404), ("/pipe.php", 404), ("/fifo.php", 404), ("/up/", 404), ("/up", 404), ("/none/", 404), ("/index.php%2Fx", 404),
    ("/index.ph%EF%BD%90", 404), ("/folder.php", 404), ("/folder.php/", 404), ("/folder.php/none.php", 404), ("/index.pHp/x", 404),
    ("/..%2f..%2fetc/passwd", 404), ("/index.php%00", 400), ("/index.php%0d%0aX:y", 400),
])
def test_scripts_not_found(scripts, path, status):
    assert scripts.get(path).status == status


def test_a_folder_without_its_slash(scripts):
    answer = scripts.get("/admin?x=1")
    assert (answer.status, answer.get("Location")) == (301, "/admin/?x=1")


def test_scripts_are_never_sent(serve, peer, site):  # noqa: F811
    """faults.md 64: a static route over the same folder."""
    for name in ("INDEX.PHP", "b.php.", "c.php::$DATA"):
        (site / name).write_text("<?php secret();")
    (site / "style.css").write_text("body {}")
    behind = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(gateways.answer("fastcgi", b"run")))
    config = f"""
[[site]]
[[site.route]]
match = {{ path = "/run/*" }}
fastcgi = {{ to = "{behind.url}", root = "{site}", strip = "/run" }}
[[site.route]]
match = {{ path = "/*" }}
static = {{ root = "{site}", index = "index.php" }}
"""
    server = gateway(serve, config)
    assert server.get("/run/index.php").text == "run"
    assert behind.variables()["SCRIPT_NAME"] == "/run/index.php" and behind.variables()["SCRIPT_FILENAME"] == f"{site}/index.php"
    assert server.get("/style.css").text == "body {}"
    for path in ("/index.php", "/INDEX.PHP", "/b.php.", "/c.php::$DATA", "/", "/admin/"):
        assert server.get(path).status == 404, path


def test_a_folder_we_may_not_enter(serve, peer, site):  # noqa: F811
    if os.getuid() != 0:
        pytest.skip("only root has a front of another user")
    (site / "locked").mkdir(mode=0o700)
    (site / "locked" / "a.php").write_text("x")
    behind = peer(gateways.RawGatewayPeer, "fastcgi", gateways.answering(gateways.answer("fastcgi", b"x")))
    server = gateway(serve, route("fastcgi", behind, more=f', root = "{site}"'), allow=[r"\[CW0401\]"])
    assert server.get("/locked/a.php").status == 403
    server.log.wait_for(r"\[CW0401\].*/locked/a\.php")
