"""How nodes are described, and what the savers write."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.contract.comfyui.conftest import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")
DATA = Path(__file__).parents[2] / "data"
RECORDED: dict[str, dict[str, Any]] = {
    version: json.loads((DATA / f"comfyui-{version}-nodes.json").read_text(encoding="utf-8"))
    for version in ("0.8.0", "0.33.0")
}
NAMES = sorted({name for nodes in RECORDED.values() for name in nodes})
WORKFLOW = {"id": "nodes-test", "nodes": []}


WORDS = ("tooltip", "description", "search_aliases", "essentials_category")


def without_words(value: Any) -> Any:
    """What programs read, without what people read."""
    if isinstance(value, dict):
        return {key: without_words(item) for key, item in value.items() if key not in WORDS}
    return [without_words(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", NAMES)
async def test_a_node_is_described_as_its_release_does(server: Server, name: str) -> None:
    version = (await server.get("/system_stats"))["system"]["comfyui_version"]
    if name not in RECORDED.get(version, {}):
        pytest.skip(f"{name} is recorded of other releases, this is {version}")
    found = without_words((await server.get(f"/object_info/{name}"))[name])
    expected = json.loads(json.dumps(RECORDED[version][name]))
    if name == "LoadImage":  # its values are the files that happen to be there
        found["input"]["required"]["image"][0] = expected["input"]["required"]["image"][0] = []

    assert found == expected


async def test_uploaded_pictures_can_be_chosen(server: Server) -> None:
    await server.upload("chosen.png", b"not even a picture")
    info = (await server.get("/object_info/LoadImage"))["LoadImage"]

    assert "chosen.png" in info["input"]["required"]["image"][0]


async def test_an_animation_keeps_its_frames_and_its_workflow(server: Server) -> None:
    prompt = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 8, "batch_size": 1, "color": 0xFF0000}},
        "2": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 8, "batch_size": 1, "color": 0x0000FF}},
        "3": {"class_type": "ImageBatch", "inputs": {"image1": ["1", 0], "image2": ["2", 0]}},
        "4": {
            "class_type": "SaveAnimatedWEBP",
            "inputs": {
                "images": ["3", 0],
                "filename_prefix": "moving/m",
                "fps": 8.0,
                "lossless": True,
                "quality": 80,
                "method": "fastest",
            },
        },
    }
    extra = {"extra_pnginfo": {"workflow": WORKFLOW}}
    entry = await server.history(await server.queue(prompt, extra_data=extra))
    image = Image.open(server.data / "output" / "moving" / "m_00001_.webp")
    exif = image.getexif()

    assert entry["outputs"]["4"] == {
        "images": [{"filename": "m_00001_.webp", "subfolder": "moving", "type": "output"}],
        "animated": [True],
    }
    assert (image.size, getattr(image, "n_frames", 1)) == ((16, 8), 2)
    assert json.loads(exif[0x0110].removeprefix("prompt:")) == prompt
    assert json.loads(exif[0x010F].removeprefix("workflow:")) == WORKFLOW


async def test_a_preview_is_temporary(server: Server) -> None:
    prompt = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 81}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    entry = await server.history(await server.queue(prompt))
    (item,) = entry["outputs"]["2"]["images"]

    assert (item["type"], item["subfolder"]) == ("temp", "")
    assert item["filename"].startswith("ComfyUI_temp_")
    assert item["filename"].endswith("_00001_.png")
    assert (server.data / "temp" / "temp" / item["filename"]).is_file()


@pytest.mark.parametrize(
    ("prefix", "subfolder", "filename"),
    [
        ("a/b/pre", "a/b", "pre_00001_.png"),
        ("trail/", "", "trail_00001_.png"),
        ("size-%width%x%height%", "", "size-9x8_00001_.png"),
        ("tok/%width%/x", "tok/9", "x_00001_.png"),
        ("two %batch_num%", "", "two 0_00001_.png"),
        ("kept-%other%", "", "kept-%other%_00001_.png"),
    ],
)
async def test_a_prefix_becomes_a_name(server: Server, prefix: str, subfolder: str, filename: str) -> None:
    prompt = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 9, "height": 8, "batch_size": 1, "color": 82}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    }
    entry = await server.history(await server.queue(prompt))

    assert entry["outputs"]["2"]["images"] == [{"filename": filename, "subfolder": subfolder, "type": "output"}]
    assert (server.data / "output" / subfolder / filename).is_file()


@pytest.mark.parametrize("prefix", ["../x", "/tmp/x", "a/../../x"])
async def test_a_prefix_does_not_lead_out_of_the_folder(server: Server, prefix: str) -> None:
    prompt = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 9, "height": 8, "batch_size": 1, "color": 83}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    }
    entry = await server.history(await server.queue(prompt))
    kind, error = entry["status"]["messages"][-1]

    assert kind == "execution_error"
    assert "Saving image outside the output folder is not allowed." in error["exception_message"]


async def test_a_loaded_picture_keeps_its_colors(server: Server) -> None:
    path = server.data / "input" / "colors.png"
    Image.new("RGBA", (4, 4), (10, 20, 30, 255)).save(path)
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "colors.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "loaded"}},
    }
    entry = await server.history(await server.queue(prompt))
    saved = Image.open(server.data / "output" / entry["outputs"]["2"]["images"][0]["filename"])

    assert saved.getpixel((0, 0)) == (10, 20, 30)
