"""The proxy in a process of its own, which tells what it costs, before a ComfyUI whose answers are as long as told."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from engine.settings import load_settings
from proxy.app import serve
from proxy.descriptors import raise_limit
from proxy.log_budget import LogBudget
from tests.support.measured import Running, costing
from tests.support.ports import free_port
from tests.support.raw_http import raw_client
from tests.support.until import until

_PIECE = 1_000_000


async def serve_proxy(port: int, home: str, comfyui: str) -> None:
    """The proxy itself, until SIGTERM."""
    logging.basicConfig(level=logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.addFilter(LogBudget())
    raise_limit()
    Path(home).mkdir(exist_ok=True)
    settings = load_settings(None, proxy_port=port, comfyui_url=comfyui, comfy_runpod_home=home)
    await serve(settings, sandbox_endpoint_url="http://127.0.0.1:1/v2")


class AnyComfyUI:
    """It knows no node. ``?size=`` is the length of an answer, ``&chunked`` hides it; ``?hold`` waits for release()."""

    def __init__(self) -> None:
        self.received: Counter[str] = Counter()
        """bytes of the bodies by path"""
        self.sockets: dict[str, web.WebSocketResponse] = {}
        """of the pages, by their client ids"""
        self._released = asyncio.Event()

    def release(self) -> None:
        self._released.set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/ws":
            return await self._listen(request)
        async for piece in request.content.iter_any():
            self.received[request.path] += len(piece)
        if "hold" in request.query:
            await self._released.wait()
        if "size" in request.query:
            return await self._large(request, int(request.query["size"]))
        if request.path.startswith("/object_info"):
            return web.json_response({})
        system = {"comfyui_version": "0.8.0", "os": "posix"}
        return web.json_response({"system": system, "devices": [], "queue_running": [], "queue_pending": []})

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        socket, sid = web.WebSocketResponse(max_msg_size=0), request.query["clientId"]
        await socket.prepare(request)
        await socket.send_json({"type": "status", "data": {"status": {"exec_info": {}}, "sid": sid}})
        self.sockets[sid] = socket
        async for message in socket:
            self.received["/ws"] += len(message.data)
        return socket

    async def _large(self, request: web.Request, size: int) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        if "chunked" not in request.query:
            response.content_length = size + 2
        await response.prepare(request)
        await response.write(b"{")
        for _ in range(size // _PIECE):
            await response.write(b" " * _PIECE)
        await response.write(b"}")
        return response


@dataclass
class MeasuredProxy:
    url: str
    running: Running
    comfyui: AnyComfyUI

    def head(self, line: str, *fields: str) -> bytes:
        """The header of a request as a script sends it."""
        return "\r\n".join([f"{line} HTTP/1.1", f"Host: {self.url[7:]}", *fields, "", ""]).encode()

    async def asked(self, *pieces: bytes) -> tuple[int, bytes]:
        """The answer to a request that is sent in *pieces*; it may come before all are sent."""
        async with raw_client(self.url) as client:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(client.send(*pieces))
                answered = tasks.create_task(client.answer())
            return answered.result()


@asynccontextmanager
async def measured_proxy(
    home: Path, *, limit: tuple[int, int] | None = None, log: Path | None = None
) -> AsyncIterator[MeasuredProxy]:
    """What it costs counts from here on; *limit* and *log* as in :func:`costing`."""
    comfyui, port = AnyComfyUI(), free_port()
    app = web.Application(client_max_size=2**40)
    app.router.add_route("*", "/{path:.*}", comfyui.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    upstream = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with costing(serve_proxy, port, str(home), upstream, limit=limit, log=log) as running:
            proxy = MeasuredProxy(f"http://127.0.0.1:{port}", running, comfyui)
            await until(lambda: _has_warmed_up(proxy))
            await running.cost_so_far()
            yield proxy
    finally:
        comfyui.release()
        await runner.cleanup()


async def _has_warmed_up(proxy: MeasuredProxy) -> bool:
    """Asks for all that a process does only the first time."""
    try:
        for line in ("POST /prompt", "POST /queue", "GET /history", "GET /view", "POST /upload/image"):
            status, _ = await proxy.asked(proxy.head(line, "Content-Length: 2"), b"{}")
    except OSError:
        return False
    return status == 200
