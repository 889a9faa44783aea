"""Files that a node writes without announcing them, and the ones that it names in ways of its own."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.page import opened_page
from tests.support.prompts import Prompt
from tests.support.stack import PROJECT, Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")


def leave(name: str, folder: str = "output", text: str = "paid") -> dict[str, Any]:
    return {"class_type": "SandboxLeave", "inputs": {"text": text, "folder": folder, "name": name}}


async def finished(stack: Stack, prompt: Prompt) -> tuple[str, dict[str, Any]]:
    prompt_id = await stack.queue_prompt(prompt)
    entry = await stack.history(prompt_id)
    assert entry["status"]["status_str"] == "success", entry["status"]
    return prompt_id, entry


async def test_a_file_that_no_node_announces_lands_in_its_folder_and_on_the_list_of_jobs(stack: Stack) -> None:
    prompt_id, entry = await finished(stack, {"1": leave("notes/quiet.txt")})
    job = await stack.job(prompt_id)

    assert (stack.output / "notes" / "quiet.txt").read_text() == "paid"
    assert job["state"] == "completed"
    assert job["files"] == [{"type": "output", "subfolder": "notes", "filename": "quiet.txt"}]
    assert entry["outputs"] == {}


async def test_a_file_among_the_inputs_can_be_chosen_there_and_takes_no_place_of_another(stack: Stack) -> None:
    inputs = stack.output.with_name("input")
    (inputs / "drawn.txt").write_text("mine")
    prompt_id, _ = await finished(stack, {"1": leave("drawn.txt", "input", "theirs")})
    (file,) = (await stack.job(prompt_id))["files"]

    assert (inputs / "drawn.txt").read_text() == "mine"
    assert file["type"] == "input"
    assert (inputs / file["filename"]).read_text() == "theirs"


async def test_what_was_left_before_an_error_is_kept(stack: Stack) -> None:
    image = {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0x313131}}
    slow = {"class_type": "SandboxSlow", "inputs": {"image": ["1", 0], "steps": 1, "seconds_per_step": 0.3}}
    fail = {"class_type": "SandboxFail", "inputs": {"image": ["2", 0], "message": "no"}}
    show = {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}
    left = leave("before-the-error.txt")
    prompt_id = await stack.queue_prompt({"0": left, "1": image, "2": slow, "3": fail, "4": show})
    entry = await stack.history(prompt_id)

    assert entry["status"]["status_str"] == "error"
    assert (stack.output / "before-the-error.txt").read_text() == "paid"


async def test_a_film_and_what_lies_beside_it_share_a_number_and_a_path_is_a_local_one(stack: Stack) -> None:
    (stack.output / "clips").mkdir(exist_ok=True)
    (stack.output / "clips" / "v_00004_.mp4").write_bytes(b"mine")
    film = {"class_type": "SandboxFilmWithPicture", "inputs": {"filename_prefix": "clips/v"}}
    async with opened_page(stack.session, stack.url) as page:
        prompt_id = await stack.queue_prompt({"1": film}, client_id=page.sid)
        told = await page.heard("executed", prompt_id)
        await page.heard_end(prompt_id)
    entry = await stack.history(prompt_id)
    (item,) = entry["outputs"]["1"]["gifs"]

    written = {path.name: path.read_text() for path in (stack.output / "clips").iterdir()}
    assert (item["filename"], item["workflow"]) == ("v_00005-audio.mp4", "v_00005.png")
    assert Path(item["fullpath"]).samefile(stack.output / "clips" / "v_00005-audio.mp4")
    assert told["output"]["gifs"] == [item]
    assert written == {
        "v_00004_.mp4": "mine",
        "v_00005-audio.mp4": "v_00001-audio.mp4",
        "v_00005.mp4": "v_00001.mp4",
        "v_00005.png": "v_00001.png",
    }
    assert "endpoint" not in json.dumps([told, entry["outputs"]])


async def test_a_cloud_and_its_background_are_found_in_the_temp_folder(stack: Stack) -> None:
    prompt_id, entry = await finished(stack, {"1": {"class_type": "SandboxCloud", "inputs": {"name": "far"}}})
    model, camera, background = entry["outputs"]["1"]["result"]

    for name in (model, background.removeprefix("temp/")):
        async with stack.session.get(stack.url + "/view", params={"filename": name, "type": "temp"}) as answer:
            assert (answer.status, await answer.text()) == (200, name)
    assert (model, camera, background) == ("preview_far.ply", None, "temp/bg_far.png")
    assert {file["type"] for file in (await stack.job(prompt_id))["files"]} == {"temp"}


async def test_the_terminal_names_a_file_that_no_node_announces(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "prompt.json").write_text(json.dumps({"1": leave("terminal.txt")}))
    options = ("-w", str(tmp_path / "prompt.json"), "-o", str(tmp_path / "out"), "--json")
    environ = stack.environ | {
        "RUNPOD_API_KEY": stack.endpoint_key,
        "RUNPOD_ENDPOINT_ID": "sandbox",
        "RUNPOD_ENDPOINT_BASE_URL": stack.endpoint_url,
        "COMFY_RUNPOD_HOME": str(tmp_path / "home"),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROJECT / "scripts" / "send-to-runpod.py"), *options),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 90)

    assert json.loads(output)["files"] == [str(tmp_path / "out" / "terminal.txt")]
    assert (tmp_path / "out" / "terminal.txt").read_text() == "paid"
