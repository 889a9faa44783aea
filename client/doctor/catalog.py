"""Compares the local ComfyUI with what the proxy has kept of the endpoint. It starts nothing, and asks no worker."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from client.doctor.both_ends import LocalComfyUI, differences, nothing_known, told
from client.doctor.finding import Finding
from engine.catalog.catalog_files import CatalogFiles
from engine.catalog.catalogs import Catalogs, KnownCatalog
from engine.comfyui import ComfyUI, ComfyUIRejected, ComfyUIUnavailable
from engine.settings import Settings
from storage.packs import packs_in

_KINDS_MAX = 100


async def compare(settings: Settings, endpoint_ids: Sequence[str], comfyui: ComfyUI | None) -> Iterable[Finding]:
    """*comfyui* is None when no ComfyUI runs here to compare with."""
    kept = await asyncio.to_thread(_kept, settings.comfy_runpod_home / "catalogs", endpoint_ids)
    if kept is None:
        return [nothing_known(f"http://127.0.0.1:{settings.proxy_port}/runpod/")]
    age = told(kept, time.time_ns() // 1_000_000)
    if comfyui is None:
        return [age]
    try:
        return [age, *differences(await _local(comfyui), kept)]
    except (ComfyUIUnavailable, ComfyUIRejected) as error:
        return [age, Finding("classes", "skipped", f"not compared: {error}")]


def _kept(folder: Path, endpoint_ids: Sequence[str]) -> KnownCatalog | None:
    """Of the first endpoint that is known, as the page shows it."""
    catalogs, files = Catalogs(endpoint_ids, lambda: 0), CatalogFiles(folder)
    for endpoint_id in endpoint_ids:
        for known in files.load(endpoint_id):
            catalogs.take(known)
    return catalogs.current()


async def _local(comfyui: ComfyUI) -> LocalComfyUI:
    version, frontend = await comfyui.version() or "", await comfyui.frontend()
    kinds = list(await comfyui.model_folders())[:_KINDS_MAX]
    models = await asyncio.gather(*map(comfyui.models, kinds))
    programs = (await comfyui.named_folders()).programs
    packs = await asyncio.to_thread(packs_in, [folder / "custom_nodes" for folder in programs])
    return LocalComfyUI(version, frontend, packs, await comfyui.node_infos(), dict(zip(kinds, models, strict=True)))
