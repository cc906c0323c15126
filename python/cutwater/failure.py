"""Why an app cannot be served, in the words of its author: the last line of their code first, the traceback after."""

from __future__ import annotations

import os
import pwd
import sys
import traceback
from types import FrameType
from typing import List, Optional

BOOT_FAILED = 3
NO_SUCH_OBJECT = 4

_MAXIMUM_TEXT = 16 * 1024
_MAXIMUM_LINE = 2 * 1024  # of an exception's own text, so that there is room for where it was raised
_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep


class NoLoop(Exception):
    """The loop cannot be had; `fix` says what to do."""

    def __init__(self, text: str, fix: str) -> None:
        super().__init__(text)
        self.fix = fix


class BootFailure(Exception):
    """Ends the start of an app; the master prints ``error[<code>] <app>: <text>``."""

    def __init__(self, code: str, text: str, exit_code: int = BOOT_FAILED) -> None:
        super().__init__(text)
        self.code = code
        self.text = _both_ends(text, _MAXIMUM_TEXT)
        self.exit_code = exit_code


def _both_ends(text: str, maximum: int) -> str:
    half = maximum // 2
    return text if len(text) <= maximum else f"{text[:half]} ... ({len(text) - 2 * half} characters more) ... {text[-half:]}"


def printable(text: str) -> str:
    """One line that cannot steer a terminal or fake another line of the log; of a very long one both ends."""
    text = _both_ends(text, 2 * _MAXIMUM_TEXT)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _is_ours(filename: str) -> bool:
    return filename.startswith(_OWN_FOLDER) or filename.startswith("<frozen ") or filename == "<string>"


def _is_users(filename: str, root: str) -> bool:
    inside = os.path.abspath(filename).startswith(root.rstrip(os.sep) + os.sep)
    return inside and "site-packages" not in filename and not filename.startswith(sys.prefix + os.sep)


def shown_path(path: str, root: str) -> str:
    relative = os.path.relpath(path, root)
    return path if relative.startswith("..") else relative


def describe(error: BaseException) -> str:
    """``ValueError: bad``, on one line."""
    if isinstance(error, SyntaxError) and error.msg:
        return f"{type(error).__name__}: {printable(error.msg)}"
    try:
        text = str(error)
    except Exception:  # the app's own __str__
        text = "(its text cannot be shown)"
    name = type(error).__qualname__
    module = type(error).__module__
    if module not in ("builtins", "__main__"):
        name = f"{module}.{name}"
    return f"{name}: {printable(_both_ends(text, _MAXIMUM_LINE))}" if text else name


def last_user_line(error: BaseException, root: str) -> Optional[str]:
    """``shop/views.py:14 in view(): rows = list(qs)``: the deepest line of the app's own code, else of any code."""
    return _last_line(traceback.extract_tb(error.__traceback__), root)


def line_reached(frame: Optional[FrameType], root: str, began: float) -> Optional[str]:
    """The same of what runs now; without the text of a file that is not what it was when this process ``began``."""
    return _last_line(traceback.extract_stack(frame), root, began)


def _changed_since(filename: str, began: float) -> bool:
    try:
        return os.stat(filename).st_ctime > began  # of what was renamed over it as well, whatever its mtime
    except OSError:
        return True


def _last_line(stack: traceback.StackSummary, root: str, began: Optional[float] = None) -> Optional[str]:
    frames = [f for f in stack if not _is_ours(f.filename)]
    if not frames:
        return None
    users = [f for f in frames if _is_users(f.filename, root)]
    frame = (users or frames)[-1]
    place = f"{shown_path(frame.filename, root)}:{frame.lineno} in {frame.name}"
    if not frame.name.startswith("<"):
        place += "()"
    if not frame.line or (began is not None and _changed_since(frame.filename, began)):
        return place
    return f"{place}: {printable(frame.line)}"


def place_of(error: BaseException, root: str) -> str:
    """``shop/views.py:14: `` of the deepest line of the app's own code, or of a SyntaxError; or nothing."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{shown_path(error.filename, root)}:{error.lineno}: "
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _is_ours(f.filename)]
    users = [f for f in frames if _is_users(f.filename, root)]
    chosen = users or frames
    if not chosen:
        return ""
    return f"{shown_path(chosen[-1].filename, root)}:{chosen[-1].lineno}: "


def denied(error: BaseException, root: str) -> Optional[List[str]]:
    """What was to be opened, by whom, and the way out; None if that is not what has failed."""
    path = error.filename if isinstance(error, PermissionError) else None
    if not isinstance(path, str):
        return None
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    verb = "write" if os.access(path, os.R_OK) or not os.path.exists(path) else "read"
    shown = printable(shown_path(os.path.abspath(path), root))
    place = place_of(error, root) if _frames_of_user(error, root) else ""
    return [f"{place}user {user} may not {verb} {shown}: {describe(error)}",
            f"fix: let user {user} {verb} it (chown, chmod; the folders on the way must be open to it as well), "
            "or set user to one who may"]


def _frames_of_user(error: BaseException, root: str) -> bool:
    return any(not _is_ours(f.filename) and _is_users(f.filename, root) for f in traceback.extract_tb(error.__traceback__))


def format_traceback(error: BaseException) -> str:
    """As Python prints it, less the frames that belong to us and to the import system."""
    shown = traceback.TracebackException.from_exception(error)
    pending: List[Optional[traceback.TracebackException]] = [shown]
    seen = set()
    while pending:
        part = pending.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        kept = [frame for frame in part.stack if not _is_ours(frame.filename)]
        part.stack = traceback.StackSummary.from_list(kept)
        pending += [part.__cause__, part.__context__]
    lines = "".join(shown.format()).rstrip("\n").split("\n")
    return "\n".join(_both_ends(line, _MAXIMUM_LINE) for line in lines)
