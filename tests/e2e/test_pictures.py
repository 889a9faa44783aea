"""The pictures of README.md: what a person sees while a prompt runs, after it, when it fails, and on the jobs page.

One shows a model that the endpoint lacks: there the test gives the proxy's answers.

They are written to the folder PICTURES (`make pictures`: docs), else to tests/artifacts.
"""

import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser

from tests.support.browser import chromium, opened_context, opened_tab
from tests.support.frontend import ARTIFACTS, Frontend
from tests.support.prompts import Prompt, inverted_image
from tests.support.stack import PROJECT, Stack, running_stack

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine; install the package chromium"),
]
FOLDER = PROJECT / os.environ["PICTURES"] if os.environ.get("PICTURES") else ARTIFACTS
SLOW, FAIL = "SandboxSlow", "SandboxFail"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The sandbox's at both ends, for its slow and failing nodes."""
    async with running_stack(tmp_path_factory.mktemp("home")) as running:
        yield running


def with_middle(kind: str, **inputs: object) -> Prompt:
    middle = {"class_type": kind, "inputs": {"image": ["1", 0], **inputs}, "_meta": {"title": kind}}
    return {**inverted_image(color=0x2060A0, prefix=kind.lower(), size=256), "2": middle}


def small(path: Path) -> Path:
    """The screenshot in 256 colours, in its place: a repository keeps every version."""
    FOLDER.mkdir(exist_ok=True)
    target = FOLDER / path.name
    Image.open(path).convert("RGB").quantize(256).save(target, optimize=True)
    return target


async def fitted(frontend: Frontend) -> None:
    """The whole graph in the middle of the page, when it has glided there."""
    script = """async () => {
        const view = () => String([window.app.canvas.ds.scale, ...window.app.canvas.ds.offset]);
        await window.app.extensionManager.command.execute("Comfy.Canvas.FitView");
        let before;
        do {
            before = view();
            await new Promise((resolve) => setTimeout(resolve, 100));
        } while (before !== view());
    }"""
    await frontend.page.evaluate(script)


async def test_a_run_under_way_and_at_its_end(frontend: Frontend) -> None:
    await frontend.load_prompt(with_middle(SLOW, steps=20, seconds_per_step=0.5))
    await fitted(frontend)
    await frontend.run()
    moment = await frontend.shows(lambda shown: shown.progress.get("2", 0) > 0.4 and shown.previews["2"], 60)
    running = small(await frontend.screenshot("running"))
    await frontend.image_on_node("3")
    await frontend.open_queue()
    await frontend.queue_shows("sandboxslow_00001_.png")
    done = small(await frontend.screenshot("run"))

    assert moment.outlined == ("2",)
    assert running.stat().st_size > 10_000
    assert done.stat().st_size > 10_000


async def test_a_failure_names_its_node(stack: Stack, browser: Browser) -> None:
    async with opened_context(browser) as context:
        frontend = await opened_tab(context, stack.url)  # a used one shows the pictures of the last run
        await frontend.load_prompt(with_middle(FAIL, message="the model does not fit into the GPU's memory"))
        await fitted(frontend)
        await frontend.run()
        await frontend.text("does not fit")
        failed = small(await frontend.screenshot("error"))

    assert failed.stat().st_size > 10_000


async def test_the_jobs_page_shows_what_ran(stack: Stack, browser: Browser) -> None:
    async with opened_context(browser) as context:
        page = await context.new_page()
        await page.goto(f"{stack.url}/runpod/")
        await page.get_by_text("completed").first.wait_for()
        ARTIFACTS.mkdir(exist_ok=True)
        await page.screenshot(path=ARTIFACTS / "jobs.png", clip={"x": 200, "y": 0, "width": 1000, "height": 700})
        jobs = small(ARTIFACTS / "jobs.png")

    assert jobs.stat().st_size > 5_000


LACKING = {
    "endpoints": [{"id": "e", "known": True, "sha256": "a"}],
    "only_here": [],
    "only_there": [],
    "model_inputs": {"SandboxCheckpoint": {"ckpt_name": "checkpoints"}},
}
NAME = "sd_xl_base_1.0.safetensors"
ADDRESS = {"url": f"https://huggingface.co/stabilityai/{NAME}", "host": "huggingface.co", "size": None}
COST = {"host": "huggingface.co", "size": 6_938_040_682, "to": "volume", "minutes": 1.2, "cost_usd": 0.021}
SENDING = {"size": 6_938_040_682, "minutes": 9.3, "text": "", "started": False}
ASKED = {"node_id": "1", "class_type": "SandboxCheckpoint", "input": "ckpt_name", "kind": "checkpoints", "name": NAME}
WAYS_OUT = {"here": True, "size": SENDING["size"], "fetch": ADDRESS, "command": "scripts/sync-models.py ~/ComfyUI"}
REFUSED = {
    "refused": True,
    "can_run_anyway": True,
    "text": f"The endpoint has no {NAME} in checkpoints.",
    "models": [{**ASKED, **WAYS_OUT}],
}


async def test_a_missing_model_and_its_ways_out(stack: Stack, browser: Browser) -> None:
    answers = {"catalog": LACKING, "models/fetch": {"models": [COST]}, "models/send": SENDING}
    tell = "(text) => window.app.api.socket.dispatchEvent(new MessageEvent('message', { data: text }))"
    async with opened_context(browser) as context:
        for path, answer in answers.items():
            await context.route(
                re.compile(f"/runpod/api/{path}"), lambda route, _request, answer=answer: route.fulfill(json=answer)
            )
        frontend = await opened_tab(context, stack.url)
        checkpoint = {"class_type": "SandboxCheckpoint", "inputs": {"ckpt_name": NAME}}
        await frontend.load_prompt({**inverted_image(prefix="sdxl"), "1": checkpoint})
        await fitted(frontend)
        await frontend.page.evaluate(tell, json.dumps({"type": "runpod.remedies", "data": REFUSED}))
        await frontend.text("~$0.02")
        lacking = small(await frontend.screenshot("lacking"))

    assert lacking.stat().st_size > 10_000
