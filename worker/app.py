"""Composition root of the worker: settings in, objects out. The only place that knows every class."""

import os
import shlex
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from wire.files import INPUTS_FOLDER
from worker.comfy_process import ComfyProcess, free_port
from worker.depot import Depot
from worker.diagnostics import Diagnostics
from worker.downloads import Downloads
from worker.folders import Folders
from worker.handler import Handler
from worker.hygiene import Hygiene
from worker.input_cache import InputCache
from worker.input_fetch import InputFetch
from worker.input_staging import InputPlaces
from worker.model_paths import write_model_paths
from worker.model_shelf import ModelShelf
from worker.model_sources import Sources
from worker.outbox import Outbox
from worker.redact import Redact
from worker.session import Session, Workshop
from worker.settings import Settings, environment_for_comfyui, secrets
from worker.shift import Shift
from worker.watch import Watch

HandlerFunction = (
    Callable[[dict[str, Any]], AsyncGenerator[dict[str, Any], None]]
    | Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
)


def _shelf(settings: Settings) -> ModelShelf:
    sources = Sources(settings.bucket, settings.tokens(), allow_private=settings.downloads_allow_private)
    return ModelShelf(Downloads(settings.models_dir, sources), settings.models_dir, settings.models_manifest)


def _input_places(settings: Settings) -> InputPlaces:
    """A cache on the volume is there for all workers, and for those that come later."""
    root = settings.volume / INPUTS_FOLDER if settings.volume else settings.data_dir.resolve() / "input-cache"
    fetch = InputFetch(settings.bucket_endpoint_url, allow_private=settings.downloads_allow_private)
    return InputPlaces(InputCache(root, settings.input_cache_max_bytes, time.time), fetch, settings.volume)


def _depot(settings: Settings) -> Depot:
    bucket = settings.bucket_name if settings.bucket else None
    return Depot(settings.volume, settings.bucket, bucket, settings.output_max_age_s)


def _nowhere() -> None:
    """Where nobody ends the process."""


class App:
    """:meth:`start` before the first job, :meth:`stop` after the last; *sdk_version* is RunPod's."""

    def __init__(self, settings: Settings, sdk_version: str, leave: Callable[[], None] = _nowhere) -> None:
        """*leave* ends the process: it is called when the worker's time is over."""
        self._settings = settings
        self._folders = Folders(settings.data_dir.resolve())
        self._port = settings.comfyui_port or free_port()
        self.comfy_url = f"http://127.0.0.1:{self._port}"
        self._user = settings.comfyui_user if os.geteuid() == 0 else None
        self.process = ComfyProcess(settings.comfyui_home, environment_for_comfyui(self._user), self._user)
        self.redact = Redact(secrets())
        self.sdk_config: dict[str, Any] = {}
        self.shift = Shift(self.sdk_config, settings.worker_drain_s, leave)
        self._workshop = self._set_up(settings, sdk_version)
        handler = Handler(self.open_session, self.shift.began)
        self.handler: HandlerFunction = handler.stream if settings.worker_stream else handler.once
        self.sdk_config |= {
            "handler": self.handler,
            "return_aggregate_stream": True,
            "concurrency_modifier": self.shift.before_taking,
        }

    def start(self) -> None:
        """Starts ComfyUI and returns at once. A worker without one still takes jobs: they say what is wrong."""
        extra = list[str]()
        if self._settings.comfyui_home.is_dir():
            self._folders.create(self._user)
            models = write_model_paths(self._settings.models_dir, self._folders.user / "model_paths.yaml")
            extra = ["--extra-model-paths-config", str(models)]
        self.process.start([*self._command(), *extra, *shlex.split(self._settings.comfyui_args)])

    def stop(self) -> None:
        self.process.stop()

    def _command(self) -> list[str]:
        """Options that ComfyUI knows since 0.3.64; its database would lie in the checkout otherwise."""
        data, folders = str(self._folders.data), self._folders
        options = {
            "--listen": "127.0.0.1",
            "--port": str(self._port),
            "--input-directory": str(folders.root("input")),
            "--output-directory": str(folders.root("output")),
            "--temp-directory": data,  # ComfyUI adds the last part, "temp"
            "--user-directory": str(folders.user),
            "--database-url": f"sqlite:///{folders.user / 'comfyui.db'}",
        }
        start = [str(self._settings.python), "-u", "main.py", "--disable-auto-launch"]
        return [*start, *(word for option in options.items() for word in option)]

    def _set_up(self, settings: Settings, sdk_version: str) -> Workshop:
        model_roots = (settings.models_dir, settings.comfyui_home / "models")
        return Workshop(
            comfy_url=self.comfy_url,
            watch=Watch(self.process, settings.comfyui_hang_s),
            folders=self._folders,
            shelf=_shelf(settings),
            inputs=_input_places(settings),
            depot=_depot(settings),
            hygiene=Hygiene(self._folders, settings.output_max_age_s, settings.output_max_bytes, time.time),
            diagnostics=Diagnostics(sdk_version, self._folders.data, model_roots, self.process.log_tail, self.redact),
            replace=self.shift.replace,
        )

    def open_session(self, job_input: object) -> Session:
        outbox = Outbox(uuid.uuid4().hex, time.time_ns() // 1_000_000, time.monotonic)
        return Session(job_input, self._workshop, outbox, new_id=lambda: str(uuid.uuid4()))
