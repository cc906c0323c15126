"""Structured concurrency over receive() and send(): what Starlette, FastAPI and httpx do beneath their apps."""

import contextvars

import anyio

user = contextvars.ContextVar("user", default="nobody")


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": message["type"] + ".complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    await globals()["serve_" + scope["path"].strip("/")](scope, receive, send)


async def answer(send, text):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode()})


async def serve_deadline(scope, receive, send):
    """A receive() that is given up leaves nothing behind, and takes nothing away."""
    given_up = 0
    with anyio.move_on_after(0.05) as scope_of_body:
        await receive()
    for _ in range(3):
        with anyio.move_on_after(0.02) as moved:
            await receive()
        given_up += moved.cancelled_caught
    try:
        with anyio.fail_after(0.02):
            await anyio.sleep_forever()
    except TimeoutError:
        given_up += 1
    await answer(send, f"{scope_of_body.cancelled_caught} {given_up}")


async def serve_group(scope, receive, send):
    """A stream beside one who waits for the client to leave, as Starlette's StreamingResponse."""
    await receive()
    ended = []

    async def listen():
        try:
            await receive()
        finally:
            ended.append("listener")

    async def stream():
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(20):
            await send({"type": "http.response.body", "body": b"%d " % number, "more_body": True})
            await anyio.sleep(0.001)
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        group.start_soon(stream)
    await send({"type": "http.response.body", "body": ended[0].encode()})


async def serve_sibling(scope, receive, send):
    """One that raises takes the others of its group with it, and nobody else."""
    cancelled = []

    async def sleeper():
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            cancelled.append(1)
            raise

    async def fail():
        await anyio.sleep(0.01)
        raise LookupError("of the group")

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(sleeper)
            group.start_soon(sleeper)
            group.start_soon(fail)
    except BaseExceptionGroup as errors:
        await answer(send, f"{len(cancelled)} {type(errors.exceptions[0]).__name__}")


async def serve_thread(scope, receive, send):
    """A thread of the pool sees the context of its request, and comes back into the loop."""
    user.set(scope["query_string"].decode())

    def work():
        return user.get() + " " + anyio.from_thread.run(back)

    async def back():
        await anyio.sleep(0.01)
        return user.get()

    await answer(send, await anyio.to_thread.run_sync(work))


async def serve_shield(scope, receive, send):
    """The request is cancelled when its client leaves; what is shielded is finished all the same."""
    await receive()
    print("begun", flush=True)
    try:
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.05)
            print("finished", flush=True)
