"""What a worker remembers from one request to the next must never show: heads given by the same objects, environs."""

import importlib.util
import json
import random

import pytest

from support.apps import APPS

pytestmark = [pytest.mark.wsgi, pytest.mark.timeout(60)]
specification = importlib.util.spec_from_file_location("remembered_app", APPS / "remembered" / "app.py")
remembered_app = importlib.util.module_from_spec(specification)
specification.loader.exec_module(remembered_app)
ANSWERS = remembered_app.ANSWERS
OURS = {"Date", "Content-Length", "Connection", "Server", "Transfer-Encoding"}


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("remembered", hop_by_hop="drop", allow=[r"CW0502", r"CW0508", r"Traceback", r"Error"])


def expected(path):
    status, fields, body = ANSWERS[path]
    if path == "/refused":
        return 500, None, None
    return int(status[:3]), [(name, value) for name, value in fields if name not in OURS], body


def check(client, path):
    response = client.request("GET", path)
    status, fields, body = expected(path)
    assert response.status == status, (path, response)
    if status == 500:
        return
    assert [(name, value) for name, value in response.headers if name not in OURS] == fields, path
    assert response.body == body, path
    if body:
        assert response.get("Content-Length") == str(len(body)), path
    if status == 204:
        assert response.get("Content-Length") is None


@pytest.mark.parametrize("seed", range(4))
def test_answers_by_the_same_objects(server, seed):
    """In any order, each twice in a row, too."""
    choose = random.Random(seed)
    with server.connect() as client:
        for _ in range(150):
            path = choose.choice(list(ANSWERS))
            for _ in range(choose.choice([1, 2, 3])):
                check(client, path)


def test_a_list_that_changes(server):
    with server.connect() as client:
        marks = [[value for name, value in client.request("GET", "/turned").headers if name == "X-Mark"] for _ in range(6)]
    assert marks == [["b", "a"], ["a", "b"]] * 3


def ask(client, kind):
    """Sends a request of that kind; what its environ has to say beside what all have."""
    if kind == "secure":
        client.send("GET /environ HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n")
        return {"HTTPS": "on", "wsgi.url_scheme": "https", "SERVER_NAME": "shop.example", "SERVER_PORT": "443", "REMOTE_ADDR": "192.0.2.7",
                "HTTP_HOST": "shop.example", "HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": "192.0.2.7"}
    if kind == "body":
        client.send("POST /environ?q=1 HTTP/1.1\r\nHost: a:81\r\nContent-Type: text/x\r\nContent-Length: 3\r\n\r\nabc")
        return {"REQUEST_METHOD": "POST", "QUERY_STRING": "q=1", "REQUEST_URI": "/environ?q=1", "SERVER_NAME": "a", "SERVER_PORT": "81",
                "CONTENT_TYPE": "text/x", "CONTENT_LENGTH": "3", "HTTP_HOST": "a:81"}
    if kind == "old":
        client.send("GET /environ HTTP/1.0\r\nConnection: keep-alive\r\nCookie: a=b\r\n\r\n")
        address, port = client.socket.getpeername()
        return {"SERVER_PROTOCOL": "HTTP/1.0", "SERVER_NAME": address, "SERVER_PORT": str(port), "HTTP_COOKIE": "a=b"}
    client.send("GET /environ HTTP/1.1\r\nHost: a:82\r\nX-A: 1\r\nX-A: 2\r\n\r\n")
    return {"SERVER_NAME": "a", "SERVER_PORT": "82", "HTTP_HOST": "a:82", "HTTP_X_A": "1, 2"}


@pytest.mark.parametrize("seed", range(4))
def test_nothing_of_a_request_is_in_the_next_ones_environ(server, seed):
    choose = random.Random(seed)
    with server.connect() as one, server.connect() as other:
        for _ in range(60):
            client = choose.choice([one, other])
            own = ask(client, choose.choice(["secure", "body", "old", "plain"]))
            values = json.loads(client.read_response().body)
            assert values.pop("REMOTE_PORT").isdigit()
            assert values.pop("SERVER_SOFTWARE").startswith("cutwater/")
            assert values == {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/environ", "QUERY_STRING": "", "SERVER_PROTOCOL": "HTTP/1.1",
                              "REMOTE_ADDR": "127.0.0.1", "REQUEST_URI": "/environ", "wsgi.url_scheme": "http", **own}
