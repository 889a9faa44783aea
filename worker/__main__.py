"""The worker's process: ComfyUI is started first, then RunPod's loop takes jobs. The only import of runpod."""

import logging
import multiprocessing
import os
import sys
from importlib.metadata import version
from typing import NoReturn

from worker.app import App
from worker.log_lines import write_log
from worker.settings import SettingsError, read_settings

logger = logging.getLogger(__name__)


def main() -> None:
    try:
        app = App(read_settings(), sdk_version=version("runpod"), leave=lambda: leave(app))
    except SettingsError as error:
        sys.exit(str(error))
    write_log(app.redact)
    app.start()
    try:
        import runpod  # noqa: PLC0415  takes a second, in which ComfyUI already starts

        runpod.serverless.start(app.sdk_config)
    finally:
        app.stop()


def leave(app: App) -> NoReturn:
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
