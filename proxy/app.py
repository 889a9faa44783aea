"""The composition root: settings in, objects out, start and stop order; the only place that knows every class."""

import asyncio
import contextlib
import logging
import signal
import sys
import time
import tomllib
import uuid
from collections.abc import AsyncIterator, Coroutine, Sequence
from functools import partial
from typing import Any

import aiohttp

from engine.catalog.catalogs import Catalogs
from engine.comfyui import ComfyUI
from engine.files.large_files import LargeFiles
from engine.files.letter_boxes import LetterBoxes
from engine.files.s3_settings import large_files
from engine.files.transport import Transport
from engine.jobs.dispatcher import Dispatcher
from engine.jobs.services import job_services
from engine.runpod.endpoint import Endpoint
from engine.runpod.endpoints import runpod_endpoints, sandbox_endpoints
from engine.settings import PROJECT, Settings
from engine.store.jobs import JobStore
from proxy.addons.access import Access
from proxy.addons.features import Features
from proxy.addons.guard import Guard
from proxy.addons.history import History
from proxy.addons.in_turn import InTurn
from proxy.addons.jobs import Jobs
from proxy.addons.letters import Letters
from proxy.addons.master import run_front
from proxy.addons.node_lists import NodeLists
from proxy.addons.panel import Panel
from proxy.addons.queue import Queue
from proxy.addons.refusing import Sink
from proxy.addons.reroute import Reroute
from proxy.addons.streaming import Streaming
from proxy.addons.submit import Submit
from proxy.addons.token import Token
from proxy.addons.upstream import Upstream
from proxy.addons.viewed_files import ViewedFiles
from proxy.asking_jobs import AskingJobs
from proxy.descriptors import descriptors
from proxy.endpoint_catalogs import EndpointCatalogs
from proxy.job_actions import JobActions
from proxy.overview import Overview, first_steps
from proxy.temp_files import TempFiles
from proxy.websocket.sockets import SECRET_HEADER, Sockets
from wire.ids import PromptId

logger = logging.getLogger(__name__)

_DESCRIPTORS_EACH = 3
"""for a connection of a page: most have one to ComfyUI beside it, and a websocket has three"""


async def serve(settings: Settings, *, sandbox_endpoint_url: str | None, stand_in: bool = False) -> None:
    """Run the proxy until SIGTERM or SIGINT. Raises CannotListen when its port is taken.

    With *stand_in* the ComfyUI at COMFYUI_URL is the sandbox, in front of a real endpoint.
    """
    stop = asyncio.Event()
    _stop_on_signals(stop)
    if sandbox_endpoint_url is None:
        kind, chosen = "runpod", runpod_endpoints(settings)
    else:
        kind, chosen = "sandbox", sandbox_endpoints(sandbox_endpoint_url, settings)
    async with chosen as endpoints, aiohttp.ClientSession() as session:
        with JobStore(settings.comfy_runpod_home / "jobs.sqlite") as store:
            await _serve(settings, kind, endpoints, store, session, stop, stand_in)


