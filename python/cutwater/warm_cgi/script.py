"""One script, in a child of the warm interpreter that becomes what a Python started for the script would be."""

from __future__ import annotations

import _signal
import builtins
import gc
import importlib.machinery
import os
import sys

from cutwater.warm_cgi import ending, preload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, NoReturn

    from cutwater.warm_cgi.code_cache import CodeCache
    from cutwater.warm_cgi.folders import Folders

Module = type(sys)
SAFE_PATH = bool(sys.flags.isolated or getattr(sys.flags, "safe_path", False))  # the script's folder is not searched


OURS: List[str] = []  # the names of modules that scripts shall not find
IGNORED: List[int] = []  # signals, by this interpreter; not by scripts


class Cold(Exception):
    """It is to be started by itself, nothing of it has run. The text says why, for the log; "": that shows by itself."""


class Job:
    """`descriptors` (script and folder with O_PATH, three streams) are the caller's; `own`: those no script may have;
    `added`: variables that the interpreter's start has set."""

    def __init__(self, message: Dict[str, Any], descriptors: List[int], own: List[int], added: Dict[bytes, bytes]) -> None:
        self.message, self.added = message, added
        self.file, self.folder, *self.streams = descriptors
        self.own = own

    def find(self, code: CodeCache, folders: Folders, settle: Callable[[], None]) -> None:
        """`settle` is called when modules were imported for it."""
        place = os.readlink(f"/proc/self/fd/{self.folder}")
        self.argument = os.fsdecode(self.message["path"].encode("latin-1"))
        self.path = self.argument if self.argument.startswith("/") else f"{place}/{self.argument}"
        if self.message["must_be_executable"] and not os.access(f"/proc/self/fd/{self.file}", os.X_OK):
            raise Cold("")
        if not os.access(f"/proc/self/fd/{self.folder}", os.X_OK):
            raise Cold("")
        source = code.find(self.file, self.path)
        if source is None:
            try:
                source = code.load(self.file, self.path)
            except Exception as error:  # started by itself it says so best
                raise Cold("") from error
            if source.code is not None and preload.for_script(source.code):
                settle()
        self.source = source
        hidden = None if SAFE_PATH else folders.hidden(self.folder)
        if hidden is not None:
            raise Cold(f"{hidden} in its folder hides a module of Python's own from it, which is imported here already")

    def run(self) -> NoReturn:
        """In the child. Returns to nobody."""
        try:
            self._become()
            code = self.source.code or compile(self.source.text, self.path, "exec", dont_inherit=True)
            names = self._main_module()
        except BaseException as error:
            try:
                os.write(2, f"cutwater: a warm Python cannot run {self.path}: {error!r}\n".encode("utf-8", "replace"))
            finally:
                os._exit(1)
        ending.run_to_the_end(code, names)

    def _become(self) -> None:
        """Tells the spawner first, who ends what it does not know of: nothing of the script runs before."""
        os.setsid()
        os.write(self.own[0], b'{"type": "running", "script": %d, "pid": %d}\n' % (self.message["script"], os.getpid()))
        for place, descriptor in enumerate(self.streams):  # from here on its error stream is in the log
            os.dup2(descriptor, place)
        gc.enable()
        _signal.set_wakeup_fd(-1)
        for number in (_signal.SIGCHLD, *IGNORED):
            _signal.signal(number, _signal.SIG_DFL)  # not by `signal`, whose enumerations touch memory
        folder = _real_path(self.file, self.path).rpartition("/")[0] or "/"
        os.fchdir(self.folder)
        os.closerange(3, max(self.file, self.folder, *self.streams, *self.own) + 1)
        sys.argv = [self.argument]
        if hasattr(sys, "orig_argv"):
            sys.orig_argv = [*self.message["interpreter"], self.argument]
        if not SAFE_PATH:
            sys.path.insert(0, folder)
        self._set_environment()

    def _set_environment(self) -> None:
        """In the child: what the C library was ever told of it keeps for good."""
        old = os.environ._data  # type: ignore[attr-defined]  # by its own methods it takes ten times as long
        new = self.environment()
        for name in [name for name in old if name not in new]:
            os.unsetenv(name)
            del old[name]
        for name, value in new.items():
            if old.get(name) != value:
                os.putenv(name, value)
                old[name] = value

    def environment(self) -> Dict[bytes, bytes]:
        new = {}
        for variable in self.message["environment"].encode("latin-1").split(b"\0"):
            name, _, value = variable.partition(b"=")
            new[name] = value
        for name, value in self.added.items():
            new.setdefault(name, value)
        return new

    def _main_module(self) -> Dict[str, Any]:
        for name in OURS:
            del sys.modules[name]
        main = Module("__main__")
        names = main.__dict__
        names["__loader__"] = importlib.machinery.SourceFileLoader("__main__", self.path)
        if sys.version_info < (3, 14):
            names["__annotations__"] = {}
        names["__builtins__"] = builtins
        names["__file__"] = self.path
        names["__cached__"] = None
        sys.modules["__main__"] = main
        return names


def _real_path(file: int, path: str) -> str:
    """Without links, as Python finds the folder of a script."""
    try:
        real = os.readlink(f"/proc/self/fd/{file}")
    except OSError:
        return path
    return real if real.startswith("/") and not real.endswith(" (deleted)") else path
