"""What the page learns of the endpoints, and that nothing is spent before a person has clicked."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from engine.catalog.catalogs import Catalogs
from engine.comfyui import ComfyUI
from engine.files.model_sending import ModelSending
from engine.jobs.catalog_refresh import CatalogRefresh
from proxy.catalog_api import CatalogApi
from tests.support.engine import engine
from tests.support.runpod import RunPod, endpoint_of, pictures, serving
from tests.support.served import served
from tests.support.until import until
from wire.catalog import Catalog, Pack

SHA = "a" * 64
HOSTILE = "<img src=x onerror=alert(1)>"
CATALOG = Catalog(
    comfyui="0.33.0",
    gpu="L4",
    packs=(Pack(name=HOSTILE, commit="abc"),),
    nodes={"There": {}, "Both": {}},
    models={"vae": {"there.pt": 1}},
    model_inputs={"There": {"name": "vae"}},
)


def local_comfyui() -> web.Application:
    async def infos(_: web.Request) -> web.Response:
        return web.json_response({"Both": {}, "Here": {}})

    async def models(_: web.Request) -> web.Response:
        return web.json_response([{"name": "here.pt", "size": 5}])

    app = web.Application()
    app.router.add_get("/object_info", infos)
    app.router.add_get("/experiment/models/vae", models)
    return app


@dataclass
class Bed:
    api: CatalogApi
    catalogs: Catalogs
    runpod: RunPod
    looks: list[bool]
    told: list[str] = field(default_factory=list)

    async def asked(self, method: str, path: str, body: dict[str, Any] | None = None, *, dry: bool = False) -> Any:
        return await self.api.answers[method, f"/runpod/api/{path}"](body or {}, dry)


@asynccontextmanager
async def bed(tmp_path: Path, comfyui_url: str = "http://127.0.0.1:9") -> AsyncIterator[Bed]:
    async with (
        serving(RunPod(pictures())) as runpod,
        endpoint_of(runpod) as endpoint,
        engine(tmp_path, [endpoint]) as one,
        aiohttp.ClientSession() as session,
    ):
        comfyui, looks = ComfyUI(comfyui_url, session), list[bool]()
        catalogs = Catalogs(("ep", "ep2"), lambda: 5_000)
        refresh = CatalogRefresh([endpoint], one.services, one.dispatcher.stop_unwanted, None)
        sending = ModelSending(
            comfyui, None, "not set: RUNPOD_VOLUME_ID", lambda *_: None, lambda: None, time.monotonic
        )
        api = CatalogApi(catalogs, comfyui, refresh, sending, lambda: looks.append(True), lambda: 65_000)
        task = asyncio.create_task(refresh.run())
        try:
            yield Bed(api, catalogs, runpod, looks)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_what_is_known_is_told_and_compared_with_the_local_comfyui(tmp_path: Path) -> None:
    async with served(local_comfyui()) as url, bed(tmp_path, url) as one:
        before = await one.asked("GET", "catalog")
        one.catalogs.received("ep", CATALOG, SHA)
        after = await one.asked("GET", "catalog")

    assert (before["asking"], before["problem"]) == (False, "")
    assert before["endpoints"] == [{"id": "ep", "known": False}, {"id": "ep2", "known": False}]
    assert after["endpoints"][0] == {
        **{"id": "ep", "known": True, "sha256": SHA, "source": "worker", "confirmed_at": 5.0, "age_s": 60},
        **{"comfyui": "0.33.0", "frontend": "", "protocol": 1, "gpu": "L4", "vram": 0, "nodes": 2},
        **{"packs": [{"name": HOSTILE, "version": "", "commit": "abc"}], "models": {"vae": 1}},
    }
    assert (after["only_there"], after["only_here"]) == (["There"], ["Here"])
    assert (after["missing_there"], after["model_inputs"]) == ({"vae": ["here.pt"]}, {"There": {"name": "vae"}})


async def test_without_the_local_comfyui_the_rest_is_told(tmp_path: Path) -> None:
    async with bed(tmp_path) as one:
        one.catalogs.received("ep", CATALOG, SHA)
        found = await one.asked("GET", "catalog")

    assert found["endpoints"][0]["known"]
    assert (found["only_there"], found["only_here"], found["missing_there"]) == ([], [], {})


async def test_a_catalog_with_very_many_names_does_not_fill_the_answer(tmp_path: Path) -> None:
    many: dict[str, dict[str, Any]] = {str(number): {} for number in range(30_000)}
    huge = Catalog(nodes=many, models=many, model_inputs=many)
    async with served(local_comfyui()) as url, bed(tmp_path, url) as one:
        one.catalogs.received("ep", huge, SHA)
        found = await one.asked("GET", "catalog")

    assert [len(found[name]) for name in ("only_there", "model_inputs")] == [20_000, 20_000]
    assert len(found["endpoints"][0]["models"]) == 20_000


async def test_the_price_is_told_before_anything_is_spent(tmp_path: Path) -> None:
    async with bed(tmp_path) as one:
        dry = await one.asked("POST", "catalog/refresh", dry=True)
        cancelled = await one.asked("POST", "catalog/refresh/cancel")
        spent = list(one.runpod.jobs)
        asked = await one.asked("POST", "catalog/refresh")

        async def sent() -> bool:
            return len(one.runpod.jobs) == 1

        await until(sent)

    assert (dry["cost_usd"], dry["started"], cancelled, spent) == (None, False, {"cancelled": False}, [])
    assert "estimate" in dry["text"]
    assert (asked["started"], one.looks) == (True, [True])


async def test_a_model_that_cannot_be_sent_says_why(tmp_path: Path) -> None:
    async with bed(tmp_path) as one:
        found = await one.asked("POST", "models/send", {"kind": "vae", "name": "a.pt"})

    assert found == {"size": None, "minutes": None, "text": found["text"], "started": False}
    assert "does not answer" in found["text"]
