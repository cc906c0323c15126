"""WebSocket endpoints on Starlette, for uvicorn."""

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

closes = []


async def echo(socket):
    await socket.accept(subprotocol="kit" if "kit" in socket.scope["subprotocols"] else None)
    try:
        while (message := await socket.receive())["type"] == "websocket.receive":
            if message.get("text") is None:
                await socket.send_bytes(message["bytes"])
            else:
                await socket.send_text(message["text"])
        closes.append(message["code"])
    except WebSocketDisconnect as left:
        closes.append(left.code)


async def close(socket):
    await socket.accept()
    await socket.close(code=4001, reason="that was all")


async def refuse(socket):
    await socket.close()


async def seen(_request):
    return PlainTextResponse(" ".join(map(str, closes)))


application = Starlette(routes=[
    WebSocketRoute("/echo", echo), WebSocketRoute("/close", close), WebSocketRoute("/refuse", refuse), Route("/seen", seen),
])
