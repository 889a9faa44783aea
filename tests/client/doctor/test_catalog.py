"""The doctor compares with what is kept on this disk: nothing is asked, nothing is spent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from client.doctor.catalog import compare
from engine.catalog.catalog_files import CatalogFiles
from engine.catalog.catalogs import KnownCatalog
from engine.comfyui import ComfyUI
from engine.settings import Settings, load_settings
from tests.support.served import served
from wire.catalog import Catalog, Pack, encode_catalog


def settings_in(home: Path) -> Settings:
    return load_settings(env_file=None, comfy_runpod_home=home)


def keep(home: Path, catalog: Catalog, endpoint_id: str = "ep") -> None:
    packed, sha256 = encode_catalog(catalog)
    CatalogFiles(home / "catalogs").save(KnownCatalog(endpoint_id, catalog, sha256, 0), packed)


@asynccontextmanager
async def local_comfyui(home: Path) -> AsyncIterator[ComfyUI]:
    (home / "custom_nodes" / "mine").mkdir(parents=True)
    answers = {
        "/system_stats": {"system": {"comfyui_version": "0.8.0", "required_frontend_version": "1.35.9", "argv": []}},
        "/object_info": {"Here": {}, "Both": {}},
        "/experiment/models": [{"name": "vae", "folders": []}],
        "/experiment/models/vae": [{"name": "a.pt", "size": 5}],
        "/internal/folder_paths": {"custom_nodes": [str(home / "custom_nodes")]},
    }

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(answers[request.path])

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with served(app) as url, aiohttp.ClientSession() as session:
        yield ComfyUI(url, session)


async def test_before_anything_was_told_it_says_what_to_do(tmp_path: Path) -> None:
    (found,) = await compare(settings_in(tmp_path), ["ep"], None)

    assert (found.state, found.detail) == ("skipped", "nothing is known of the endpoint yet")
    assert list(tmp_path.iterdir()) == []


async def test_both_ends_are_compared_wholly(tmp_path: Path) -> None:
    keep(
        tmp_path,
        Catalog(comfyui="0.33.0", nodes={"Both": {}, "There": {}}, packs=(Pack(name="theirs"),), models={"vae": {}}),
    )
    async with local_comfyui(tmp_path) as comfyui:
        found = {finding.name: finding.detail for finding in await compare(settings_in(tmp_path), ["ep"], comfyui)}

    assert found["versions"].startswith("ComfyUI 0.8.0 here, 0.33.0 there")
    assert found["packs"] == "1 only here: mine; 1 only there: theirs"
    assert found["classes"] == "1 only here: Here; 1 only there: There"
    assert found["models"].startswith("1 only here: vae/a.pt")


async def test_the_first_endpoint_that_is_known_is_compared(tmp_path: Path) -> None:
    keep(tmp_path, Catalog(), "second")
    (found,) = await compare(settings_in(tmp_path), ["first", "second"], None)

    assert found.detail.startswith("second: as a worker told")


async def test_a_local_comfyui_that_cannot_be_asked_is_said(tmp_path: Path) -> None:
    keep(tmp_path, Catalog())
    async with aiohttp.ClientSession() as session:
        found = await compare(settings_in(tmp_path), ["ep"], ComfyUI("http://127.0.0.1:9", session))

    assert [finding.state for finding in found] == ["ok", "skipped"]
