"""Compiled scripts by what their file is: device, inode, times and size."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Dict, Optional, Tuple

    Key = Tuple[str, int, int, int, int, int]


class Source:
    """`code`: None when compiling warned; whoever runs it compiles it again, and is warned himself."""

    def __init__(self, text: bytes, code: Optional[CodeType]) -> None:
        self.text, self.code = text, code


class CodeCache:
    MOST = 200
    LARGEST = 1024 * 1024  # of a source; a larger one is nothing to hold up others with
    SETTLED = 0.05  # seconds: a file younger than a tick of the clock may change without looking changed

    def __init__(self) -> None:
        self._sources: Dict[Key, Source] = {}

    def find(self, file: int, path: str) -> Optional[Source]:
        """`file`: O_PATH. What load() has kept of it, if it is still the same."""
        return self._sources.get(_key(path, os.stat(file)))

    def load(self, file: int, path: str) -> Source:
        """OSError: it cannot be read; SyntaxError and other exceptions: it is no Python."""
        key = _key(path, os.stat(file))
        source = self._sources.pop(key, None)
        if source is None:
            source = _read(file, path)
            if time.time() - key[3] / 1e9 < self.SETTLED or time.time() - key[4] / 1e9 < self.SETTLED:
                return source
        self._sources[key] = source
        if len(self._sources) > self.MOST:
            del self._sources[next(iter(self._sources))]
        return source


def _key(path: str, status: os.stat_result) -> Key:
    return path, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


def _read(file: int, path: str) -> Source:
    import warnings

    if os.stat(file).st_size > CodeCache.LARGEST:
        raise ValueError("too large")
    with open(f"/proc/self/fd/{file}", "rb") as opened:
        text = opened.read(CodeCache.LARGEST + 1)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        code = compile(text, path, "exec", dont_inherit=True)
    return Source(text, None if heard else code)
