"""Which folders of an app's root hold its code and templates: a change there means new code."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections import deque
from typing import Any, Deque, Dict, Iterable, Iterator, List, NamedTuple, Set, Tuple

from cutwater.channel import Channel

_SKIPPED_NAMES = {"__pycache__", "node_modules", "static", "staticfiles", "media", "site-packages"}
_ENVIRONMENT_MARKS = {"pyvenv.cfg", "conda-meta"}
_MAXIMUM_VISITED = 10_000
# Whoever reads them, and whatever holds them: as the master counts them (src/supervise/code_names). An app may write .html
# too, pages and uploads: there it says less than what is in it.
_TEMPLATE_ENDINGS = (".jinja", ".jinja2", ".j2", ".mako", ".tmpl", ".tpl")
_PAGE_ENDINGS = (".html", ".htm", ".pt", ".zpt")
_PLAIN_PAGE_ENDINGS = (".html", ".htm")
_TEMPLATE_SIGNS = (b"{%", b"{{", b"<%")
# Of others: words that stand in any text, and what makes signs of them.
_RARE_SIGNS = (b"{#", b"tal:", b"metal:", b"py:", b"i18n:", b"meta:")
_RARE_SIGN = re.compile(rb"\{#[^\n]{0,300}?#\}|</?(?:tal|metal|py):[a-z]|\s(?:tal|metal|py|i18n|meta):[a-z-]+\s*=\s*[\"']|xmlns:(?:tal|metal|py)\s*=")
_WRITTEN_NAMES = {"cache", "upload", "uploads", "tmp", "temp", "var", "log", "logs", "out", "output", "build", "_build", "dist", "htmlcov"}
_PAGES_READ = 8
_PAGE_BYTES = 64 * 1024
_MAXIMUM_PAGES = 10_000
_MAXIMUM_PAGES_READ = 2000
_MESSAGE_BYTES = 32 * 1024


class Watched(NamedTuple):
    folders: List[str]  # those of loaded modules first
    templates: List[str]  # below these any text is a template, beside what is called "templates"
    pages: List[str]  # of the others: files that may be templates, and folders, with a slash, all of whose pages may be
    left_out: str  # one of the folders that were too many to be looked at, or ""


def _inside(folder: str, root: str) -> bool:
    """Under the root, and none of the folders between is one that we skip."""
    if folder == root:
        return True
    if not folder.startswith(root.rstrip(os.sep) + os.sep):
        return False
    parent = root
    for name in os.path.relpath(folder, root).split(os.sep):
        parent = os.path.join(parent, name)
        if name.startswith(".") or name in _SKIPPED_NAMES:
            return False
        if any(os.path.exists(os.path.join(parent, mark)) for mark in _ENVIRONMENT_MARKS):
            return False
    return True


def _can_be_told(folder: str) -> bool:
    try:
        folder.encode()
    except UnicodeEncodeError:  # its name is no text
        return False
    return True


def _holds(folder: str, others: Iterable[str]) -> bool:
    return any(other == folder or other.startswith(folder + os.sep) for other in others)


class _Search:
    def __init__(self, root: str, excluded: Iterable[str]) -> None:
        self.root = os.path.realpath(root)
        self.hidden = {os.path.realpath(folder) for folder in excluded if folder} - {self.root}
        self.found: Dict[str, None] = {}  # in order
        self.templates: Set[str] = set()
        self.pages: Dict[str, None] = {}
        self.left_out = ""
        self._visited = 0
        self._read = 0

    def take(self, folder: str) -> None:
        if not any(folder == other or folder.startswith(other + os.sep) for other in self.hidden) and _can_be_told(folder):
            self.found[folder] = None

    def take_modules(self) -> List[str]:
        inside: Dict[str, bool] = {}
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str):
                folder = os.path.dirname(os.path.realpath(file))
                if folder not in inside:
                    inside[folder] = _inside(folder, self.root)
        folders = [folder for folder, is_inside in inside.items() if is_inside]
        for folder in folders:
            self.take(folder)
        return folders

    def take_templates(self, folder: str, modules: Iterable[str]) -> None:
        """A folder that holds code as well may hold anything that the app writes: there not every text is a template."""
        real = os.path.realpath(folder)
        if not os.path.isdir(real) or not _inside(real, self.root):
            return
        if not _holds(real, modules) and real != self.root:
            self.templates.add(real)
        self.take_tree(real, everything=True)

    def take_tree(self, top: str, everything: bool = False) -> None:
        """Folders with Python files; below one of templates all of them, and of pages those with pages. Those near the top first."""
        waiting: Deque[Tuple[str, bool, bool]] = deque([(top, everything, False)])
        while waiting:
            folder, all_below, pages_below = waiting.popleft()
            self._visited += 1
            if self._visited > _MAXIMUM_VISITED:
                self.left_out = self.left_out or folder
                return
            names, files = _entries(folder)
            if folder != self.root and not _ENVIRONMENT_MARKS.isdisjoint(names + files):
                continue
            has_code = any(name.endswith(".py") for name in files)
            name = os.path.basename(folder)
            if folder != self.root and name == "views" and not has_code and not all_below:
                self.templates.add(folder)
            all_below = all_below or (folder != self.root and name == "templates") or folder in self.templates
            pages = self._pages(folder, files)
            has_templates = not all_below and any(self._is_template(os.path.join(folder, name)) for name in pages[:_PAGES_READ])
            pages_below = has_templates or pages_below
            if all_below or has_code or (pages_below and pages) or any(name.endswith(_TEMPLATE_ENDINGS) for name in files):
                self.take(folder)
                if folder in self.found and (all_below or pages_below):
                    self.pages[os.path.join(folder, "")] = None
                else:
                    self._take_pages(folder, [name for name in pages if name.endswith(_PLAIN_PAGE_ENDINGS)])
            spreads = pages_below and not has_code and folder != self.root  # a page beside code says nothing of what lies below
            waiting.extend((os.path.join(folder, name), all_below, spreads) for name in names
                           if not name.startswith(".") and name not in _SKIPPED_NAMES)

    def _pages(self, folder: str, files: Iterable[str]) -> List[str]:
        """Those that may be templates; none where the app is likely to write them."""
        if not _WRITTEN_NAMES.isdisjoint(os.path.relpath(folder, self.root).split(os.sep)):
            return []
        return [name for name in files if name.endswith(_PAGE_ENDINGS)]

    def _is_template(self, path: str) -> bool:
        if self._read >= _MAXIMUM_PAGES_READ:
            self.left_out = self.left_out or os.path.dirname(path)
            return False
        self._read += 1
        return _is_template(path)

    def _take_pages(self, folder: str, names: Iterable[str]) -> None:
        if folder not in self.found:
            return
        for name in names:
            if len(self.pages) >= _MAXIMUM_PAGES:
                self.left_out = self.left_out or folder
                return
            if _can_be_told(name):
                self.pages[os.path.join(folder, name)] = None


def _is_template(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        start = os.read(descriptor, _PAGE_BYTES)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    if any(sign in start for sign in _TEMPLATE_SIGNS):
        return True
    return any(sign in start for sign in _RARE_SIGNS) and _RARE_SIGN.search(start) is not None


def _entries(folder: str) -> Tuple[List[str], List[str]]:
    """The names of its folders and of its files; none of one that we may not read."""
    folders: List[str] = []
    files: List[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
    except OSError:
        pass
    return sorted(folders), files


def watched(root: str, templates: Iterable[str] = (), excluded: Iterable[str] = ()) -> Watched:
    """`templates`: the folders that the app's frameworks name; `excluded`: collected static files, uploads."""
    search = _Search(root, excluded)
    search.take(search.root)
    modules = search.take_modules()
    for folder in templates:
        search.take_templates(folder, modules)
    search.take_tree(search.root)
    below = sorted(folder for folder in search.templates if folder in search.found)
    return Watched(list(search.found), below, list(search.pages), search.left_out if _can_be_told(search.left_out) else search.root)


def tell(channel: Channel, found: Watched, changed: str = "") -> None:
    """In as many messages as it takes. `changed`: a file that is not any more what was imported."""
    def say(**news: Any) -> None:
        channel.send("watch", **{"folders": [], "templates": [], "pages": [], "left_out": "", "changed": "", **news})

    for part in _parts(found.folders):
        say(folders=part)
    for part in _parts(found.templates):
        say(templates=part)
    for part in _parts(found.pages):
        say(pages=part)
    if found.left_out or changed:
        say(left_out=found.left_out, changed=changed)


def _parts(paths: List[str]) -> Iterator[List[str]]:
    part: List[str] = []
    size = 0
    for path in paths:
        length = len(json.dumps(path)) + 2
        if part and size + length > _MESSAGE_BYTES:
            yield part
            part, size = [], 0
        part.append(path)
        size += length
    if part:
        yield part
