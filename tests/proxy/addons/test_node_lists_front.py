"""The lists of nodes and models through real sockets, before the sandbox's ComfyUI."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from engine.catalog.catalogs import Catalogs
from proxy.addons.node_lists import NodeLists
from proxy.addons.streaming import Streaming
from sandbox.comfyui.folders import ComfyFolders
from sandbox.comfyui.models import model_folders
from sandbox.comfyui.server import ComfyServer
from tests.proxy.addons.conftest import Upstream, running_front
from tests.support.models import make_models
from tests.support.served import served
from wire.catalog import Catalog


@dataclass
class Site:
    url: str
    catalogs: Catalogs
    session: aiohttp.ClientSession

    async def get(self, path: str, **headers: str) -> Any:
        async with self.session.get(self.url + path, headers=headers) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def status(self, path: str) -> int:
        async with self.session.get(self.url + path) as response:
            return response.status


@pytest.fixture
async def site(tmp_path: Path, session: aiohttp.ClientSession) -> AsyncIterator[Site]:
    """A page before a ComfyUI with models of its own, and an endpoint with others."""
    root = make_models(tmp_path / "models", {"checkpoints/mine.ckpt": 9, "loras/both.pt": 3}).parent
    folders = ComfyFolders(
        *(tmp_path / name for name in ("input", "output", "temp", "user")),
        models=model_folders(root, tmp_path / "output", None),
    )
    folders.create()
    catalogs = Catalogs(["far"], lambda: 0)
    async with (
        served(ComfyServer(folders, tmp_path, 1024, "0.33.0").app) as comfyui,
        running_front(comfyui, [Streaming(), NodeLists(catalogs)]) as url,
    ):
        yield Site(url, catalogs, session)


async def test_the_endpoint_comes_into_comfyuis_own_lists_and_out_again(site: Site) -> None:
    before = await site.get("/object_info")
    models = {"checkpoints": {"far.ckpt": 7}, "loras": {"both.pt": 4}, "only_far": {"x.gguf": 1}}
    far = {**before["SaveImage"], "name": "FarSave"}
    site.catalogs.received("far", Catalog(nodes={**before, "FarSave": far}, models=models), "sha")
    after = await site.get("/api/object_info", **{"Accept-Encoding": "gzip"})
    loras = await site.get("/experiment/models/loras")

    assert {name: after[name] for name in before} == before
    assert set(after) == {*before, "FarSave"}
    assert await site.get("/object_info/FarSave") == {"FarSave": after["FarSave"]}
    assert await site.get("/models/checkpoints") == ["far.ckpt"]
    assert await site.get("/models/only_far") == ["x.gguf"]
    assert "only_far" in await site.get("/api/models")
    assert [(one["name"], one["size"], one["modified"] > 0) for one in loras] == [("both.pt", 4, True)]


async def test_a_kind_that_nobody_has_stays_unknown(site: Site) -> None:
    site.catalogs.received("far", Catalog(models={"checkpoints": {}}), "sha")

    assert await site.status("/models/nobodys") == 404
    assert await site.status("/view_metadata/checkpoints?filename=far.safetensors") == 404
    assert await site.status("/experiment/models/preview/checkpoints/0/far.ckpt") == 404


async def test_a_list_of_many_packs_is_merged_as_well(upstream: Upstream, session: aiohttp.ClientSession) -> None:
    catalogs = Catalogs(["far"], lambda: 0)
    catalogs.received("far", Catalog(models={"checkpoints": {"far.ckpt": 7}}), "sha")
    upstream.answers["/models/checkpoints"] = ["x" * 1_000_000] * 20
    async with running_front(upstream.url, [Streaming(), NodeLists(catalogs)]) as url:
        page = Site(url, catalogs, session)

        assert await page.get("/models/checkpoints") == ["far.ckpt"]


async def test_a_page_that_has_the_answer_gets_no_body(session: aiohttp.ClientSession) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(["a.ckpt"], headers={"ETag": '"1"'})

    app, catalogs = web.Application(), Catalogs(["far"], lambda: 0)
    app.router.add_get("/models/checkpoints", answer)
    catalogs.received("far", Catalog(models={"checkpoints": {"far.ckpt": 7}}), "sha")
    async with served(app) as url, running_front(url, [Streaming(), NodeLists(catalogs)]) as front:
        path = f"{front}/models/checkpoints"
        first = await session.get(path)
        second = await session.get(path, headers={"If-None-Match": first.headers["ETag"]})
        third = await session.get(path)

    assert [one.status for one in (first, second, third)] == [200, 304, 200]
    assert "Content-Length" not in second.headers
    assert await third.json() == ["far.ckpt"]
