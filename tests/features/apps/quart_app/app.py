import asyncio
import hashlib

from quart import Quart, jsonify, request, websocket

app = Quart(__name__)
DONE = []
ROOM = set()


@app.get("/")
async def hello():
    return "hello from quart"


@app.post("/form")
async def form():
    return "name=" + (await request.form)["name"]


@app.post("/upload")
async def upload():
    file = (await request.files)["file"]
    data = file.read()
    return f"{file.filename} {len(data)} {hashlib.sha256(data).hexdigest()}"


@app.get("/stream")
async def stream():
    async def lines():
        for number in range(1000):
            yield f"line {number}\n".encode()

    return lines(), 200, {"content-type": "text/plain"}


@app.get("/sse")
async def events():
    async def ticks():
        for number in range(3):
            yield f"data: {number}\n\n".encode()
            await asyncio.sleep(0.01)

    return ticks(), 200, {"content-type": "text/event-stream"}


@app.get("/background")
async def background():
    async def work():
        DONE.append("task")

    app.add_background_task(work)
    return "begun"


@app.get("/done")
async def done():
    return jsonify(DONE)


@app.get("/error")
async def error():
    raise RuntimeError("on purpose")


@app.websocket("/chat")
async def chat():
    mine = websocket._get_current_object()
    ROOM.add(mine)
    try:
        while True:
            text = await websocket.receive()
            for other in list(ROOM):
                await other.send(text)
    finally:
        ROOM.discard(mine)
