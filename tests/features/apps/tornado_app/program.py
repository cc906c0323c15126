"""The application in Tornado's own server, behind another one."""

import asyncio
import sys

from app import application
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets


async def main():
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(application, xheaders=True).add_sockets(sockets)
    print("listening on http://127.0.0.1:%d" % sockets[0].getsockname()[1], file=sys.stderr, flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
