"""Static files served by the front: what is there, what has changed, what is asked for in part, what must stay hidden."""

import email.utils
import os
import shlex
import socket
import stat
import subprocess
import threading
import time

import pytest

from support import apps
from support.places import reachable
from support.processes import wait_until

pytestmark = pytest.mark.timeout(60)
PAGE = b"".join(b"%06d\n" % number for number in range(20000))  # 140 000 bytes


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = reachable(tmp_path_factory.mktemp("files"))
    (folder / "secret.txt").write_text("outside the root: secret")
    files = folder / "files"
    (files / "sub").mkdir(parents=True)
    (files / "empty").mkdir()
    (files / "small.txt").write_bytes(b"small file\n")
    (files / "page.bin").write_bytes(PAGE)
    (files / "none.css").write_bytes(b"")
    (files / "style.css").write_text("body {}")
    (files / "script.mjs").write_text("1")
    (files / "picture.svg").write_text("<svg/>")
    (files / "unknown.zzz").write_text("?")
    (files / "app.3f2a1b4c5d6e.js").write_text("hashed")
    (files / "sub" / "index.html").write_text("<p>index")
    (files / "[a]*?{b}.txt").write_text("glob")
    (files / "sp ace&é.txt").write_text("odd name")
    (files / "%2e%2e%2fsecret.txt").write_text("literal name")
    (files / ".hidden").write_text("dotfile")
    (files / ".git").mkdir()
    (files / ".git" / "config").write_text("[core]")
    (files / "old.txt~").write_text("backup")
    (files / "link-out").symlink_to(folder / "secret.txt")
    (files / "link-dir").symlink_to(folder)
    (files / "link-in").symlink_to("small.txt")
    (files / "link-proc").symlink_to("/proc/self/environ")
    os.mkfifo(files / "fifo")
    if os.getuid() == 0:
        os.mknod(files / "device", 0o666 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero
    (files / "views.py").write_text("SECRET_KEY = 1")
    for name in ("evil.com", "\\evil.com", "a\\b c?d"):
        (files / "sub" / name).mkdir()
    (files / "closed.txt").write_text("nobody may read this")
    (files / "closed.txt").chmod(0)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(files / "socket"))
    for path in files.rglob("*"):
        if path.is_file() and not path.is_symlink():
            age(path)
    return files


def age(path, seconds=3600):
    """As if it had not been changed for long: its ETag is a strong one."""
    os.utime(path, (time.time() - seconds,) * 2)


@pytest.fixture(scope="module")
def server(serve_module, root):
    config = f'[[site]]\n[[site.route]]\nmatch = {{ path = "/files/*" }}\nstatic = {{ root = "{root}", cache = "1h" }}\n'
    return serve_module("kit", config=config, allow=[r"CW0401"])


def test_a_file(server):
    response = server.get("/files/small.txt")
    assert response.status == 200 and response.body == b"small file\n"
    assert response.get("Content-Type").startswith("text/plain") and response.get("Content-Length") == "11"
    assert response.get("ETag") and response.get("Last-Modified") 
    assert response.get("Accept-Ranges") == "bytes" and response.get("Cache-Control") == "public, max-age=3600"


def test_a_large_file_and_many_at_once(server):
    assert server.get("/files/page.bin").body == PAGE
    with server.connect() as client:
        for _ in range(30):
            client.send("GET /files/page.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in range(30):
            assert client.read_response().body == PAGE


def test_an_empty_file(server):
    response = server.get("/files/none.css")
    assert response.status == 200 and response.body == b"" and response.get("Content-Length") == "0"


@pytest.mark.parametrize("name, kind", [("style.css", "text/css"), ("script.mjs", "text/javascript"), ("picture.svg", "image/svg+xml"),
                                        ("unknown.zzz", "application/octet-stream")])
def test_types(server, name, kind):
    assert server.get("/files/" + name).get("Content-Type").split(";")[0] == kind


def test_other_paths_reach_the_app(server):
    assert server.get("/other").text == "kit /other"
    assert server.get("/filesystem").text == "kit /filesystem"
    assert server.get("/files../secret.txt").text == "kit /files../secret.txt"


def test_head(server):
    with server.connect() as client:
        response = client.request("HEAD", "/files/page.bin")
        assert response.get("Content-Length") == str(len(PAGE))
        assert client.request("GET", "/files/small.txt").body == b"small file\n"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "BREW"])
