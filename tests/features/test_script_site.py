"""A folder with scripts and nothing written about it: cutwater serve FOLDER."""

import os
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.timeout(60)

HELLO = """#!/usr/bin/env python3
import os
print("Content-Type: text/plain\\n")
print(os.environ["SCRIPT_NAME"], os.environ.get("PATH_INFO", ""), os.getuid())
"""


@pytest.fixture
def place(folder):
    site = folder / "site"
    (site / "cgi-bin").mkdir(parents=True)
    for name in ("hello.py", "cgi-bin/form.py"):
        (site / name).write_text(HELLO)
    (site / "hello.py").chmod(0o755)
    (site / "index.html").write_text("the index")
    (site / "style.css").write_text("p { }")
    (site / "data.sqlite3").write_text("secret")
    (site / "library.py").write_text("SECRET = 1\n")
    for name in (".env", "copy.php.save", "dump.sql.gz", "id_rsa"):
        (site / name).write_text("SECRET=1\n")
    return site


def run(serve, place, *words, allow=(r"CW070\d",)):
    return serve.run(["serve", str(place), "--bind", "127.0.0.1:0", *words], place.parent, allow=allow)


def test_it_is_a_site(serve, place):
    server = run(serve, place)
    log = server.log.text
    assert "no app in" in log and "hello.py" in log and "form.py" in log
    assert server.get("/").text == "the index"
    assert server.get("/style.css").text == "p { }"
    name, _, number = server.get("/hello.py").text.partition("  ")
    assert name == "/hello.py" and int(number) == os.getuid() or int(number) != 0
    assert server.get("/hello.py/a/b").text.startswith("/hello.py /a/b ")
    assert server.get("/cgi-bin/form.py/x").text.startswith("/cgi-bin/form.py /x ")


@pytest.mark.parametrize("path", ["/library.py", "/data.sqlite3", "/.env", "/LIBRARY.PY", "/copy.php.save", "/dump.sql.gz", "/id_rsa", "/cgi-bin/", "/nothing"])
def test_sources_and_data_stay_here(serve, place, path):
    answer = run(serve, place).get(path)
    assert answer.status in (403, 404) and b"SECRET" not in answer.body and b"secret" not in answer.body


def test_a_new_script_is_live(serve, place):
    server = run(serve, place)
    assert server.get("/cgi-bin/later.py").status == 404
    shutil.copy(place / "hello.py", place / "cgi-bin" / "later.py")
    assert server.get("/cgi-bin/later.py").text.startswith("/cgi-bin/later.py ")
    shutil.copy(place / "hello.py", place / "later.py")
    assert server.get("/later.py").status == 404  # not among those that were looked at


def test_an_app_comes_first(serve, place):
    (place / "app.py").write_text(
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'the app']\n"
    )
    server = run(serve, place, "-w", "1", allow=(r"CW\d+",))
    assert server.get("/cgi-bin/form.py").text == "the app"


@pytest.fixture
def php(place, tool):
    tool("php-cgi")
    (place / "hello.py").unlink()
    (place / "index.html").unlink()
    (place / "index.php").write_text("<?php echo 'index of ', $_SERVER['REQUEST_URI'], ' ', $_GET['x'] ?? '';")
    (place / "sub").mkdir()
    (place / "private").mkdir()
    (place / "private" / ".htaccess").write_text("Deny from all\n")
    (place / "private" / "notes.txt").write_text("secret")
    (place / "private" / "run.php").write_text("<?php echo 'run';")
    (place / ".well-known" / "acme-challenge").mkdir(parents=True)
    (place / ".well-known" / "acme-challenge" / "token").write_text("proof")
    (place / "sub" / "page.php").write_text("<?php header('X-Page: yes'); echo 'page', $_SERVER['PATH_INFO'] ?? '';")
    return place


def run_php(serve, php):
    server = run(serve, php)
    server.baseline = {server.pid: server.baseline[server.pid]}  # a front holds what its processes of PHP need
    return server


