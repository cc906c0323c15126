"""What RFC 6455 and 7692 ask of a server, by bytes, in the order of the groups of Autobahn's test suite (which
test_autobahn.py runs where it can be installed). The app gives back what it gets."""

import random

import pytest

from support.client import Closed
from support.websocket import (BINARY, CLOSE, COMPRESSED, PING, PONG, TEXT, RawSocket, close_frame, code_of, deflated,
                               fragments, frame, inflated)

pytestmark = pytest.mark.timeout(120)
HELLO = "Hello-µ@ßöäüàá-UTF-8!!".encode()
OFFER = "Sec-WebSocket-Extensions: permessage-deflate"
CONTINUATION, LAST = 0x00, 0x80


@pytest.fixture(scope="module", params=["asgi", "tornado"])
def open_socket(request, serve_module):
    app, path = {"asgi": ("websocket_asgi", "/echo"), "tornado": ("tornado_app", "/bare")}[request.param]
    server = serve_module(app, workers=2)
    return lambda more="": RawSocket(server, path, more)


@pytest.fixture
def answers(open_socket):
    """What `sent` is answered with must be `expected`, whole messages and pongs, whichever way it is cut."""

    def check(sent, expected, more="", end=close_frame(1000), code=1000):
        ways = [[sent], [sent[at : at + 997] for at in range(0, len(sent), 997)]]
        if len(sent) < 2000:
            ways.append([sent[at : at + 1] for at in range(len(sent))])
        for pieces in ways:
            with open_socket(more) as client:
                try:
                    for piece in pieces:
                        client.socket.sendall(piece)
                    came = read_messages(client, len(expected)) if expected else []
                    client.socket.sendall(end)
                except (BrokenPipeError, ConnectionResetError):  # it has heard enough
                    assert not expected
                    came = []
                # A pong may overtake a message, which goes through the app.
                assert [one for one in came if one[0] == PONG] == [one for one in expected if one[0] == PONG]
                assert [one for one in came if one[0] != PONG] == [one for one in expected if one[0] != PONG]
                first, payload = client.frame()
                assert (first, code_of(payload)) == (CLOSE, code)
                with pytest.raises((Closed, ConnectionResetError)):
                    client.fill()

    return check


@pytest.fixture
def refused(answers):
    """Closed with that code, and nothing else is said."""
    return lambda sent, code, more="": answers(sent, [], more, b"", code)


def read_messages(client, count):
    """Messages of several frames as one, decompressed; pongs."""
    whole, kind, content = [], None, b""
    while len(whole) < count:
        first, payload = client.frame()
        assert first & 0x30 == 0 and first & 15 in (0, 1, 2, 10), (first, payload)
        if first == PONG:
            whole.append((first, payload))
            continue
        assert (first & 15 == 0) == (kind is not None)
        kind, content = (first, payload) if kind is None else (kind, content + payload)
        if first & LAST:
            whole.append((LAST | kind & 15, inflated(content) if kind & COMPRESSED else content))
            kind, content = None, b""
    return whole


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 128, 65535, 65536])
def test_1_framing(answers, length):
    for message in ((TEXT, b"*" * length), (BINARY, b"\xfe" * length)):
        answers(frame(*message), [message])


def test_2_pings_and_pongs(answers, refused):
    for payload in (b"", b"Hello", bytes(range(125)), b"\xfe" * 125):
        answers(frame(PING, payload), [(PONG, payload)])
    refused(frame(PING, b"\xfe" * 126), 1002)
    answers(frame(PONG) + frame(PONG, b"unasked") + frame(PING, b"asked"), [(PONG, b"asked")])
    answers(b"".join(frame(PING, b"%d" % number) for number in range(10)), [(PONG, b"%d" % number) for number in range(10)])


def test_3_reserved_bits(refused):
    for bits in range(0x10, 0x80, 0x10):
        for opcode in (TEXT, BINARY, CLOSE, PING, PONG):
            refused(frame(bits | opcode, b"x" * (opcode != CLOSE)), 1002)


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_4_opcodes(refused, opcode):
    refused(frame(0x80 | opcode), 1002)
    refused(frame(0x80 | opcode, b"payload"), 1002)
    refused(frame(opcode), 1002)


