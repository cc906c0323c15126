"""Tornado's WebSocketHandler on messages: framing, ping and the closing handshake are the front's."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Optional, Union

from tornado import gen, websocket


# What a handler cannot do any more once its WebSocket is open.
_OF_RESPONSES = ("write", "redirect", "set_header", "set_cookie", "set_status", "flush", "finish")


def _not_supported(*_args: Any, **_kwargs: Any) -> None:
    raise RuntimeError("Method not supported for Web Sockets")


def install(handler_class: Any, connection_class: Any) -> None:
    """Requests of ours get the protocol below; those of a server of the app's own keep Tornado's."""
    original = handler_class.get_websocket_protocol

    def get_websocket_protocol(self: Any) -> Any:
        if isinstance(self.request.connection, connection_class):
            return Protocol(self)
        return original(self)

    handler_class.get_websocket_protocol = get_websocket_protocol


class Protocol(websocket.WebSocketProtocol):
    def __init__(self, handler: Any) -> None:
        super().__init__(handler)
        self._exchange = handler.request.connection.exchange
        self._subprotocol: Optional[str] = None

    async def accept_connection(self, handler: Any) -> None:
        offered = handler.request.headers.get("Sec-WebSocket-Protocol", "")
        self._subprotocol = handler.select_subprotocol([name.strip() for name in offered.split(",") if name.strip()])
        if self._subprotocol:
            handler.set_header("Sec-WebSocket-Protocol", self._subprotocol)
        handler.clear_header("Content-Type")
        handler.set_status(101)
        handler.finish()
        for method in _OF_RESPONSES:
            setattr(handler, method, _not_supported)
        try:
            opened = handler.open(*handler.open_args, **handler.open_kwargs)
            if opened is not None:
                await opened
        except Exception:
            handler.log_exception(*sys.exc_info())
            self._abort()
            return
        await self._receive_frame_loop()

    async def _receive_frame_loop(self) -> None:
        while True:
            message = await self._exchange.receive()
            if message["type"] == "websocket.disconnect":
                break
            if message["type"] != "websocket.receive":
                continue
            data = message.get("text")
            if data is None:
                data = message["bytes"]
            if self._is_too_long(data):
                self.close(1009, "message too big")
                continue
            result = self._run_callback(self.handler.on_message, data)
            if result is not None:
                await result
        self.client_terminated = self.server_terminated = True
        code = message["code"]
        self.handler.on_ws_connection_close(None if code in (1005, 1006) else code, message["reason"] or None)

    def _run_callback(self, callback: Any, *args: Any, **kwargs: Any) -> Any:
        """As Tornado's, which in 6.4 needs a stream for it."""
        try:
            result = callback(*args, **kwargs)
        except (Exception, asyncio.CancelledError):
            self.handler.log_exception(*sys.exc_info())
            self._abort()
            return None
        return None if result is None else self._guarded(result)

    async def _guarded(self, result: Any) -> None:
        """A handler that was cancelled by itself has failed; one whose request is cancelled is cancelled with it."""
        future = gen.convert_yielded(result)
        if not future.done():
            done = asyncio.get_running_loop().create_future()
            future.add_done_callback(lambda _: done.done() or done.set_result(None))
            try:
                await done
            except asyncio.CancelledError:
                future.cancel()
                raise
        try:
            future.result()
        except (Exception, asyncio.CancelledError):
            self.handler.log_exception(*sys.exc_info())
            self._abort()

    def _is_too_long(self, data: Union[str, bytes]) -> bool:
        """For the handler: the front has its own limit, `limits.websocket_message`."""
        limit = self.handler.max_message_size
        if len(data) * 4 <= limit or isinstance(data, bytes):
            return len(data) > limit
        return len(data.encode()) > limit

    @property
    def selected_subprotocol(self) -> Optional[str]:
        return self._subprotocol

    def write_message(self, message: Union[str, bytes], binary: bool = False) -> "asyncio.Future[None]":
        data = message.encode() if isinstance(message, str) else bytes(message)
        # Tornado sends the bytes of a str as text, and bytes as text too unless `binary`.
        content = {"bytes": data} if binary else {"text": data.decode()}
        try:
            waiting = self._exchange.send({"type": "websocket.send", **content})
        except (OSError, RuntimeError):
            raise websocket.WebSocketClosedError() from None
        if self._exchange.blocked():
            return asyncio.ensure_future(self._until_sent(waiting))
        future = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future

    @staticmethod
    async def _until_sent(waiting: Any) -> None:
        await waiting

    def close(self, code: Optional[int] = None, reason: Optional[str] = None) -> None:
        if self.server_terminated:
            return
        self.server_terminated = True
        if not self.client_terminated:
            try:
                self._exchange.send({"type": "websocket.close", "code": code or 1000,
                                     "reason": reason or ""})
            except (OSError, RuntimeError):
                pass  # it is closed already

    def is_closing(self) -> bool:
        return bool(self.client_terminated or self.server_terminated)

    def _abort(self) -> None:
        if not self.server_terminated:
            self.close(1011)
        self.client_terminated = True

    def write_ping(self, data: bytes) -> None:
        """The front pings idle connections itself, and answers the client's."""

    def start_pinging(self) -> None:
        """As above."""

    def set_nodelay(self, x: bool) -> None:
        """The front's sockets always are."""

    def _process_server_headers(self, key: Any, headers: Any) -> None:
        raise NotImplementedError("of clients alone")
