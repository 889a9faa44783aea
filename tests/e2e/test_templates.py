"""A workflow that names its models, on an endpoint that lacks one: one question, and a picture."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

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
    app.router.add_get("/new.safetensors", model)
    async with served(app) as host:
        settings = {"MODELS_DIR": str(volume), "DOWNLOADS_ALLOW_PRIVATE": "1", "MODEL_HOSTS": host}
        async with stack_of("sandbox", tmp_path_factory, **settings) as stack:
            found = Bench(stack, host, volume, asked)

            async def is_known() -> bool:
                """After a job; the worker may still be looking while the first one ends."""
                await stack.history(await stack.queue_prompt(inverted_image()))
                return bool((await found.catalog())["source"] == "worker")

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
