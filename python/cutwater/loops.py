"""The event loop that `loop` names."""

from __future__ import annotations

import asyncio
import importlib

from cutwater import failure
from cutwater.failure import NoLoop


def new_loop(name: str) -> asyncio.AbstractEventLoop:
    """`auto`: uvloop where it is installed; a name with a colon is `module:factory` of the app's environment."""
    if name == "asyncio":
        return asyncio.new_event_loop()
    if name in ("auto", "uvloop"):
        try:
            return importlib.import_module("uvloop").new_event_loop()  # type: ignore[no-any-return]
        except ImportError as error:
            if name == "auto":
                return asyncio.new_event_loop()
            raise NoLoop(f'loop = "uvloop" cannot be used: {failure.describe(error)}',
                         'fix: pip install uvloop in the app\'s environment, or set loop = "auto"') from error
    return _from_path(name)


def _from_path(name: str) -> asyncio.AbstractEventLoop:
    module_name, colon, attribute = name.partition(":")
    fix = 'fix: loop = "auto", "asyncio", "uvloop" or "module:factory" of a function that makes a loop'
    if not colon:
        raise NoLoop(f'loop = "{name}" is no loop that Cutwater knows', fix)
    try:
        factory = getattr(importlib.import_module(module_name), attribute)
        loop = factory()
    except Exception as error:
        raise NoLoop(f'loop = "{name}" cannot be used: {failure.describe(error)}', fix) from error
    if not isinstance(loop, asyncio.AbstractEventLoop):
        raise NoLoop(f'loop = "{name}" made a {type(loop).__name__}, which is no event loop of asyncio', fix)
    return loop
