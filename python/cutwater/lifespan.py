"""ASGI's lifespan: the app's startup before a worker takes requests, its shutdown after the last one."""

from __future__ import annotations

import asyncio
import os
from typing import Any, Dict, List, Optional, Tuple

from cutwater import failure, messages, once

# An app that said lifespan.startup.failed raises or returns; what it raised says more than its message.
_LAST_WORDS_SECONDS = 1.0

# Who waits for a worker to end should know for what.
_SLOW_SHUTDOWN_SECONDS = 1.5


class StartupFailed(Exception):
    """The app said so, or, with lifespan = "on", raised."""

    def __init__(self, text: str, details: List[str]) -> None:
        super().__init__(text)
        self.details = details


class Lifespan:
    """`wanted`: "auto" (an app that raises does without), "on" (it must not) or "off"."""

    def __init__(self, application: Any, wanted: str, app: str, root: str) -> None:
        self._application = application
        self._wanted = wanted
        self._app = app
        self._root = root
        self.state: Optional[Dict[str, Any]] = None if wanted == "off" else {}
        self._inbox: "asyncio.Queue[Dict[str, Any]]" = asyncio.Queue()
        self._asked = self._awaited = ""  # "startup" or "shutdown"; the second while the app has not answered
        self._answer: "Optional[asyncio.Future[Dict[str, Any]]]" = None
        self._task: "Optional[asyncio.Task[None]]" = None
        self._error: Optional[BaseException] = None
        self._serving = False

    async def startup(self) -> None:
        """Raises StartupFailed."""
        if self._wanted == "off":
            return
        self._task = asyncio.get_running_loop().create_task(self._run())
        answer = await self._ask("startup", None)
        if self._serving:
            return
        if answer is not None:
            await asyncio.wait({self._task}, timeout=_LAST_WORDS_SECONDS)
            await self._end_task()
            raise StartupFailed(*self._reason(answer))
        if self._wanted == "on" or isinstance(self._error, (SystemExit, KeyboardInterrupt)):
            raise StartupFailed(*self._reason(None))
        self._do_without()

    async def shutdown(self, seconds: Optional[float]) -> None:
        """What goes wrong here is only reported: the worker ends all the same. Without `seconds` the master sets the limit."""
        if self._task is None or self._task.done():
            return
        self._serving = False
        slow = asyncio.get_running_loop().call_later(_SLOW_SHUTDOWN_SECONDS, messages.note, (
            f"{self._app}: worker (pid {os.getpid()}) waits for the app to answer lifespan.shutdown"))
        answer = await self._ask("shutdown", seconds)
        slow.cancel()
        if answer is not None and answer["type"] == "lifespan.shutdown.complete":
            await asyncio.wait({self._task}, timeout=_LAST_WORDS_SECONDS)
        elif answer is None and not self._task.done():
            self._warn(f"the app has not shut down within {seconds} s", [])
        elif answer is not None or self._error is not None:
            text, details = self._reason(answer)
            self._warn(f"lifespan shutdown failed: {text}", details)
        await self._end_task()

    # ---- the app's side

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._application(scope, self._inbox.get, self._send)
        except BaseException as error:  # SystemExit would go through the loop, past who waits for the answer
            self._error = error
            if self._serving and not isinstance(error, asyncio.CancelledError):
                self._warn(f"the app's lifespan ended while it serves, and will see no shutdown: {failure.describe(error)}",
                           [failure.format_traceback(error)])

    async def _send(self, message: Any) -> None:
        kind = message.get("type") if isinstance(message, dict) else None
        if not self._awaited:
            raise RuntimeError(f"unexpected ASGI message {message!r}: lifespan.{self._asked} is answered already")
        expected = [f"lifespan.{self._awaited}.complete", f"lifespan.{self._awaited}.failed"]
        if kind not in expected:
            raise RuntimeError(f"unexpected ASGI message {message!r}: expected is one of type {' or '.join(expected)}")
        assert self._answer is not None
        self._awaited = ""
        self._serving = kind == "lifespan.startup.complete"
        self._answer.set_result(message)

    # ---- ours

    async def _ask(self, what: str, seconds: Optional[float]) -> Optional[Dict[str, Any]]:
        """What the app says; None when it returned or raised instead, or took longer."""
        assert self._task is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._asked = self._awaited = what
        self._inbox.put_nowait({"type": f"lifespan.{what}"})
        await asyncio.wait({self._answer, self._task}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return self._answer.result() if self._answer.done() else None

    def _reason(self, answer: Optional[Dict[str, Any]]) -> Tuple[str, List[str]]:
        """Why it failed, and what belongs below it. Frameworks send the traceback of what they raise then as their message."""
        said = str((answer or {}).get("message") or "").strip()
        if said and (self._error is None or not said.startswith("Traceback ")):
            lines = said.split("\n")
            return (lines[-1], [said]) if said.startswith("Traceback ") else (lines[0], lines[1:])
        if self._error is not None:
            place = failure.place_of(self._error, self._root)
            return place + failure.describe(self._error), [failure.format_traceback(self._error)]
        return ("the app gave no reason" if answer else "the app returned without an answer to lifespan.startup"), []

    def _do_without(self) -> None:
        if self._error is None or not once.without_lifespan():
            return
        place = failure.place_of(self._error, self._root)
        place = "" if place.startswith("/") else place  # in a framework that knows no lifespan: no matter where
        messages.note(f"{self._app}: the app raised at lifespan.startup, and is served without startup and shutdown: "
                      f"{place}{failure.describe(self._error)} (lifespan = \"on\" makes that an error, \"off\" does not ask)")

    def _warn(self, text: str, details: List[str]) -> None:
        messages.emit("warning", "CW0545", [f"{self._app}: {text}", *details])

    async def _end_task(self) -> None:
        assert self._task is not None
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=_LAST_WORDS_SECONDS)
