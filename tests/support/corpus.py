"""Reads tests/corpora/http1 (its README.md says how the files are written)."""

import re
from pathlib import Path

CORPUS = Path(__file__).resolve().parent.parent / "corpora" / "http1"
ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}


class Case:
    def __init__(self, name):
        self.name, self.raw, self.expect, self.limit_body = name, b"", [], 1 << 20


def unescape(text):
    """C escapes to bytes; other characters are UTF-8."""

    def replace(match):
        escape = match[1]
        return ESCAPES[escape] if escape in ESCAPES else chr(0xDC00 + int(escape[1:], 16))

    replaced = re.sub(r"\\([rnt0\\]|x[0-9A-Fa-f]{2})", replace, text)
    return b"".join(bytes([ord(char) - 0xDC00]) if 0xDC00 <= ord(char) <= 0xDCFF else char.encode() for char in replaced)


def cases():
    found = []
    for path in sorted(CORPUS.glob("*")):
        if path.name == "README.md" or not path.is_file():
            continue
        for line in path.read_text(encoding="utf-8").split("\n"):
            key, _, value = line.partition(":")
            if line.startswith("#") or not line.strip():
                continue
            if key == "case":
                found.append(Case(f"{path.stem}/{value.strip()}"))
            elif key.startswith("raw"):
                found[-1].raw += unescape(value[1:]) * int(key[4:] or 1)
            elif key == "expect":
                found[-1].expect = value.split()
            elif key == "limit-body":
                found[-1].limit_body = int(value)
    return found
