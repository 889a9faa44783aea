"""A server between a client and S3 that has the quirks of RunPod's volumes, and remembers what it was asked."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import aiohttp
from aiohttp import web
from yarl import URL

from storage.objects import S3Location

_HOP = frozenset({"transfer-encoding", "connection", "content-encoding", "content-length"})


@dataclass
class Quirks:
    """*fail* answers so many PUTs with 502; *hide* is a key that HEAD does not find."""

    upstream: str
    fail: int = 0
    hide: str = "\0"
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(f"{request.method} {request.raw_path}")
        if request.method == "PUT" and self.fail > 0:
            self.fail -= 1
            return web.Response(status=502)
        if request.method == "POST" and "delete" in request.query:
            return web.Response(status=501)
        if request.method == "HEAD" and request.path.endswith(self.hide):
            return web.Response(status=404)
        return await self._pass(request, body)

    async def _pass(self, request: web.Request, body: bytes) -> web.Response:
        """With the Host header that was signed."""
        url = URL(self.upstream + request.raw_path, encoded=True)
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(request.method, url, data=body, headers=request.headers) as response,
        ):
            headers = {name: value for name, value in response.headers.items() if name.lower() not in _HOP}
            content = await response.read()
            if request.method == "HEAD":
                headers["Content-Length"] = response.headers.get("Content-Length", "0")
            return web.Response(status=response.status, body=content or None, headers=headers)


@contextmanager
def quirky(place: S3Location) -> Iterator[tuple[S3Location, Quirks]]:
    """*place* behind the server, which runs in a thread."""
    quirks, loop, ready = Quirks(place.url), asyncio.new_event_loop(), threading.Event()
    address: list[str] = []

    async def serve() -> web.AppRunner:
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", quirks.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        ready.set()
        return runner

    def run() -> None:
        runner = loop.run_until_complete(serve())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(10)
    try:
        yield replace(place, url=address[0]), quirks
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
