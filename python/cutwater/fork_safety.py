"""Whether workers may be forked from the imported app, and if not, what forbids it.

A fork copies one thread only. A Python thread of the app would be gone in the workers, with its locks held for ever;
a connection would be shared by all of them. Safe all the same: OpenBLAS's pool (it has fork handlers), connected UDP
and syslog sockets (one message is one datagram).
"""

from __future__ import annotations

import gc
import os
import socket
import stat
import sys
import threading
from types import ModuleType
from typing import Any, Callable, Iterable, NamedTuple, Optional, Set

from cutwater import greenlets, unpatched

# Peers that give a database away when no Python object owns the connection.
_SERVICES = {5432: "PostgreSQL", 3306: "MySQL", 6379: "Redis", 27017: "MongoDB", 11211: "memcached", 5672: "RabbitMQ",
             9092: "Kafka", 9200: "Elasticsearch", 1433: "SQL Server", 1521: "Oracle"}
_LOG_SOCKETS = ("/dev/log", "/run/systemd/journal/", "/var/run/syslog")


class Verdict(NamedTuple):
    safe: bool
    reason: str


def check(own_descriptors: Iterable[int]) -> Verdict:
    reason = _eventlet() or _python_thread() or _connection(set(own_descriptors)) or _native_thread()
    return Verdict(reason is None, reason or "")


def _eventlet() -> Optional[str]:
    """Its hub is made as soon as it is imported, and what waits there would be lost."""
    return "eventlet is not made for it" if greenlets.patched_by() == "eventlet" else None


# ---- threads


def _python_thread() -> Optional[str]:
    for thread in threading.enumerate():
        if thread is threading.main_thread():
            continue
        target = getattr(thread, "_target", None)
        module = getattr(target, "__module__", None) or type(thread).__module__
        name = getattr(target, "__qualname__", None) or type(thread).__qualname__
        return f"thread {thread.name} runs {module}.{name}{_starter(thread, module)}"
    return None


def _starter(thread: threading.Thread, module: str) -> str:
    """`` made by app``: where what runs is a library's, the module that has the thread, what it calls, or its executor."""
    if not _is_library(module):
        return ""
    called = getattr(getattr(thread, "function", None), "__module__", None) if isinstance(thread, threading.Timer) else None
    if called and called != "builtins" and not _is_library(called):
        return f", made by {called}"
    executor = getattr(sys.modules.get("concurrent.futures.thread"), "ThreadPoolExecutor", ())
    return _made_by(lambda value: value is thread or (type(value) is executor and thread in value._threads))


def _is_library(module: str) -> bool:
    return module.partition(".")[0] in ("threading", "concurrent", "multiprocessing", "_thread", "socketserver", "sched")


def _made_by(is_it: Callable[[Any], bool]) -> str:
    """`` made by app``: the module that has it in a global name. Libraries come first in sys.modules: the last is the nearest.
    No object is asked for anything: lazy ones would begin to work, and modules to be imported."""
    for name, module in reversed(list(sys.modules.items())):
        if name.partition(".")[0] == "cutwater" or not issubclass(type(module), ModuleType):
            continue
        if any(map(is_it, list(object.__getattribute__(module, "__dict__").values()))):
            return f", made by {name}"
    return ""


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _native_thread() -> Optional[str]:
    own_name = _read("/proc/self/comm").strip()
    try:
        threads = [int(name) for name in os.listdir("/proc/self/task")]
    except OSError:
        return None  # no /proc: nothing can be said
    others = [number for number in threads if number != os.getpid()]
    if not others:
        return None
    for number in others:
        name = _read(f"/proc/self/task/{number}/comm").strip()
        if name and name != own_name:
            return f"native thread {name} was started by a library"
    allowed = _openblas_copies() * max(1, (os.cpu_count() or 1) - 1)
    if len(others) > allowed:
        return f"{len(others)} native threads were started by {_native_suspect()}"
    return None


def _openblas_copies() -> int:
    """numpy and scipy may each bring their own OpenBLAS with its own pool."""
    files = {line.split()[-1] for line in _read("/proc/self/maps").splitlines() if "openblas" in line.lower()}
    return len(files)


def _native_suspect() -> str:
    known = [name for name in ("grpc", "confluent_kafka", "pymongo", "torch", "tensorflow", "pyarrow", "polars")
             if name in sys.modules]
    return " or ".join(known) if known else "a library"


# ---- connections and databases


def _connection(own: Set[int]) -> Optional[str]:
    try:
        descriptors = sorted(int(name) for name in os.listdir("/proc/self/fd"))
    except OSError:
        return None
    for descriptor in descriptors:
        if descriptor <= 2 or descriptor in own:
            continue
        try:
            mode = os.fstat(descriptor).st_mode
        except OSError:
            continue  # the one that listed the folder
        reason = None
        if stat.S_ISSOCK(mode):
            reason = _stream_peer(descriptor)
        elif stat.S_ISREG(mode):
            reason = _open_sqlite(descriptor)
        if reason is not None:
            return reason
    return None


def _stream_peer(descriptor: int) -> Optional[str]:
    probe = unpatched.socket(fileno=os.dup(descriptor))
    try:
        if probe.type != socket.SOCK_STREAM or probe.family not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
            return None
        peer = probe.getpeername()
    except OSError:
        return None  # not connected: listening, or new
    finally:
        probe.close()
    if probe.family == socket.AF_UNIX:
        name = peer if isinstance(peer, str) else os.fsdecode(peer)
        if name.startswith(_LOG_SOCKETS):
            return None
        return f"open connection to {name or 'an unnamed socket'}{_owner(descriptor)}"
    service = _SERVICES.get(peer[1])
    shown = f"{peer[0]}:{peer[1]}" if ":" not in peer[0] else f"[{peer[0]}]:{peer[1]}"
    return f"open connection to {shown}{f' ({service})' if service else ''}{_owner(descriptor)}"


def _open_sqlite(descriptor: int) -> Optional[str]:
    try:
        if os.pread(descriptor, 16, 0) != b"SQLite format 3\0":
            return None
        path = os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return None
    return f"open SQLite database {path}" + _made_by(lambda value: type(value).__module__ == "sqlite3")


def _owner(descriptor: int) -> str:
    """`` made by redis.connection``: the module of the object that holds the socket, if it is a Python one."""
    for candidate in gc.get_objects():
        if not isinstance(candidate, socket.socket):
            continue
        try:
            if candidate.fileno() != descriptor:
                continue
        except Exception:  # an odd subclass
            continue
        for holder in gc.get_referrers(candidate):
            owner = holder if not isinstance(holder, dict) else None
            if owner is None:
                named = [o for o in gc.get_referrers(holder) if getattr(o, "__dict__", None) is holder]
                owner = named[0] if named else None
            if isinstance(owner, ModuleType):
                return f", made by {owner.__name__}"
            module = type(owner).__module__ if owner is not None else ""
            if module and module not in ("builtins", __name__) and not module.startswith("_frozen"):
                return f", made by {module}"
        return ""
    return ""
