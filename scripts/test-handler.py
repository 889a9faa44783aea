#!/usr/bin/env python3
"""Call the worker's handler without RunPod and without ComfyUI, and check what it answers.

It must start, say what is wrong in one sentence and with diagnostics, give no secret away, and end.
"""

import _project  # noqa: F401  # isort: skip  first of all: has this run by the project's interpreter

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click

SECRET = "rpa_0123456789abcdefghijkl"
os.environ["RUNPOD_API_KEY"] = SECRET

from worker.app import App  # noqa: E402
from worker.settings import WorkerSettings  # noqa: E402

WORKFLOW = {"1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}}}
BAD_INPUTS: dict[str, Any] = {
    "no input at all": None,
    "no workflow": {"prompt": {}},
    "a workflow as text": {"workflow": "{}"},
    "an image without a name": {"workflow": WORKFLOW, "images": [{"image": "aGk="}]},
    "a file that leads out of its folder": {"workflow": WORKFLOW, "reference_images": {"../../x.png": "aGk="}},
    "a newer protocol": {"workflow": WORKFLOW, "protocol": 99},
}
FIELDS = {"error", "error_type", "node_id", "node_errors", "diagnostics"}
DIAGNOSTICS = {"error_type", "node", "traceback", "comfyui_version", "runpod_sdk", "gpus", "disk", "models", "log_tail"}


def app_without_comfyui(home: Path, *, stream: bool) -> App:
    settings = WorkerSettings(
        comfyui_home=home / "nothing", comfyui_port=0, models_dir=home / "models", worker_stream=stream
    )
    return App(settings, sdk_version="none")


async def once(app: App, job_input: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await app.handler({"id": "test", "input": job_input})  # type: ignore[misc]
    return answer


async def streamed(app: App, job_input: Any) -> list[dict[str, Any]]:
    stream = app.handler({"id": "test", "input": job_input})
    assert isinstance(stream, AsyncIterator)
    return [event async for batch in stream for event in batch["events"]]


def check(what: str, found: object, complaint: str | None) -> bool:
    click.echo(f"{'FAIL' if complaint else 'ok  '} {what}" + (f": {complaint}: {found}" if complaint else ""))
    return complaint is None


def complaint_about(answer: dict[str, Any], error_type: str) -> str | None:
    if set(answer) != FIELDS:
        return f"has not the fields {sorted(FIELDS)}"
    if answer["error_type"] != error_type:
        return f"is not {error_type}"
    if DIAGNOSTICS - set(answer["diagnostics"]):
        return f"lacks {sorted(DIAGNOSTICS - set(answer['diagnostics']))}"
    return "gives a secret away" if SECRET in str(answer) else None


async def checks(home: Path) -> list[bool]:
    plain, streaming = app_without_comfyui(home, stream=False), app_without_comfyui(home, stream=True)
    for app in (plain, streaming):
        app.start()
    try:
        results = [
            check(what, answer := await asyncio.create_task(once(plain, given)), complaint_about(answer, "bad_request"))
            for what, given in BAD_INPUTS.items()
        ]
        answer = await asyncio.create_task(once(plain, {"workflow": WORKFLOW}))
        results.append(check("no ComfyUI", answer, complaint_about(answer, "comfyui_died")))
        events = await asyncio.create_task(streamed(streaming, {"workflow": WORKFLOW}))
        last = events[-1] if events else {}
        wrong = None if last.get("error_type") == "comfyui_died" else "does not end with the reason"
        return [*results, check("no ComfyUI, streamed", last, wrong)]
    finally:
        for app in (plain, streaming):
            app.stop()


@click.command(help=__doc__)
def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        results = asyncio.run(checks(Path(home)))
    click.echo(f"{sum(results)} of {len(results)} are as they should be")
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
