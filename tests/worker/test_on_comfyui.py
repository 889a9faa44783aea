"""The worker on a whole ComfyUI: the sandbox's always, a real one when COMFYUI_DIR names it."""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.worker.conftest import Reader, make_app
from wire.events import NodeOutput, PromptFailed, PromptFinished, PromptRejected
from wire.files import Inline
from worker.app import App

SANDBOX = Path(__file__).parents[2] / "sandbox" / "comfyui"
REAL = bool(os.environ.get("COMFYUI_DIR") and os.environ.get("COMFYUI_PYTHON"))
NO_REAL = "set COMFYUI_DIR and COMFYUI_PYTHON to run this on a real ComfyUI"
PICTURE: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 32, "height": 32, "batch_size": 1, "color": 255}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "sub/W"}},
    "3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
}


@pytest.fixture(
    scope="module", params=["sandbox", pytest.param("real", marks=pytest.mark.skipif(not REAL, reason=NO_REAL))]
)
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    home, python = SANDBOX, Path(sys.executable)
    if request.param == "real":
        home, python = Path(os.environ["COMFYUI_DIR"]), Path(os.environ["COMFYUI_PYTHON"])
    app = make_app(home, tmp_path_factory.mktemp("data"), comfyui_python=python, comfyui_args="--cpu")
    app.start()
    yield app
    app.stop()


async def test_pictures_of_both_folders_are_sent_with_the_workflow_in_them(app: App) -> None:
    extra_data = {"extra_pnginfo": {"workflow": {"id": "the-graph"}}}
    reader = Reader(app, PICTURE, extra_data=extra_data)

    await reader.task

    files = {event.node: event.files[0] for event in reader.events if isinstance(event, NodeOutput)}
    assert (files["2"].type, files["2"].subfolder, files["2"].filename) == ("output", "sub", "W_00001_.png")
    assert files["3"].type == "temp"
    assert isinstance(files["2"].source, Inline)
    assert b"the-graph" in files["2"].source.content()
    assert isinstance(reader.events[-1], PromptFinished)
    assert set(reader.events[-1].history.outputs_to_execute) == {"2", "3"}


async def test_only_the_targets_run(app: App) -> None:
    reader = Reader(app, PICTURE, targets=["3"])

    await reader.task

    assert [event.node for event in reader.events if isinstance(event, NodeOutput)] == ["3"]


async def test_a_prompt_that_does_not_validate_is_rejected_with_its_nodes(app: App) -> None:
    reader = Reader(app, {"2": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}})

    await reader.task

    ending = reader.events[-1]
    assert isinstance(ending, PromptRejected)
    assert ending.error["type"] == "prompt_outputs_failed_validation"
    assert "2" in ending.node_errors


async def test_a_node_that_fails_ends_the_prompt_with_its_error(app: App) -> None:
    prompt = {**PICTURE, "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "../../x"}}}
    reader = Reader(app, prompt)

    await reader.task

    ending = reader.events[-1]
    assert isinstance(ending, PromptFailed)
    assert ending.error["node_id"] == "2"
    assert ending.history.status["status_str"] == "error"


async def test_jobs_at_once_each_get_their_own(app: App) -> None:
    def picture(number: int) -> dict[str, Any]:
        image = {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": number}}
        save = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": f"job{number}"}}
        return {"1": image, "2": save}

    readers = [Reader(app, picture(number)) for number in range(5)]
    await asyncio.gather(*(reader.task for reader in readers))

    names = [
        [file.filename for event in reader.events if isinstance(event, NodeOutput) for file in event.files]
        for reader in readers
    ]
    assert names == [[f"job{number}_00001_.png"] for number in range(5)]
