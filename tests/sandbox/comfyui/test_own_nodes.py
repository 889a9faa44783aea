"""What only the sandbox's ComfyUI has: nodes that are slow, fail, make noise or sound, and a slow start."""

import asyncio
import time
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from PIL import Image

from sandbox.comfyui.graph import signatures
from tests.support.comfyui import comfyui_process
from tests.support.page import opened_page
from tests.support.until import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
IMAGE = {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 32, "batch_size": 1, "color": 255}}


@dataclass
class Comfy:
    url: str
    data: Path
    session: aiohttp.ClientSession

    async def queue(self, prompt: dict[str, Any], **more: Any) -> str:
        async with self.session.post(f"{self.url}/prompt", json={"prompt": prompt, **more}) as response:
            body = await response.json()
            assert response.status == 200, body
            return str(body["prompt_id"])

    async def history(self, prompt_id: str) -> dict[str, Any]:
        async def entry() -> Any:
            async with self.session.get(f"{self.url}/history/{prompt_id}") as response:
                return (await response.json()).get(prompt_id)

        found: dict[str, Any] = await until(entry)
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def comfy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Comfy]:
    data = tmp_path_factory.mktemp("comfyui")
    async with comfyui_process(data=data) as url, aiohttp.ClientSession() as session:
        yield Comfy(url, data, session)


def slow(steps: int, seconds: float, color: int = 255) -> dict[str, Any]:
    return {
        "1": {**IMAGE, "inputs": {**IMAGE["inputs"], "color": color}},  # type: ignore[dict-item]
        "2": {
            "class_type": "SandboxSlow",
            "inputs": {"image": ["1", 0], "steps": steps, "seconds_per_step": seconds},
        },
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }


async def test_a_slow_node_shows_each_step_with_a_picture(comfy: Comfy) -> None:
    async with opened_page(comfy.session, comfy.url) as page:
        prompt_id = await comfy.queue(slow(3, 0.01), client_id=page.sid)
        await page.heard_end(prompt_id)
        steps = [(said["value"], said["max"]) for said in page.said("progress", prompt_id)]
        frames = [(frame.node_id, frame.prompt_id, frame.image_type) for frame in page.previews]

    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert frames == [("2", prompt_id, "image/jpeg")] * 3


async def test_each_step_is_told_as_state_then_picture_then_progress(comfy: Comfy) -> None:
    async with comfy.session.ws_connect(f"{comfy.url}/ws") as socket:
        sid = (await socket.receive_json(timeout=5))["data"]["sid"]
        await socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
        await socket.receive_json(timeout=5)
        await comfy.queue(slow(1, 0.01, color=1), client_id=sid)
        kinds = list[str]()
        while "execution_success" not in kinds:
            received = await socket.receive(timeout=10)
            kinds.append("picture" if received.type is aiohttp.WSMsgType.BINARY else received.json()["type"])
    at = kinds.index("picture")

    assert kinds[at - 1 : at + 2] == ["progress_state", "picture", "progress"]


async def test_a_page_that_announced_nothing_gets_pictures_the_old_way(comfy: Comfy) -> None:
    async with comfy.session.ws_connect(f"{comfy.url}/ws") as socket:
        sid = (await socket.receive_json(timeout=5))["data"]["sid"]
        await comfy.queue(slow(1, 0.01, color=2), client_id=sid)
        frame = b""
        while not frame:
            received = await socket.receive(timeout=10)
            frame = received.data if received.type is aiohttp.WSMsgType.BINARY else b""

    assert frame[:8] == bytes([0, 0, 0, 1, 0, 0, 0, 1])


async def test_a_slow_node_stops_long_before_its_time(comfy: Comfy) -> None:
    async with opened_page(comfy.session, comfy.url) as page:
        prompt_id = await comfy.queue(slow(1, 60.0), client_id=page.sid)

        async def running() -> bool:
            return any(said["node"] == "2" for said in page.said("executing", prompt_id))

        await until(running)
        await comfy.session.post(f"{comfy.url}/interrupt", json={"prompt_id": prompt_id})

        assert await page.heard("execution_interrupted", prompt_id, 20)


async def test_the_failing_node_says_what_it_was_told_to_say(comfy: Comfy) -> None:
    prompt = {
        "1": slow(1, 0, color=3)["1"],
        "2": {"class_type": "SandboxFail", "inputs": {"image": ["1", 0], "message": "out of luck"}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }
    kind, error = (await comfy.history(await comfy.queue(prompt)))["status"]["messages"][-1]

    assert kind == "execution_error"
    assert (error["node_id"], error["exception_message"]) == ("2", "out of luck\n")
    assert error["executed"] == ["1"]
    assert error["traceback"]


async def test_noise_does_not_compress_and_a_seed_repeats_it(comfy: Comfy) -> None:
    noise = {"class_type": "SandboxNoise", "inputs": {"width": 128, "height": 128, "seed": 2**64 - 1}}
    prompt = {
        name: {"class_type": "SaveImage", "inputs": {"images": [name.removeprefix("s"), 0], "filename_prefix": "noise"}}
        for name in ("s1", "s2")
    } | {"1": noise, "2": noise}
    await comfy.history(await comfy.queue(prompt))
    first, second = (comfy.data / "output" / f"noise_0000{n}_.png" for n in (1, 2))

    assert first.stat().st_size > 128 * 128 * 3
    assert Image.open(first).tobytes() == Image.open(second).tobytes()


async def test_sound_is_saved_as_audio(comfy: Comfy) -> None:
    prompt = {
        "1": {"class_type": "SandboxTone", "inputs": {"seconds": 0.5, "frequency": 440.0}},
        "2": {"class_type": "SandboxSaveAudio", "inputs": {"audio": ["1", 0], "filename_prefix": "audio/tone"}},
    }
    entry = await comfy.history(await comfy.queue(prompt))
    with wave.open(str(comfy.data / "output" / "audio" / "tone_00001_.wav")) as file:
        frames, rate = file.getnframes(), file.getframerate()

    assert entry["outputs"]["2"] == {"audio": [{"filename": "tone_00001_.wav", "subfolder": "audio", "type": "output"}]}
    assert frames == rate / 2


async def test_a_slow_start_is_slow(tmp_path: Path) -> None:
    started = time.monotonic()
    async with comfyui_process(data=tmp_path, args=("--slow-start", "1", "--unknown-flag")):
        took_s = time.monotonic() - started

    assert took_s > 1


async def test_temporary_files_are_gone_after_a_restart(tmp_path: Path) -> None:
    (tmp_path / "temp" / "temp").mkdir(parents=True)
    left = tmp_path / "temp" / "temp" / "left.png"
    left.touch()
    async with comfyui_process(data=tmp_path):
        assert not left.exists()


async def test_a_graph_of_diamonds_is_looked_at_once_a_node() -> None:
    prompt: dict[str, Any] = {"0": {"class_type": "EmptyImage", "inputs": {}}}
    for node in range(1, 200):
        below = [str(node - 1), 0]
        prompt[str(node)] = {"class_type": "ImageBlend", "inputs": {"image1": below, "image2": below}}

    found = await asyncio.wait_for(asyncio.to_thread(signatures, prompt, list(prompt), {}), 60)

    assert len(set(found.values())) == 200
