"""Writes seeds for the fuzzers, from tests/ by python3 -m support.fuzz_seeds FOLDER

FOLDER/<fuzzer>/ then holds one file of raw bytes for each: from tests/corpora/http1 whole connections, chunked bodies,
request targets, values; frames of WebSockets; of a web server in front whole connections and heads of each gateway protocol.
"""

import re
import sys
import zlib
from pathlib import Path

from . import gateways
from .corpus import cases

LARGEST = 16 * 1024
STEPS = b"\x04" + b"\xf9\x3a\x21\xfb"  # how src/serve/fault_play.h plays what follows


def seeds(case):
    """(fuzzer, bytes) for each fuzzer that can use the case."""
    yield "codec_http1_head_fuzz", case.raw
    yield "serve_serve_fuzz", STEPS + case.raw
    head, _, body = case.raw.partition(b"\r\n\r\n")
    if re.search(rb"transfer-encoding:\s*chunked", head, re.IGNORECASE) and body:
        yield "codec_http1_body_fuzz", body
    answer = b"HTTP/1.1 200 OK\r\n" + case.raw.partition(b"\r\n")[2]
    yield "codec_http1_response_fuzz", b"\0" + answer
    yield "upstream_call_fuzz", b"\2" + answer
    yield "upstream_call_fuzz", b"\1" + answer.partition(b"\r\n")[2]
    target = head.split(b"\r\n")[0].split(b" ")[1:2]
    if target and target[0]:
        yield "message_target_fuzz", target[0]
    for value in re.findall(rb"^Host: (.+?)\r?$", head, re.MULTILINE):
        yield "message_values_fuzz", value


CGI_HEADS = {
    "plain": b"Content-Type: text/html\r\n\r\nbody",
    "status": b"Status: 404 Not Found\nContent-Type: text/plain\nContent-Length: 4\n\nbody",
    "local": b"Location: /other?x=y\r\n\r\n",
    "redirect": b"Location: http://example.org/\r\nStatus: 302\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n",
    "http": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
}


