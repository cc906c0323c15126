"""Messages of a running worker for the operator, straight to standard error (an app may have replaced sys.stderr)."""

from __future__ import annotations

from typing import List

from cutwater import failure, unpatched

_STANDARD_ERROR = 2


def _write(text: str) -> None:
    data = text.encode("utf-8", "backslashreplace")
    try:
        while data:
            data = data[unpatched.write(_STANDARD_ERROR, data) :]
    except OSError:
        pass  # nobody is left to read it


def emit(severity: str, code: str, lines: List[str]) -> None:
    """One message: ``error[CW0502] first line``, the others indented, in one write."""
    first = failure.printable(lines[0])
    rest = "".join(f"  {failure.printable(line)}\n" for text in lines[1:] for line in text.split("\n"))
    _write(f"{severity}[{code}] {first}\n{rest}")


def note(text: str) -> None:
    """A line that is no message: nothing is wrong."""
    _write(failure.printable(text) + "\n")


def request_name(method: str, path: str) -> str:
    """``GET /caf\u00e9``; both come as latin-1 strings of what the client sent."""
    if not path:
        return "request"
    return f"{method} {path.encode('latin-1', 'replace').decode('utf-8', 'backslashreplace')}"
