"""The queue, the history and the jobs list of somebody who has run ten thousand jobs and queued a thousand."""

import json
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.process import Target, bare_mitmproxy, running
from bench.report import Limit, Row, percentile
from engine.model.job import Entry, Submission
from engine.model.states import JobState
from engine.store.jobs import JobStore
from tests.support.ports import free_port
from tests.support.stack import PROJECT, Stack, running_stack
from wire.ids import PromptId

_ENDED, _ACTIVE, _REQUESTS = 10_000, 1_000, 200
_SAMPLE = PROJECT / "workflows" / "sdxl-text-to-image"
_BEGAN_MS, _APART_MS, _TOOK_MS = 1_790_000_000_000, 20_000, 9_000
_MIDDLE = _ENDED // 2


async def answered() -> list[Row]:
    """How long each list takes, whole, over HTTP, beside as many bytes through a bare mitmproxy."""
    async with _busy_stack() as stack, running("source", "bench.source") as source, bare_mitmproxy(source.url) as bare:
        prompt_id = next(iter(await stack.get("/history?max_items=1")))
        found = [await _timed(stack, path, bare) for path in _paths(prompt_id)]
        for _ in range(_REQUESTS):
            for timed in found:
                await timed.ask(stack)
        queue = await stack.get("/queue")
    if len(queue["queue_running"] + queue["queue_pending"]) != _ACTIVE:
        raise ValueError("the queue did not stay as long as it was")
    return [row for timed in found for row in _rows(timed, bare.name, timed.path.replace(prompt_id, "…"))]


@dataclass
class Timed:
    """The answers to *path*, and to *peer_url*, which are as long."""

    path: str
    peer_url: str
    ours: list[float] = field(default_factory=list)
    peers: list[float] = field(default_factory=list)

    async def ask(self, stack: Stack) -> None:
        self.ours.append((await _request(stack, stack.url + self.path))[0])
        self.peers.append((await _request(stack, self.peer_url))[0])


async def _timed(stack: Stack, path: str, bare: Target) -> Timed:
    """Asked once already, which warms up and tells the size."""
    _, size = await _request(stack, stack.url + path)
    return Timed(path, f"{bare.url}/body?size={size}")


def _paths(prompt_id: str) -> tuple[str, ...]:
    return (
        "/queue",
        "/history?max_items=64",
        f"/history?max_items=200&offset={_MIDDLE}",
        f"/history/{prompt_id}",
        "/api/jobs?status=completed,failed,cancelled&limit=64&offset=0",
        f"/api/jobs?status=completed,failed,cancelled&limit=64&offset={_MIDDLE}",
        "/api/jobs?status=in_progress,pending&limit=200&offset=0",
        f"/api/jobs/{prompt_id}",
        "/prompt",
    )


def _rows(timed: Timed, peer: str, path: str) -> list[Row]:
    slowest, peers_slowest = percentile(timed.ours, 99), percentile(timed.peers, 99)
    return [
        Row(f"GET {path}", "ms", timed.ours, {peer: timed.peers}),
        Row(f"GET {path}, p99", "ms", [slowest], {peer: [peers_slowest]}, Limit(50)),
    ]


async def _request(stack: Stack, url: str) -> tuple[float, int]:
    """Milliseconds until the whole body is there, and its size."""
    began = time.perf_counter()
    async with stack.session.get(url) as response:
        size = len(await response.read())
        response.raise_for_status()
    return (time.perf_counter() - began) * 1000, size


@asynccontextmanager
async def _busy_stack() -> AsyncIterator[Stack]:
    """A stack whose endpoint does not answer, so that what is queued stays queued."""
    with tempfile.TemporaryDirectory(prefix="comfy-runpod-bench-") as home:
        with JobStore(Path(home) / "jobs.sqlite") as store:
            _fill(store)
        silent = f"http://127.0.0.1:{free_port()}"
        environment = {"RUNPOD_API_KEY": "bench", "RUNPOD_ENDPOINT_ID": "bench", "RUNPOD_ENDPOINT_BASE_URL": silent}
        async with running_stack(Path(home), **environment, MAX_IN_FLIGHT="1") as stack:
            yield stack


def _fill(store: JobStore) -> None:
    prompt = json.loads(_SAMPLE.with_suffix(".api.json").read_text(encoding="utf-8"))
    workflow = json.loads(_SAMPLE.with_suffix(".json").read_text(encoding="utf-8"))
    for number in range(_ENDED + _ACTIVE):
        prompt_id, now_ms = PromptId(str(uuid.uuid4())), _BEGAN_MS + number * _APART_MS
        extra = {"create_time": now_ms, "client_id": "bench", "extra_pnginfo": {"workflow": workflow}}
        store.add(Submission(prompt_id, prompt, extra, ("7",)), now_ms)
        if number < _ENDED:
            store.move(prompt_id, JobState.SUBMITTING)
            store.move(prompt_id, JobState.QUEUED)
            store.end(prompt_id, JobState.COMPLETED, _entry(prompt_id, number, now_ms), now_ms + _TOOK_MS)


def _entry(prompt_id: PromptId, number: int, now_ms: int) -> Entry:
    image = {"filename": f"sdxl_{number:05}_.png", "subfolder": "", "type": "output"}
    messages: list[Any] = [
        ["execution_start", {"prompt_id": prompt_id, "timestamp": now_ms}],
        ["execution_cached", {"nodes": [], "prompt_id": prompt_id, "timestamp": now_ms}],
        ["execution_success", {"prompt_id": prompt_id, "timestamp": now_ms + _TOOK_MS}],
    ]
    meta = {"7": {"node_id": "7", "display_node": "7", "parent_node": None, "real_node_id": "7"}}
    return Entry({"7": {"images": [image]}}, {"status_str": "success", "completed": True, "messages": messages}, meta)
