"""What a worker says does not steer the terminal in which it is shown: the proxy's log, and send-to-runpod."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.marked import DECORATION, ENDINGS, filled
from tests.support.prompts import inverted_image
from tests.support.runpod import RunPod, Told, serving
from tests.support.stack import PROJECT, Stack, running_stack
from wire.events import PromptStarted, WorkerEvent

pytestmark = pytest.mark.asyncio(loop_scope="module")
STEERING = "\x1b[2J\x1b]0;title\x07\x9b5n\rover\x08\x08"
"""clears the screen, sets the window's title, asks for an answer, goes back over the line"""


def steering(template: dict[str, Any]) -> WorkerEvent:
    """*template* with the text wherever the wire admits it."""
    return filled(template, lambda _: STEERING, but_in=("2", "1", "output"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runpod() -> AsyncIterator[RunPod]:
    async with serving(RunPod(lambda _: [])) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(runpod: RunPod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    key = {"RUNPOD_API_KEY": "key", "RUNPOD_ENDPOINT_ID": "ep", "RUNPOD_ENDPOINT_BASE_URL": runpod.url}
    async with running_stack(tmp_path_factory.mktemp("home"), **key) as running:
        yield running


def story(ending: dict[str, Any]) -> list[Told]:
    return [PromptStarted(timestamp=1), *map(steering, DECORATION), steering(ending)]


def without_lines(text: str) -> str:
    return "".join(text.split("\n"))


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: str(ending["kind"]))
async def test_the_log_of_the_proxy(stack: Stack, runpod: RunPod, ending: dict[str, Any]) -> None:
    runpod.script = lambda _: story(ending)
    await stack.history(await stack.queue_prompt(inverted_image()))

    assert "title" in stack.log()
    assert without_lines(stack.log()).replace("\t", "").isprintable()


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: str(ending["kind"]))
async def test_the_output_of_send_to_runpod(
    stack: Stack, runpod: RunPod, tmp_path: Path, ending: dict[str, Any]
) -> None:
    runpod.script = lambda _: story(ending)
    workflow = tmp_path / "workflow.json"
    workflow.write_text(json.dumps(inverted_image()))
    script = PROJECT / "scripts" / "send-to-runpod.py"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), "--workflow", str(workflow), "--output", str(tmp_path), "--no-open"),
        env={**stack.environ, "COMFY_RUNPOD_HOME": str(tmp_path / "home")},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 90)

    assert without_lines(out.decode() + err.decode()).isprintable()
    assert b"title" in err
