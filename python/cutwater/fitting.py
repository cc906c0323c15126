"""Whether the settings of an app fit the interface that it turned out to have. Nothing is guessed: what does not fit is refused."""

from __future__ import annotations

from typing import Any, Dict, List

from cutwater import classify, greenlets, no_socket
from cutwater.failure import BootFailure, NoLoop

_ONE_LOOP = {classify.ASGI: "an ASGI app", classify.TORNADO: "a Tornado app"}
_DEFAULTS = {"concurrency": 1000, "lifespan": "auto", "on_disconnect": "finish"}
_KNOWN_LOOPS = ("auto", "asyncio", "uvloop", *greenlets.NAMES)


def patch_for(start: Dict[str, Any]) -> None:
    """Before the app is imported: `loop` may ask for a patched standard library. Raises BootFailure."""
    app, loop = start["app"], start.get("loop", "auto")
    if loop not in greenlets.NAMES or start.get("protocol", "auto") in _ONE_LOOP:
        return
    if int(start.get("threads", 1)) != 1:
        raise BootFailure("CW0320", (
            f'loop = "{loop}" runs all requests of a worker in one thread; threads is for workers without it\n'
            f"fix: remove threads or loop from [app.{app}]; concurrency bounds the requests of a worker with loop"))
    try:
        greenlets.find(loop).patch()
    except NoLoop as missing:
        raise BootFailure("CW0544", f"{missing}\n{missing.fix}") from missing


def check(target: str, protocol: str, start: Dict[str, Any]) -> None:
    """After the import. Raises BootFailure."""
    app, threads, loop = start["app"], int(start.get("threads", 1)), start.get("loop", "auto")
    if protocol in _ONE_LOOP and threads != 1:
        raise BootFailure("CW0318", (
            f"{target} is {_ONE_LOOP[protocol]}, which runs all of its requests on one event loop; threads is for WSGI apps\n"
            f"fix: remove threads from [app.{app}]; concurrency bounds its requests, workers are for more processors"))
    if protocol in _ONE_LOOP and loop in greenlets.NAMES:
        raise BootFailure("CW0320", (
            f'{target} is {_ONE_LOOP[protocol]}, which has an event loop of its own kind; loop = "{loop}" is for WSGI apps\n'
            f'fix: remove loop from [app.{app}], or set it to "asyncio" or "uvloop"'))
    if protocol in _ONE_LOOP or not (":" in loop or loop in _KNOWN_LOOPS):
        from cutwater import loops  # asyncio is not for every app

        try:
            loops.check(loop)
        except NoLoop as missing:
            raise BootFailure("CW0544", f"{missing}\n{missing.fix}") from missing
    if protocol == classify.WSGI and loop != "auto" and loop not in greenlets.NAMES:
        raise BootFailure("CW0319", (
            f'{target} is a WSGI app, which knows no event loop; loop = "{loop}" is for ASGI and Tornado apps\n'
            f'fix: remove loop from [app.{app}]; threads, or loop = "gevent", let a worker run several of its requests at once'))
    patched = greenlets.patched_by()
    if protocol == classify.WSGI and threads != 1 and patched is not None:
        raise BootFailure("CW0320", (
            f"{target} has replaced Python's threads by {patched}'s greenlets when it was imported; threads needs real ones\n"
            f'fix: remove threads from [app.{app}], and set loop = "{patched}" to run its requests in greenlets'))


def hints(protocol: str, start: Dict[str, Any]) -> List[str]:
    """What is set and does nothing, and what would be better, for the log."""
    notes = _without_effect(protocol, start)
    if protocol != classify.WSGI:
        return notes
    notes += no_socket.notes()
    patched = greenlets.patched_by()
    if patched is not None and start.get("loop", "auto") == "auto":
        notes.append(
            f"the app was patched by {patched} when it was imported, and each worker runs one request at once; "
            f'with loop = "{patched}" in [app.{start["app"]}] it runs many, in greenlets')
    return notes


def _without_effect(protocol: str, start: Dict[str, Any]) -> List[str]:
    def is_set(name: str) -> bool:
        return name in start and start[name] != _DEFAULTS[name]

    notes = []
    if protocol == classify.WSGI and start.get("loop", "auto") not in greenlets.NAMES and is_set("concurrency"):
        notes.append(f'concurrency = {start["concurrency"]} does nothing for a WSGI app: threads, or loop = "gevent", '
                     "let a worker run several of its requests at once")
    if protocol != classify.ASGI:
        notes += [f'{name} = "{start[name]}" does nothing: it is for ASGI apps'
                  for name in ("lifespan", "on_disconnect") if is_set(name)]
    return notes
