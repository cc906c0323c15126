import asyncio
import hashlib
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, Depends, FastAPI, Form, HTTPException, Request, UploadFile, WebSocket, WebSocketDisconnect
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import BaseModel

DONE = []


@asynccontextmanager
async def lifespan(app):
    yield {"greeting": "hello from fastapi"}


app = FastAPI(lifespan=lifespan)
ROOM = set()


class Item(BaseModel):
    name: str
    price: float


@app.get("/", response_class=PlainTextResponse)
async def hello(request: Request):
    return request.state.greeting


@app.post("/form", response_class=PlainTextResponse)
async def form(name: str = Form()):
    return "name=" + name


@app.post("/upload", response_class=PlainTextResponse)
def upload(file: UploadFile):  # in a thread, as plain functions are
    data = file.file.read()
    return f"{file.filename} {len(data)} {hashlib.sha256(data).hexdigest()}"


@app.get("/stream")
async def stream():
    async def lines():
        for number in range(1000):
            yield f"line {number}\n"

    return StreamingResponse(lines(), media_type="text/plain")


@app.get("/sse")
async def events():
    async def ticks():
        for number in range(3):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(ticks(), media_type="text/event-stream")


@app.post("/item")
async def item(item: Item):
    return {"name": item.name, "double": item.price * 2}


async def guard():
    raise HTTPException(403, "guarded")


@app.get("/guarded", dependencies=[Depends(guard)])
async def guarded():
    return "never"


@app.get("/background", response_class=PlainTextResponse)
async def background(tasks: BackgroundTasks):
    tasks.add_task(DONE.append, "task")
    return "begun"


@app.get("/done")
async def done():
    return DONE


@app.get("/error")
async def error():
    raise RuntimeError("on purpose")


@app.websocket("/chat")
async def chat(socket: WebSocket):
    await socket.accept()
    ROOM.add(socket)
    try:
        while True:
            text = await socket.receive_text()
            for other in list(ROOM):
                await other.send_text(text)
    except WebSocketDisconnect:
        ROOM.discard(socket)
