"""The embedded front with chosen addons before an upstream that answers as told, and what the addons work with."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from engine.comfyui import ComfyUI
from engine.files.large_files import LargeFiles
from engine.jobs.dispatcher import Dispatcher
from engine.jobs.services import job_services
from engine.messages.translate import BrowserMessage
from engine.model.job import Entry, Submission
from engine.model.states import ENDED, JobState
from engine.store.jobs import JobStore
from proxy.addons.master import run_front
from tests.support.ports import free_port
from tests.support.served import served
from wire.comfy import Message
from wire.ids import ClientId, PromptId

SEED = 18446744073709551615
Handler = Callable[[web.Request], object]


@dataclass
class Upstream:
    """A ComfyUI's stand-in: counts requests; *answers* by path, an empty object otherwise."""

    url: str = ""
    seen: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    """request line and headers of each request, as text"""
    bodies: list[int] = field(default_factory=list)
    answers: dict[str, object] = field(default_factory=dict)
    status: int = 200

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(f"{request.method} {request.path_qs}")
        self.heads.append("\n".join([self.seen[-1], *(f"{name}: {value}" for name, value in request.headers.items())]))
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


@asynccontextmanager
async def running_upstream() -> AsyncIterator[Upstream]:
    told = Upstream()
    app = web.Application(client_max_size=2**31)
    app.router.add_route("*", "/{path:.*}", told.serve)
    async with served(app) as url:
        told.url = url
        yield told


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with running_upstream() as told:
        yield told


@asynccontextmanager
async def running_front(upstream_url: str, addons: Sequence[object]) -> AsyncIterator[str]:
    """The front's address while it runs."""
    port, stop, ready = free_port(), asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(
        run_front(host="127.0.0.1", port=port, upstream=upstream_url, addons=addons, ready=ready.set, stop=stop)
    )
    try:
        await asyncio.wait_for(ready.wait(), 60)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as opened:
        yield opened


class Pages:
    """The dispatcher's Publisher; counts how often pages were told that the queue has changed."""

    def __init__(self) -> None:
        self.changes = 0
        self.told: list[tuple[ClientId | None, str, dict[str, object]]] = []
        self.notices: list[tuple[str, str, str]] = []

    def publish(self, prompt_id: PromptId, client_id: ClientId | None, messages: Iterable[BrowserMessage]) -> None:
        self.told += [(client_id, one.type, one.data) for one in messages if isinstance(one, Message)]

    def publish_status(self) -> None:
        self.changes += 1

    def notice(self, severity: str, summary: str, detail: str) -> None:
        self.notices.append((severity, summary, detail))


@dataclass
class Desk:
    """What the addons that know jobs work with. Nothing is dispatched: jobs stay as the test has put them."""

    store: JobStore
    dispatcher: Dispatcher
    pages: Pages
    folder: Path

    def add(self, prompt_id: str, *states: JobState) -> None:
        """A job that was moved through *states*; one that ends has put out a text."""
        name = PromptId(prompt_id)
        self.store.add(Submission(name, {"1": {"seed": SEED}}, {"create_time": 5}, ("1",)), 5)
        for state in states:
            if state in ENDED:
                self.store.end(name, state, Entry(outputs={"1": {"text": ["x"]}}), 9)
            else:
                self.store.move(name, state)


@asynccontextmanager
async def desk_in(folder: Path, session: aiohttp.ClientSession) -> AsyncIterator[Desk]:
    pages, comfyui = Pages(), ComfyUI("http://127.0.0.1:1", session)
    large = LargeFiles(session, bucket=None, volume=None)
    with JobStore(folder / "jobs.sqlite") as store:
        yield Desk(store, Dispatcher([], job_services(store, comfyui, folder, large, pages), 1), pages, folder)


@pytest.fixture
async def desk(tmp_path: Path, session: aiohttp.ClientSession) -> AsyncIterator[Desk]:
    async with desk_in(tmp_path, session) as opened:
        yield opened
