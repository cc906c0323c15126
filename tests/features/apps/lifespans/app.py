"""Lifespans that go wrong, as MODE says."""

import asyncio
import os

MODE = os.environ.get("MODE", "")
STARTUP = {
    "number": 5, "word": "lifespan.startup.complete", "other": {"type": "lifespan.start.complete"},
    "shutdown": {"type": "lifespan.shutdown.complete"}, "response": {"type": "http.response.start", "status": 200},
}


async def lifespan(receive, send):
    await receive()
    if MODE == "hangs":
        await asyncio.Event().wait()
    if MODE == "raises":
        raise KeyError("DATABASE_URL")
    if MODE == "knows none":
        raise NotImplementedError("only http here")
    if MODE == "exits":
        raise SystemExit(7)
    if MODE == "fails and raises":  # as Starlette
        try:
            raise ConnectionError("db.example refused")
        except ConnectionError:
            import traceback
            await send({"type": "lifespan.startup.failed", "message": traceback.format_exc()})
            raise
    await send(STARTUP.get(MODE, {"type": "lifespan.startup.complete"}))
    if MODE == "twice":
        await send({"type": "lifespan.startup.complete"})
    await receive()
    if MODE == "shutdown fails":
        return await send({"type": "lifespan.shutdown.failed", "message": "could not flush"})
    if MODE == "shutdown raises":
        raise ValueError("flush broke")
    if MODE == "shutdown exits":
        raise SystemExit(3)
    if MODE == "shutdown takes long":
        await asyncio.sleep(2.5)
        print("flushed", flush=True)
    if MODE == "shutdown hangs":
        await asyncio.Event().wait()
    await send({"type": "lifespan.shutdown.complete"})


async def tick():
    try:
        await asyncio.Event().wait()
    finally:
        print("put away", flush=True)


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        if MODE == "task":
            scope["state"]["task"] = asyncio.ensure_future(tick())
        return await lifespan(receive, send)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})
