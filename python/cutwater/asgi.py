"""A worker of an ASGI or Tornado app: the event loop, lifespan, and a task for each request that the extension hands over."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import signal
from typing import Any, Awaitable, Callable, Dict, NoReturn, Optional

import _cutwater
from cutwater import failure, lifespan, loops, messages, own_signals, worker
from cutwater.channel import Channel

# What still runs when the worker must end has this long after it was cancelled.
_CANCEL_SECONDS = 1.0

# Of lifespan, when nobody is left to set a limit; else it has `grace`, and then the master kills the worker.
_ORPHANS_SHUTDOWN_SECONDS = 2.0


class AsgiService:
    """One app on one loop, from lifespan's startup to its shutdown."""

    def __init__(self, service: worker.Service, host: worker.Host, channel: Channel, lane: int,
                 link: worker.LinkDescriptors, loop: asyncio.AbstractEventLoop) -> None:
        self._service = service
        self._application = service.application
        self._host = host
        self._channel = channel
        self._lane = lane
        self._link = link
        self._loop = loop
        self._ended: "asyncio.Future[str]" = loop.create_future()
        self._engine: Any = None
        self._begin: Callable[..., Any] = self._run
        if service.protocol != "asgi":
            self._bridge = _tornado_bridge(service.application, loop, self._finish)
            self._begin = self._begin_tornado

    async def serve(self) -> str:
        """The reason to end."""
        wanted = self._service.lifespan if self._service.protocol == "asgi" else "off"
        life = lifespan.Lifespan(self._application, wanted, self._service.app, self._service.root)
        self._watch_control()
        startup = self._loop.create_task(life.startup())
        await asyncio.wait({startup, self._ended}, return_when=asyncio.FIRST_COMPLETED)
        if not startup.done():  # it is not wanted any more
            startup.cancel()
            return self._ended.result()
        startup.result()
        # Else a turn that a request asks for would run, and begin others, in that request's context.
        call_soon = functools.partial(self._loop.call_soon, context=contextvars.copy_context())
        self._engine = _cutwater.asgi_worker(
            begin=self._begin, create_task=self._loop.create_task, call_soon=call_soon,
            client_left=self._cancel if self._service.cancel else None, drained=self._end, problem=self._damaged,
            receive_later=self._receive_later, send_later=self._send_later, state=life.state,
            concurrency=self._service.concurrency, workers=self._service.workers, lane=self._lane,
            **self._link._asdict())
        self._loop.add_reader(self._engine.wake_descriptor, self._engine.turn)
        for socket in self._engine.lane_sockets:
            self._loop.add_reader(socket, self._look_at_sockets)
        self._channel.send("ready", pid=os.getpid())
        call_soon(self._engine.turn)
        reason = await self._ended
        await self._cancel_the_rest()
        await life.shutdown(_ORPHANS_SHUTDOWN_SECONDS if reason == "master_gone" else None)
        await self._cancel_what_the_app_began()
        return reason

    # ---- ending

    def _watch_control(self) -> None:
        self._loop.add_reader(self._channel.fileno(), self._look_at_control)
        self._loop.add_reader(self._host.signals, self._look_at_control)

    def _look_at_control(self) -> None:
        reason = self._host.control()
        if reason is not None:
            if self._engine is not None:
                self._stop(reason)
            self._end(reason)

    def _stop(self, reason: str) -> None:
        self._engine.stop(reason)
        self._host.ending(reason)

    def _look_at_sockets(self) -> None:
        for ended in self._engine.look_at_sockets():
            self._loop.remove_reader(ended)

    def _end(self, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)

    async def _cancel_the_rest(self) -> None:
        """Requests whose answer was sent may have left tasks behind; of others nobody waits any more."""
        self._engine.cancel_all()
        deadline = self._loop.time() + _CANCEL_SECONDS
        while self._engine.active and self._loop.time() < deadline:
            await asyncio.sleep(0.01)

    async def _cancel_what_the_app_began(self) -> None:
        """Tasks beside its requests, as asyncio.run() does at its end: so they can put away what they hold."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=_CANCEL_SECONDS)
        await self._loop.shutdown_asyncgens()

    # ---- requests

    async def _run(self, scope: Dict[str, Any], exchange: Any) -> None:
        raised = True
        try:
            await self._application(scope, exchange.receive, exchange.send)
            raised = False
        except BaseException as error:
            self._look_at_exception(exchange, error)
        self._finish(exchange, raised)

    def _begin_tornado(self, scope: Dict[str, Any], exchange: Any) -> Any:
        """None: the request needs no task of ours."""
        try:
            rest = contextvars.copy_context().run(self._bridge.begin, scope, exchange)
        except BaseException as error:
            self._look_at_exception(exchange, error)
            self._finish(exchange, raised=True)
            return None
        return None if rest is None else self._run_rest(rest, exchange)

    async def _run_rest(self, rest: Awaitable[None], exchange: Any) -> None:
        raised = True
        try:
            await rest
            raised = False
        except BaseException as error:
            self._look_at_exception(exchange, error)
        self._finish(exchange, raised)

    def _finish(self, exchange: Any, raised: bool = False) -> None:
        problem = self._engine.finish(exchange, raised)
        if problem is not None:
            self._host.problem("CW0542", exchange.method, exchange.path, problem)

    def _look_at_exception(self, exchange: Any, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            if not exchange.cancelled and not exchange.client_left and not self._ended.done():
                self._host.problem("CW0541", exchange.method, exchange.path, "was cancelled by the app itself")
        elif not isinstance(error, OSError) or not exchange.client_left:
            self._host.exception(exchange.method, exchange.path, "raised", error)
            if isinstance(error, (SystemExit, KeyboardInterrupt)):
                self._stop("system_exit")

    def _cancel(self, task: "asyncio.Task[None]") -> None:
        task.cancel()

    def _damaged(self, text: str) -> None:
        self._host.problem("CW0506", "", "", text)

    async def _receive_later(self, exchange: Any) -> Any:
        while True:
            message = exchange.try_receive()
            if message is not None:
                return message
            future = self._loop.create_future()
            exchange.await_message(future)
            await future

    async def _send_later(self, exchange: Any) -> None:
        while exchange.blocked():
            future = self._loop.create_future()
            exchange.await_room(future)
            await future


def _tornado_bridge(application: Any, loop: asyncio.AbstractEventLoop, ended: Callable[[Any], None]) -> Any:
    from cutwater import tornado_bridge  # of the app's environment: only a Tornado app is sure to have it

    return tornado_bridge.Bridge(application, loop, ended)


def shim(application: Any) -> Callable[..., Awaitable[None]]:
    """ASGI 2, application(scope)(receive, send), as ASGI 3."""

    async def single(scope: Any, receive: Any, send: Any) -> None:
        await application(scope)(receive, send)

    return single


def serve(service: worker.Service, channel: Channel, lane: int, link: worker.LinkDescriptors) -> NoReturn:
    """Serves until told to end; ends the process."""
    host = worker.Host(service.app, service.root, channel)
    worker.watch_parent(channel)
    status = 0
    loop: Optional[asyncio.AbstractEventLoop] = None
    try:
        loop = loops.new_loop(service.loop)
        asyncio.set_event_loop(loop)
        own_signals.handle(signal.SIGTERM, host.terminate_and_tell)
        reason = loop.run_until_complete(AsgiService(service, host, channel, lane, link, loop).serve())
        status = int(reason == "descriptors_closed")
    except lifespan.StartupFailed as failed:
        messages.emit("error", "CW0543", [f"{service.app}: lifespan startup failed: {failed}", *failed.details])
        reason, status = "startup_failed", 1
    except failure.NoLoop as missing:
        messages.emit("error", "CW0544", [f"{service.app}: {missing}", missing.fix])
        reason, status = "no_loop", 1
    except BaseException as error:
        messages.emit("error", "CW0506", [f"{service.app}: worker (pid {os.getpid()}) ends: {failure.describe(error)}",
                                          failure.format_traceback(error)])
        reason, status = "broken", 1
    worker.leave(channel, reason, status)


