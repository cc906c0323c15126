"""What was on disk when the app was imported: whether one of its files has been saved since."""

from __future__ import annotations

import os
from importlib.machinery import SourceFileLoader
from typing import Any, Dict, Mapping, Tuple


class SourcesRead:
    """Listens in to the import system, which looks at the time and size of each source file before it reads it. Comparing the
    times of files with the start of the import would take what the app itself writes and then imports for a change. Nothing is
    kept of the many that are not the app's: freed, they would be holes between its objects, which each worker fills anew."""

    def __init__(self, root: str) -> None:
        self._below = os.path.realpath(root).rstrip(os.sep) + os.sep
        self._library = os.path.dirname(os.__file__) + os.sep
        self._seen: Dict[str, Tuple[float, int]] = {}
        self._original: Any = None

    def __enter__(self) -> SourcesRead:
        original = self._original = SourceFileLoader.path_stats

        def path_stats(loader: SourceFileLoader, path: str) -> Mapping[str, Any]:
            stats = original(loader, path)
            if "site-packages" not in path and not path.startswith(self._library):
                self._seen[path] = (stats["mtime"], stats["size"])
            return stats

        self._listener = path_stats
        SourceFileLoader.path_stats = path_stats  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: Any) -> None:
        if SourceFileLoader.path_stats is self._listener:
            SourceFileLoader.path_stats = self._original  # type: ignore[method-assign]

    def changed(self) -> str:
        """The path of one that is not any more what was imported, or ""."""
        for path, stats in self._seen.items():
            real = os.path.realpath(path)
            if real.startswith(self._below) and "site-packages" not in real and not _is_as(real, stats):
                return real
        return ""


def _is_as(path: str, stats: Tuple[float, int]) -> bool:
    try:
        now = os.stat(path)
    except OSError:  # just being replaced, or gone: its import has worked
        return False
    return (now.st_mtime, now.st_size) == stats
