"""What an application sees of a request: environ and wsgi.input (PEP 3333; faults.md 37-40, 83, 90)."""

import io
import os
import random

import pytest

from python_unit.apps import faulty as faulty_app
from python_unit.bridge import CHUNKS, DESCRIPTOR, INLINE

ENVIRON_APP = '''
def application(environ, start_response):
    assert type(environ) is dict
    kept = {key: value for key, value in environ.items() if not key.startswith("wsgi.")}
    assert all(type(key) is str and type(value) is str for key, value in kept.items())
    assert environ["wsgi.version"] == (1, 0) and environ["wsgi.input_terminated"] is True
    assert environ["wsgi.multithread"] is bool(int(__import__("os").environ.get("T","1"))>1) and environ["wsgi.multiprocess"] is True
    assert environ["wsgi.run_once"] is False and environ["wsgi.errors"].write("note\\n")
    kept["scheme"] = environ["wsgi.url_scheme"]
    environ["HTTP_LEFT_BEHIND"] = "x"
    start_response("200 OK", [])
    return [repr(kept).encode()]
'''

VALIDATED_APP = '''
from wsgiref.validate import validator

def plain(environ, start_response):
    body = environ["wsgi.input"].read(3) + b"".join(environ["wsgi.input"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["QUERY_STRING"] == "file":
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    return [environ["REQUEST_METHOD"].encode(), b" %d" % len(body)]

application = validator(plain)
'''


@pytest.fixture(scope="module")
def seen(build, python, tmp_path_factory):
    from python_unit.bridge import Bridge

    root = tmp_path_factory.mktemp("environ")
    (root / "app.py").write_text(ENVIRON_APP)
    bridge = Bridge(build, python, root, "app.py")
    bridge.channel.expect("imported")
    bridge.start_worker()
    yield lambda *arguments, **options: eval(bridge.request(*arguments, **options).body)
    bridge.stop()


