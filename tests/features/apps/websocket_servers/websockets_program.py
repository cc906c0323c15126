"""The same endpoints on the websockets package."""

import asyncio
import sys
from http import HTTPStatus

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

closes = []


async def handle(socket):
    if socket.request.path == "/close":
        await socket.close(4001, "that was all")
        return
    try:
        while True:
            message = await socket.recv()
            await socket.send(message)
    except ConnectionClosed as left:
        closes.append(left.rcvd.code if left.rcvd else 1006)


def ordinary(connection, request):
    if request.path == "/seen":
        return connection.respond(HTTPStatus.OK, " ".join(map(str, closes)))
    if request.path == "/refuse":
        return connection.respond(HTTPStatus.FORBIDDEN, "no")
    return None


def choose(_connection, offered):
    return "kit" if "kit" in offered else None


async def main():
    settings = {"process_request": ordinary, "select_subprotocol": choose, "max_size": 16 << 20}
    async with serve(handle, "127.0.0.1", 0, **settings) as server:
        print("listening on http://127.0.0.1:%d" % server.sockets[0].getsockname()[1], file=sys.stderr, flush=True)
        await server.serve_forever()


asyncio.run(main())
