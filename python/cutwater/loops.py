"""The event loop that `loop` names."""

from __future__ import annotations

import asyncio
import difflib
import importlib
from typing import Any, Callable

from cutwater import failure
from cutwater.failure import NoLoop


_FIX = 'fix: loop = "auto", "asyncio", "uvloop" or "module:factory" of a function that makes a loop'


def check(name: str) -> None:
    """Before there are workers, as far as that can be said without a loop. Raises NoLoop."""
    if name == "uvloop":
        _import_uvloop()
    elif name not in ("auto", "asyncio"):
        _find_factory(name)


def new_loop(name: str) -> asyncio.AbstractEventLoop:
    """`auto`: uvloop where it is installed; a name with a colon is `module:factory` of the app's environment."""
    if name == "asyncio":
        return asyncio.new_event_loop()
    if name == "uvloop":
        return _import_uvloop().new_event_loop()  # type: ignore[no-any-return]
    if name == "auto":
        try:
            return importlib.import_module("uvloop").new_event_loop()  # type: ignore[no-any-return]
        except ImportError:
            return asyncio.new_event_loop()
    factory = _find_factory(name)
    try:
        loop = factory()
    except Exception as error:
        raise NoLoop(f'loop = "{name}" cannot be used: {failure.describe(error)}', _FIX) from error
    if not isinstance(loop, asyncio.AbstractEventLoop):
        raise NoLoop(f'loop = "{name}" made a {type(loop).__name__}, which is no event loop of asyncio', _FIX)
    return loop


def _import_uvloop() -> Any:
    try:
        return importlib.import_module("uvloop")
    except ImportError as error:
        raise NoLoop(f'loop = "uvloop" cannot be used: {failure.describe(error)}',
                     'fix: pip install uvloop in the app\'s environment, or set loop = "auto"') from error


def _find_factory(name: str) -> Callable[[], Any]:
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        near = difflib.get_close_matches(name, ("auto", "asyncio", "uvloop", "gevent", "eventlet"), 1)
        raise NoLoop(f'loop = "{name}" is no loop that Cutwater knows', f'fix: did you mean "{near[0]}"?' if near else _FIX)
    try:
        factory = getattr(importlib.import_module(module_name), attribute)
    except Exception as error:
        raise NoLoop(f'loop = "{name}" cannot be used: {failure.describe(error)}', _FIX) from error
    if not callable(factory):
        raise NoLoop(f'loop = "{name}" is a {type(factory).__name__}, and no function that makes a loop', _FIX)
    return factory  # type: ignore[no-any-return]
