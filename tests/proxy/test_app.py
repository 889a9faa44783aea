"""The whole proxy in this process, before a ComfyUI and an endpoint that are processes of their own."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from engine.ports import wait_until_listening
from engine.settings import Settings, load_settings
from proxy.addons.master import CannotListen
from proxy.app import serve, version
from tests.support.ports import free_port
from tests.support.runpod import RunPod, Told
from tests.support.runpod import serving as running_runpod
from tests.support.system_stats import serving
from tests.support.until import until
from wire.catalog import Catalog
from wire.events import FilesCollected
from wire.job import JobRequest
from worker.catalog.packed import pack


def settings_of(tmp_path: Path, comfyui_url: str, **more: Any) -> Settings:
    chosen = {"proxy_port": free_port(), "comfyui_url": comfyui_url, "comfy_runpod_home": tmp_path, **more}
    return load_settings(env_file=None, **chosen)


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    """The proxy's address while it runs; it is ended by a signal, as people end it."""
    sandbox = None if settings.endpoint_ids else "http://127.0.0.1:1/v2"
    running = asyncio.create_task(serve(settings, sandbox_endpoint_url=sandbox))
    try:
        assert await wait_until_listening("127.0.0.1", settings.proxy_port, 20), running
        async with aiohttp.ClientSession() as session:
            yield f"http://127.0.0.1:{settings.proxy_port}", session
    finally:
        if not running.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(running, 60)


async def test_everything_is_put_together_and_a_signal_ends_it(tmp_path: Path) -> None:
    async with serving(200) as comfyui, served(settings_of(tmp_path, comfyui)) as (url, session):
        status = await (await session.get(f"{url}/runpod/api/status")).json()
        passed = await (await session.get(f"{url}/system_stats")).json()
        queue = await session.get(f"{url}/queue")
        refused = await session.post(f"{url}/prompt", json={}, headers={"Origin": "http://evil.example"})

    assert status["version"] == version()
    assert status["comfyui"] == {"url": comfyui, "reachable": True, "version": "unknown"}
    assert status["hint"] == ""
    assert status["endpoint"]["kind"] == "sandbox"
    assert passed == {"system": {}}
    assert queue.status == 404  # as ComfyUI has it
    assert refused.status == 403
    assert not await wait_until_listening("127.0.0.1", int(url.rpartition(":")[2]), 0.1)


async def test_a_token_is_asked_for_everything_and_comfyui_never_sees_it(tmp_path: Path) -> None:
    token = "Zq3x-7Kp_0aT9.uVw"
    chosen = {"proxy_token": token, "proxy_hosts": "box.lan"}
    async with serving(200) as comfyui, served(settings_of(tmp_path, comfyui, **chosen)) as (url, session):
        without = [
            (await session.get(url + path)).status for path in ("/", "/system_stats", "/runpod/api/status", "/ws")
        ]
        shown = {"Authorization": f"Bearer {token}", "Host": "box.lan"}
        status = await session.get(f"{url}/runpod/api/status", headers=shown)
        passed = await session.get(f"{url}/system_stats", headers=shown)
        other = await session.get(f"{url}/system_stats", headers=shown | {"Host": "other.lan"})

    assert without == [401, 401, 401, 401]
    assert (status.status, passed.status, other.status) == (200, 200, 403)


async def test_a_websocket_of_the_page_is_greeted_while_comfyui_is_down(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, f"http://127.0.0.1:{free_port()}")
    async with served(settings) as (url, session), session.ws_connect(f"{url}/ws") as page:
        greeting = await page.receive_json(timeout=5)

    assert greeting["type"] == "status"
    assert greeting["data"]["status"] == {"exec_info": {"queue_remaining": 0}}


async def test_each_named_endpoint_is_asked(tmp_path: Path) -> None:
    runpod = {
        "runpod_api_key": "k",
        "runpod_endpoint_id": "one,two",
        "runpod_endpoint_base_url": "http://127.0.0.1:1/v2",
    }
    async with serving(200) as comfyui, served(settings_of(tmp_path, comfyui, **runpod)) as (url, session):
        status = await (await session.get(f"{url}/runpod/api/status")).json()

    assert (status["endpoint"]["kind"], status["endpoint"]["id"]) == ("runpod", "one,two")
    assert status["endpoint"]["reachable"] is False


async def test_a_port_that_is_taken_is_said_and_nothing_is_left_running(tmp_path: Path) -> None:
    async with serving(200) as taken:
        settings = settings_of(tmp_path, f"http://127.0.0.1:{free_port()}", proxy_port=int(taken.rpartition(":")[2]))
        with pytest.raises(CannotListen, match="cannot listen"):
            await serve(settings, sandbox_endpoint_url="http://127.0.0.1:1/v2")

    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


CATALOG = pack(Catalog(comfyui="0.33.0", nodes={"There": {}}))


def telling(request: JobRequest) -> Sequence[Told]:
    """A worker that is asked what it has."""
    assert request.catalog is not None
    return [*CATALOG.told(request.catalog), FilesCollected(sha256=())]


async def test_what_the_endpoint_tells_reaches_open_pages_and_is_kept_over_a_restart(tmp_path: Path) -> None:
    async with serving(200) as comfyui, running_runpod(RunPod(telling)) as runpod:
        account = {"runpod_api_key": "k", "runpod_endpoint_id": "ep", "runpod_endpoint_base_url": runpod.url}
        settings = settings_of(tmp_path, comfyui, runpod_price_per_hour=0.72, **account)
        async with served(settings) as (url, session), session.ws_connect(f"{url}/ws") as page:
            dry = await (await session.post(f"{url}/runpod/api/catalog/refresh?dry=1")).json()
            foreign = await session.post(f"{url}/runpod/api/catalog/refresh", headers={"Origin": "http://evil.example"})
            unspent = list(runpod.jobs)
            asked = await (await session.post(f"{url}/runpod/api/catalog/refresh")).json()
            async with asyncio.timeout(60):
                while (message := await page.receive_json())["type"] != "runpod.catalog":
                    pass
            told = await (await session.get(f"{url}/runpod/api/catalog")).json()

            async def kept() -> bool:
                return (tmp_path / "catalogs" / "ep.catalog").is_file()

            await until(kept)
        async with served(settings) as (url, session):

            async def known() -> bool:
                after = await (await session.get(f"{url}/runpod/api/catalog")).json()
                return bool(after["endpoints"][0]["known"])

            await until(known)

    assert (dry["started"], dry["cost_usd"], foreign.status, unspent) == (False, 0.002, 403, [])
    assert asked["started"]
    assert message["data"] == {"sha256": CATALOG.sha256}
    assert (told["endpoints"][0]["comfyui"], told["endpoints"][0]["source"]) == ("0.33.0", "worker")
    assert len(runpod.jobs) == 1
