"""An ASGI application for servers behind the one under test."""

import asyncio
import hashlib


async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    path = scope["path"]
    if path == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        for number in range(5):
            await send({"type": "http.response.body", "body": b"piece %d\n" % number, "more_body": True})
            await asyncio.sleep(0.02)
        await send({"type": "http.response.body", "body": b"end\n"})
        return
    sha, size = hashlib.sha256(), 0
    while True:
        message = await receive()
        body = message.get("body", b"")
        sha.update(body)
        size += len(body)
        if not message.get("more_body"):
            break
    text = f"{scope['method']} {path} {size} {sha.hexdigest()}".encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})
