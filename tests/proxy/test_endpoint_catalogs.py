"""The parts of the catalog work together, and end when the proxy does."""

import asyncio
from contextlib import suppress
from pathlib import Path

import aiohttp

from engine.comfyui import ComfyUI
from proxy.endpoint_catalogs import EndpointCatalogs
from proxy.websocket.sockets import Sockets
from tests.proxy.test_app import settings_of
from tests.support.engine import engine
from tests.support.runpod import RunPod, endpoint_of, pictures, serving
from tests.support.until import until
from wire.catalog import Catalog, encode_catalog


async def test_what_was_kept_is_known_after_the_start(tmp_path: Path) -> None:
    packed, sha256 = encode_catalog(Catalog(comfyui="0.33.0"))
    settings = settings_of(tmp_path, "http://127.0.0.1:9")
    (tmp_path / "catalogs").mkdir()
    (tmp_path / "catalogs" / "ep.image").write_bytes(sha256.encode() + b"\n" + packed)
    async with (
        serving(RunPod(pictures())) as runpod,
        endpoint_of(runpod) as endpoint,
        engine(tmp_path, [endpoint]) as one,
        aiohttp.ClientSession() as session,
    ):
        sockets = Sockets(settings.comfyui_url, session, lambda: 0, lambda: None, lambda: None)
        comfyui = ComfyUI(settings.comfyui_url, session)
        known = EndpointCatalogs(settings, "runpod", comfyui, [endpoint], one.store, sockets)
        answers = known.with_jobs(one.services, one.dispatcher)
        task = asyncio.create_task(known.run())

        async def loaded() -> bool:
            return known.catalogs.current() is not None

        await until(loaded)
        shown = await answers["GET", "/runpod/api/catalog"]({}, False)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    assert (shown["endpoints"][0]["comfyui"], shown["endpoints"][0]["source"]) == ("0.33.0", "image")
    assert runpod.jobs == {}
