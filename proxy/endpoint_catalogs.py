"""Puts together what the proxy knows of its endpoints: what workers tell, the volume lists, and people ask for."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from engine.catalog.catalog_files import CatalogFiles
from engine.catalog.catalogs import Catalogs
from engine.catalog.intake import CatalogIntake
from engine.catalog.volume_watch import VolumeWatch
from engine.comfyui import ComfyUI
from engine.files.model_sending import ModelSending
from engine.files.s3_settings import volume_bucket
from engine.jobs.catalog_refresh import CatalogRefresh
from engine.jobs.dispatcher import Dispatcher
from engine.jobs.services import Services
from engine.runpod.endpoint import Endpoint
from engine.settings import Settings
from engine.store.jobs import JobStore
from proxy.catalog_api import Answer, CatalogApi
from proxy.catalog_news import CatalogNews
from proxy.websocket.sockets import Sockets


class EndpointCatalogs:
    """:meth:`run` owns all work. *kind* is ``runpod`` or ``sandbox``."""

    def __init__(
        self,
        settings: Settings,
        kind: str,
        comfyui: ComfyUI,
        endpoints: Sequence[Endpoint],
        store: JobStore,
        sockets: Sockets,
    ) -> None:
        self._endpoints, self._comfyui = endpoints, comfyui
        self._price = 0.0 if kind == "sandbox" else settings.runpod_price_per_hour or None
        self.catalogs = Catalogs([endpoint.id for endpoint in endpoints], _now_ms)
        volume, missing = volume_bucket(settings)
        self._watch = VolumeWatch(volume, self.catalogs, lambda: sockets.any_open or store.count_active() > 0)
        files = CatalogFiles(settings.comfy_runpod_home / "catalogs")
        self.intake = CatalogIntake(self.catalogs, files, self._watch.look)
        self._news = CatalogNews(self.catalogs, sockets, time.monotonic)
        self._sending = ModelSending(comfyui, volume, missing, sockets, self._watch.look, time.monotonic)
        self._refresh: CatalogRefresh | None = None

    def with_jobs(self, services: Services, dispatcher: Dispatcher) -> Mapping[tuple[str, str], Answer]:
        """The routes of the page, once there is something that can send a job."""
        self._refresh = CatalogRefresh(self._endpoints, services, dispatcher.stop_unwanted, self._price)
        api = CatalogApi(self.catalogs, self._comfyui, self._refresh, self._sending, self._watch.look, _now_ms)
        return api.answers

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for work in (self.intake.run(), self._watch.run(), self._sending.run()):
                    tasks.create_task(work)
                if self._refresh is not None:
                    tasks.create_task(self._refresh.run())
        finally:
            self._news.stop()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
