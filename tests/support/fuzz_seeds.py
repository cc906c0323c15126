"""Writes seeds for the HTTP/1 fuzzers from tests/corpora/http1: python3 tests/support/fuzz_seeds.py FOLDER

FOLDER/<fuzzer>/ then holds one file of raw bytes for each case: whole connections, chunked bodies, request targets, values.
"""

import re
import sys
from pathlib import Path

from corpus import cases

LARGEST = 16 * 1024


def seeds(case):
    """(fuzzer, bytes) for each fuzzer that can use the case."""
    yield "codec_http1_head_fuzz", case.raw
    yield "serve_serve_fuzz", b"\x04" + b"\xf9\x3a\x21\xfb" + case.raw  # four steps, then the bytes
    head, _, body = case.raw.partition(b"\r\n\r\n")
    if re.search(rb"transfer-encoding:\s*chunked", head, re.IGNORECASE) and body:
        yield "codec_http1_body_fuzz", body
    yield "codec_http1_response_fuzz", b"\0HTTP/1.1 200 OK\r\n" + case.raw.partition(b"\r\n")[2]
    target = head.split(b"\r\n")[0].split(b" ")[1:2]
    if target and target[0]:
        yield "message_target_fuzz", target[0]
    for value in re.findall(rb"^Host: (.+?)\r?$", head, re.MULTILINE):
        yield "message_values_fuzz", value


def main(folder):
    written = 0
    for case in cases():
        for fuzzer, data in seeds(case):
            if not 0 < len(data) <= LARGEST:
                continue
            (folder / fuzzer).mkdir(parents=True, exist_ok=True)
            (folder / fuzzer / case.name.replace("/", "-")).write_bytes(data)
            written += 1
    print(f"{written} seeds in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
