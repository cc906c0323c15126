"""ASGI's lifespan: the app's startup before a worker takes requests, its shutdown after the last one."""

from __future__ import annotations

import asyncio
from typing import Any, Dict, List, Optional

from cutwater import failure

_SHUTDOWN_SECONDS = 2.0


class StartupFailed(Exception):
    """The app said so, or, with lifespan = "on", raised."""

    def __init__(self, text: str, details: List[str]) -> None:
        super().__init__(text)
        self.details = details


class Lifespan:
    """`wanted`: "auto" (an app that raises does without), "on" (it must not) or "off"."""

    def __init__(self, application: Any, wanted: str) -> None:
        self._application = application
        self._wanted = wanted
        self.state: Optional[Dict[str, Any]] = None if wanted == "off" else {}
        self._inbox: "asyncio.Queue[Dict[str, Any]]" = asyncio.Queue()
        self._outbox: "asyncio.Queue[Dict[str, Any]]" = asyncio.Queue()
        self._task: "Optional[asyncio.Task[None]]" = None

    async def startup(self) -> None:
        """Raises StartupFailed."""
        if self._wanted == "off":
            return
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._inbox.put_nowait({"type": "lifespan.startup"})
        answer = await self._answer()
        kind = answer.get("type") if answer is not None else None
        if answer is not None and kind == "lifespan.startup.failed":
            raise StartupFailed(answer.get("message") or "the app gave no reason", [])
        if kind == "lifespan.startup.complete":
            return
        if self._wanted == "on":
            self._fail(answer)
        if answer is not None:
            self._task.cancel()
        self._task = None  # it does without

    def _fail(self, answer: Optional[Dict[str, Any]]) -> None:
        assert self._task is not None
        if answer is not None:
            raise StartupFailed(f"the app sent {answer!r} instead of lifespan.startup.complete", [])
        error = self._task.exception() if not self._task.cancelled() else asyncio.CancelledError()
        if error is None:
            raise StartupFailed("the app returned without lifespan.startup.complete", [])
        raise StartupFailed(failure.describe(error), [failure.format_traceback(error)])

    async def shutdown(self) -> None:
        """What goes wrong here is only reported: the worker ends all the same."""
        if self._task is None or self._task.done():
            return
        self._inbox.put_nowait({"type": "lifespan.shutdown"})
        try:
            await asyncio.wait_for(self._answer(), _SHUTDOWN_SECONDS)
        except asyncio.TimeoutError:
            self._task.cancel()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        await self._application(scope, self._inbox.get, self._outbox.put)

    async def _answer(self) -> Optional[Dict[str, Any]]:
        """What the app says next; None when it has returned or raised instead."""
        assert self._task is not None
        said = asyncio.ensure_future(self._outbox.get())
        await asyncio.wait({said, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if said.done():
            return said.result()
        said.cancel()
        return None
