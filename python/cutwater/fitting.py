"""Whether the settings of an app fit the interface that it turned out to have. Nothing is guessed: what does not fit is refused."""

from __future__ import annotations

from typing import Any, Dict

from cutwater import classify
from cutwater.failure import BootFailure

_ONE_LOOP = {classify.ASGI: "an ASGI app", classify.TORNADO: "a Tornado app"}


def check(target: str, protocol: str, start: Dict[str, Any]) -> None:
    """Raises BootFailure."""
    app, threads, loop = start["app"], int(start.get("threads", 1)), start.get("loop", "auto")
    if protocol in _ONE_LOOP and threads != 1:
        raise BootFailure("CW0318", (
            f"{target} is {_ONE_LOOP[protocol]}, which runs all of its requests on one event loop; threads is for WSGI apps\n"
            f"fix: remove threads from [app.{app}]; concurrency bounds its requests, workers are for more processors"))
    if protocol == classify.WSGI and loop != "auto":
        raise BootFailure("CW0319", (
            f'{target} is a WSGI app, which knows no event loop; loop = "{loop}" is for ASGI and Tornado apps\n'
            f"fix: remove loop from [app.{app}]; threads let a worker run several of its requests at once"))
