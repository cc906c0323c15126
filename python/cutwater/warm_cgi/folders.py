"""Folders of scripts: whether a file there hides a module from a script that has been imported here already."""

from __future__ import annotations

import importlib.machinery
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, FrozenSet, Iterable, Optional, Tuple

_SUFFIXES = tuple(importlib.machinery.all_suffixes())


class Folders:
    MOST = 200

    def __init__(self) -> None:
        self._preloaded: FrozenSet[str] = frozenset()
        self._known: Dict[Tuple[int, int, int, int], Optional[str]] = {}

    def set_preloaded(self, names: FrozenSet[str]) -> None:
        self._preloaded = names
        self._known.clear()

    def hidden(self, folder: int) -> Optional[str]:
        """The name of such a file below `folder` (O_PATH), or None."""
        status = os.stat(folder)
        key = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
        if key not in self._known:
            if len(self._known) >= self.MOST:
                self._known.clear()
            self._known[key] = self._look(folder)
        return self._known[key]

    def _look(self, folder: int) -> Optional[str]:
        for name in self._names(folder):
            stem, _, _ = name.partition(".")
            if stem in self._preloaded and (name.endswith(_SUFFIXES) or _is_package(folder, name)):
                return name
        return None

    def _names(self, folder: int) -> Iterable[str]:
        try:
            return os.listdir(f"/proc/self/fd/{folder}")
        except PermissionError:  # it may be entered, but not read
            return [name for stem in self._preloaded for name in (stem, *(stem + suffix for suffix in _SUFFIXES))
                    if _exists(folder, name)]


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder)
    except OSError:
        return False
    return True


def _is_package(folder: int, name: str) -> bool:
    try:
        is_folder = stat.S_ISDIR(os.stat(name, dir_fd=folder).st_mode)
    except OSError:
        return False
    return is_folder and any(_exists(folder, f"{name}/__init__{suffix}") for suffix in _SUFFIXES)