async def _serve(
    settings: Settings,
    kind: str,
    endpoints: Sequence[Endpoint],
    store: JobStore,
    session: aiohttp.ClientSession,
    stop: asyncio.Event,
    stand_in: bool,
) -> None:
    comfyui = ComfyUI(settings.comfyui_url, session, elsewhere=settings.comfyui_remote)
    temp_files = TempFiles(comfyui, store)
    sockets = Sockets(settings.comfyui_url, session, store.count_active, comfyui.forget, temp_files.look)
    large = large_files(settings, session)
    boxes = _letter_boxes(settings, large, sockets)
    asking = AskingJobs(sockets, boxes.close)
    home, worker_paths = settings.comfy_runpod_home, settings.worker_paths
    known = EndpointCatalogs(settings, kind, comfyui, endpoints, store, sockets, stand_in=stand_in)
    services = job_services(
        *(store, comfyui, home, large, asking, boxes.place), knowledge=known.knowledge, worker_paths=worker_paths
    )
    dispatcher = Dispatcher(endpoints, services, settings.max_in_flight)
    answers = known.with_jobs(services, dispatcher)
    overview = _overview(kind, comfyui, endpoints, store, known.catalogs, stand_in)
    addons = [
        *_guards(settings, sockets),
        Reroute(sockets, SECRET_HEADER),
        Streaming(),
        Letters(asking, boxes, lambda prompt_id: store.journal.progress(prompt_id).run),
        ViewedFiles(),
        Panel(overview.status, overview.jobs, JobActions(dispatcher, store, _new_id, _now_ms).act, answers),
        Submit(
            *(comfyui, dispatcher, store, _new_id, _now_ms, known.checks(services.paths)),
            hand_account=settings.comfy_org_tokens,
        ),
        *_lists(dispatcher, store, known.catalogs, stand_in=stand_in),
        Features(),
        Upstream(settings.comfyui_url),
    ]
    await sockets.start()
    try:
        async with (
            _running(dispatcher.run(), stop),
            _running(temp_files.run(services.files.sweep), stop),
            _running(boxes.run(frozenset(store.states())), stop),
            _running(known.run(), stop),
        ):
            await _listen(settings, addons, stop)
    finally:
        await sockets.stop()


async def _listen(settings: Settings, addons: Sequence[object], stop: asyncio.Event) -> None:
    await run_front(
        host=settings.proxy_host,
        port=settings.proxy_port,
        upstream=settings.comfyui_url,
        addons=addons,
        ready=lambda: logger.info("listening on %s:%d", settings.proxy_host, settings.proxy_port),
        stop=stop,
        connections_max=descriptors() // _DESCRIPTORS_EACH,
    )


def _overview(
    kind: str,
    comfyui: ComfyUI,
    endpoints: Sequence[Endpoint],
    store: JobStore,
    catalogs: Catalogs,
    stand_in: bool,
) -> Overview:
    return Overview(
        version=version(),
        kind=kind,
        comfyui=comfyui,
        endpoints=endpoints,
        store=store,
        clock=time.monotonic,
        now_ms=_now_ms,
        hint=partial(first_steps, catalogs, stand_in=stand_in),
    )


def _letter_boxes(settings: Settings, large: LargeFiles, sockets: Sockets) -> LetterBoxes:
    return LetterBoxes(
        large.store,
        signed=large.transport is Transport.URL,
        notes=settings.comfy_runpod_home / "letters",
        report=lambda summary, detail: sockets.notice("warn", summary, detail),
    )


def _lists(dispatcher: Dispatcher, store: JobStore, catalogs: Catalogs, *, stand_in: bool) -> list[object]:
    """The addons that merge jobs, and what the endpoint has, into ComfyUI's lists."""
    jobs: list[object] = [InTurn(), Queue(dispatcher, store), History(store), Jobs(dispatcher, store)]
    return [*jobs, NodeLists(catalogs, stand_in=stand_in)]


def _guards(settings: Settings, sink: Sink) -> list[object]:
    """The addons that refuse. They come first: nothing else may see what they have not let in."""
    names = settings.admitted_names
    guards: list[object] = [Guard(sink, allow_remote=settings.proxy_allow_remote, names=names)]
    if settings.proxy_token is not None:
        access = Access(settings.proxy_token.get_secret_value(), settings.proxy_port)
        guards.append(Token(sink, access, names))
    return guards


@contextlib.asynccontextmanager
async def _running(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> AsyncIterator[None]:
    """Do *work* while the block runs. If it ends, the proxy stops: it must not accept prompts and dispatch none."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda _: stop.set())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def version() -> str:
    """The project's version, from pyproject.toml."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


def _stop_on_signals(stop: asyncio.Event) -> None:
    if sys.platform == "win32":
        return  # Ctrl-C arrives as KeyboardInterrupt
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _new_id() -> PromptId:
    return PromptId(str(uuid.uuid4()))
