"""Standard streams as the interpreter makes them when it starts, made once, over what scripts will find there."""

from __future__ import annotations

import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def take_places() -> None:
    """A file that can be sought in as input, a pipe as output: by that streams choose what they do."""
    with open(os.devnull, "rb") as null:
        os.dup2(null.fileno(), 0)
    reading, writing = os.pipe()
    os.close(reading)  # nobody writes there
    for place in (1, 2):
        os.dup2(writing, place)
    os.close(writing)


def renew() -> None:
    """Over descriptors 0 to 2, with the encodings and the buffering that the interpreter was started with."""
    unbuffered = isinstance(getattr(sys.__stdout__, "buffer", None), io.RawIOBase)
    sys.stdin = sys.__stdin__ = _stream(0, "r", sys.__stdin__, unbuffered, False)  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _stream(1, "w", sys.__stdout__, unbuffered, False)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _stream(2, "w", sys.__stderr__, unbuffered, not unbuffered)  # type: ignore[misc]


def _stream(descriptor: int, mode: str, old: Any, unbuffered: bool, by_lines: bool) -> io.TextIOWrapper:
    buffer: Any = open(descriptor, mode + "b", buffering=0 if unbuffered and mode == "w" else -1, closefd=False)
    raw = getattr(buffer, "raw", buffer)
    raw.name = f"<{('stdin', 'stdout', 'stderr')[descriptor]}>"
    by_lines = by_lines or (not unbuffered and raw.isatty())
    stream = io.TextIOWrapper(buffer, old.encoding, old.errors, "\n", by_lines, unbuffered)
    stream.mode = mode  # type: ignore[misc]
    return stream
