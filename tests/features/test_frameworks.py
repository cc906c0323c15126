"""Django, Flask, Bottle, Falcon and Pyramid unchanged: hello, form, upload, stream, error."""

import concurrent.futures
import hashlib
import os
from pathlib import Path

import httpx
import pytest

from support.processes import wait_until

pytestmark = [pytest.mark.wsgi, pytest.mark.timeout(120)]
TARGETS = {"django": "pages.wsgi:application", "flask": "app:app", "bottle": "app:app", "falcon": "app:app", "pyramid": "app:main()"}
FOLDERS = {"django": "django_site", **{name: f"{name}_app" for name in ("flask", "bottle", "falcon", "pyramid")}}


VARIANTS = [(name, validated) for name in sorted(TARGETS) for validated in (False, True)]


@pytest.fixture(scope="module", params=VARIANTS, ids=lambda variant: variant[0] + ("-validated" if variant[1] else ""))
def site(request, serve_module):
    name, validated = request.param
    server = serve_module(FOLDERS[name], target=TARGETS[name], validated=validated, allow=[r"on purpose", r"/error", r"CW0502"])
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield name, client, server
    assert "AssertionError" not in server.log.text, server.log.text


def test_hello(site):
    name, client, _ = site
    response = client.get("/")
    assert response.status_code == 200 and response.text == f"hello from {name}"


def test_form(site):
    _, client, _ = site
    assert client.post("/form", data={"name": "Ada"}).text == "name=Ada"


@pytest.mark.parametrize("size", [10, 100_000, 3_000_000])
def test_upload(site, size):
    _, client, _ = site
    data = os.urandom(size)
    response = client.post("/upload", files={"file": ("cargo.bin", data, "application/octet-stream")})
    assert response.text == f"cargo.bin {size} {hashlib.sha256(data).hexdigest()}"


def test_stream(site):
    _, client, _ = site
    with client.stream("GET", "/stream") as response:
        lines = list(response.iter_lines())
    assert lines == [f"line {number}" for number in range(1000)]


def test_error(site):
    _, client, server = site
    assert client.get("/error").status_code == 500
    server.log.wait_for("on purpose")
    assert client.get("/").status_code == 200


def test_missing(site):
    _, client, _ = site
    assert client.get("/nothing-here").status_code == 404


def test_head_and_keep_alive(site):
    _, client, _ = site
    for _ in range(5):
        assert client.head("/").status_code in (200, 405)
        assert client.get("/").status_code == 200


def test_the_framework_is_named(site):
    name, _, server = site
    if name in ("django", "flask") and not (server.folder / "under_validation.py").exists():
        server.log.wait_for(rf"(?i)serving .*{name}", 1)


def open_databases(server):
    (worker,) = server.named("worker")
    names = [os.readlink(entry) for entry in Path(f"/proc/{worker}/fd").iterdir()]
    return sum(name.endswith("/site.sqlite3") for name in names)


@pytest.mark.parametrize("age", [0, 600])
def test_django_in_threads(serve, age):
    """Each thread has a connection of its own, which lives as long as CONN_MAX_AGE says and not longer than its thread."""
    server = serve("django_site", workers=1, threads=4, target="pages.wsgi:application", env={"CONN_MAX_AGE": str(age)})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(server.get, ["/database"] * 60))
    assert all(answer.status == 200 for answer in answers)
    threads = len({answer.text for answer in answers})
    assert 2 <= threads <= 4
    wait_until(lambda: open_databases(server) == (threads if age else 0), 10, "connections to be closed")