def test_php_is_served(serve, php):
    server = run_php(serve, php)
    assert "php: the scripts of" in server.log.text
    assert server.get("/?x=7").text == "index of /?x=7 7"
    answer = server.get("/sub/page.php/a/b")
    assert answer.text == "page/a/b" and answer.get("X-Page") == "yes"
    assert server.get("/style.css").text == "p { }"
    assert server.get("/cgi-bin/form.py").text.startswith("/cgi-bin/form.py ")
    assert server.get("/nothing").status == 404
    assert server.get("/data.sqlite3").status == 404
    assert [server.get(f"/private/{name}").status for name in ("notes.txt", "run.php")] == [404, 404]
    assert server.get("/.well-known/acme-challenge/token").text == "proof"
    (php / "sub" / "page.php").write_text("<?php echo 'changed';")
    assert server.get("/sub/page.php").text == "changed"


@pytest.mark.parametrize("folder_name", ["uploads", "Upload", "files", "media", "storage", "cache", "tmp", "vendor", "sub/uploads/2026"])
def test_no_php_is_run_where_uploads_lie(serve, php, folder_name):
    server = run_php(serve, php)
    assert "php: no script is run in folders of these names" in server.log.text
    place = php / folder_name  # made by the application, later
    place.mkdir(parents=True)
    for name in ("shell.php", "index.php", "a.PHP"):
        (place / name).write_text("<?php echo 'it runs';")
    (place / "picture.txt").write_text("a picture")
    for path in ("shell.php", "shell.php/x.txt", "index.php", "", "a.PHP", "shell.php%00", "./shell.php", "//shell.php"):
        answer = server.get(f"/{folder_name}/{path}")
        assert answer.status in (400, 404) and b"runs" not in answer.body and b"<?php" not in answer.body, (path, answer)
    assert server.get(f"/{folder_name}").status == 404
    assert server.get(f"/{folder_name}/picture.txt").text == "a picture"
    assert server.get("/sub/page.php/uploads/x").text == "page/uploads/x"


def test_libraries_of_composer_are_nobodys_to_see(serve, php):
    (php / "vendor" / "some" / "library").mkdir(parents=True)
    (php / "vendor" / "autoload.php").write_text("<?php echo 'it runs';")
    (php / "vendor" / "some" / "library" / "eval-stdin.php").write_text("<?php echo 'it runs';")
    (php / "vendor" / "some" / "composer.json").write_text("{}")
    server = run_php(serve, php)
    for path in ("autoload.php", "some/library/eval-stdin.php", "some/composer.json", "some/", ""):
        assert server.get(f"/vendor/{path}").status == 404


def test_a_script_that_cannot_start_itself_makes_no_other_one_start(serve, place):
    (place / "cgi-bin" / "tool.py").write_text("print('Status: 200\\n\\nSECRET')\n")  # that reads as no CGI
    server = run(serve, place)
    assert "form.py by python3" in server.log.text
    assert server.get("/cgi-bin/form.py/a").text.startswith("/cgi-bin/form.py /a ")
    assert server.get("/cgi-bin/tool.py").status == 403


def test_an_application_of_php_routes_by_itself(serve, php):
    (php / "wp-load.php").write_text("<?php")
    server = run_php(serve, php)
    assert server.get("/2026/a-page/").text == "index of /2026/a-page/ "
    assert server.get("/style.css").text == "p { }"


def test_without_php_cgi(place, serve):
    for name in ("hello.py", "cgi-bin/form.py"):
        (place / name).unlink()
    (place / "cgi-bin").rmdir()
    (place / "page.php").write_text("<?php")
    command = [serve.binary, "check", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, env={"PATH": str(place)})
    assert done.returncode == 4 and "apt install php-cgi" in done.stderr, done


def test_check_says_what_would_be_served(serve, place, tool):
    done = subprocess.run([serve.binary, "check", str(place)], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and "hello.py" in done.stdout + done.stderr, done
