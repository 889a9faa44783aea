"""Scripts that were written for ComfyUI's own port work at the proxy's, unchanged."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.prompts import Prompt, inverted_image
from tests.support.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCRIPT = Path(__file__).parents[1] / "support" / "websocket_script.py"
PNG, JPEG = "89504e47", "ffd8ff"


async def told(url: str, prompt: Prompt, folder: Path) -> dict[str, Any]:
    """What the script prints when it runs *prompt* at *url*."""
    file = folder / "prompt.json"
    file.write_text(json.dumps(prompt))
    address = url.removeprefix("http://")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SCRIPT), address, str(file)), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0
    printed: dict[str, Any] = json.loads(output)
    return printed


async def test_a_script_with_a_websocket_gets_the_pictures_of_the_history(stack: Stack, tmp_path: Path) -> None:
    local = await told(stack.comfyui_url, inverted_image(color=0x123456, prefix="script-local"), tmp_path)
    remote = await told(stack.url, inverted_image(color=0x123456, prefix="script-remote"), tmp_path)

    assert [name for name, _ in remote["pictures"]] == ["script-remote_00001_.png"]
    assert remote["pictures"][0][1] > 0
    assert [kind for kind in remote["kinds"] if kind not in ("notification", "status")] == [
        kind for kind in local["kinds"] if kind != "status"
    ]


async def test_a_script_gets_every_picture_that_a_node_sends_through_the_websocket(
    stack: Stack, tmp_path: Path
) -> None:
    prompt = inverted_image(color=0x654321, batch=3)
    prompt["1"] = {"class_type": "SandboxNoise", "inputs": {"width": 640, "height": 640, "seed": 7}}
    prompt["4"] = {"class_type": "ImageBatch", "inputs": {"image1": ["2", 0], "image2": ["1", 0]}}
    prompt["3"] = {"class_type": "SaveImageWebsocket", "inputs": {"images": ["4", 0]}}
    remote = await told(stack.url, prompt, tmp_path)

    assert remote["frames"] == {"3": [[1, PNG], [1, PNG]]}
    assert remote["pictures"] == []


async def test_a_script_without_feature_flags_gets_previews_the_old_way(stack: Stack, tmp_path: Path) -> None:
    prompt = inverted_image(color=0x222222, prefix="script-preview")
    prompt["2"] = {"class_type": "SandboxSlow", "inputs": {"image": ["1", 0], "steps": 3, "seconds_per_step": 0.4}}
    remote = await told(stack.url, prompt, tmp_path)

    assert remote["frames"]["2"]
    assert {(kind, head[:6]) for kind, head in remote["frames"]["2"]} == {(1, JPEG)}
