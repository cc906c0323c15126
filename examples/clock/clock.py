"""A clock on Tornado: a page, and a WebSocket that says each second what time it is.

python clock.py 8888 is a server of its own; see README.md for both ways to run it behind Cutwater.
"""

import asyncio
import datetime
import sys

import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket

PAGE = """<!doctype html>
<title>Clock</title>
<p id="time">...</p>
<script>
  const socket = new WebSocket(location.href.replace(/^http/, "ws") + "ticks");
  socket.onmessage = (event) => { document.getElementById("time").textContent = event.data; };
</script>
"""


class Page(tornado.web.RequestHandler):
    def get(self):
        self.write(PAGE)


class Asked(tornado.web.RequestHandler):
    """Who asks, as seen from here."""

    def get(self):
        self.write({"address": self.request.remote_ip, "scheme": self.request.protocol, "host": self.request.host})


class Ticks(tornado.websocket.WebSocketHandler):
    async def open(self):
        self.ticking = asyncio.ensure_future(self.tick())

    async def tick(self):
        try:
            while True:
                await self.write_message(datetime.datetime.now().isoformat(timespec="seconds"))
                await asyncio.sleep(1)
        except tornado.websocket.WebSocketClosedError:
            pass

    def on_message(self, message):
        pass

    def on_close(self):
        self.ticking.cancel()


def make_app():
    return tornado.web.Application([("/", Page), ("/asked", Asked), ("/ticks", Ticks)])


async def main(port):
    sockets = tornado.netutil.bind_sockets(port, "127.0.0.1")
    server = tornado.httpserver.HTTPServer(make_app(), xheaders=True, trusted_downstream=["127.0.0.1"])
    server.add_sockets(sockets)
    print("listening on http://127.0.0.1:%d" % sockets[0].getsockname()[1], file=sys.stderr, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8888))
