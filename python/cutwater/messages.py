"""Messages for the operator. They go to the master, which writes the log: it adds the time, knows the level and the form,
and waits for nobody, so that a log which nobody reads holds no worker. Without a master, straight to standard error (an app
may have replaced sys.stderr)."""

from __future__ import annotations

import os
from typing import List, Optional

from cutwater import failure, unpatched
from cutwater.channel import Channel

_STANDARD_ERROR = 2

# In UTF-8, so that with what JSON escapes a message fits the channel. Of a longer one the middle is left out: what failed
# stands at its beginning, where at its end.
_MAXIMUM_TEXT = 24 * 1024

_channel: Optional[Channel] = None
_lost = 0


def speak_through(channel: Optional[Channel]) -> None:
    """From now on this process tells by `channel`, or by nothing but standard error."""
    global _channel, _lost
    _channel, _lost = channel, 0


def emit(severity: str, code: str, lines: List[str]) -> None:
    """One message: ``error[CW0502] first line``, the others indented."""
    first = failure.printable(_shortened(lines[0]))
    rest = [failure.printable(line) for text in lines[1:] for line in _shortened(text).split("\n")]
    if not _tell(severity, code, "\n".join([first, *rest])):
        _write(f"{severity}[{code}] {first}\n" + "".join(f"  {line}\n" for line in rest))


def note(text: str) -> None:
    """A line that is no problem."""
    if not _tell("info", "", failure.printable(text)):
        _write(failure.printable(text) + "\n")


def request_name(method: str, path: str) -> str:
    """``GET /caf\u00e9``; both come as latin-1 strings of what the client sent."""
    if not path:
        return "request"
    return f"{method} {path.encode('latin-1', 'replace').decode('utf-8', 'backslashreplace')}"


def _tell(severity: str, code: str, text: str) -> bool:
    """False when there is no master to tell. One that takes no more loses messages, and is told later how many."""
    global _lost
    if _channel is None:
        return False
    lost, _lost = _lost, 0  # by one thread, whoever tells meanwhile
    missing = f"{lost} messages of worker (pid {os.getpid()}) were lost here: the master took no more"
    try:
        if lost and not _channel.offer("told", patient=False, severity="warning", code="", text=missing):
            _lost += lost + 1
        elif not _channel.offer("told", severity=severity, code=code, text=_shortened(text)):
            _lost += 1
    except OSError:
        return False
    return True


def _shortened(text: str) -> str:
    half = _MAXIMUM_TEXT // 2
    if len(text) > 2 * _MAXIMUM_TEXT:  # so that nobody waits for what is left out
        text = text[:half] + f" ... ({len(text) - 2 * half} characters more) ... " + text[-half:]
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= _MAXIMUM_TEXT:
        return text
    head, tail = data[:half].decode("utf-8", "ignore"), data[-half:].decode("utf-8", "ignore")
    return f"{head}\n... ({len(data) - 2 * half} bytes more) ...\n{tail}"


def _write(text: str) -> None:
    data = text.encode("utf-8", "backslashreplace")
    try:
        while data:
            data = data[unpatched.write(_STANDARD_ERROR, data) :]
    except OSError:
        pass  # nobody is left to read it
