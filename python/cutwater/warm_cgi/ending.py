"""The end of a script, in the steps and with the outcome of the interpreter's own end, but for freeing what is shared."""

from __future__ import annotations

import atexit
import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any, Dict, List, NoReturn, Optional

_FLUSH_FAILED = 120  # the exit code of a Python that could not write its last output


def run_to_the_end(code: CodeType, names: Dict[str, Any]) -> NoReturn:
    """Runs `code` as module `__main__`; in whatever process comes back from it, a fork of the script's too."""
    status = 1
    newest = next(reversed(sys.modules))
    try:
        status = _run(code, names)
        status = _wind_up(status, newest)
    finally:
        os._exit(status)


def _run(code: CodeType, names: Dict[str, Any]) -> int:
    raised = None
    try:
        exec(code, names)
    except BaseException as error:
        raised = error
    # Behind the handler: what fails from here on has nothing to do with it.
    return _report(raised) if raised is not None else 0


def _report(error: BaseException) -> int:
    if isinstance(error, SystemExit):
        return _exit_status(error.code)
    trace = error.__traceback__
    if trace is not None:
        trace = trace.tb_next  # without the line above
    error.__traceback__ = trace
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    second: Optional[BaseException] = None
    try:
        sys.excepthook(type(error), error, trace)
    except BaseException as failed:
        second = failed
    if isinstance(second, SystemExit):
        return _exit_status(second.code)
    if second is not None:
        _say("Error in sys.excepthook:\n")
        second.__traceback__ = second.__traceback__ and second.__traceback__.tb_next
        sys.__excepthook__(type(second), second, second.__traceback__)
        _say("\nOriginal exception was:\n")
        sys.__excepthook__(type(error), error, trace)
    if isinstance(error, KeyboardInterrupt):
        import signal

        _flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return 1


def _exit_status(code: Any) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xff if -2**63 <= code < 2**63 else 0xff
    _say(f"{code}\n")
    return 1


def _say(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except Exception:
        pass


def _wind_up(status: int, newest: str) -> int:
    threading = sys.modules.get("threading")
    if threading is not None:
        try:
            threading._shutdown()
        except BaseException as error:
            _unraisable("Exception ignored in", error, threading)
    try:
        atexit._run_exitfuncs()
    except BaseException:  # it has said so itself
        pass
    flushed = _flush()
    names = _newer_than(newest)
    may_print = _may_print(names)
    if threading is None or threading.active_count() <= 1:  # a daemon thread still uses what would be taken from it
        _drop_modules(names)
    flushed = _flush() and flushed
    if may_print:
        _flush_c()
    return status if flushed else _FLUSH_FAILED


def _unraisable(text: str, error: BaseException, thing: Any) -> None:
    _say(f"{text}: {thing!r}\n")
    sys.__excepthook__(type(error), error, error.__traceback__)


def _flush() -> bool:
    fine = True
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name, None)
        if stream is None or getattr(stream, "closed", False):
            continue
        try:
            stream.flush()
        except BaseException as error:
            if name == "stdout":
                fine = False
                _unraisable("Exception ignored in", error, stream)
    return fine


def _newer_than(newest: str) -> List[str]:
    """The modules that the script has imported. `newest` was the last one before it ran."""
    names = []
    for name in reversed(sys.modules):
        if name == newest:
            break
        names.append(name)
    return names


def _drop_modules(names: List[str]) -> None:
    """What the script made and imported ends here: files are flushed, finalizers run. What it found stays, and is not
    even looked at: memory is shared until somebody touches it."""
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        sys.__dict__.pop(name, None)
    for module in [sys.modules.pop(name, None) for name in [*names, "__main__"]]:
        _clear(getattr(module, "__dict__", None))
    gc.collect()


def _may_print(names: List[str]) -> bool:
    """Whether there is compiled code that may have written to the C library's own streams: not Python's own but ctypes."""
    for name in names:
        file = getattr(sys.modules.get(name), "__file__", None)
        if name == "_ctypes" or (isinstance(file, str) and file.endswith(".so") and "/lib-dynload/" not in file):
            return True
    return False


def _flush_c() -> None:
    try:
        import ctypes

        ctypes.CDLL(None).fflush(None)
    except Exception:  # a Python without ctypes
        pass


def _clear(names: Optional[Dict[str, Any]]) -> None:
    """First the names with one underscore, then the others, as interpreters have always done it."""
    if names is None:
        return
    for is_first in (True, False):
        for name in list(names):
            is_private = isinstance(name, str) and name.startswith("_") and not name.startswith("__")
            if is_private == is_first and name != "__builtins__":
                names[name] = None
