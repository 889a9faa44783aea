"""A web server with a model, and the faults that servers have."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.support.served import served

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Host:
    """A web server with one file, and the faults that servers have."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.ranges = True
        self.token: str | None = None
        self.break_after: int | None = None
        self.refuse_once = 0
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0
        self.url = ""

    async def file(self, request: web.Request) -> web.StreamResponse:
        wanted = request.headers.get("Range", "")
        self.asked.append(wanted)
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            raise web.HTTPUnauthorized
        if self.refuse_once:
            self.refuse_once -= 1
            raise web.HTTPServiceUnavailable
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._send(request, wanted)
        finally:
            self.at_once -= 1

    async def _send(self, request: web.Request, wanted: str) -> web.StreamResponse:
        etag = {"ETag": f'"{hashlib.md5(self.content).hexdigest()}"'}
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
        start, end = 0, len(self.content)
        response = web.StreamResponse(headers=etag)
        if match and self.ranges:
            start, end = int(match[1]), int(match[2] or len(self.content) - 1) + 1
            response.set_status(206)
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(self.content)}"
        response.content_length = end - start
        await response.prepare(request)
        await asyncio.sleep(0)
        part = self.content[start:end]
        if self.break_after is not None and len(part) > 1:
            await response.write(part[: self.break_after])
            assert request.transport is not None
            request.transport.abort()
            return response
        await response.write(part)
        return response

    async def elsewhere(self, _: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"{self.url}/model.safetensors")


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    host = Host()
    app = web.Application()
    app.router.add_get("/model.safetensors", host.file)
    app.router.add_get("/moved", host.elsewhere)
    async with served(app, access_log=None) as url:
        host.url = url
        yield host
