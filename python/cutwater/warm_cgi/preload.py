"""What a warm interpreter imports before a script does: modules of the standard library that CGI scripts use, and no
others, so that a script finds nothing that another one, or the site, has brought. Each of them makes every fork dearer, so
it is imported when a script first names it."""

from __future__ import annotations

import os
import sys

from cutwater.warm_cgi import STARTED_WITH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import FrozenSet, Iterator

# Not `threading` and what imports it: that has work to do after each fork.
COMMON = (
    "re", "types", "collections", "functools", "contextlib", "itertools", "operator", "string", "time", "datetime", "math",
    "random", "tempfile", "shutil", "fnmatch", "traceback", "linecache", "locale", "struct", "base64", "urllib.parse", "html",
    "json", "http.cookies", "email.message", "email.parser", "email.utils", "cgi", "wsgiref.handlers",
)  # what frameworks import; where a script names what is not of the standard library it is not looked at what that does
MODULES = (*COMMON, "cgitb", "hashlib", "hmac", "secrets", "uuid", "csv", "io", "decimal", "sqlite3", "textwrap", "zlib", "gzip",
           "html.parser", "pathlib", "glob")
DROPPED = os.path.join(os.path.dirname(__file__), "dropped")  # modules that newer Pythons are without

_STANDARD = os.path.dirname(os.path.realpath(os.__file__)) + os.sep


def begin() -> None:
    if sys.version_info >= (3, 13):
        sys.path.append(DROPPED)
    import encodings.latin_1  # noqa: F401


def for_script(code: CodeType) -> bool:
    """Whether anything was imported."""
    names = frozenset(imported_names(code))
    wanted = names.intersection(MODULES)
    if not all(_is_standard(name.partition(".")[0]) for name in names):
        wanted |= frozenset(COMMON)
    missing = [name for name in MODULES if name in wanted and name not in sys.modules and _is_known(name.partition(".")[0])]
    for name in missing:
        _import(name)
    return bool(missing)


def imported_names(code: CodeType) -> Iterator[str]:
    """Of all modules that the code or a function of it names in an import."""
    import opcode

    name_of, extended = opcode.opmap["IMPORT_NAME"], opcode.opmap["EXTENDED_ARG"]
    argument = 0
    for at in range(0, len(code.co_code), 2):
        argument |= code.co_code[at + 1]
        if code.co_code[at] == name_of and argument < len(code.co_names):
            yield code.co_names[argument]
        argument = argument << 8 if code.co_code[at] == extended else 0
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            yield from imported_names(constant)


def _import(name: str) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of cgi: the scripts' affair
        try:
            __import__(name)
        except Exception:  # a Python without one of its parts: the script will say so
            return
    if name == "email.message":  # what would otherwise be made in each child
        import email.policy

        email.policy.compat32.clone()


def _is_standard(name: str) -> bool:
    known = getattr(sys, "stdlib_module_names", None)  # since 3.10
    return _is_known(name) if known is None else name in known


def _is_known(name: str) -> bool:
    """It is of the standard library or ours, not where PYTHONPATH hides it."""
    if name in sys.modules:
        return True
    import importlib.util

    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    origin = (found and found.origin) or ""
    return origin in ("built-in", "frozen") or os.path.realpath(origin).startswith((_STANDARD, DROPPED + os.sep))


def shadowable() -> FrozenSet[str]:
    """The top names of what was imported here: a file of such a name in a script's folder hides it from a cold script."""
    return frozenset(name.partition(".")[0] for name in sys.modules if name not in STARTED_WITH) - {"cutwater"}
