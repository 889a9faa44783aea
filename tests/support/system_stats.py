"""A server that answers /system_stats, as ComfyUI does or as something else might."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from tests.support.served import served


@asynccontextmanager
async def serving(status: int) -> AsyncIterator[str]:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"system": {}}, status=status)

    app = web.Application()
    app.router.add_get("/system_stats", answer)
    async with served(app) as url:
        yield url
