"""The embedded front with chosen addons, before an upstream that answers as told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from proxy.addons.master import run_front
from tests.support.stack import free_port

Handler = Callable[[web.Request], object]


@dataclass
class Upstream:
    """A ComfyUI's stand-in: counts requests; *answers* by path, an empty object otherwise."""

    url: str = ""
    seen: list[str] = field(default_factory=list)
    bodies: list[int] = field(default_factory=list)
    answers: dict[str, object] = field(default_factory=dict)
    status: int = 200

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(f"{request.method} {request.path_qs}")
        size = 0
        async for piece in request.content.iter_any():
            size += len(piece)
        self.bodies.append(size)
        if request.path == "/large":
            return await _large(request, int(request.query["size"]))
        return web.json_response(self.answers.get(request.path, {}), status=self.status)


async def _large(request: web.Request, size: int) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(size)})
    await response.prepare(request)
    piece = bytes(1024 * 1024)
    for _ in range(size // len(piece)):
        await response.write(piece)
    return response


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    told = Upstream()
    app = web.Application(client_max_size=2**31)
    app.router.add_route("*", "/{path:.*}", told.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    told.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield told
    await runner.cleanup()


@asynccontextmanager
async def running_front(upstream_url: str, addons: Sequence[object]) -> AsyncIterator[str]:
    """The front's address while it runs."""
    port, stop, ready = free_port(), asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(
        run_front(host="127.0.0.1", port=port, upstream=upstream_url, addons=addons, ready=ready.set, stop=stop)
    )
    try:
        await asyncio.wait_for(ready.wait(), 10)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as opened:
        yield opened