def test_only_reading(server, method):
    with server.connect() as client:
        response = client.request(method, "/files/small.txt", body=b"x")
        assert response.status == 405 and "GET" in response.get("Allow")
        assert client.request("GET", "/files/small.txt").status == 200


class TestConditional:
    def test_not_modified(self, server):
        first = server.get("/files/small.txt")
        for name, value in (("If-None-Match", first.get("ETag")), ("If-None-Match", "*"), ("If-None-Match", f'"x", {first.get("ETag")}'),
                            ("If-Modified-Since", first.get("Last-Modified"))):
            response = server.get("/files/small.txt", [(name, value)])
            assert response.status == 304 and response.body == b"" and response.get("ETag") == first.get("ETag")

    def test_modified(self, server):
        old = email.utils.formatdate(time.time() - 10 * 86400, usegmt=True)
        for name, value in (("If-None-Match", '"other"'), ("If-Modified-Since", old), ("If-Modified-Since", "rubbish")):
            assert server.get("/files/small.txt", [(name, value)]).status == 200

    def test_preconditions(self, server):
        old = email.utils.formatdate(time.time() - 10 * 86400, usegmt=True)
        assert server.get("/files/small.txt", [("If-Match", '"other"')]).status == 412
        assert server.get("/files/small.txt", [("If-Unmodified-Since", old)]).status == 412
        assert server.get("/files/small.txt", [("If-Match", "*")]).status == 200


class TestRange:
    @pytest.mark.parametrize("value, start, end", [("bytes=0-9", 0, 10), ("bytes=100-", 100, len(PAGE)), ("bytes=-7", len(PAGE) - 7, len(PAGE)),
                                                   ("bytes=139999-200000", 139999, len(PAGE)), ("bytes=0-0", 0, 1), ("bytes=-999999", 0, len(PAGE))])
    def test_one_range(self, server, value, start, end):
        response = server.get("/files/page.bin", [("Range", value)])
        assert response.status == 206 and response.body == PAGE[start:end]
        assert response.get("Content-Range") == f"bytes {start}-{end - 1}/{len(PAGE)}"

    @pytest.mark.parametrize("value", ["bytes=140000-", "bytes=200000-300000", "bytes=-0"])
    def test_unsatisfiable(self, server, value):
        response = server.get("/files/page.bin", [("Range", value)])
        assert response.status == 416 and response.get("Content-Range") == f"bytes */{len(PAGE)}"

    @pytest.mark.parametrize("value, status", [
        ("bytes=5-1", 200), ("bytes=abc-xyz", 200), ("bytes=-9223372036854775608", 206), ("bytes=" + "0-," * 1000, 200), ("items=0-1", 200),
        ("bytes=99999999999999999999-", 416), ("bytes=1-2-3", 200), ("bytes", 200), ("bytes=", 200), ("bytes=0-1,5-6", 200),
        ("bytes=" + "5-6," * 16, 200), ("bytes=0-9223372036854775807", 206), ("bytes=18446744073709551615-18446744073709551616", 416),
        ("bytes=0x0-0x9", 200), ("bytes=+0-9", 200), ("bytes= 0-9", 206), ("bytes=0-0\t", 206),
    ])
    def test_odd_ranges_do_no_harm(self, server, value, status):
        response = server.get("/files/page.bin", [("Range", value)])
        assert response.status == status
        if status == 200 or value.startswith(("bytes=-", "bytes=0-9223")):
            assert response.body == PAGE

    def test_a_range_of_40_kb_is_too_large_a_field(self, server):
        with server.connect() as client:
            client.send("GET /files/page.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=" + "0-," * 13_000 + "\r\n\r\n")
            assert client.read_head().status == 431

    def test_if_range(self, server):
        tag = server.get("/files/page.bin").get("ETag")
        assert server.get("/files/page.bin", [("Range", "bytes=0-9"), ("If-Range", tag)]).status == 206
        assert server.get("/files/page.bin", [("Range", "bytes=0-9"), ("If-Range", '"other"')]).status == 200

    def test_only_for_get(self, server):
        response = server.request("HEAD", "/files/page.bin", [("Range", "bytes=0-9")])
        assert response.status == 200


