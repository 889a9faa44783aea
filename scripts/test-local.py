#!/usr/bin/env python3
"""Run jobs through the worker's handler on a ComfyUI of this machine, without RunPod: each way to ask and to answer.

The ComfyUI is started by the worker, as on RunPod, with folders of its own: nothing is written into yours.
"""

import _project  # noqa: F401  # isort: skip  first of all: has this run by the project's interpreter

import asyncio
import base64
import io
import json
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click
from PIL import Image

PROJECT = Path(__file__).resolve().parents[1]

from worker.app import App  # noqa: E402
from worker.settings import WorkerSettings  # noqa: E402

Answer = tuple[str, int]
"""what went wrong, empty when nothing did; and how many files came back"""


def picture() -> str:
    content = io.BytesIO()
    Image.new("RGB", (64, 64), "orange").save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


def save(source: dict[str, Any]) -> dict[str, Any]:
    saving = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "test-local"}}
    return {"1": source, "2": saving}


def requests() -> dict[str, dict[str, Any]]:
    empty = {"class_type": "EmptyImage", "inputs": {"width": 512, "height": 512, "batch_size": 1, "color": 255}}
    loaded = save({"class_type": "LoadImage", "inputs": {"image": "mine.png"}})
    return {
        "a prompt alone": {"protocol": 1, "workflow": save(empty)},
        "reference_images": {"workflow": loaded, "reference_images": {"mine.png": picture()}, "return_base64": True},
        "worker-comfyui's images": {
            "workflow": loaded,
            "images": [{"name": "mine.png", "image": f"data:image/png;base64,{picture()}"}],
        },
    }


async def run(app: App, job_input: dict[str, Any], *, stream: bool) -> Answer:
    job = {"id": "test", "input": job_input}
    if not stream:
        answer = await app.handler(job)  # type: ignore[misc]
        return answer.get("error", ""), len(answer.get("files", ()))
    batches = app.handler(job)
    assert isinstance(batches, AsyncIterator)
    events = [event async for batch in batches for event in batch["events"]]
    files = sum(len(event.get("files", ())) for event in events if event["kind"] == "node_output")
    good = events[-1]["kind"] == "prompt_finished"
    return "" if good else json.dumps(events[-1], ensure_ascii=False)[:2000], files


async def run_all(settings: WorkerSettings, asked: dict[str, dict[str, Any]]) -> bool:
    app = App(settings, sdk_version="none")
    app.start()
    good = True
    try:
        for what, job_input in asked.items():
            began = time.monotonic()
            error, files = await asyncio.create_task(run(app, job_input, stream=settings.worker_stream))
            way = "streamed" if settings.worker_stream else "at once"
            took = f"{time.monotonic() - began:.2f} s"
            click.echo(f"{'FAIL' if error or not files else 'ok  '} {what}, {way}: {error or f'{files} files'}, {took}")
            good = good and not error and files > 0
    finally:
        app.stop()
    return good


@click.command(help=__doc__)
@click.option("--comfyui-dir", envvar="COMFYUI_DIR", help="Default: docker/ComfyUI, else the sandbox's small ComfyUI.")
@click.option("--comfyui-python", envvar="COMFYUI_PYTHON", help="Default: the one in the checkout's .venv.")
@click.option("--comfyui-args", envvar="COMFYUI_ARGS", help="Default: --cpu where there is no NVIDIA GPU.")
@click.option("--workflow", type=click.File(), help="A prompt in API format to run instead of the built-in ones.")
def main(comfyui_dir: str | None, comfyui_python: str | None, comfyui_args: str | None, workflow: Any) -> None:
    own = PROJECT / "docker" / "ComfyUI"
    usable = (own / ".venv").is_dir() or comfyui_python is not None
    home = Path(comfyui_dir) if comfyui_dir else own if usable else PROJECT / "sandbox" / "comfyui"
    asked = {"your workflow": {"workflow": json.load(workflow)}} if workflow else requests()
    values: dict[str, Any] = {
        "comfyui_home": home.resolve(),
        "comfyui_python": Path(shutil.which(comfyui_python) or comfyui_python).absolute() if comfyui_python else None,
        "comfyui_args": comfyui_args if comfyui_args is not None else "" if shutil.which("nvidia-smi") else "--cpu",
        "comfyui_port": 0,
    }
    click.echo(f"ComfyUI: {home}; its first job waits until it has started")
    good = True
    for stream in (False, True):
        with tempfile.TemporaryDirectory() as data:
            settings = WorkerSettings(**values, worker_data_dir=Path(data), worker_stream=stream)
            good = asyncio.run(run_all(settings, asked)) and good
    sys.exit(not good)


if __name__ == "__main__":
    main()
