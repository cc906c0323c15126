"""Messages that break ASGI, and what the author of the app reads about them in the log."""

from urllib.parse import quote

import pytest

from support.client import Closed
from support.websocket import RawSocket

pytestmark = pytest.mark.timeout(60)
START = {"type": "http.response.start", "status": 200}
BODY = {"type": "http.response.body", "body": b"whole"}
ACCEPT = {"type": "websocket.accept"}


def headers(value):
    return {**START, "headers": value}


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("asgi_messages", allow=["CW0502", "CW0542", "Error"])


def target(messages):
    return "/?" + quote(repr(messages))


@pytest.mark.parametrize("messages, said", [
    ([None], "TypeError: send() needs a dict, not NoneType"),
    ([{"type": b"http.response.start"}], 'ValueError: the message of send() has no "type" that is a str'),
    ([{**START, "status": 200.0}], 'ValueError: the response has no "status" that is an int'),
    ([{**START, "status": 10 ** 30}], "ValueError: the response needs a status from 200 to 999"),
    ([headers({"a": "b"})], "TypeError: a response header must be a pair (name, value) of bytes, not 'a'"),
    ([headers([(b"", b"x")])], "ValueError: b'' is no valid response header name"),
    ([headers([(b"content-length", b"1")] * 2)], "ValueError: Content-Length is given twice"),
    ([START, {**BODY, "body": None}], 'TypeError: "body" must be bytes, not NoneType'),
    ([START, {**BODY, "body": [104, 105]}], 'TypeError: "body" must be bytes, not list'),
    ([START, {**BODY, "body": "text"}], 'TypeError: "body" must be bytes, not str'),
    ([{"type": "http.response.early_hint", "links": "</a>"}, START, BODY], 'TypeError: "links" must be a list of bytes, not str'),
    ([{"type": "http.response.early_hint", "links": [b"a\r\nx: y"]}, START, BODY], "has a character that no header may have"),
    ([START, {"type": "http.response.early_hint", "links": [b"</a>"]}], "'http.response.early_hint': the response has been started"),
    ([START, {"type": "http.response.pathsend", "path": "/no/such/file"}], "FileNotFoundError: [Errno 2] No such file or directory"),
    ([START, {"type": "http.response.pathsend", "path": "/dev/zero"}], "OSError: '/dev/zero' is no regular file"),
    ([START, {"type": "http.response.pathsend"}], 'ValueError: http.response.pathsend has no "path"'),
    ([{"type": "http.response.push", "path": "/x"}], "unexpected ASGI message 'http.response.push'"),
    ([ACCEPT], "unexpected ASGI message 'websocket.accept'"),
])
def test_before_anything_was_sent(server, messages, said):
    start = len(server.log.lines)
    answer = server.get(target(messages))
    assert answer.status == 500 and b"whole" not in answer.body
    assert server.log.wait_for("CW0502", 10, start) and said in "\n".join(server.log.lines[start:])


@pytest.mark.parametrize("messages, said", [
    ([{**START, "trailers": True}, BODY], "returned without completing its response"),
    ([{**START, "trailers": True}, BODY, {"type": "http.response.trailers", "headers": [(b"a b", b"c")]}],
     "b'a b' is no valid response header name"),
])
def test_trailers_that_are_none(server, messages, said):
    start = len(server.log.lines)
    with pytest.raises(Closed):
        server.get(target(messages))
    assert server.log.wait_for("CW05[04]2", 10, start) and said in "\n".join(server.log.lines[start:])


def test_what_a_debugger_may_say_is_no_part_of_the_answer(server):
    answer = server.get(target([{"type": "http.response.debug", "info": {"template": "x"}}, START, BODY]))
    assert (answer.status, answer.body) == (200, b"whole")


@pytest.mark.parametrize("message, said", [
    ({"type": "websocket.send"}, 'ValueError: websocket.send needs "bytes" or a "text" that is a str'),
    ({"type": "websocket.send", "text": b"x"}, 'ValueError: websocket.send needs "bytes" or a "text" that is a str'),
    ({"type": "websocket.send", "bytes": "x"}, 'TypeError: "bytes" must be bytes, not str'),
    ({"type": "websocket.send", "bytes": [1, 2]}, 'TypeError: "bytes" must be bytes, not list'),
    ({"type": "websocket.send", "text": "a\ud800b"}, "UnicodeEncodeError"),
    (ACCEPT, "'websocket.accept': the WebSocket has been accepted already"),
    ({"type": "websocket.close", "code": "1000"}, 'TypeError: the "code" of websocket.close must be an int, not str'),
    ({"type": "websocket.close", "code": 999}, "ValueError: websocket.close needs a code from 1000 to 4999"),
    ({"type": "websocket.close", "code": 10 ** 30}, "ValueError: websocket.close needs a code from 1000 to 4999"),
    ({"type": "websocket.close", "reason": b"x"}, 'TypeError: the "reason" of websocket.close must be a str'),
    ({"type": "websocket.close", "reason": "\u00e4" * 62}, "a reason of at most 123 bytes"),
])
def test_on_an_open_websocket(server, message, said):
    start = len(server.log.lines)
    with RawSocket(server, target([ACCEPT, message])) as socket:
        assert socket.close_code() == 1011
    assert server.log.wait_for("CW0502", 10, start) and said in "\n".join(server.log.lines[start:])


def test_after_it_was_closed(server):
    start = len(server.log.lines)
    with RawSocket(server, target([ACCEPT, {"type": "websocket.close"}, {"type": "websocket.send", "text": "late"}])) as socket:
        assert [first for first, _ in socket.frames()] == [0x88]
    server.log.wait_for("unexpected ASGI message 'websocket.send': the WebSocket is closed", 10, start)
