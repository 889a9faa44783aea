"""Files both ways with a real ComfyUI at both ends: what its own loaders read and its own savers write."""

import io
import json
import math
import struct
import wave
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from PIL import Image

from tests.support.prompts import Prompt, inverted_file, inverted_image
from tests.support.stack import Stack
from tests.support.stacks import NO_REAL, REAL, stack_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.skipif(not REAL, reason=NO_REAL)]
WORKFLOW = {"id": "598ca6f2-0000-4000-8000-000000000000", "nodes": [], "links": [], "version": 0.4}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with stack_of("real", tmp_path_factory) as stack:
        yield stack


async def upload(stack: Stack, name: str, content: bytes, **fields: str) -> str:
    """The value that the page puts into the widget."""
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("image", content, filename=name, content_type="application/octet-stream")
    for field, value in fields.items():
        form.add_field(field, value)
    async with stack.session.post(stack.url + "/api/upload/image", data=form) as response:
        stored = await response.json()
    return f"{stored['subfolder']}/{stored['name']}".lstrip("/")


async def outputs(stack: Stack, prompt: Prompt, **more: Any) -> dict[str, Any]:
    entry = await stack.history(await stack.queue_prompt(prompt, **more), 120)
    assert entry["status"]["status_str"] == "success", entry["status"]
    found: dict[str, Any] = entry["outputs"]
    return found


def local(stack: Stack, item: dict[str, str]) -> Path:
    root = {"output": stack.output, "temp": stack.output.parent / "temp" / "temp"}[item["type"]]  # it adds the last one
    return root / item["subfolder"] / item["filename"]


def arrived_whole(stack: Stack, item: dict[str, str]) -> bool:
    """The same bytes are among those that the worker's ComfyUI wrote into that folder."""
    content = local(stack, item).read_bytes()
    theirs = (stack.home / "sandbox" / "endpoint").glob(f"*/data/{item['type']}/{item['subfolder']}/*")
    return len(content) > 0 and content in [path.read_bytes() for path in theirs if path.is_file()]


def picture(color: tuple[int, ...], mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (16, 16), color).save(buffer, "PNG")
    return buffer.getvalue()


def sound() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(at / 5))) for at in range(4000)))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "fields", "ending"),
    [
        ("rötlich 1.png", {"subfolder": "sub dir"}, ""),
        ("image.png", {"subfolder": "pasted"}, ""),
        ("clipspace-painted-masked-1.png", {"subfolder": "clipspace"}, " [input]"),
        ("scene.png", {"subfolder": "threed", "type": "temp"}, " [temp]"),
        ("earlier.png", {"subfolder": "kept", "type": "output"}, " [output]"),
    ],
)
async def test_a_picture_travels_from_wherever_the_page_put_it(
    stack: Stack, name: str, fields: dict[str, str], ending: str
) -> None:
    mode, color = ("RGBA", (255, 0, 0, 128)) if "masked" in name else ("RGB", (255, 0, 0))
    value = await upload(stack, name, picture(color, mode), **fields) + ending
    (item,) = (await outputs(stack, inverted_file(value)))["3"]["images"]

    assert Image.open(local(stack, item)).convert("RGB").getpixel((0, 0)) == (0, 255, 255)


async def test_the_same_name_in_three_folders_stays_three_pictures(stack: Stack) -> None:
    colors = {"input": (255, 0, 0), "output": (0, 255, 0), "temp": (0, 0, 255)}
    for folder, color in colors.items():
        await upload(stack, "same.png", picture(color), type=folder)
    prompt: Prompt = {}
    for number, folder in enumerate(colors):
        value = "same.png" if folder == "input" else f"same.png [{folder}]"
        prompt[f"{number}1"] = {"class_type": "LoadImage", "inputs": {"image": value}}
        inputs = {"filename_prefix": f"same-{folder}", "images": [f"{number}1", 0]}
        prompt[f"{number}2"] = {"class_type": "SaveImage", "inputs": inputs}
    found = await outputs(stack, prompt)

    shown = [
        Image.open(local(stack, found[f"{number}2"]["images"][0])).convert("RGB").getpixel((0, 0))
        for number in range(3)
    ]
    assert shown == list(colors.values())


