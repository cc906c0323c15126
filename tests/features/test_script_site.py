"""A folder with scripts and nothing written about it: cutwater serve FOLDER."""

import os
import shutil

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
    (site / ".env").write_text("SECRET=1\n")
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


@pytest.mark.parametrize("path", ["/library.py", "/data.sqlite3", "/.env", "/LIBRARY.PY", "/cgi-bin/", "/nothing"])
def test_sources_and_data_stay_here(serve, place, path):
    answer = run(serve, place).get(path)
    assert answer.status in (403, 404) and b"SECRET" not in answer.body and b"secret" not in answer.body


def test_a_new_script_is_live(serve, place):
    server = run(serve, place)
    assert server.get("/later.py").status == 404
    shutil.copy(place / "hello.py", place / "later.py")
    assert server.get("/later.py").text.startswith("/later.py ")


def test_an_app_comes_first(serve, place):
    (place / "app.py").write_text(
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'the app']\n"
    )
    server = run(serve, place, allow=(r"CW\d+",))
    assert server.get("/cgi-bin/form.py").text == "the app"


def test_check_says_what_would_be_served(serve, place, tool):
    import subprocess

    done = subprocess.run([serve.binary, "check", str(place)], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and "hello.py" in done.stdout + done.stderr, done
