"""Hello, a stream of 16 pieces, and WebSockets that give back what they get, for the ASGI servers."""

HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
PIECE = b"x" * 1024


async def echo(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": message["bytes"]})


async def application(scope, receive, send):
    if scope["type"] == "websocket":
        return await echo(receive, send)
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    if scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS[:1]})
        for _ in range(16):
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        return await send({"type": "http.response.body"})
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b"Hello, world!"})
