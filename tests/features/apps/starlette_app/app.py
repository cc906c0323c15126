import asyncio
import hashlib

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

DONE = []
ROOM = set()


class Marking(BaseHTTPMiddleware):
    """Wraps receive() and runs the app in a task group."""

    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["x-marked"] = "yes"
        return response


async def hello(request):
    return PlainTextResponse("hello from starlette")


async def form(request):
    async with request.form() as form:
        return PlainTextResponse("name=" + form["name"])


async def upload(request):
    async with request.form() as form:
        data = await form["file"].read()
        return PlainTextResponse(f"{form['file'].filename} {len(data)} {hashlib.sha256(data).hexdigest()}")


async def stream(request):
    async def lines():
        for number in range(1000):
            yield f"line {number}\n"

    return StreamingResponse(lines(), media_type="text/plain")


async def events(request):
    async def ticks():
        for number in range(3):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(ticks(), media_type="text/event-stream")


async def background(request):
    return PlainTextResponse("begun", background=BackgroundTask(DONE.append, "task"))


async def done(request):
    return JSONResponse(DONE)


async def error(request):
    raise RuntimeError("on purpose")


async def chat(socket):
    await socket.accept()
    ROOM.add(socket)
    try:
        while True:
            text = await socket.receive_text()
            for other in list(ROOM):
                await other.send_text(text)
    except WebSocketDisconnect:
        ROOM.discard(socket)


app = Starlette(
    routes=[Route("/", hello), Route("/form", form, methods=["POST"]), Route("/upload", upload, methods=["POST"]),
            Route("/stream", stream), Route("/sse", events), Route("/background", background), Route("/done", done),
            Route("/error", error), WebSocketRoute("/chat", chat)],
    middleware=[Middleware(Marking)],
)
