"""Composition root of the worker: settings in, objects out. The only place that knows every class."""

import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from wire.files import INPUTS_FOLDER, JOBS_FOLDER
from worker.catalog.keeper import CatalogKeeper
from worker.comfyui.diagnostics import Diagnostics
from worker.comfyui.execution import Waits
from worker.comfyui.launch import ComfyLaunch
from worker.comfyui.monitors import Monitors
from worker.comfyui.turns import Turns
from worker.comfyui.watchdog import HangWatchdog
from worker.events.outbox import Outbox
from worker.files.cleanup import Cleanup
from worker.files.input_cache import InputCache
from worker.files.input_fetch import InputFetch
from worker.files.input_staging import InputSources
from worker.files.large_outputs import LargeOutputs
from worker.files.letter_box import LetterSources
from worker.files.pack_files import PackComparison
from worker.handler import Handler
from worker.known_jobs import KnownJobs
from worker.models.downloads import Downloads
from worker.models.required_models import RequiredModels
from worker.models.sources import ModelSources
from worker.redact import Redact
from worker.session import Session, WorkerServices
from worker.settings import WorkerSettings, secrets
from worker.shutdown import Shutdown

HandlerFunction = (
    Callable[[dict[str, Any]], AsyncGenerator[dict[str, Any], None]]
    | Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
)


def _required_models(settings: WorkerSettings) -> RequiredModels:
    sources = ModelSources(settings.bucket, settings.tokens(), allow_private=settings.downloads_allow_private)
    return RequiredModels(Downloads(settings.models_dir, sources), settings.models_dir, settings.models_manifest)


def _input_sources(settings: WorkerSettings) -> InputSources:
    """All workers share a cache on the volume, and it outlives them."""
    root = settings.volume / INPUTS_FOLDER if settings.volume else settings.data_dir.resolve() / "input-cache"
    fetch = InputFetch(settings.bucket_endpoint_url, allow_private=settings.downloads_allow_private)
    return InputSources(InputCache(root, settings.input_cache_max_bytes, time.time), fetch, settings.volume)


def _known_jobs(settings: WorkerSettings) -> KnownJobs:
    """On the volume all workers share them."""
    root = settings.volume / JOBS_FOLDER if settings.volume else settings.data_dir.resolve() / "known-jobs"
    return KnownJobs(root, time.time)


def _large_outputs(settings: WorkerSettings) -> LargeOutputs:
    bucket = settings.bucket if settings.bucket_name else None
    return LargeOutputs(settings.volume, bucket, settings.output_max_age_s)


def _letter_sources(settings: WorkerSettings) -> LetterSources:
    return LetterSources(
        settings.volume,
        settings.bucket_endpoint_url,
        allow_private=settings.downloads_allow_private,
        max_age_s=settings.output_max_age_s,
    )


def _stay() -> None:
    """For an app whose process somebody else ends."""


class App:
    """:meth:`start` before the first job, :meth:`stop` after the last; *sdk_version* is RunPod's."""

    def __init__(
        self,
        settings: WorkerSettings,
        sdk_version: str,
        leave: Callable[[], None] = _stay,
        comfyui: ComfyLaunch | None = None,
        turns: Turns | None = None,
    ) -> None:
        """*leave* ends the process, when the worker's time is over. *comfyui* may be on its way already."""
        self._comfyui = comfyui or ComfyLaunch(settings)
        self.comfy_url = self._comfyui.url
        self.redact = Redact(secrets())
        self._own_secrets = Redact(secrets(), shapes=False)
        self.sdk_config: dict[str, Any] = {}
        self.shutdown = Shutdown(self.sdk_config, settings.worker_drain_s, leave)
        turns = turns or Turns()
        self.monitors = Monitors(self.comfy_url, turns)
        self._services = self._build_services(settings, sdk_version, turns)
        handler = Handler(self.open_session, self.shutdown.job_began)
        self.handler: HandlerFunction = handler.stream if settings.worker_stream else handler.once
        self.sdk_config |= {
            "handler": self.handler,
            "return_aggregate_stream": True,
            "concurrency_modifier": self._before_taking,
        }

    def start(self) -> None:
        self._comfyui.start()

    def _before_taking(self, concurrency: int) -> int:
        """RunPod's SDK calls it in its loop."""
        self.monitors.listen()
        return self.shutdown.before_taking(concurrency)

    def stop(self) -> None:
        self._comfyui.process.stop()

    def _build_services(self, settings: WorkerSettings, sdk_version: str, turns: Turns) -> WorkerServices:
        process, folders = self._comfyui.process, self._comfyui.folders
        model_roots = (settings.models_dir, settings.comfyui_home / "models")
        return WorkerServices(
            comfy_url=self.comfy_url,
            watchdog=HangWatchdog(process, settings.comfyui_hang_s),
            turns=turns,
            known_jobs=_known_jobs(settings),
            folders=folders,
            required_models=_required_models(settings),
            input_sources=_input_sources(settings),
            large_outputs=_large_outputs(settings),
            cleanup=Cleanup(folders, settings.output_max_age_s, settings.output_max_bytes, time.time),
            diagnostics=Diagnostics(sdk_version, folders.data, model_roots, process.log_tail, self.redact),
            replace_worker=self.shutdown.replace_worker,
            packs=PackComparison(settings.comfyui_home / "custom_nodes"),
            waits=Waits(),
            monitors=self.monitors,
            letter_sources=_letter_sources(settings),
            catalog=CatalogKeeper(
                self.comfy_url, lambda: process.deaths, folders, settings.models_dir, model_roots, self._own_secrets
            ),
        )

    def open_session(self, job_input: object, job_id: str = "") -> Session:
        outbox = Outbox(uuid.uuid4().hex, time.time_ns() // 1_000_000, time.monotonic)
        return Session(job_input, job_id, self._services, outbox, new_id=lambda: str(uuid.uuid4()))
