"""A Tornado application on our HTTP: what tornado.http1connection does with a socket is done here with an exchange.

The app sees HTTPServerConnectionDelegate and HTTPConnection (tornado.httputil), the interfaces between Tornado's server
and its applications.
"""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Dict, List, Optional, Tuple

from tornado import httputil, ioloop, iostream, websocket

from cutwater import tornado_websocket

_SWITCHING_PROTOCOLS = 101
_NOT_MODIFIED = 304
_CONTENT_TOO_LARGE = 413
_NO_SOCKET = (
    "{what}: this request has no socket of its own, the connection belongs to Cutwater's front. For WebSockets use "
    "WebSocketHandler, for streams write() and flush(); a program that speaks a protocol of its own can listen() on a "
    "port itself and be reached through a proxy route (docs/asynchronous_apps.md)"
)


class Context:
    """What HTTPServerRequest reads of the connection's context."""

    def __init__(self, scope: Dict[str, Any]) -> None:
        client = scope["client"]
        self.remote_ip = client[0] if client else ""
        self.protocol = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
        self.address = client
        self.address_family = None


class Connection(httputil.HTTPConnection):
    """One request's connection: writes become messages of the exchange."""

    def __init__(self, scope: Dict[str, Any], exchange: Any) -> None:
        self.context = Context(scope)
        self.exchange = exchange
        self.no_keep_alive = False
        self._for_websocket = scope["type"] == "websocket"
        self._kind = "websocket.http.response" if self._for_websocket else "http.response"
        self._without_body = scope.get("method") == "HEAD"
        self._started = False
        self._accepted = False
        self._complete = False
        self._left: Optional[int] = None  # of the Content-Length that was announced
        self.broken_off = False
        self._waiter: Optional["asyncio.Future[None]"] = None
        self._close_callback: Optional[Callable[[], None]] = None
        self.max_body_size: Optional[int] = None

    # ---- tornado.httputil.HTTPConnection

    def write_headers(self, start_line: Any, headers: httputil.HTTPHeaders,
                      chunk: Optional[bytes] = None) -> "asyncio.Future[None]":
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.get_all()]
        if self._for_websocket and start_line.code == _SWITCHING_PROTOCOLS:
            self._accepted = True
            return self._send({"type": "websocket.accept", "headers": [
                field for field in fields if field[0].lower() != b"sec-websocket-accept"]})
        self._left = self._announced(start_line.code, headers)
        chunk = self._counted(chunk or b"")
        self._started = True
        started = self._send({"type": f"{self._kind}.start", "status": start_line.code, "headers": fields,
                              "reason": start_line.reason})
        if started.done() and started.exception() is not None:
            return started
        # One frame instead of two when this is all.
        return self._body(chunk, self._left == 0)

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
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _announced(self, status: int, headers: httputil.HTTPHeaders) -> Optional[int]:
        if self._without_body or status == _NOT_MODIFIED:
            return 0
        length = headers.get("Content-Length")
        if length is None:
            return None
        if not (length.isascii() and length.isdigit()):
            raise ValueError(f"Content-Length is no number: {length!r}")
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
            return _done()
        if self.broken_off:
            return _failed(iostream.StreamClosedError())
        self._complete = last
        return self._send({"type": f"{self._kind}.body", "body": chunk, "more_body": not last})

    def _send(self, message: Dict[str, Any]) -> "asyncio.Future[None]":
        try:
            waiting = self.exchange.send(message)
        except (OSError, RuntimeError) as error:
            if not isinstance(error, OSError) and not self.exchange.finished:
                raise
            return _failed(iostream.StreamClosedError(real_error=error))
        return asyncio.ensure_future(waiting) if self.exchange.blocked() else _done()


def _done() -> "asyncio.Future[None]":
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


def _failed(error: Exception) -> "asyncio.Future[None]":
    future = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    future.exception()  # a handler need not look
    return future


class _Callable(httputil.HTTPMessageDelegate):
    """For an application that is a function of the request, as WSGIContainer is."""

    def __init__(self, function: Callable[[httputil.HTTPServerRequest], None], connection: Connection) -> None:
        self._function = function
        self._connection = connection
        self._chunks: List[bytes] = []

    def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> None:
        self._request = httputil.HTTPServerRequest(connection=self._connection, start_line=start_line, headers=headers)

    def data_received(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def finish(self) -> None:
        self._request.body = b"".join(self._chunks)
        self._request._parse_body()
        self._function(self._request)


class Bridge:
    """Called with each request's scope and exchange."""

    def __init__(self, application: Any) -> None:
        self._application = application
        ioloop.IOLoop.current()  # the one of this worker's event loop
        tornado_websocket.install(websocket.WebSocketHandler, Connection)

    async def __call__(self, scope: Dict[str, Any], exchange: Any) -> None:
        connection = Connection(scope, exchange)
        delegate = self._delegate(connection)
        start_line, headers = _request_of(scope)
        try:
            await _if_awaitable(delegate.headers_received(start_line, headers))
            if scope["type"] != "websocket":
                if not await self._read_body(delegate, connection, int(headers.get("Content-Length", 0))):
                    return
            delegate.finish()
            await connection.ended()
        finally:
            if exchange.client_left or exchange.cancelled:
                connection.connection_closed()

    def _delegate(self, connection: Connection) -> Any:
        if isinstance(self._application, httputil.HTTPServerConnectionDelegate):
            return self._application.start_request(connection, connection)
        return _Callable(self._application, connection)

    async def _read_body(self, delegate: Any, connection: Connection, announced: int) -> bool:
        """False: the client left in the middle of it, or it is too large."""
        exchange, received = connection.exchange, 0
        while True:
            limit = connection.max_body_size
            if limit is not None and max(announced, received) > limit:
                connection.refuse_body()
                delegate.on_connection_close()
                return False
            message = await exchange.receive()
            if message["type"] != "http.request":
                if exchange.client_left:
                    delegate.on_connection_close()
                return False
            received += len(message["body"])
            if message["body"] and (limit is None or received <= limit):
                await _if_awaitable(delegate.data_received(message["body"]))
            if not message["more_body"] and (limit is None or received <= limit):
                return True


async def _if_awaitable(result: Any) -> None:
    if result is not None:
        await result


def _request_of(scope: Dict[str, Any]) -> Tuple[httputil.RequestStartLine, httputil.HTTPHeaders]:
    headers = httputil.HTTPHeaders()
    for name, value in scope["headers"]:
        headers.add(name.decode("latin-1"), value.decode("latin-1"))
    if scope["type"] == "websocket":  # the front's business; handlers look for it
        headers["Upgrade"] = "websocket"
        headers["Connection"] = "Upgrade"
    target = scope["raw_path"].decode("latin-1")
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("latin-1")
    return httputil.RequestStartLine(scope.get("method", "GET"), target, "HTTP/" + scope["http_version"]), headers
