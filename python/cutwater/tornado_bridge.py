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
        self._accepted = False
        self._complete = False
        self._close_callback: Optional[Callable[[], None]] = None

    # ---- tornado.httputil.HTTPConnection

    def write_headers(self, start_line: Any, headers: httputil.HTTPHeaders,
                      chunk: Optional[bytes] = None) -> "asyncio.Future[None]":
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.get_all()]
        if self._for_websocket and start_line.code == _SWITCHING_PROTOCOLS:
            self._accepted = True
            return self._send({"type": "websocket.accept", "headers": [
                field for field in fields if field[0].lower() != b"sec-websocket-accept"]})
        started = self._send({"type": f"{self._kind}.start", "status": start_line.code, "headers": fields})
        if started.done() and started.exception() is not None:
            return started
        # One frame instead of two when this is all.
        return self._body(chunk or b"", headers.get("Content-Length") == str(len(chunk or b"")))

    def write(self, chunk: bytes) -> "asyncio.Future[None]":
        return self._body(bytes(chunk), False)

    def finish(self) -> None:
        if not self._complete and not self._accepted:
            self._body(b"", True)

    # ---- what applications use beyond it

    def set_close_callback(self, callback: Optional[Callable[[], None]]) -> None:
        self._close_callback = callback

    def detach(self) -> Any:
        raise NotImplementedError("the socket belongs to Cutwater's front: detach() has nothing to give")

    def connection_closed(self) -> None:
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            callback()

    def _body(self, chunk: bytes, last: bool) -> "asyncio.Future[None]":
        if self._complete:
            return _done()
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
                if not await self._read_body(delegate, exchange):
                    return
            delegate.finish()
            await _ended(exchange)
        finally:
            if exchange.client_left or exchange.cancelled:
                connection.connection_closed()

    def _delegate(self, connection: Connection) -> Any:
        if isinstance(self._application, httputil.HTTPServerConnectionDelegate):
            return self._application.start_request(connection, connection)
        return _Callable(self._application, connection)

    async def _read_body(self, delegate: Any, exchange: Any) -> bool:
        """False: the client left in the middle of it."""
        while True:
            message = await exchange.receive()
            if message["type"] != "http.request":
                if exchange.client_left:
                    delegate.on_connection_close()
                return False
            if message["body"]:
                await _if_awaitable(delegate.data_received(message["body"]))
            if not message["more_body"]:
                return True


async def _ended(exchange: Any) -> None:
    """Until the answer is complete or nobody waits for it any more: the handler runs in a task of its own."""
    while not exchange.over:
        future = asyncio.get_running_loop().create_future()
        exchange.await_end(future)
        await future


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
