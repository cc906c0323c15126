"""A stream of 16 pieces by Starlette."""

from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

PIECE = b"x" * 1024


async def pieces():
    for _ in range(16):
        yield PIECE


async def stream(_request):
    return StreamingResponse(pieces(), media_type="text/plain")


application = Starlette(routes=[Route("/", stream)])
