"""The worker's process: ComfyUI is started first, then RunPod's loop takes jobs. The only import of runpod."""

import logging
import sys

import runpod

from worker.app import App
from worker.diagnostics import JsonLines
from worker.settings import SettingsError, read_settings


def main() -> None:
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[lines])
    try:
        app = App(read_settings(), sdk_version=runpod.__version__)
    except SettingsError as error:
        sys.exit(str(error))
    app.start()
    try:
        runpod.serverless.start({"handler": app.handler, "return_aggregate_stream": True})
    finally:
        app.stop()


if __name__ == "__main__":
    main()