def test_5_fragments(answers, refused):
    ping = frame(PING, b"ping")
    for opcode in (PING, PONG, CLOSE):
        refused(frame(opcode & 15, b"fr") + frame(LAST, b"ag"), 1002)
    message = (TEXT, b"fragment1fragment2")
    begun, ended = frame(1, b"fragment1"), frame(LAST, b"fragment2")
    answers(begun + ended, [message])
    answers(begun + ping + ended, [message, (PONG, b"ping")])
    answers(b"".join([begun, *(frame(0, letter) + ping for letter in (b"a", b"", b"b")), ended]),
            [(TEXT, b"fragment1abfragment2"), *[(PONG, b"ping")] * 3])
    answers(fragments(TEXT, b"", b"", b""), [(TEXT, b"")])
    answers(fragments(BINARY, b"", b"middle", b""), [(BINARY, b"middle")])
    for stray in (frame(LAST, b"x"), frame(CONTINUATION, b"x"), frame(LAST), begun + frame(TEXT, b"x"), begun + frame(2, b"x")):
        refused(stray, 1002)
    answers(begun + ended + begun + ended, [message] * 2)


NO_UTF8 = [
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", b"\xff", b"\xfe", b"\x80", b"\xbf", b"\xc0\xaf",
    b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf", b"\xc1\xbf", b"\xe0\x9f\xbf",
    b"\xf0\x8f\xbf\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80", b"\xf4\x90\x80\x80", b"\xf7\xbf\xbf\xbf",
    b"\xc2", b"\xe0\xa0", b"\xf0\x90\x80", b"a\xc3(", b"\xe2(\xa1", b"\xf0\x90\x8c\xbc\xf0",
]
UTF8 = [
    HELLO, "κόσμε".encode(), b"\0", b"\x7f", "\u0080\u07ff\u0800\ud7ff\ue000\ufffd\ufffe\uffff\U00010000\U0010fffd\U0010ffff".encode(),
    "\ufdd0\U0001fffe\U0010fffe".encode(), "\ufeff".encode(),
]


@pytest.mark.parametrize("text", UTF8)
def test_6_utf8(answers, text):
    answers(frame(TEXT, text), [(TEXT, text)])
    answers(fragments(TEXT, *(text[at : at + 1] for at in range(len(text)))), [(TEXT, text)])


@pytest.mark.parametrize("text", NO_UTF8)
def test_6_no_utf8(answers, refused, text):
    refused(frame(TEXT, text), 1007)
    refused(frame(TEXT, HELLO + text + HELLO), 1007)
    refused(fragments(TEXT, *(text[at : at + 1] for at in range(len(text)))), 1007)
    answers(frame(BINARY, text), [(BINARY, text)])


def test_6_no_utf8_is_found_at_once(refused):
    """The message, its frame even, has not ended."""
    begun = "κόσμε".encode()
    for sure in (b"\xf4\x90", b"\xed\xa0", b"\xff", b"\xc1", b"\xe0\x9f"):
        refused(frame(1, begun + sure), 1007)
        refused(frame(1, begun) + frame(CONTINUATION, sure), 1007)
        refused(frame(1, begun + sure + b"more to come")[:-12], 1007)


CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]


