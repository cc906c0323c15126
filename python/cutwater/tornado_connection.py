"""The connection of one request, as a Tornado application sees it: writes become messages of the exchange."""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Dict, Optional

from tornado import httputil, iostream

_SWITCHING_PROTOCOLS = 101
_NOT_MODIFIED = 304
_CONTENT_TOO_LARGE = 413
_PROTOCOLS = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_NO_SOCKET = (
    "{what}: this request has no socket of its own, the connection belongs to Cutwater's front. For WebSockets use "
    "WebSocketHandler, for streams write() and flush(); a program that speaks a protocol of its own can listen() on a "
    "port itself and be reached through a proxy route (docs/asynchronous_apps.md)"
)


class Connection(httputil.HTTPConnection):
    """`sent`: a future of the loop that is done; `ended`: called with the exchange at the end of a request that no task
    of ours waits for, see end_by_itself().
    """

    no_keep_alive = False
    max_body_size: Optional[int] = None
    broken_off = False
    address_family = None  # of the context
    _started = _accepted = _complete = False
    _left: Optional[int] = None  # of the Content-Length that was announced
    _waiter: Optional["asyncio.Future[None]"] = None
    _close_callback: Optional[Callable[[], None]] = None
    _ends_by_itself = _sending = _ended = False
    _delegate: Any = None

    def __init__(self, scope: Dict[str, Any], exchange: Any, sent: "asyncio.Future[None]",
                 ended: Callable[[Any], None]) -> None:
        self.exchange = exchange
        self._sent = sent
        self._when_ended = ended
        self.for_websocket = scope["type"] == "websocket"
        self._without_body = scope.get("method") == "HEAD"
        self.address = client = scope["client"]
        self.remote_ip = client[0] if client else ""
        self.protocol = _PROTOCOLS.get(scope["scheme"], scope["scheme"])

    @property
    def context(self) -> Any:
        """What HTTPServerRequest reads the addresses of."""
        return self

    # ---- tornado.httputil.HTTPConnection

    def write_headers(self, start_line: Any, headers: httputil.HTTPHeaders,
                      chunk: Optional[bytes] = None) -> "asyncio.Future[None]":
        status, fields = start_line.code, headers.get_all()
        if self.for_websocket and status == _SWITCHING_PROTOCOLS:
            self._accepted = True
            fields = [field for field in fields if field[0].lower() != "sec-websocket-accept"]
            return self._send({"type": "websocket.accept", "reason": start_line.reason,
                                  "headers": fields})
        self._left = self._announced(status, headers)
        chunk = self._counted(bytes(chunk)) if chunk else b""
        self._started = True
        if self.for_websocket:
            started = self._send({"type": "websocket.http.response.start", "status": status, "reason": start_line.reason,
                                  "headers": fields})
            failed = started is not self._sent and started.done()
            return started if failed else self._body(chunk, self._left == 0)
        if self.broken_off:
            return _failed(iostream.StreamClosedError())
        # One frame instead of two when this is all.
        self._complete = self._left == 0
        return self._passed(self.exchange.respond, status, start_line.reason, fields, chunk, not self._complete)

    def write(self, chunk: bytes) -> "asyncio.Future[None]":
        return self._body(self._counted(bytes(chunk)), False)

    def finish(self) -> None:
        if self._left and not self._gone():
            self._break_off()
            raise httputil.HTTPOutputError(f"Tried to write {self._left} bytes less than Content-Length")
        if not self._complete and not self._accepted:
            self._body(b"", True)

    # ---- what applications use beyond it

    def set_close_callback(self, callback: Optional[Callable[[], None]]) -> None:
        self._close_callback = callback

    def set_max_body_size(self, max_body_size: int) -> None:
        """Of this request; no more than `limits.body` in any case."""
        self.max_body_size = max_body_size

    def set_body_timeout(self, body_timeout: float) -> None:
        """A slow body is the front's business: `limits.body_min_rate`."""

    def detach(self) -> Any:
        self._break_off()  # Tornado counts the request as finished by now
        raise RuntimeError(_NO_SOCKET.format(what="detach()"))

    @property
    def stream(self) -> Any:
        raise AttributeError(_NO_SOCKET.format(what="connection.stream"))

    # ---- of the bridge

    def end_by_itself(self, delegate: Any) -> None:
        """This object is told of the end in place of a future: hence done() and set_result(). Nothing else may hold the
        delegate, and so a handler that waits.
        """
        self._ends_by_itself = True
        self._delegate = delegate
        if self._gone():
            self.end()
        else:
            self.exchange.await_end(self)

    def done(self) -> bool:
        return self._ended

    def set_result(self, _result: None) -> None:
        if not self._sending:  # else the sender looks
            asyncio.get_running_loop().call_soon(self.end)

    def end(self) -> None:
        if self._ended:
            return
        self._ended = True
        self._delegate = None
        try:
            if self.exchange.client_left or self.exchange.cancelled:
                self.connection_closed()
        finally:
            self._when_ended(self.exchange)

    async def ended(self) -> None:
        """Until the answer is complete or nobody waits for it any more: the handler runs in a task of its own."""
        while not self._gone():
            self._waiter = asyncio.get_running_loop().create_future()
            self.exchange.await_end(self._waiter)
            await self._waiter

    def refuse_body(self) -> None:
        """Its length is over what the handler allows."""
        if not self._started:
            start_line = httputil.ResponseStartLine("HTTP/1.1", _CONTENT_TOO_LARGE, "Content Too Large")
            self.write_headers(start_line, httputil.HTTPHeaders({"Content-Length": "0"}))
            self.finish()

    def _gone(self) -> bool:
        return self.broken_off or bool(self.exchange.over)

    def _break_off(self) -> None:
        """As closing the stream: the front cuts an answer that its worker did not complete."""
        self.broken_off = True
        if self._ends_by_itself:
            asyncio.get_running_loop().call_soon(self.end)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _announced(self, status: int, headers: httputil.HTTPHeaders) -> Optional[int]:
        if self._without_body or status == _NOT_MODIFIED:
            return 0
        if "Content-Length" not in headers:
            return None
        length = headers["Content-Length"]
        if not (length.isascii() and length.isdigit()):
            raise ValueError(f"Content-Length {length} is no number, so the response is not sent (500): write the bytes of the "
                             "body in digits, or leave Content-Length out")
        return int(length)

    def _counted(self, chunk: bytes) -> bytes:
        if self._left is not None:
            if len(chunk) > self._left:
                self._break_off()
                raise httputil.HTTPOutputError("Tried to write more data than Content-Length")
            self._left -= len(chunk)
        return chunk

    def connection_closed(self) -> None:
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            callback()

    def _body(self, chunk: bytes, last: bool) -> "asyncio.Future[None]":
        if self._complete:
            return self._sent
        if self.broken_off:
            return _failed(iostream.StreamClosedError())
        self._complete = last
        kind = "websocket.http.response.body" if self.for_websocket else "http.response.body"
        return self._send({"type": kind, "body": chunk, "more_body": not last})

    def _send(self, message: Dict[str, Any]) -> "asyncio.Future[None]":
        return self._passed(self.exchange.send, message)

    def _passed(self, send: Callable[..., Any], *arguments: Any) -> "asyncio.Future[None]":
        exchange = self.exchange
        self._sending = True
        try:
            waiting = send(*arguments)
        except (OSError, RuntimeError) as error:
            if not isinstance(error, OSError) and not exchange.finished:
                raise
            return _failed(iostream.StreamClosedError(real_error=error))
        finally:
            self._sending = False
        if exchange.blocked():
            return asyncio.ensure_future(waiting)
        if self._ends_by_itself and exchange.over:
            self.end()
        return self._sent


def _failed(error: Exception) -> "asyncio.Future[None]":
    future = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    future.exception()  # a handler need not look
    return future