def test_environ_is_complete(seen):
    assert seen("GET", "/caf%C3%A9/a%20b?x=1&y=%20") == {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/caf\xc3\xa9/a b", "QUERY_STRING": "x=1&y=%20",
        "REQUEST_URI": "/caf%C3%A9/a%20b?x=1&y=%20", "SERVER_NAME": "example.org", "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_SOFTWARE": "cutwater/0.1.0", "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "4321", "scheme": "http"}


def test_https_and_http_1_0(seen):
    environ = seen("GET", "/", scheme="https", minor=0)
    assert (environ["HTTPS"], environ["scheme"], environ["SERVER_PROTOCOL"]) == ("on", "https", "HTTP/1.0")


def test_prefix(seen):
    environ = seen("GET", "/shop/item", script_name="/shop")
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/shop", "/item")


def test_fields(seen):
    environ = seen("POST", "/", [("Host", "a"), ("X-One", "1"), ("x-one", "2"), ("X-ONE", "\xe9"), ("Cookie", "a=1"),
                                 ("cookie", "b=2"), ("Content-Type", "text/x"), ("Content-Length", "99"),
                                 ("Proxy", "evil"), ("X_Forwarded_For", "evil"), ("X.Real.IP", "evil")], b"four")
    assert {key: value for key, value in environ.items() if key.startswith(("HTTP_", "CONTENT_"))} == {
        "HTTP_HOST": "a", "HTTP_X_ONE": "1, 2, \xe9", "HTTP_COOKIE": "a=1; b=2", "CONTENT_TYPE": "text/x",
        "CONTENT_LENGTH": "4"}


def test_nothing_stays_from_request_to_request(seen):
    first = seen("POST", "/", [("X-Secret", "1"), ("Content-Type", "a/b")], b"body", scheme="https")
    assert first["HTTP_X_SECRET"] == "1"
    second = seen("GET", "/")
    assert not [key for key in second if key.startswith(("HTTP", "CONTENT"))]


def test_invented_field_names_do_not_fill_the_tables(seen):
    for number in range(40):
        fields = [(f"X-Name-{number}-{index}", f"{index}") for index in range(20)]
        fields += [(name.upper(), "again") for name, _ in fields]
        environ = seen("GET", "/", [("Host", "h"), *fields])
        assert environ["HTTP_HOST"] == "h"
        assert all(environ[f"HTTP_X_NAME_{number}_{index}"] == f"{index}, again" for index in range(20))


def test_long_values_are_not_mixed_up(seen):
    for letter in "ab\0"[:2]:
        assert seen("GET", "/", [("X-Long", letter * 5000)])["HTTP_X_LONG"] == letter * 5000
    assert seen("GET", "/", [("X-Long", "")])["HTTP_X_LONG"] == ""


@pytest.mark.wsgi
def test_wsgiref_validate(start, every_python):
    bridge = start("app", files={"app.py": VALIDATED_APP}, python=every_python)
    assert bridge.channel.expect("imported")["fork_safe"]
    bridge.start_worker()
    assert bridge.get("/x?y", headers=[("Host", "a"), ("Accept", "*/*")]).body == b"GET 0"
    assert bridge.request("POST", "/", [("Content-Type", "a/b")], b"x" * 100).body == b"POST 100"
    assert bridge.request("HEAD", "/").status == 200
    assert bridge.get("/?file").body == (bridge.root / "app.py").read_bytes()
    assert "error[" not in bridge.log


# ---- wsgi.input

PLANS = ["read", "read:-1", "read:None", "read:0,read:3,read:4,read,read", "readline,readline,read", "readlines",
         "readlines:1,readlines", "readlines:20,read", "iter,iter", "next,read:2,next,readline:3,iter", "readline:0",
         "readline:5,readline:-7,readline:None,readline", "read:7,readlines:-1,read", "next,next,readlines:0"]
BODIES = [b"", b"\n", b"one line", b"first\nsecond\n\nlast", b"x" * 9000 + b"\n" + b"y" * 200 + b"\n"]


def expected(body, plan):
    """What io.BytesIO, the model of PEP 3333, answers."""
    return faulty_app.run_plan(io.BytesIO(body), plan)


def send_reads(bridge, plan, body, place):
    if place != DESCRIPTOR:
        return eval(bridge.request("POST", f"/reads?{plan}", body=body, place=place).body)
    with open(bridge.root / "spooled", "wb") as spooled:
        spooled.write(body)
    descriptor = os.open(bridge.root / "spooled", os.O_RDONLY)
    try:
        return eval(bridge.request("POST", f"/reads?{plan}", place=DESCRIPTOR, length=len(body), framing=1,
                                   body_file=descriptor).body)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("place", [INLINE, DESCRIPTOR])
@pytest.mark.parametrize("plan", PLANS)
def test_input_reads_as_bytesio_does(faulty, plan, place):
    for body in BODIES:
        assert send_reads(faulty, plan, body, place) == expected(body, plan), body[:20]


@pytest.mark.parametrize("place", [CHUNKS, DESCRIPTOR])
def test_large_input(faulty, place):
    letters = random.Random(7)
    body = b"".join(letters.randbytes(letters.randrange(1, 9000)).replace(b"\n", b"") + b"\n" for _ in range(60))
    for plan in ("iter", "readlines", "read:100000,readline,read:70000,iter", "readline,read"):
        assert send_reads(faulty, plan, body, place) == expected(body, plan)
    assert len(body) > 200_000


def test_input_of_another_thread(faulty):
    assert faulty.request("POST", "/threads_read", body=b"z" * 100_000).body == b"z" * 100_000


def test_input_after_its_request(faulty):
    faulty.request("POST", "/keeps_input", body=b"secret")
    assert faulty.request("POST", "/uses_kept_input", body=b"other").body == (
        b"the input of a request was used after it had ended")


def test_content_length_of_a_dechunked_body(faulty):
    response = faulty.request("POST", "/echo", body=b"12345", framing=2)
    assert (response.body, response.header("X-Length")) == (b"12345", "5")
    assert faulty.request("POST", "/echo", framing=1).header("X-Length") == "0"
    assert faulty.get("/echo").header("X-Length") == "none"


def test_a_body_that_never_comes_ends_with_its_client(faulty):
    from python_unit.bridge import BODY_WANTED, DISCONNECT

    ticket = faulty.submit("POST", "/echo", place=DESCRIPTOR, length=1000, framing=1)
    faulty.collect(ticket, until=lambda r: any(kind == BODY_WANTED for kind, _ in r.frames))
    faulty.links[0].send_down(0, DISCONNECT, *ticket, 0)
    faulty.links[0].wake_workers()
    faulty.settle()
    assert faulty.get("/").status == 200
