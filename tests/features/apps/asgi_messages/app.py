"""Sends the messages that the query is a list of, as Python writes it."""

import ast
from urllib.parse import unquote


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": message["type"] + ".complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    await receive()
    for message in ast.literal_eval(unquote(scope["query_string"].decode())):
        await send(message)
    if scope["type"] == "websocket":
        await receive()
