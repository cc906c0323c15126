import asyncio
import hashlib

from litestar import Litestar, MediaType, WebSocket, get, post, websocket
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import WebSocketDisconnect
from litestar.logging import LoggingConfig
from litestar.params import Body
from litestar.response import Response, Stream

DONE = []
ROOM = set()


@get("/", media_type=MediaType.TEXT)
async def hello() -> str:
    return "hello from litestar"


@post("/form", media_type=MediaType.TEXT, status_code=200)
async def form(data: dict = Body(media_type=RequestEncodingType.URL_ENCODED)) -> str:
    return "name=" + data["name"]


@post("/upload", media_type=MediaType.TEXT, status_code=200)
async def upload(data: dict[str, UploadFile] = Body(media_type=RequestEncodingType.MULTI_PART)) -> str:
    file = data["file"]
    content = await file.read()
    return f"{file.filename} {len(content)} {hashlib.sha256(content).hexdigest()}"


@get("/stream")
async def stream() -> Stream:
    async def lines():
        for number in range(1000):
            yield f"line {number}\n"

    return Stream(lines(), media_type="text/plain")


@get("/sse")
async def events() -> Stream:
    async def ticks():
        for number in range(3):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.01)

    return Stream(ticks(), media_type="text/event-stream")


async def work() -> None:
    DONE.append("task")


@get("/background", media_type=MediaType.TEXT)
async def background() -> Response[str]:
    return Response("begun", background=BackgroundTask(work))


@get("/done")
async def done() -> list:
    return DONE


@get("/error")
async def error() -> None:
    raise RuntimeError("on purpose")


@websocket("/chat")
async def chat(socket: WebSocket) -> None:
    await socket.accept()
    ROOM.add(socket)
    try:
        while True:
            text = await socket.receive_text()
            for other in list(ROOM):
                await other.send_text(text)
    except WebSocketDisconnect:
        pass
    finally:
        ROOM.discard(socket)


app = Litestar([hello, form, upload, stream, events, background, done, error, chat],
               logging_config=LoggingConfig(log_exceptions="always"))
