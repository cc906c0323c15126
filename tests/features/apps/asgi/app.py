"""Every part of ASGI 3 that a server can get wrong, on plain asyncio."""

import asyncio
import contextvars
import hashlib
import json
import os
import time

DISCONNECTED = []
marker = contextvars.ContextVar("marker", default="unset")
LIFE = []


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    assert scope["type"] == "http", scope
    name = scope["path"][len(scope["root_path"]):].strip("/").split("/")[0] or "hello"
    await globals()[f"serve_{name}"](scope, receive, send)


async def lifespan(scope, receive, send):
    while True:
        message = await receive()
        LIFE.append(message["type"])
        if message["type"] == "lifespan.startup":
            mode = os.environ.get("LIFESPAN", "")
            if mode == "raise":
                raise RuntimeError("no lifespan here")
            if mode == "fail":
                return await send({"type": "lifespan.startup.failed", "message": "the database is away"})
            scope["state"]["numbers"] = [1, 2]
            await send({"type": "lifespan.startup.complete"})
        else:
            print("lifespan shutdown seen", flush=True)
            await send({"type": "lifespan.shutdown.complete"})
            return


async def answer(send, body, status=200, headers=()):
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain"), *headers]})
    await send({"type": "http.response.body", "body": body})


async def read_body(receive):
    body, messages = b"", 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("disconnected in the body")
        messages += 1
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body, messages


async def serve_hello(scope, receive, send):
    await answer(send, b"hello")


async def serve_scope(scope, receive, send):
    def plain(value):
        if isinstance(value, bytes):
            return value.decode("latin-1")
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return {key: plain(item) for key, item in value.items()} if isinstance(value, dict) else value

    await answer(send, json.dumps(plain(scope)).encode())


async def serve_echo(scope, receive, send):
    body, messages = await read_body(receive)
    await answer(send, body, headers=[(b"x-messages", str(messages).encode())])


async def serve_digest(scope, receive, send):
    digest, size = hashlib.sha256(), 0
    while True:
        message = await receive()
        digest.update(message["body"])
        size += len(message["body"])
        if not message["more_body"]:
            break
    await answer(send, f"{size} {digest.hexdigest()}".encode())


async def serve_duplex(scope, receive, send):
    """Gives back each piece of the body before it asks for the next."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        message = await receive()
        more = message["more_body"]
        if message["body"] or not more:
            await send({"type": "http.response.body", "body": message["body"].upper(), "more_body": more})
        if not more:
            return


async def serve_stream(scope, receive, send):
    count, size = (int(part) for part in scope["path"].split("/")[2:4])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for number in range(count):
        await send({"type": "http.response.body", "body": bytes([65 + number % 26]) * size, "more_body": True})
    await send({"type": "http.response.body"})


async def serve_step(scope, receive, send):
    """A piece for each byte of the time that passes: shows what arrives before the end."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    await asyncio.sleep(0.3)
    await send({"type": "http.response.body", "body": b"second", "more_body": False})


async def serve_sleep(scope, receive, send):
    await asyncio.sleep(float(scope["query_string"] or b"0.2"))
    await answer(send, str(os.getpid()).encode())


async def serve_wait(scope, receive, send):
    """Until the client leaves."""
    await read_body(receive)
    print("waiting", flush=True)
    message = await receive()
    DISCONNECTED.append(message["type"])
    print("saw", message["type"], flush=True)


async def serve_disconnected(scope, receive, send):
    await answer(send, json.dumps(DISCONNECTED).encode())


