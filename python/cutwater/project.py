"""Which folders of an app's root hold its code and templates: a change there means new code."""

from __future__ import annotations

import os
import sys
from typing import Iterable, List, Set

_SKIPPED_NAMES = {"__pycache__", "node_modules", "static", "staticfiles", "media", "site-packages"}
_ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")
_MAXIMUM_VISITED = 4000
_MAXIMUM_FOLDERS = 500
_MAXIMUM_BYTES = 40 * 1024  # they travel in one message
_MAXIMUM_DEPTH = 12


def _skipped(folder: str, name: str) -> bool:
    if name.startswith(".") or name in _SKIPPED_NAMES:
        return True
    return any(os.path.exists(os.path.join(folder, name, mark)) for mark in _ENVIRONMENT_MARKS)


def _inside(folder: str, root: str) -> bool:
    """Under the root, and none of the folders between is one that we skip."""
    if folder == root:
        return True
    if not folder.startswith(root.rstrip(os.sep) + os.sep):
        return False
    parent = root
    for name in os.path.relpath(folder, root).split(os.sep):
        if _skipped(parent, name):
            return False
        parent = os.path.join(parent, name)
    return True


def _of_loaded_modules(root: str) -> Iterable[str]:
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            folder = os.path.dirname(os.path.realpath(file))
            if _inside(folder, root):
                yield folder


def _of_files(root: str, everything: bool = False) -> Iterable[str]:
    """Folders with Python files; below one called "templates" all of them."""
    visited = 0
    root_depth = root.rstrip(os.sep).count(os.sep)
    for folder, names, files in os.walk(root):
        visited += 1
        if visited > _MAXIMUM_VISITED:
            return
        names[:] = sorted(name for name in names if not _skipped(folder, name))
        if folder.count(os.sep) - root_depth >= _MAXIMUM_DEPTH:
            names.clear()
        in_templates = "templates" in os.path.relpath(folder, root).split(os.sep)
        if everything or in_templates or any(name.endswith(".py") for name in files):
            yield folder


def watched_folders(root: str, templates: Iterable[str] = (), excluded: Iterable[str] = ()) -> List[str]:
    """Bounded; the folders of loaded modules first. `excluded`: collected static files, uploads."""
    root = os.path.realpath(root)
    hidden = [os.path.realpath(folder) for folder in excluded if folder]
    hidden = [folder for folder in hidden if folder != root]
    found: List[str] = []
    seen: Set[str] = set()

    def take(folders: Iterable[str]) -> None:
        for folder in folders:
            kept_out = any(folder == other or folder.startswith(other + os.sep) for other in hidden)
            if folder not in seen and not kept_out and sum(map(len, found)) + len(folder) < _MAXIMUM_BYTES:
                seen.add(folder)
                if len(found) < _MAXIMUM_FOLDERS:
                    found.append(folder)

    take([root])
    take(_of_loaded_modules(root))
    for folder in templates:
        real = os.path.realpath(folder)
        if os.path.isdir(real) and _inside(real, root):
            take(_of_files(real, everything=True))
    take(_of_files(root))
    return found
