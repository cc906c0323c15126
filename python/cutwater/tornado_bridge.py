"""A Tornado application on our HTTP: what tornado.http1connection does with a socket is done here with an exchange.

The app sees HTTPServerConnectionDelegate and HTTPConnection (tornado.httputil), the interfaces between Tornado's server
and its applications.
"""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Coroutine, Dict, List, Optional, Set, Tuple

from tornado import httputil, ioloop, websocket

from cutwater import tornado_websocket
from cutwater.tornado_connection import Connection


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
    """`ended`: called with the exchange of a request that begin() answered without a task."""

    def __init__(self, application: Any, loop: asyncio.AbstractEventLoop, ended: Callable[[Any], None]) -> None:
        self._application = application
        self._ended = ended
        self._sent: "asyncio.Future[None]" = loop.create_future()
        self._sent.set_result(None)
        ioloop.IOLoop.current()  # the one of this worker's event loop
        tornado_websocket.install(websocket.WebSocketHandler, Connection)

    def begin(self, scope: Dict[str, Any], exchange: Any) -> Optional[Coroutine[Any, Any, None]]:
        """None: the handler has the whole request, and its answer ends it. Else what is left to be done in a task."""
        connection = Connection(scope, exchange, self._sent, self._ended)
        delegate = self._delegate(connection)
        start_line, headers = _request_of(scope)
        pending = delegate.headers_received(start_line, headers)
        if pending is not None or scope["type"] == "websocket" or connection.max_body_size is not None:
            return self._go_on(delegate, connection, headers, pending)
        message = exchange.try_receive()
        if message is not None and message["type"] == "http.request" and not message["more_body"]:
            body = message["body"]
            pending = delegate.data_received(body) if body else None
            if pending is None:
                delegate.finish()
                connection.end_by_itself(delegate)
                return None
            message["body"] = b""
        return self._go_on(delegate, connection, headers, pending, message)

    async def _go_on(self, delegate: Any, connection: Connection, headers: httputil.HTTPHeaders, pending: Any,
                     message: Optional[Dict[str, Any]] = None) -> None:
        """`message`: of the body, has been received already."""
        try:
            await _if_awaitable(pending)
            if not connection.for_websocket:
                announced = int(headers.get("Content-Length", 0))
                if not await self._read_body(delegate, connection, announced, message):
                    return
            delegate.finish()
            await connection.ended()
        finally:
            if connection.exchange.client_left or connection.exchange.cancelled:
                connection.connection_closed()

    def _delegate(self, connection: Connection) -> Any:
        if isinstance(self._application, httputil.HTTPServerConnectionDelegate):
            return self._application.start_request(connection, connection)
        return _Callable(self._application, connection)

    async def _read_body(self, delegate: Any, connection: Connection, announced: int,
                         message: Optional[Dict[str, Any]]) -> bool:
        """False: the client left in the middle of it, or it is too large."""
        exchange, received = connection.exchange, 0
        while True:
            limit = connection.max_body_size
            if limit is not None and max(announced, received) > limit:
                connection.refuse_body()
                delegate.on_connection_close()
                return False
            message = message or await exchange.receive()
            if message["type"] != "http.request":
                if exchange.client_left:
                    delegate.on_connection_close()
                return False
            received += len(message["body"])
            if message["body"] and (limit is None or received <= limit):
                await _if_awaitable(delegate.data_received(message["body"]))
            if not message["more_body"] and (limit is None or received <= limit):
                return True
            message = None


async def _if_awaitable(result: Any) -> None:
    if result is not None:
        await result


def _request_of(scope: Dict[str, Any]) -> Tuple[httputil.RequestStartLine, httputil.HTTPHeaders]:
    headers = httputil.HTTPHeaders()
    seen: Set[bytes] = set()
    for name, value in scope["headers"]:
        if name in seen:
            headers.add(name.decode("latin-1"), value.decode("latin-1"))
        else:  # quicker, for it checks nothing: the front has
            seen.add(name)
            headers[name.decode("latin-1")] = value.decode("latin-1")
    if scope["type"] == "websocket":  # the front's business; handlers look for it
        headers["Upgrade"] = "websocket"
        headers["Connection"] = "Upgrade"
    target = scope["raw_path"].decode("latin-1")
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("latin-1")
    return httputil.RequestStartLine(scope.get("method", "GET"), target, "HTTP/" + scope["http_version"]), headers
