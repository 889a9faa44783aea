"""A workflow that names its models, on an endpoint that lacks one: one question, and a picture."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, expect

from tests.support.browser import chromium, opened_context, opened_tab
from tests.support.models import make_models
from tests.support.prompts import inverted_image
from tests.support.served import served
from tests.support.stack import Stack
from tests.support.stacks import stack_of
from tests.support.until import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTENT = b"weights of a model" * 10_000
PROMPT = {
    "1": {"class_type": "SandboxCheckpoint", "inputs": {"ckpt_name": "new.safetensors"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "template"}},
}


@dataclass
class Bench:
    """A stack, a host of models that it may fetch from, and the worker's folder of models."""

    stack: Stack
    host: str
    volume: Path
    asked: Counter[str] = field(default_factory=Counter)

    @property
    def body(self) -> dict[str, Any]:
        """The request of a page that shows a template."""
        model = {"name": "new.safetensors", "url": f"{self.host}/new.safetensors", "directory": "checkpoints"}
        workflow = {"nodes": [{"id": 1, "type": "SandboxCheckpoint", "properties": {"models": [model]}}]}
        return {"prompt": PROMPT, "client_id": "page", "extra_data": {"extra_pnginfo": {"workflow": workflow}}}

    async def catalog(self) -> dict[str, Any]:
        endpoints: list[dict[str, Any]] = (await self.stack.get("/runpod/api/catalog"))["endpoints"]
        return endpoints[0]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    asked, volume = Counter[str](), make_models(tmp_path_factory.mktemp("volume"))
    file = tmp_path_factory.mktemp("host") / "new.safetensors"
    file.write_bytes(CONTENT)

    async def model(request: web.Request) -> web.FileResponse:
        asked[request.headers.get("Range", "")] += 1
        return web.FileResponse(file)

    app = web.Application()
    app.router.add_get("/{name}.safetensors", model)
    async with served(app) as host:
        settings = {"MODELS_DIR": str(volume), "DOWNLOADS_ALLOW_PRIVATE": "1", "MODEL_HOSTS": host}
        async with stack_of("sandbox", tmp_path_factory, **settings) as stack:
            found = Bench(stack, host, volume, asked)

            async def is_known() -> bool:
                """After a job; the worker may still be looking while the first one ends."""
                await stack.history(await stack.queue_prompt(inverted_image()))
                return bool((await found.catalog()).get("source") == "worker")

            await until(is_known, 60)
            yield found


async def test_a_template_whose_model_is_missing_runs_after_one_question(bench: Bench) -> None:
    before = await bench.stack.jobs_at_endpoint()
    refused, answer = await bench.stack.post("/prompt", bench.body)
    told = answer["error"]["extra_info"]["runpod"]
    model = told["models"][0]
    wanted = {"models": [{"kind": model["kind"], "name": model["name"], "url": model["fetch"]["url"]}]}
    _, price = await bench.stack.post("/runpod/api/models/fetch?dry=1", wanted)
    still, _ = await bench.stack.post("/prompt", bench.body)
    agreed, _ = await bench.stack.post("/runpod/api/models/fetch", wanted)

    assert (refused, still, agreed) == (400, 400, 200)
    assert told["text"] == "The endpoint has no new.safetensors in checkpoints."
    assert price["models"][0]["size"] == len(CONTENT)
    assert await bench.stack.jobs_at_endpoint() == before

    accepted, answer = await bench.stack.post("/prompt", bench.body)
    entry = await bench.stack.history(answer["prompt_id"])

    assert (accepted, entry["status"]["status_str"]) == (200, "success")
    assert (bench.volume / "checkpoints" / "new.safetensors").read_bytes() == CONTENT


async def test_once_it_is_there_it_is_neither_asked_for_nor_fetched_again(bench: Bench) -> None:
    async def is_listed() -> bool:
        return bool((await bench.catalog())["models"].get("checkpoints") == 3)

    await until(is_listed, 60)
    before = bench.asked.total()
    status, answer = await bench.stack.post("/prompt", bench.body)
    entry = await bench.stack.history(answer["prompt_id"])

    assert (status, entry["status"]["status_str"]) == (200, "success")
    assert bench.asked.total() == before


MARKS = """() => window.app.graph.nodes.flatMap((node) => node.badges)
    .map((badge) => (typeof badge === "function" ? badge() : badge).text).filter((text) => text.includes("endpoint"))"""
NAME_ITS_MODEL = """(model) => {
    const node = window.app.graph.nodes.find((node) => node.type === "SandboxCheckpoint");
    node.properties.models = [model];
}"""


@pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine; install the package chromium")
async def test_on_the_page_one_click_fetches_the_model_and_the_picture_follows(bench: Bench, browser: Browser) -> None:
    name = "page.safetensors"
    model = {"name": name, "url": f"{bench.host}/{name}", "directory": "checkpoints"}
    prompt = {**PROMPT, "1": {"class_type": "SandboxCheckpoint", "inputs": {"ckpt_name": name}}}
    prompt["2"] = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "paged"}}
    async with opened_context(browser) as context:
        frontend = await opened_tab(context, bench.stack.url)
        page, box = frontend.page, frontend.page.locator("#comfy-runpod-toast")

        async def marks(wanted: list[str]) -> bool:
            return bool(await page.evaluate(MARKS) == wanted)

        await frontend.load_prompt(prompt)
        await page.evaluate(NAME_ITS_MODEL, model)
        await until(lambda: marks([f"endpoint lacks {name}"]), 60)
        before = await bench.stack.jobs_at_endpoint()
        await frontend.run()
        await expect(box).to_contain_text(f"The endpoint has no {name} in checkpoints.", timeout=60_000)
        fetch = box.get_by_role("button", name="Let the worker fetch it from 127.0.0.1 (180 KB")
        await fetch.wait_for(timeout=60_000)
        await frontend.screenshot("template")
        unpaid = await bench.stack.jobs_at_endpoint()
        await fetch.click()
        await frontend.image_on_node("2", "paged_00001_")
        await until(lambda: marks([]), 60)

    assert unpaid == before
    assert (bench.volume / "checkpoints" / name).read_bytes() == CONTENT
    assert frontend.unexpected_errors() == []