def test_7_closing(answers, refused):
    answers(frame(TEXT, b"Hello"), [(TEXT, b"Hello")], end=frame(CLOSE), code=1005)
    refused(frame(CLOSE) + frame(CLOSE) + frame(PING) + frame(TEXT, b"late"), 1005)
    refused(frame(1, b"begun") + close_frame(1000) + frame(LAST, b"ended"), 1000)
    for code in CODES:
        refused(close_frame(code), code)
    refused(close_frame(1000, HELLO), 1000)
    refused(close_frame(1000, b"*" * 123), 1000)
    for code in (0, 500, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        refused(close_frame(code), 1002)
    refused(close_frame(1000, b"*" * 124), 1002)
    refused(frame(CLOSE, b"\x03"), 1002)
    refused(close_frame(1000, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80"), 1007)


@pytest.mark.parametrize("size", [64 << 10, 1 << 20, 16 << 20])
def test_9_sizes(answers, size):
    answers(frame(BINARY, b"\0\1\2\3" * (size // 4)), [(BINARY, b"\0\1\2\3" * (size // 4))])


@pytest.mark.parametrize("piece", [64, 1024, 65536])
def test_9_sizes_in_fragments(answers, piece):
    text = b"*" * (1 << 18)
    answers(fragments(TEXT, *(text[at : at + piece] for at in range(0, len(text), piece))), [(TEXT, text)])


def test_9_many_messages(answers):
    messages = [(BINARY, bytes([number % 256]) * (number % 200)) for number in range(1000)]
    answers(b"".join(frame(*message) for message in messages), messages)


def test_10_a_message_in_fragments_of_the_networks_size(answers):
    text = b"*" * 65536
    answers(fragments(TEXT, *(text[at : at + 1300] for at in range(0, len(text), 1300))), [(TEXT, text)])


def contents():
    """What compresses well, hardly, and not at all, of lengths around those of buffers."""
    json = "".join(f'{{"number": {number % 77}}}, ' for number in range(8000)).encode()
    noise = random.Random(1).randbytes(140_000)
    for length in (0, 1, 255, 256, 4095, 8192, 16383, 16384, 16385, 32768, 65536, 131072):
        for content in (json, b"a" * length, noise):
            yield content[:length]


@pytest.mark.parametrize("response", ["", "; server_max_window_bits=9", "; server_max_window_bits=15"])
def test_12_and_13_compression(answers, open_socket, response):
    offer = f"{OFFER}{response}; client_max_window_bits\r\n"
    with open_socket(offer) as client:
        assert b"\r\nSec-WebSocket-Extensions: permessage-deflate;" in client.head and response.encode() in client.head
    for content in contents():
        for level, bits in ((1, 15), (9, 9)):
            answers(frame(COMPRESSED | BINARY, deflated(content, level, bits)), [(BINARY, content)], offer)
    answers(frame(COMPRESSED | TEXT, deflated(HELLO * 1000)) + frame(TEXT, HELLO), [(TEXT, HELLO * 1000), (TEXT, HELLO)], offer)


def test_12_compression_in_fragments(answers):
    offer = OFFER + "\r\n"
    for content in (HELLO * 900, b"a" * 32768, b""):
        packed = deflated(content)
        for piece in (1, 7, 256):
            pieces = [packed[at : at + piece] for at in range(0, len(packed), piece)] or [b""]
            answers(fragments(COMPRESSED | TEXT, *pieces, b""), [(TEXT, content)], offer)
    half, rest = frame(COMPRESSED | 1, deflated(HELLO)[:5]), frame(LAST, deflated(HELLO)[5:])
    answers(half + frame(PING, b"between") + rest, [(TEXT, HELLO), (PONG, b"between")], offer)


def test_12_what_is_no_compression(refused):
    offer = OFFER + "\r\n"
    for stray in (frame(COMPRESSED | 1, b"x") + frame(COMPRESSED | LAST), frame(COMPRESSED | PING), frame(COMPRESSED | CLOSE)):
        refused(stray, 1002, offer)
    refused(frame(COMPRESSED | TEXT, b"\xff\xff\xff"), 1007, offer)
    refused(frame(COMPRESSED | TEXT, deflated(b"a\xed\xa0\x80")), 1007, offer)
    refused(frame(COMPRESSED | BINARY, deflated(HELLO * 40)[:-3]), 1007, offer)


@pytest.mark.parametrize("offer", [
    "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits", "permessage-bzip2",
    "permessage-deflate; client_max_window_bits=7", "permessage-deflate; mode=fast",
])
def test_13_offers_that_are_none(open_socket, offer):
    with open_socket(f"Sec-WebSocket-Extensions: {offer}\r\n") as client:
        assert b"Sec-WebSocket-Extensions" not in client.head
        client.socket.sendall(frame(COMPRESSED | TEXT, deflated(HELLO)))
        assert client.close_code() == 1002
