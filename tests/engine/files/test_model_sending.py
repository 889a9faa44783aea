"""A model of this machine goes to the volume when a person wants it, and nothing is destroyed there."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from engine.comfyui import ComfyUI
from engine.files.model_sending import CannotSend, ModelSending, VolumeStore
from storage.objects import S3Location
from storage.s3 import Bucket
from tests.support.served import served
from tests.support.until import until
from wire.errors import Unavailable

CONTENT = b"model" * 1_000


@dataclass
class Pages:
    told: list[dict[str, Any]] = field(default_factory=list)

    def broadcast(self, kind: str, data: dict[str, Any]) -> None:
        assert kind == "runpod.transfer"
        self.told.append(data)


@dataclass
class Bed:
    sending: ModelSending
    pages: Pages
    sent: list[bool]

    async def ended(self) -> dict[str, Any]:
        async def over() -> bool:
            return bool(self.pages.told) and self.pages.told[-1]["ended"]

        await until(over)
        return self.pages.told[-1]


def comfyui_with(models: Path) -> web.Application:
    """What ComfyUI answers about the models below *models*."""

    async def folders(_: web.Request) -> web.Response:
        kinds = sorted(path for path in models.iterdir() if path.is_dir())
        return web.json_response([{"name": path.name, "folders": [str(path)]} for path in kinds])

    async def listed(request: web.Request) -> web.Response:
        folder = models / request.match_info["kind"]
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return web.json_response(
            [{"name": path.relative_to(folder).as_posix(), "size": path.stat().st_size} for path in files]
        )

    app = web.Application()
    app.router.add_get("/experiment/models", folders)
    app.router.add_get("/experiment/models/{kind}", listed)
    return app


@asynccontextmanager
async def bed(tmp_path: Path, volume: VolumeStore | None) -> AsyncIterator[Bed]:
    models = tmp_path / "models"
    (models / "checkpoints" / "sdxl").mkdir(parents=True)
    (models / "checkpoints" / "sdxl" / "a.safetensors").write_bytes(CONTENT)
    (models / "checkpoints" / "empty.safetensors").touch()
    async with served(comfyui_with(models)) as url, aiohttp.ClientSession() as session:
        pages, sent = Pages(), list[bool]()
        comfyui, missing = ComfyUI(url, session), "not set: RUNPOD_VOLUME_ID"
        sending = ModelSending(comfyui, volume, missing, pages.broadcast, lambda: sent.append(True), time.monotonic)
        task = asyncio.create_task(sending.run())
        try:
            yield Bed(sending, pages, sent)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_it_is_planned_sent_and_then_there(volume: S3Location, tmp_path: Path) -> None:
    bucket = Bucket(volume, tries=2)
    async with bed(tmp_path, bucket) as one:
        plan = await one.sending.plan("checkpoints", "sdxl/a.safetensors")
        started = one.sending.start(plan)
        ended = await one.ended()
        again = await one.sending.plan("checkpoints", "sdxl/a.safetensors")

    assert (plan.size, plan.minutes, plan.is_there, started) == (5_000, 1, False, True)
    assert "No GPU runs" in plan.text
    assert bucket.sizes("comfyui/models/") == {"comfyui/models/checkpoints/sdxl/a.safetensors": 5_000}
    assert ended == {
        "kind": "checkpoints", "name": "sdxl/a.safetensors", "done": 5_000, "size": 5_000, "ended": True, "error": None,
    }  # fmt: skip
    assert one.sent == [True]
    assert (again.is_there, one.sending.start(again)) == (True, False)


@dataclass
class Pretended:
    """A volume that says how large what it has is, and stumbles over what it gets."""

    there: int | None = None
    error: Exception | None = None
    release: Callable[[], object] = lambda: None
    put: list[str] = field(default_factory=list)

    def size(self, key: str) -> int | None:
        return self.there

    def put_file(self, key: str, path: Path, advance: Callable[[int], None] | None = None) -> None:
        self.put.append(key)
        self.release()
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [
        ("checkpoints", "empty.safetensors", "not a model"),
        ("checkpoints", "none.safetensors", "has no model"),
        ("checkpoints", "../../secret", "has no model"),
        ("none", "a.safetensors", "has no model"),
    ],
)
async def test_what_is_not_a_model_of_comfyuis_is_not_sent(tmp_path: Path, kind: str, name: str, reason: str) -> None:
    async with bed(tmp_path, Pretended()) as one:
        with pytest.raises(CannotSend, match=reason):
            await one.sending.plan(kind, name)


async def test_a_larger_file_on_the_volume_is_kept(tmp_path: Path) -> None:
    async with bed(tmp_path, Pretended(there=5_001)) as one:
        with pytest.raises(CannotSend, match="has a larger"):
            await one.sending.plan("checkpoints", "sdxl/a.safetensors")


async def test_without_a_volume_the_settings_and_the_command_are_named(tmp_path: Path) -> None:
    async with bed(tmp_path, None) as one:
        with pytest.raises(CannotSend, match=r"not set: RUNPOD_VOLUME_ID.*sync-models\.py"):
            await one.sending.plan("checkpoints", "sdxl/a.safetensors")


async def test_one_is_sent_at_a_time_and_what_goes_wrong_is_told(tmp_path: Path) -> None:
    volume = Pretended(error=Unavailable("502"))
    async with bed(tmp_path, volume) as one:
        plan = await one.sending.plan("checkpoints", "sdxl/a.safetensors")
        started = [one.sending.start(plan), one.sending.start(plan)]
        ended = await one.ended()

    assert started == [True, False]
    assert (ended["error"], one.sent, len(volume.put)) == ("502", [], 1)