class TestHidden:
    """nothing outside the root, nothing that is not a file, nothing hidden."""

    @pytest.mark.parametrize("target", [
        "/files/../secret.txt", "/files/sub/../../secret.txt", "/files/..%2fsecret.txt", "/files/%2e%2e/secret.txt", "/files/%2e%2e%2fsecret.txt",
        "/files/..;/secret.txt", "/files/sub/%5c..%5c..%5csecret.txt", "/files/....//secret.txt", "/files//../secret.txt",
        "/files/.%2e/secret.txt", "/files/sub/..%2f..%2fsecret.txt", "/files/%c0%ae%c0%ae/secret.txt", "/files/..%c0%afsecret.txt",
        "/files/%252e%252e%252fsecret.txt/", "/files/link-out", "/files/link-dir/secret.txt", "/files/link-proc", "/files/fifo", "/files/socket", "/files/device", "/files/views.py", "/files/views.PY", "/files/%76iews.p%79",
        "/files/.hidden", "/files/.git/config", "/files/.git/", "/files/old.txt~", "/files/closed.txt", "/files/empty/", "/files/sub/nothing",
        "/files/small.txt/", "/files/small.txt/x", "/files/" + "a" * 300, "/files/" + "a/" * 3000, "/../../../../etc/passwd", "/files/%2fetc/passwd",
    ])
    def test_never_shown(self, server, target):
        began = time.monotonic()
        response = server.raw(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert b"secret" not in response.split(b"\r\n\r\n", 1)[-1].replace(b"secret.txt", b"") and b"root:" not in response
        status = int(response.split()[1])
        assert status in (400, 403, 404, 414) or b"kit /" in response, response[:200]
        for hidden in (b"[core]", b"dotfile", b"backup", b"SECRET_KEY", b"nobody may read this"):
            assert hidden not in response
        assert time.monotonic() - began < 2

    @pytest.mark.parametrize("target", ["/files/.%%32%65", "/files/%zz", "/files/%", "/files/%u002e", "/files/a%00b", "/files/%00"])
    def test_broken_escapes(self, server, target):
        assert server.get(target).status == 400

    def test_double_encoding_is_a_literal_name(self, server):
        assert server.get("/files/%252e%252e%252fsecret.txt").text == "literal name"

    def test_links_inside_are_followed(self, server):
        assert server.get("/files/link-in").body == b"small file\n"

    def test_odd_names(self, server):
        assert server.get("/files/%5Ba%5D%2A%3F%7Bb%7D.txt").text == "glob"
        assert server.get("/files/sp%20ace&%C3%A9.txt").text == "odd name"

    @pytest.mark.parametrize("target, status", [
        ("//files/small.txt", 200), ("/./files/small.txt", 200), ("/x/../files/small.txt", 200), ("/%66ile%73/small.txt", 200),
        ("/x/%2e%2E/files/small.txt", 200), ("/x/.%2e/files//small.txt", 200), ("/public/..%2ffiles/small.txt", 404),
        ("/public/..%2Ffiles/small.txt", 404), ("/files/sub/../small.txt", 200), ("/files/.%2fsmall.txt", 404),
    ])
    def test_routes_are_chosen_by_the_path_that_is_served(self, server, target, status):
        """Decoded once, dot segments removed, then routed: no spelling reaches another handler than the plain one does."""
        response = server.get(target)
        assert response.status == status and not response.text.startswith("kit ")
        assert status != 200 or response.text == "small file\n"

    @pytest.mark.timeout(150)
    def test_rename_race(self, server, root, pytestconfig):
        """A folder swapped for a link to the outside, again and again, while being asked for."""
        names = [f"file{number}.txt" for number in range(3000)]  # more than the front keeps open
        for folder, text in ((root / "race", "inside"), (root.parent / "outside", "outside the root")):
            folder.mkdir()
            for name in names:
                (folder / name).write_text(text)
        (root / "race-link").symlink_to("../outside")
        stop = threading.Event()
        seen = {"inside": 0, "": 0}

        def swap():
            while not stop.is_set():
                os.rename(root / "race", root / "race-kept")
                os.rename(root / "race-link", root / "race")
                os.rename(root / "race", root / "race-link")
                os.rename(root / "race-kept", root / "race")

        thread = threading.Thread(target=swap)
        thread.start()
        try:
            with server.connect() as client:
                end = time.monotonic() + (60 if pytestconfig.getoption("--long") else 3)
                while time.monotonic() < end:
                    for name in names:
                        response = client.request("GET", f"/files/race/{name}")
                        seen[response.text if response.status == 200 else ""] += 1  # "outside the root" is no key
        finally:
            stop.set()
            thread.join()
        assert seen["inside"] > 100 and seen[""] > 100, "no race at all"


class TestFolders:
    def test_index(self, server):
        assert server.get("/files/sub/").text == "<p>index"

    def test_without_slash_redirects(self, server):
        response = server.get("/files/sub?x=1")
        assert (response.status, response.get("Location")) == (301, "/files/sub/?x=1")
        for method in ("GET", "HEAD"):
            response = server.request(method, "/files?x=1")
            assert (response.status, response.get("Location")) == (301, "/files/?x=1")
        assert server.request("POST", "/files").status == 405

    @pytest.mark.parametrize("target, location", [
        ("/files/sub//evil.com", "/files/sub/evil.com/"), ("//files/sub/evil.com?x=//y", "/files/sub/evil.com/?x=//y"),
        ("/files/sub/%5Cevil.com", "/files/sub/%5Cevil.com/"), ("/files/sub/\\evil.com", "/files/sub/%5Cevil.com/"),
        ("/files/sub/a%5cb%20c%3fd", "/files/sub/a%5Cb%20c%3Fd/"),
    ])
    def test_the_redirect_names_this_origin_and_is_encoded(self, server, target, location):
        response = server.raw(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").decode("latin-1")
        assert response.startswith("HTTP/1.1 301 ") and f"\r\nLocation: {location}\r\n" in response

    def test_a_root_of_all_paths_sends_nobody_elsewhere(self, serve, root):
        server = serve("kit", config=f'[[site]]\n[[site.route]]\nmatch = {{ path = "/*" }}\nstatic = {{ root = "{root}/sub" }}\n', prefix="/app")
        assert server.get("//evil.com").get("Location") == "/evil.com/"
        assert server.get("/\\evil.com").get("Location") == "/%5Cevil.com/"
        assert server.get("//evil.com/..").status == 200  # the index of /
        assert server.get("/%0d%0aSet-Cookie:x").status == 400

    @pytest.mark.parametrize("target", ["//evil.com/..", "/\\evil.com", "//evil.com/files/sub", "/files/%0d%0aSet-Cookie:x/sub", "/files//evil.com/sub"])
    def test_redirects_stay_here(self, server, target):
        response = server.raw(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").decode("latin-1")
        for line in response.split("\r\n\r\n")[0].splitlines():
            if line.lower().startswith("location:"):
                location = line.split(":", 1)[1].strip()
                assert location.startswith("/") and not location.startswith(("//", "/\\")), location
            assert not line.lower().startswith("set-cookie")


class TestChanges:
    def test_a_changed_file_is_seen(self, server, root):
        path = root / "changing.txt"
        path.write_text("one")
        assert server.get("/files/changing.txt").text == "one"
        path.write_text("two, longer")
        wait_until(lambda: server.get("/files/changing.txt").text == "two, longer", 4, "the new text")
        path.unlink()
        wait_until(lambda: server.get("/files/changing.txt").status == 404, 4, "the 404")

    @pytest.mark.parametrize("size", [100, 5000, 100_000])
    def test_a_strong_tag_never_names_other_bytes(self, server, root, size):
        """Overwritten in place with as many bytes, again and again, also faster than the times of files move."""
        path = root / f"overwritten-{size}.bin"
        path.write_bytes(b"." * size)
        age(path)
        seen = {}
        with server.connect() as client:
            for turn in range(300):
                if turn % 50 == 25:
                    age(path, 3600 + turn)
                response = client.request("GET", f"/files/{path.name}")
                tag, content = response.get("ETag"), response.body
                assert len(content) == size
                assert tag.startswith("W/") or seen.setdefault(tag, content) == content, f"turn {turn}: {tag}"
                with path.open("r+b") as file:
                    file.write(bytes([65 + turn % 50]) * size)
        assert seen

    def test_what_was_changed_just_now_has_a_weak_tag(self, server, root):
        path = root / "new.bin"
        path.write_bytes(PAGE)
        first = server.get("/files/new.bin")
        tag = first.get("ETag")
        assert tag.startswith('W/"') and first.body == PAGE
        assert server.get("/files/new.bin", [("If-None-Match", tag)]).status == 304
        assert server.get("/files/new.bin", [("Range", "bytes=0-9")]).status == 206
        assert server.get("/files/new.bin", [("Range", "bytes=0-9"), ("If-Range", tag)]).status == 200
        assert server.get("/files/new.bin", [("If-Match", tag)]).status == 412
        wait_until(lambda: server.get("/files/new.bin").get("ETag") == tag.removeprefix("W/"), 8, "the strong tag")


def test_hashed_names_are_kept_for_long(serve, folder):
    """Django's collected static files: found by the server itself."""
    server = serve("django_site", target=None)
    response = server.get("/static/site.css")
    assert response.status == 200 and b"color: black" in response.body and response.get("ETag")
    assert response.get("Cache-Control") == "no-cache"
    (server.folder / "collected" / "site.55e7cbb9ba48.css").write_text("b {}")
    assert server.get("/static/site.55e7cbb9ba48.css").get("Cache-Control") == "public, max-age=31536000, immutable"
    assert server.get("/").text == "hello from django"


@pytest.mark.parametrize("preload", ["auto", "true", "false"])
@pytest.mark.parametrize("prefix, variables", [("/shop", {}), (None, {"SCRIPT_NAME": "/shop"})])
def test_a_relative_static_url_of_django_below_a_prefix(serve, prefix, variables, preload):
    server = serve("django_site", target=None, env={"STATIC_AT": "static/"}, prefix=prefix, environment=variables, preload=preload)
    assert server.get("/shop/stylesheet").text == "/shop/static/site.css"
    response = server.get("/shop/static/site.css")
    assert response.status == 200 and response.get("ETag")  # from the front
    assert server.get("/static/site.css").status == 200  # of a proxy that takes the prefix away


def test_static_files_of_flask_below_a_prefix(serve, folder):
    apps.copy("flask_app", folder / "flask_app")
    (folder / "flask_app" / "static").mkdir()
    (folder / "flask_app" / "static" / "a.css").write_text("a {}")
    server = serve("flask_app", target="app:app", prefix="/shop")
    for path in ("/shop/static/a.css", "/static/a.css"):
        response = server.get(path)
        assert (response.status, response.body) == (200, b"a {}")
        assert response.get("Content-Disposition") is None  # of the front, not of Flask


def test_files_collected_later_are_served_after_what_the_message_says(serve):
    server = serve("django_site", target=None, env={"COLLECTED": "later"})
    command = server.log.wait_for(r"STATIC_ROOT later does not exist; run: .*, then: (.*)").group(1)
    assert server.get("/static/site.css").status == 404
    os.rename(server.folder / "collected", server.folder / "later")
    subprocess.run(shlex.split(command), check=True)
    wait_until(lambda: server.get("/static/site.css").status == 200, 15, "the collected file")
    server.baseline = server.descriptor_counts()  # with the folder
