"""FastAPI, Starlette, Quart, Litestar and Django with channels unchanged: what their sites are made of."""

import hashlib
import os

import httpx
import pytest
from websockets.sync.client import connect

from support.processes import wait_until

pytestmark = pytest.mark.timeout(120)
TARGETS = {"fastapi": "fastapi_app", "starlette": "starlette_app", "quart": "quart_app", "litestar": "litestar_app",
           "channels": "channels_site"}


@pytest.fixture(scope="module", params=sorted(TARGETS))
def site(request, serve_module):
    target = "app:application" if request.param == "channels" else "app:app"
    server = serve_module(TARGETS[request.param], target=target, allow=[r"on purpose", r"/error", r"CW0502", r"ERROR"])
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield request.param, client, server


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


def test_server_sent_events(site):
    _, client, _ = site
    with client.stream("GET", "/sse") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert [line for line in response.iter_lines() if line] == ["data: 0", "data: 1", "data: 2"]


def test_background(site):
    _, client, _ = site
    assert client.get("/background").text == "begun"
    wait_until(lambda: "task" in client.get("/done").json())


def test_error(site):
    _, client, server = site
    assert client.get("/error").status_code == 500
    server.log.wait_for("on purpose")
    assert client.get("/").status_code == 200


def test_missing(site):
    _, client, _ = site
    assert client.get("/no/such/page").status_code == 404


def test_fastapi_models_and_dependencies(site):
    name, client, _ = site
    if name == "fastapi":
        assert client.post("/item", json={"name": "x", "price": 2}).json() == {"name": "x", "double": 4.0}
        assert client.post("/item", json={"name": "x"}).status_code == 422
        assert client.get("/guarded").status_code == 403
        assert "/item" in client.get("/openapi.json").json()["paths"]


def test_chat(site):
    _, _, server = site
    address = server.url.replace("http://", "ws://") + "/chat"
    with connect(address) as first, connect(address) as second:
        second.send("hello all")
        assert second.recv(10) == "hello all" and first.recv(10) == "hello all"
        first.send("x" * 100_000)
        assert second.recv(10) == first.recv(10) == "x" * 100_000
