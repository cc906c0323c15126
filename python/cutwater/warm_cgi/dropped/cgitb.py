"""The module `cgitb` for Pythons that are without it (3.13 and newer): tracebacks with source and variables, as a page.

Written from the documentation of Python 3.12's, whose names and arguments these are; the pages look different.
"""

from __future__ import annotations

import html as _html
import inspect
import linecache
import os
import sys
import tempfile
import traceback
from typing import Any, Iterator, List, Optional, Tuple

_MOST_OF_A_VALUE = 500


def reset() -> str:
    """What ends whatever element of a page may be open."""
    return "<!--: spam\nContent-Type: text/html\n\n-->\n" + "".join(
        f"</{name}>" for name in ("font", "script", "object", "blockquote", "pre", "table")) + "\n"


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:
        text = f"<repr() raised {type(error).__name__}>"
    return text if len(text) <= _MOST_OF_A_VALUE else text[:_MOST_OF_A_VALUE] + "..."


def _frames(tb: Any, context: int) -> Iterator[Tuple[str, int, str, List[Tuple[int, str]], List[Tuple[str, str]]]]:
    """File, line number, call, the lines around it, the function's variables."""
    for frame, number in traceback.walk_tb(tb):
        file, name = frame.f_code.co_filename, frame.f_code.co_name
        linecache.checkcache(file)
        first = max(1, number - context // 2)
        lines = [(at, linecache.getline(file, at).rstrip("\n")) for at in range(first, first + context)]
        call = "" if name == "<module>" else name
        if call:
            arguments, more, keywords, known = inspect.getargvalues(frame)
            shown = [f"{each}={_shown(known.get(each))}" for each in [*arguments, *filter(None, (more, keywords))]]
            call += f"({', '.join(shown)})"
        variables = [(each, _shown(value)) for each, value in frame.f_locals.items() if not each.startswith("__")]
        yield file, number, call, [line for line in lines if line[1] or line[0] <= number], variables


def _title(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)


def text(einfo: Any, context: int = 5) -> str:
    """The traceback of (type, value, traceback) as plain text."""
    kind, value, tb = einfo
    parts = [f"{_title(kind)}\nPython {sys.version.split()[0]}: {sys.executable}\n\n"
             "A problem occurred in a Python script. Here is the sequence of\n"
             "function calls leading up to the error, in the order they occurred.\n"]
    for file, number, call, lines, variables in _frames(tb, context):
        parts.append(f"\n {file} in {call}\n")
        parts += [f"{'->' if at == number else '  '}{at:5} {line}\n" for at, line in lines]
        parts += [f"{name} = {shown}\n" for name, shown in variables]
    parts.append(f"\n{_title(kind)}: {value}\n\nThe above is a description of an error in a Python program. Here is\n"
                 f"the original traceback:\n\n{''.join(traceback.format_exception(kind, value, tb))}\n")
    return "".join(parts)


def html(einfo: Any, context: int = 5) -> str:
    """The same as a part of a page."""
    kind, value, tb = einfo
    escape = _html.escape
    parts = [f"<h1>{escape(_title(kind))}</h1>\n<p>Python {sys.version.split()[0]}: {escape(sys.executable)}</p>\n"
             "<p>A problem occurred in a Python script. Here is the sequence of function calls leading up to the error, in "
             "the order they occurred.</p>\n"]
    for file, number, call, lines, variables in _frames(tb, context):
        parts.append(f"<h2>{escape(file)} in {escape(call)}</h2>\n<pre>")
        for at, line in lines:
            line = f"{at:5} {escape(line)}"
            parts.append(f"<b>=&gt;{line}</b>\n" if at == number else f"  {line}\n")
        parts.append("</pre>\n<p>")
        parts += [f"<b>{escape(name)}</b> = {escape(shown)}<br>\n" for name, shown in variables]
        parts.append("</p>\n")
    trace = "".join(traceback.format_exception(kind, value, tb))
    parts.append(f"<p><b>{escape(_title(kind))}</b>: {escape(str(value))}</p>\n"
                 f"<!-- The above is a description of an error in a Python program. The original traceback:\n\n"
                 f"{escape(trace).replace('--', '- -')}\n-->\n")
    return "".join(parts)


class Hook:
    """What may stand in sys.excepthook."""

    def __init__(self, display: Any = 1, logdir: Optional[str] = None, context: int = 5, file: Any = None,
                 format: str = "html") -> None:
        self.display, self.logdir, self.context, self.file, self.format = display, logdir, context, file or sys.stdout, format

    def __call__(self, etype: Any, evalue: Any, etb: Any) -> None:
        self.handle((etype, evalue, etb))

    def handle(self, info: Any = None) -> None:
        info = info or sys.exc_info()
        is_page = self.format == "html"
        if is_page:
            self.file.write(reset())
        try:
            shown = (html if is_page else text)(info, self.context)
        except Exception:
            shown, is_page = "".join(traceback.format_exception(*info)), False
        if self.display:
            plain = f"<pre>{_html.escape(shown)}</pre>" if self.format == "html" and not is_page else shown
            self.file.write(plain + "\n")
        else:
            self.file.write("<p>A problem occurred in a Python script.\n")
        if self.logdir is not None:
            self._write_to_folder(shown, is_page)
        self.file.flush()

    def _write_to_folder(self, shown: str, is_page: bool) -> None:
        try:
            descriptor, path = tempfile.mkstemp(suffix=".html" if is_page else ".txt", dir=self.logdir)
            with os.fdopen(descriptor, "w") as file:
                file.write(shown)
            said = f"{path} contains the description of this error."
        except OSError:
            said = "Tried to save traceback, but failed."
        self.file.write(f"<p>{said}</p>\n" if self.format == "html" else f"{said}\n")


handler = Hook().handle


def enable(display: Any = 1, logdir: Optional[str] = None, context: int = 5, format: str = "html") -> None:
    """Uncaught exceptions become pages, where the script's output is one."""
    sys.excepthook = Hook(display=display, logdir=logdir, context=context, format=format)
