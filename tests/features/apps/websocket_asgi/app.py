"""WebSocket endpoints as a plain ASGI application: one for each path."""

import asyncio
import threading

codes = []


async def echo(receive, send, subprotocol=None):
    await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": [(b"x-path", b"echo")]})
    while (message := await receive())["type"] == "websocket.receive":
        content = {key: message[key] for key in ("text", "bytes") if message.get(key) is not None}
        await send({"type": "websocket.send", **content})
    codes.append(message["code"])


async def close(_receive, send):
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 4001, "reason": "that was all"})


async def refuse(_receive, send):
    await send({"type": "websocket.close"})


async def deny(_receive, send):
    await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"no ticket")]})
    await send({"type": "websocket.http.response.body", "body": b"buy one"})


async def flood(receive, send):
    """Sends 64 MiB, whoever reads them."""
    await send({"type": "websocket.accept"})
    for _ in range(64):
        await send({"type": "websocket.send", "bytes": bytes(1 << 20)})
    await receive()


async def deaf(_receive, send):
    await send({"type": "websocket.accept"})
    await asyncio.sleep(3600)


async def hang(receive, send):
    """Blocks the loop when it is spoken to."""
    await send({"type": "websocket.accept"})
    await receive()
    threading.Event().wait()


async def fail(_receive, send):
    await send({"type": "websocket.accept"})
    raise RuntimeError("on purpose")


ENDPOINTS = {"/close": close, "/refuse": refuse, "/deny": deny, "/flood": flood, "/deaf": deaf, "/hang": hang, "/fail": fail}


async def application(scope, receive, send):
    if scope["type"] == "websocket":
        assert (await receive())["type"] == "websocket.connect"
        path = scope["path"][len(scope["root_path"]):]
        if path == "/echo":
            await echo(receive, send, "kit" if "kit" in scope["subprotocols"] else None)
        elif path == "/origin":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": dict(scope["headers"])[b"origin"].decode()})
            await receive()
        else:
            await ENDPOINTS[path](receive, send)
    elif scope["type"] == "http":
        body = " ".join(map(str, codes)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})
    else:
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": message["type"] + ".complete"})
        await send({"type": "lifespan.shutdown.complete"})
