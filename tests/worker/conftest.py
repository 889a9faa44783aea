"""A worker with a ComfyUI of its own, and a reader that does with its handler what RunPod's SDK does."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from wire.batch import decode_batch
from wire.events import WorkerEvent
from wire.limits import BATCH_TARGET
from worker.app import App
from worker.comfyui.turns import Turns
from worker.settings import WorkerSettings

FAKE = Path(__file__).parent / "fake_comfyui"
SLOW = {"1": {"class_type": "Slow", "inputs": {}}}


def save(size: int, name: str = "picture") -> dict[str, Any]:
    return {"class_type": "Save", "inputs": {"size": size, "name": name}}


class Reader:
    """Reads the handler's stream in a task of its own, as the SDK does: one batch posted after the other."""

    def __init__(self, app: App, workflow: dict[str, Any], **more: Any) -> None:
        self.app = app
        self.events: list[WorkerEvent] = []
        self.sequence: list[int] = []
        self.run = ""
        self.posting = asyncio.Event()
        self.hold: Callable[[WorkerEvent], bool] = lambda _: False
        """an event whose batch takes for ever to post: the generator stays suspended at its yield"""
        self.task = asyncio.create_task(self._read({"id": "job", "input": {"workflow": workflow, **more}}))

    async def _read(self, job: dict[str, Any]) -> None:
        stream = self.app.handler(job)
        assert isinstance(stream, AsyncIterator)
        async for batch in stream:
            assert len(json.dumps(batch, ensure_ascii=False).encode()) <= BATCH_TARGET
            assert not batch.get("error")
            decoded = decode_batch(batch)
            self.run = decoded.run
            for numbered in decoded.events:
                self.events.append(numbered.event)
                self.sequence.append(numbered.seq)
                if self.hold(numbered.event):
                    self.posting.set()
                    await asyncio.Event().wait()
            await asyncio.sleep(0)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    async def until(self, condition: Callable[[], bool], timeout_s: float = 60) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.01)


def make_app(home: Path, data: Path, turns: Turns | None = None, **settings: Any) -> App:
    values = {"comfyui_home": home, "worker_data_dir": data, "comfyui_port": 0, "comfyui_python": Path(sys.executable)}
    return App(WorkerSettings(**{**values, **settings}), sdk_version="1.10.1", turns=turns)


async def queue(app: App) -> list[Any]:
    async with aiohttp.ClientSession() as http, http.get(f"{app.comfy_url}/queue") as response:
        value = await response.json()
    return [*value["queue_running"], *value["queue_pending"]]


async def until_idle(app: App, timeout_s: float = 60) -> None:
    async with asyncio.timeout(timeout_s):
        while await queue(app):
            await asyncio.sleep(0.02)


async def cancelled(reader: Reader) -> None:
    """What RunPod's SDK does when a job is stopped."""
    reader.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader.task


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worker")


@pytest.fixture(scope="module")
def app(data: Path) -> Iterator[App]:
    """One worker for a module: jobs follow one another, as they do on the platform."""
    app = make_app(FAKE, data)
    app.start()
    yield app
    app.stop()


Read = Callable[..., Reader]


@pytest.fixture
def read(app: App) -> Read:
    def start(workflow: dict[str, Any], **more: Any) -> Reader:
        return Reader(app, workflow, **more)

    return start
