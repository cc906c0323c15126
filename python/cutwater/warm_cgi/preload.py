"""What a warm interpreter imports before any script does: modules of the standard library that CGI scripts use, and no
others, so that a script finds nothing that another one, or the site, has brought."""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from typing import FrozenSet, Iterator, List

from cutwater.warm_cgi import STARTED_WITH

# Each of them makes every fork a little dearer, so there are none that most scripts do without. `threading` and what
# imports it have work to do after each fork.
MODULES = (
    "re", "types", "collections", "functools", "contextlib", "itertools", "operator", "string", "time", "datetime", "math",
    "random", "tempfile", "shutil", "fnmatch", "traceback", "linecache", "locale", "struct", "base64", "urllib.parse", "html",
    "json", "http.cookies", "email.message", "email.parser", "email.utils", "cgi", "wsgiref.handlers",
)
DROPPED = os.path.join(os.path.dirname(__file__), "dropped")  # modules that newer Pythons are without

_STANDARD = os.path.dirname(os.path.realpath(os.__file__)) + os.sep


def names(library_first: List[str]) -> Iterator[str]:
    """Those that this Python has from its standard library or from us, not where PYTHONPATH hides them."""
    if sys.version_info >= (3, 13):
        library_first.append(DROPPED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of cgi: the scripts' affair
        for name in MODULES:
            if name not in sys.modules and _is_known(name.partition(".")[0]):
                yield name


def _is_known(name: str) -> bool:
    if name in sys.modules:
        return True
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    origin = (found and found.origin) or ""
    return origin in ("built-in", "frozen") or os.path.realpath(origin).startswith((_STANDARD, DROPPED + os.sep))


def finish() -> None:
    """What would otherwise be made in each child."""
    import email.policy
    import encodings.idna  # noqa: F401
    import encodings.latin_1  # noqa: F401

    email.policy.compat32.clone()


def shadowable() -> FrozenSet[str]:
    """The top names of what was imported here: a file of such a name in a script's folder hides it from a cold script."""
    return frozenset(name.partition(".")[0] for name in sys.modules if name not in STARTED_WITH) - {"cutwater"}
