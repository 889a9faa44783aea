"""Puts together what the proxy knows of its endpoints: what workers tell, the volume lists, and people ask for."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from engine.catalog.approved_models import ApprovedModels
from engine.catalog.catalog_files import CatalogFiles
from engine.catalog.catalogs import Catalogs
from engine.catalog.definitions import Definitions
from engine.catalog.intake import CatalogIntake
from engine.catalog.knowledge import Knowledge
from engine.catalog.model_sizes import ModelSizes
from engine.catalog.volume_watch import VolumeWatch
from engine.comfyui import ComfyUI
from engine.files.model_sending import ModelSending
from engine.files.prompt_paths import PromptPaths
from engine.files.s3_settings import volume_bucket
from engine.jobs.catalog_refresh import CatalogRefresh
from engine.jobs.dispatcher import Dispatcher
from engine.jobs.services import Services
from engine.prompt.named_models import HOSTS, Hosts
from engine.runpod.endpoint import Endpoint
from engine.settings import Settings
from engine.store.jobs import JobStore
from proxy.catalog_api import Answer, CatalogApi
from proxy.catalog_news import CatalogNews
from proxy.fetch_costs import FetchCosts
from proxy.model_fetches import ModelFetches
from proxy.prompt_checks import PromptChecks
from proxy.run_anyway import RunAnyway
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
        *,
        stand_in: bool = False,
    ) -> None:
        self._endpoints, self._comfyui = endpoints, comfyui
        self._price = 0.0 if kind == "sandbox" else settings.runpod_price_per_hour or None
        self.catalogs = Catalogs([endpoint.id for endpoint in endpoints], _now_ms)
        volume, missing = (None, "the sandbox has none") if kind == "sandbox" else volume_bucket(settings)
        self._watch = VolumeWatch(volume, self.catalogs, lambda: sockets.any_open or store.count_active() > 0)
        files = CatalogFiles(settings.comfy_runpod_home / "catalogs")
        self.intake = CatalogIntake(self.catalogs, files, self._watch.look)
        self._news = CatalogNews(self.catalogs, sockets.broadcast, time.monotonic)
        self._sending = ModelSending(comfyui, volume, missing, sockets.broadcast, self._watch.look, time.monotonic)
        self._refresh: CatalogRefresh | None = None
        definitions = Definitions(comfyui.node_info, self.catalogs, _now_ms, comfyui.version, stand_in=stand_in)
        approved = ApprovedModels(settings.comfy_runpod_home / "approved-models.json", self.catalogs, _now_ms)
        self.knowledge = Knowledge(self.catalogs, definitions, approved, self.intake)
        self._hosts, self._run_anyway = Hosts(f"{HOSTS},{settings.model_hosts or ''}"), RunAnyway(time.monotonic)
        self._has_volume, self._sockets = settings.runpod_volume_id is not None, sockets

    def checks(self, paths: PromptPaths) -> PromptChecks:
        """What is asked about a prompt before it is accepted."""
        return PromptChecks(self._comfyui, paths, self.knowledge, self._run_anyway, self._hosts, self._sockets)

    def with_jobs(self, services: Services, dispatcher: Dispatcher) -> Mapping[tuple[str, str], Answer]:
        """The routes of the page, once there is something that can send a job."""
        self._refresh = CatalogRefresh(self._endpoints, services, dispatcher.stop_unwanted, self._price)
        api = CatalogApi(self.catalogs, self._comfyui, self._refresh, self._sending, self._watch.look, _now_ms)
        costs = FetchCosts(self._price or 0.0, self._keeps_models)
        fetches = ModelFetches(self.knowledge.approved, ModelSizes(self._hosts), self._hosts, costs, self._run_anyway)
        return {**api.answers, **fetches.answers}

    def _keeps_models(self) -> bool:
        """Whether what a worker fetches is there for the next one."""
        known = self.catalogs.current()
        return self._has_volume or (known is not None and bool(known.catalog.on_volume))

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
