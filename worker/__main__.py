"""The worker's process: ComfyUI is started first, then RunPod's loop takes jobs. The only import of runpod."""

import logging
import multiprocessing
import os
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, NoReturn

from worker.comfyui.launch import ComfyLaunch
from worker.log_lines import write_log
from worker.redact import Redact
from worker.settings import WorkerSettings, WorkerSettingsError, read_settings, secrets

if TYPE_CHECKING:
    from worker.app import App

logger = logging.getLogger(__name__)


def main() -> None:
    try:
        settings = read_settings()
    except WorkerSettingsError as error:
        sys.exit(str(error))
    write_log(Redact(secrets()))
    comfyui = ComfyLaunch(settings)
    comfyui.start()
    try:
        serve(settings, comfyui)
    finally:
        comfyui.process.stop()


def serve(settings: WorkerSettings, comfyui: ComfyLaunch) -> None:
    """What takes a second or two to import comes here: meanwhile ComfyUI already starts."""
    import runpod  # noqa: PLC0415

    from worker.app import App  # noqa: PLC0415

    app = App(settings, sdk_version=version("runpod"), leave=lambda: leave(app), comfyui=comfyui)
    runpod.serverless.start(app.sdk_config)


def leave(app: "App") -> NoReturn:
    """Ends the process and what it started, from within RunPod's event loop."""
    logger.info("the worker ends")
    app.stop()
    for heartbeat in multiprocessing.active_children():
        heartbeat.kill()
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