async def test_video_sound_and_mesh_arrive_as_they_were_written(stack: Stack) -> None:
    sound_name = await upload(stack, "tön.wav", sound(), subfolder="audio")
    save = {"filename_prefix": "video/first", "format": "mp4", "codec": "h264"}
    made = await outputs(
        stack,
        {
            "1": inverted_image(size=64, batch=8)["1"],
            "2": {"class_type": "CreateVideo", "inputs": {"images": ["1", 0], "fps": 8}},
            "3": {"class_type": "SaveVideo", "inputs": {"video": ["2", 0], **save}},
            "4": {"class_type": "LoadAudio", "inputs": {"audio": sound_name}},
            "5": {"class_type": "SaveAudio", "inputs": {"audio": ["4", 0], "filename_prefix": "audio/x"}},
            "6": {"class_type": "SandboxTriangle", "inputs": {}},
            "7": {"class_type": "SaveGLB", "inputs": {"mesh": ["6", 0], "filename_prefix": "mesh/x"}},
        },
        extra_data={"extra_pnginfo": {"workflow": WORKFLOW}},
    )
    (film,), (tone,), (mesh,) = made["3"]["images"], made["5"]["audio"], made["7"]["3d"]
    again = await outputs(
        stack,
        {
            "1": {"class_type": "LoadVideo", "inputs": {"file": f"{film['subfolder']}/{film['filename']} [output]"}},
            "2": {"class_type": "SaveVideo", "inputs": {"video": ["1", 0], **save}},
        },
    )
    (second,) = again["2"]["images"]

    assert all(arrived_whole(stack, item) for item in (film, tone, mesh, second))
    assert [film["filename"], second["filename"]] == ["first_00001_.mp4", "first_00002_.mp4"]
    assert local(stack, film).read_bytes()[4:8] == b"ftyp"
    assert WORKFLOW["id"].encode() in local(stack, film).read_bytes()  # type: ignore[attr-defined]
    assert local(stack, tone).read_bytes()[:4] == b"fLaC"
    assert local(stack, mesh).read_bytes()[:4] == b"glTF"


async def test_3d_previews_are_found_where_comfyui_keeps_them(stack: Stack) -> None:
    known = await stack.get("/object_info")
    if "Preview3DAdvanced" not in known:
        pytest.skip("this ComfyUI has no Preview3DAdvanced")
    made = await outputs(
        stack,
        {
            "1": {"class_type": "SandboxTriangle", "inputs": {}},
            "2": {"class_type": "MeshToFile3D", "inputs": {"mesh": ["1", 0]}},
            "3": inverted_image(size=16)["1"],
            "4": {"class_type": "Preview3D", "inputs": {"model_file": ["2", 0], "bg_image": ["3", 0]}},
            "5": {
                "class_type": "Preview3DAdvanced",
                "inputs": {"model_3d": ["2", 0], "viewport_state": {}, "width": 64, "height": 64},
            },
        },
    )
    (model, _, background), (advanced, *_) = made["4"]["result"], made["5"]["result"]
    temp = stack.output.parent / "temp" / "temp"

    assert (stack.output / model).read_bytes()[:4] == b"glTF"
    assert (temp / advanced).read_bytes()[:4] == b"glTF"
    assert Image.open(temp / background.removeprefix("temp/")).size == (16, 16)


async def test_a_batch_a_preview_and_a_folder_with_tokens(stack: Stack) -> None:
    prompt = inverted_image(color=0x102030, prefix="%year%/%width%px/img", batch=8)
    prompt["4"] = {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}
    found = await outputs(stack, prompt, extra_data={"extra_pnginfo": {"workflow": WORKFLOW}})
    saved, previews = found["3"]["images"], found["4"]["images"]

    assert [item["filename"] for item in saved] == [f"img_{number:05}_.png" for number in range(1, 9)]
    assert {item["subfolder"] for item in saved} == {f"{datetime.now().year}/64px"}
    assert [item["type"] for item in previews] == ["temp"] * 8
    assert all(arrived_whole(stack, item) for item in (*saved, *previews))
    assert json.loads(Image.open(local(stack, saved[0])).info["workflow"]) == WORKFLOW


async def test_a_file_that_comfyui_itself_would_read_is_refused(stack: Stack) -> None:
    for name in ("/etc/hostname", "../output/x.png"):
        status, body = await stack.post("/api/prompt", {"prompt": inverted_file(name)})

        assert status == 400
        assert list(body["node_errors"]) == ["1"]
