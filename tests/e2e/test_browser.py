"""A person at the page: a real Chromium, the Run button, the picture on the node."""

import json

import pytest
from PIL import Image

from tests.support.browser import chromium
from tests.support.frontend import PATIENCE_S, Frontend
from tests.support.prompts import inverted_image
from tests.support.stack import Stack
from tests.support.until import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine; install the package chromium"),
]


async def test_run_shows_the_picture_on_the_node_in_the_queue_and_on_disk(stack: Stack, frontend: Frontend) -> None:
    before = len((await stack.get("/runpod/api/jobs"))["jobs"])
    await frontend.load_prompt(inverted_image(color=0x2060A0, prefix="browser", size=256))
    await frontend.run()
    source = await frontend.image_on_node("3")
    await frontend.open_queue()
    await frontend.queue_shows("browser_00001_.png")
    await frontend.screenshot(f"run-{stack.kind}")
    unexpected = frontend.unexpected_errors()
    jobs = (await stack.get("/runpod/api/jobs"))["jobs"]
    history = await stack.get("/api/history")
    image = Image.open(stack.output / "browser_00001_.png")

    assert "browser_00001_.png" in source
    assert image.size == (256, 256)
    assert len(jobs) == before + 1
    assert jobs[0]["prompt_id"] in history
    assert jobs[0]["runpod_id"]
    assert unexpected == []


async def test_the_picture_dropped_on_the_page_restores_the_graph(stack: Stack, frontend: Frontend) -> None:
    await frontend.load_prompt(inverted_image(color=7, prefix="dropped"))
    await frontend.run()
    await frontend.image_on_node("3", "dropped_00001_.png")
    await frontend.clear()
    assert await frontend.node_types() == []
    await frontend.drop_file(stack.output / "dropped_00001_.png")

    async def restored() -> bool:
        return sorted(await frontend.node_types()) == ["EmptyImage", "ImageInvert", "SaveImage"]

    await until(restored, PATIENCE_S)
    workflow = json.loads(Image.open(stack.output / "dropped_00001_.png").info["workflow"])

    assert {node["type"] for node in workflow["nodes"]} == {"EmptyImage", "ImageInvert", "SaveImage"}


async def test_a_refused_prompt_is_told_on_the_page(stack: Stack, frontend: Frontend) -> None:
    prompt = inverted_image(color=8)
    prompt["2"] = {
        "class_type": "ImageScale",
        "inputs": {"image": ["1", 0], "upscale_method": "lanczos", "width": 8, "height": 8, "crop": "disabled"},
    }
    await frontend.load_prompt(prompt)
    await frontend.set_widget("2", "upscale_method", "bogus")
    before = await stack.get("/runpod/api/jobs")
    await frontend.run()
    await frontend.page.get_by_text("bogus").first.wait_for()
    await frontend.screenshot(f"error-{stack.kind}")

    assert await stack.get("/runpod/api/jobs") == before
