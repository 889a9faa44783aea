"""A text that names a file or a folder of this machine, through the whole product."""

from pathlib import Path

import pytest

from tests.support.prompts import Prompt
from tests.support.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")


def reading(path: str) -> Prompt:
    return {"1": {"class_type": "SandboxReadPath", "inputs": {"path": path}}}


def choosing(folder: str) -> Prompt:
    return {"1": {"class_type": "SandboxReadFolder", "inputs": {"folder": folder}}}


def folder_with(stack: Stack, name: str, **texts: str) -> Path:
    folder = stack.output.with_name("input") / name
    folder.mkdir()
    for file, text in texts.items():
        (folder / f"{file}.txt").write_text(text)
    return folder


async def text(stack: Stack, prompt: Prompt) -> str:
    entry = await stack.history(await stack.queue_prompt(prompt))
    return str(entry["outputs"]["1"]["text"][0])


async def test_a_file_that_a_text_names_is_read_on_the_worker(stack: Stack) -> None:
    folder = folder_with(stack, "notes", a="only here")

    assert await text(stack, reading(str(folder / "a.txt"))) == "a.txt only here"


async def test_a_folder_that_a_text_or_a_choice_names_is_read_on_the_worker(stack: Stack) -> None:
    folder = folder_with(stack, "texts", a="one", b="two")

    assert await text(stack, reading(str(folder))) == "a.txt one\nb.txt two"
    assert await text(stack, choosing("texts")) == "a.txt one\nb.txt two"


async def test_a_path_elsewhere_on_this_machine_is_refused_before_anything_is_paid(
    stack: Stack, tmp_path: Path
) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    for path in (str(tmp_path / "secret.txt"), "/home/of/another/a.png", "C:\\a.png"):
        status, body = await stack.post("/api/prompt", {"prompt": reading(path)})

        assert status == 400
        assert "WORKER_PATHS=1" in body["node_errors"]["1"]["errors"][0]["details"]


async def test_a_path_of_the_volume_and_a_text_with_a_slash_reach_the_node(stack: Stack) -> None:
    assert await text(stack, reading("/runpod-volume/nowhere.txt")) == "BLANK"
    assert await text(stack, reading("and/or")) == "BLANK"
