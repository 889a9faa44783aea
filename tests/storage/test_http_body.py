"""Bodies that end, that do not, and that are larger than they look."""

import gzip
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from storage.http_body import read_up_to
from tests.support.bombs import gzip_bomb

GZIP = {"Content-Encoding": "gzip"}


async def answer(request: web.Request) -> web.StreamResponse:
    match request.path:
        case "/short":
            return web.Response(body=b"x" * 1000)
        case "/packed":
            return web.Response(body=gzip.compress(b"x" * 1000), headers=GZIP)
        case "/bomb":
            response = web.StreamResponse(headers=GZIP)
            await response.prepare(request)
            for piece in gzip_bomb(b"", b" ", 50_000_000):
                await response.write(piece)
            return response
    return web.Response(body=b"x" * 5_000_000)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{path}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize(
    ("path", "size", "whole"),
    [("short", 1000, True), ("packed", 1000, True), ("bomb", 1000, False), ("long", 1000, False)],
)
async def test_a_body_is_read_up_to_its_budget(url: str, path: str, size: int, whole: bool) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/{path}") as response:
        body, is_whole = await read_up_to(response, 1000)

    assert (len(body), is_whole) == (size, whole)
