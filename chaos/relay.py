"""Stands between the proxy and the endpoint: writes down what was submitted, and spoils requests and answers."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from chaos.faults import RequestFault

_BODY_MAX = 256 * 1024 * 1024
_NOT_PASSED_ON = ("host", "content-length", "transfer-encoding", "connection", "content-encoding", "accept-encoding")


@dataclass(frozen=True, slots=True)
class Submission:
    """A job that reached RunPod. *prompt_id* is None of a refetch, *runpod_id* of one that RunPod refused."""

    prompt_id: str | None
    runpod_id: str | None


class Relay:
    """:attr:`fault` says what becomes of a request for an operation; None: nothing."""

    def __init__(self, endpoint: str, session: aiohttp.ClientSession) -> None:
        """*endpoint* is the address of its API, ``http://host:port/v2``."""
        self._origin, self._session = endpoint.removesuffix("/v2"), session
        self.fault: Callable[[str], RequestFault | None] = lambda operation: None
        self.submissions: list[Submission] = []
        self.faults: Counter[str] = Counter()
        self.url = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        operation = request.path.removeprefix("/v2/").split("/")[1:2]
        name = operation[0] if operation else ""
        fault = self.fault(name)
        if fault is not None:
            self.faults[fault.name] += 1
        body = await request.read()
        answer: tuple[int, bytes, str] | None = None
        if fault is None or fault.arrives:
            # what has arrived is done, also when nobody waits for the answer any more
            answer = await asyncio.shield(self._passed_on(request, name, body))
        return await self._answered(request, fault, answer)

    async def _passed_on(self, request: web.Request, operation: str, body: bytes) -> tuple[int, bytes, str]:
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _NOT_PASSED_ON}
        url = self._origin + request.path_qs
        async with self._session.request(request.method, url, data=body or None, headers=headers) as response:
            content = await response.read()
            if operation == "run":
                self.submissions.append(_submission(body, content))
            return response.status, content, response.content_type

    async def _answered(
        self, request: web.Request, fault: RequestFault | None, answer: tuple[int, bytes, str] | None
    ) -> web.StreamResponse:
        if fault is not None and fault.status:
            return web.Response(status=fault.status, body=fault.body.encode(), content_type=fault.kind)
        if answer is None or (fault is not None and not fault.cut):
            return _broken(request)
        status, content, kind = answer
        if fault is None:
            return web.Response(status=status, body=content, content_type=kind)
        half = web.StreamResponse(status=status, headers={"Content-Length": str(len(content)), "Content-Type": kind})
        await half.prepare(request)
        await half.write(content[: len(content) // 2])
        return _broken(request, half)


def _broken(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return response or web.Response()


def _submission(body: bytes, answer: bytes) -> Submission:
    asked, told = _object(body).get("input", {}), _object(answer)
    prompt_id = None if asked.get("collect") else str(asked.get("prompt_id"))
    return Submission(prompt_id, told.get("id"))


def _object(text: bytes) -> dict[str, Any]:
    value = json.loads(text)
    return value if isinstance(value, dict) else {}


@asynccontextmanager
async def relaying(relay: Relay) -> AsyncIterator[Relay]:
    app = web.Application(client_max_size=_BODY_MAX)
    app.router.add_route("*", "/{path:.*}", relay.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    relay.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v2"
    try:
        yield relay
    finally:
        await runner.cleanup()