def gateway_seeds():
    """(name, fuzzer, bytes)"""
    paths = ("/echo", "/pieces", "/short", "/long", "/abort", "/file", "/wait", "/late", "/silent", "/x")
    for path in paths:
        variables = gateways.variables_of("POST", path, [("X-Some", "a" * 200)])
        for chosen, (protocol, request) in enumerate(gateways.REQUESTS.items()):
            yield path[1:] + "-" + protocol, "serve_gateway_fuzz", bytes([chosen]) + STEPS + request(variables, b"body" * 20)
    variables = gateways.variables_of("GET", "/echo")
    two = gateways.fastcgi_request(variables, b"one", 1, keep=True) + gateways.fastcgi_request(variables, b"two", 7)
    values = gateways.record(gateways.GET_VALUES, 0, b"\x0e\x00FCGI_MAX_CONNS")
    yield "two", "serve_gateway_fuzz", b"\x02" + STEPS + values + two
    filtered = gateways.variables_of("POST", "/filter", FCGI_DATA_LENGTH="4")
    filtered = gateways.fastcgi_request(filtered, b"body", role=3, data=b"file")
    yield "filter", "serve_gateway_fuzz", b"\x02" + STEPS + filtered
    yield "filter", "codec_fastcgi_server_session_fuzz", filtered
    yield "abort", "serve_gateway_fuzz", b"\x02" + STEPS + two[:-16] + gateways.record(gateways.ABORT, 7)
    for role in (1, 2, 3):
        yield f"role-{role}", "codec_fastcgi_server_session_fuzz", gateways.fastcgi_request(variables, b"body", role=role)
    yield "two", "codec_fastcgi_server_session_fuzz", values + two
    answer = gateways.fastcgi_stream(gateways.STDOUT, 1, b"Status: 201 Made\r\nContent-Length: 4\r\n\r\nbody")
    end = gateways.record(gateways.END, 1, b"\0" * 8)
    for name, chosen in (("answer", 0), ("grant", 8)):
        yield name, "upstream_call_fuzz", bytes([chosen]) + answer + end
    others = [gateways.fastcgi_stream(gateways.STDOUT, number, b"Status: 200\r\n\r\n" + b"x" * number) for number in (2, 3)]
    ends = [gateways.record(gateways.END, number, b"\0" * 8) for number in (2, 3)]
    for chosen in range(16):
        yield f"three-{chosen}", "upstream_shared_connection_fuzz", bytes([chosen]) + others[1] + answer + ends[1] + others[0] + end
        yield f"ends-{chosen}", "upstream_shared_connection_fuzz", bytes([chosen]) + b"".join([*others, answer, *ends, end])
    yield "values", "codec_fastcgi_values_fuzz", gateways.record(gateways.GET_VALUES_RESULT, 0, b"\x0f\1FCGI_MPXS_CONNS1\x0d\2FCGI_MAX_REQS50", 2)
    yield "unknown", "codec_fastcgi_values_fuzz", gateways.record(gateways.UNKNOWN_TYPE, 0, b"\x09" + b"\0" * 7)
    # stderr, an answer in two records with padding, the end; another one breaks off.
    log = gateways.record(gateways.STDERR, 1, b"PHP Warning: x", padding=2)
    yield "answer", "codec_fastcgi_response_reader_fuzz", log + answer + end
    yield "overloaded", "codec_fastcgi_response_reader_fuzz", gateways.record(gateways.END, 1, b"\0\0\0\0\2\0\0\0")
    yield "cut", "codec_fastcgi_response_reader_fuzz", log + answer[:-9]
    for name, head in CGI_HEADS.items():
        yield name, "codec_cgi_response_response_head_fuzz", head
    filtered = [*variables, ("CONTENT_LENGTH", "4"), ("HTTP_X_SOME", "a, b")]
    pairs = b"".join(item.encode("latin-1") + b"\xff" for pair in filtered for item in pair)
    yield "request", "codec_cgi_variables_variable_reader_fuzz", pairs
    yield "short", "codec_cgi_variables_variable_reader_fuzz", b"a\xffGET\xffb\xff/a%20b?c\xffd\xff/a b\xffe\xffc\xfff\xff0\xffi\xffa:8\xff"
    texts = b"".join(bytes([len(item)]) + item.encode("latin-1") for pair in variables for item in pair)
    yield "request", "codec_fastcgi_request_encoder_fuzz", b"\4body" + texts
    yield "long", "codec_fastcgi_request_encoder_fuzz", b"\xff\x00\x20" + b"\1A\xff\xff\x10" + texts
    yield "request", "codec_uwsgi_packet_fuzz", gateways.uwsgi_request(variables)
    yield "request", "codec_scgi_request_head_fuzz", gateways.scgi_request(variables, b"body")


def websocket_frame(first, payload=b""):
    mask = b"\x11\x22\x33\x44"
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes([first]) + length + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def websocket_seeds():
    """(name, fuzzer, bytes): two bytes choose the options and a cut, then come a client's bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = (packer.compress(b"line of text\n" * 100) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    frame = websocket_frame
    sessions = {
        "text": frame(0x81, "h\u00e9llo \U0001f600".encode()) + frame(0x82, bytes(200)) + frame(0x88, b"\x03\xe8bye"),
        "fragments": frame(0x01, b"\xce") + frame(0x89, b"ping") + frame(0x00) + frame(0x80, b"\xba") + frame(0x8a),
        "packed": frame(0xc1, packed) + frame(0x41, packed[:9]) + frame(0x80, packed[9:]),
        "stored": frame(0xc1, b"\x00\x05\x00\xfa\xffHello\x00") + frame(0xc1, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
        "offer": b"x; y=\"a, b\", permessage-deflate; server_max_window_bits=10; client_max_window_bits",
        "wrong": frame(0x81, b"\xed\xa0\x80"),
        "long": b"\x82\xff\x7f" + b"\xff" * 7 + bytes(4),
    }
    for name, session in sessions.items():
        for options in range(4):
            yield f"{name}-{options}", "codec_websocket_message_decoder_fuzz", bytes([options, 5]) + session


def main(folder):
    written = 0
    of_cases = ((case.name.replace("/", "-"), fuzzer, data) for case in cases() for fuzzer, data in seeds(case))
    for name, fuzzer, data in [*of_cases, *gateway_seeds(), *websocket_seeds()]:
        if not 0 < len(data) <= LARGEST:
            continue
        (folder / fuzzer).mkdir(parents=True, exist_ok=True)
        (folder / fuzzer / name).write_bytes(data)
        written += 1
    print(f"{written} seeds in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
