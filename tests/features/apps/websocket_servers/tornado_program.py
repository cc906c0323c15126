"""The same endpoints on Tornado."""

import asyncio
import sys

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

closes = []


class Echo(WebSocketHandler):
    def select_subprotocol(self, subprotocols):
        return "kit" if "kit" in subprotocols else None

    async def on_message(self, message):
        await self.write_message(message, binary=isinstance(message, bytes))

    def on_close(self):
        closes.append(self.close_code)


class Close(WebSocketHandler):
    def open(self):
        self.close(4001, "that was all")


class Refuse(WebSocketHandler):
    def prepare(self):
        self.send_error(403)


class Seen(RequestHandler):
    def get(self):
        self.write(" ".join(map(str, closes)))


async def main():
    sockets = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(Application([("/echo", Echo), ("/close", Close), ("/refuse", Refuse), ("/seen", Seen)]))
    server.add_sockets(sockets)
    print("listening on http://127.0.0.1:%d" % sockets[0].getsockname()[1], file=sys.stderr, flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
