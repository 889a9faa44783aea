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


def picture(name: str, color: int) -> dict[str, Any]:
    """A saved picture and a preview of it."""
    image = {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": color}}
    save = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": name}}
    return {"1": image, "2": save, "3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}


def sent_files(reader: Reader) -> dict[str, bytes]:
    """Content by node."""
    files = {event.node: event.files for event in reader.events if isinstance(event, NodeOutput)}
    return {node: file.source.content() for node, (file,) in files.items() if isinstance(file.source, Inline)}


def comfyui(which: str) -> dict[str, Any]:
    """The worker's settings for it."""
    if which == "sandbox":
        return {"home": SANDBOX, "comfyui_python": Path(sys.executable), "comfyui_args": "--cpu"}
    home, python = Path(os.environ["COMFYUI_DIR"]), Path(os.environ["COMFYUI_PYTHON"])
    return {"home": home, "comfyui_python": python, "comfyui_args": "--cpu --disable-all-custom-nodes"}


EITHER = pytest.mark.parametrize(
    "which", ["sandbox", pytest.param("real", marks=pytest.mark.skipif(not REAL, reason=NO_REAL))], scope="module"
)
pytestmark = EITHER


@pytest.fixture(scope="module")
def app(which: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    app = make_app(data=tmp_path_factory.mktemp("data"), **comfyui(which))
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


async def test_a_part_that_does_not_validate_is_named_beside_the_result_of_the_rest(app: App) -> None:
    incomplete = {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}
    reader = Reader(app, {**PICTURE, "4": incomplete})

    await reader.task

    ending = reader.events[-1]
    assert isinstance(ending, PromptFinished)
    assert set(ending.node_errors) == {"4"}
    assert ending.node_errors["4"]["errors"][0]["type"] == "required_input_missing"
    assert sent_files(reader).keys() == {"2", "3"}


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


async def test_a_cached_result_is_sent_again_after_other_prompts(which: str, tmp_path: Path) -> None:
    settings = comfyui(which)
    settings["comfyui_args"] += " --cache-lru 100"  # as 0.33.0 caches on a machine with much memory
    app = make_app(data=tmp_path, **settings)
    app.start()
    readers = []
    try:
        for prompt in (picture("again", 255), picture("other", 128), picture("again", 255)):
            readers.append(Reader(app, prompt))
            await readers[-1].task
    finally:
        app.stop()
    first, _, again = readers

    assert sent_files(again).keys() == sent_files(first).keys() == {"2", "3"}
    assert isinstance(again.events[-1], PromptFinished)


async def test_a_result_that_the_worker_removed_is_made_again(which: str, tmp_path: Path) -> None:
    app = make_app(data=tmp_path, output_max_bytes=0, **comfyui(which))
    app.start()
    readers = []
    try:
        for _ in range(5):
            readers.append(Reader(app, picture("again", 255)))
            await readers[-1].task
    finally:
        app.stop()

    assert [set(sent_files(reader)) for reader in readers] == [{"2", "3"}] * 5
    assert all(isinstance(reader.events[-1], PromptFinished) for reader in readers)
    assert len(list(tmp_path.rglob("again_*.png"))) < 5