async def serve_sse(scope, receive, send):
    """Forever, until sending fails."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    number = 0
    try:
        while True:
            await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
            number += 1
            await asyncio.sleep(0.02)
    except OSError as error:
        DISCONNECTED.append(type(error).__name__)
        raise


async def serve_cancelled(scope, receive, send):
    print("running", flush=True)
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        DISCONNECTED.append("cancelled")
        raise


async def serve_raise(scope, receive, send):
    if b"late" in scope["query_string"]:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    raise ValueError("broken on purpose")


async def serve_silent(scope, receive, send):
    if b"start" in scope["query_string"]:
        await send({"type": "http.response.start", "status": 200, "headers": []})


WRONG = {
    "twice": [{"type": "http.response.start", "status": 200}] * 2,
    "early": [{"type": "http.response.body", "body": b"x"}],
    "unknown": [{"type": "http.response.nonsense"}],
    "typeless": [{}],
    "list": [[]],
    "status": [{"type": "http.response.start", "status": "200 OK"}],
    "low": [{"type": "http.response.start", "status": 101}],
    "high": [{"type": "http.response.start", "status": 1000}],
    "header": [{"type": "http.response.start", "status": 200, "headers": [(b"a b", b"c")]}],
    "newline": [{"type": "http.response.start", "status": 200, "headers": [(b"a", b"c\r\nset-cookie: evil=1")]}],
    "number": [{"type": "http.response.start", "status": 200, "headers": [(b"a", 7)]}],
    "triple": [{"type": "http.response.start", "status": 200, "headers": [(b"a", b"b", b"c")]}],
    "text": [{"type": "http.response.start", "status": 200}, {"type": "http.response.body", "body": "text"}],
    "long": [{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]},
             {"type": "http.response.body", "body": b"three"}],
    "short": [{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]},
              {"type": "http.response.body", "body": b"three"}],
    "after": [{"type": "http.response.start", "status": 200}, {"type": "http.response.body", "body": b"x"},
              {"type": "http.response.body", "body": b"y"}],
}


async def serve_wrong(scope, receive, send):
    for message in WRONG[scope["path"].split("/")[2]]:
        await send(message)


async def serve_length(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [[b"Content-Length", b"6"], ["x-text", "str"]]})
    await send({"type": "http.response.body", "body": bytearray(b"abc"), "more_body": True})
    await send({"type": "http.response.body", "body": memoryview(b"def")})


async def serve_connection(scope, receive, send):
    await answer(send, b"kept", headers=[(b"connection", b"close"), (b"transfer-encoding", b"chunked"), (b"keep-alive", b"x")])


async def serve_empty(scope, receive, send):
    await send({"type": "http.response.start", "status": int(scope["path"].split("/")[2]), "headers": []})
    await send({"type": "http.response.body", "body": b"never seen"})


async def serve_path(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.pathsend", "path": os.path.join(os.path.dirname(__file__), "big.bin")})


async def serve_nopath(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.pathsend", "path": os.path.dirname(__file__)})


async def serve_hint(scope, receive, send):
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
    await answer(send, b"hinted")


async def serve_trailers(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"trailer", b"x-sum")], "trailers": True})
    await send({"type": "http.response.body", "body": b"body"})
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"42")], "more_trailers": True})
    await send({"type": "http.response.trailers", "headers": iter([(b"x-more", b"1")]), "more_trailers": True})
    await send({"type": "http.response.trailers"})


async def serve_background(scope, receive, send):
    await answer(send, b"done")
    await asyncio.sleep(0.2)
    DISCONNECTED.append("background")


async def serve_tasks(scope, receive, send):
    """receive() and send() as tasks, under timeouts, in groups."""
    message = await asyncio.create_task(receive())
    assert message["type"] == "http.request"
    try:
        await asyncio.wait_for(receive(), 0.05)
    except asyncio.TimeoutError:
        pass
    if hasattr(asyncio, "timeout"):
        try:
            async with asyncio.timeout(0.05):
                await receive()
        except TimeoutError:
            pass
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
            group.create_task(send({"type": "http.response.start", "status": 200, "headers": []}))
    else:
        await asyncio.gather(send({"type": "http.response.start", "status": 200, "headers": []}), asyncio.sleep(0))
    await asyncio.ensure_future(send({"type": "http.response.body", "body": b"tasks"}))


async def serve_context(scope, receive, send):
    before = marker.get()
    marker.set(scope["query_string"].decode())
    await asyncio.sleep(0.05)
    await answer(send, f"{before} {marker.get()}".encode())


async def serve_state(scope, receive, send):
    numbers = scope["state"].get("numbers") if "state" in scope else None
    if numbers is not None:
        scope["state"]["own"] = 1
    await answer(send, json.dumps([numbers, LIFE]).encode())


async def serve_block(scope, receive, send):
    """Holds the loop itself."""
    time.sleep(float(scope["query_string"]))
    await answer(send, b"blocked")


async def serve_huge(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-long", b"x" * 100_000)]})
    await send({"type": "http.response.body", "body": b"never"})


async def serve_thread(scope, receive, send):
    def from_elsewhere():
        try:
            send({"type": "http.response.start", "status": 200})
        except RuntimeError:
            return b"refused"
        return b"taken"

    await answer(send, await asyncio.get_running_loop().run_in_executor(None, from_elsewhere))


async def serve_loop(scope, receive, send):
    await answer(send, type(asyncio.get_running_loop()).__module__.encode())


async def serve_exit(scope, receive, send):
    raise SystemExit(3)


async def serve_pid(scope, receive, send):
    await answer(send, str(os.getpid()).encode())


class Old:
    """ASGI 2: a callable of the scope alone."""

    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        if self.scope["type"] != "http":
            raise NotImplementedError(self.scope["type"])
        await answer(send, b"old")


def make_application():
    return application
