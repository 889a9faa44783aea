"""Without a ComfyUI of one's own: RunPod's settings alone, and the page has what the endpoint has."""

import asyncio
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from engine.ports import wait_until_listening
from tests.support.browser import chromium, opened_context, opened_tab
from tests.support.models import make_models, model_arguments
from tests.support.ports import free_port
from tests.support.prompts import inverted_image
from tests.support.stack import PROJECT, Stack, running_stack, stop
from tests.support.until import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTHING_KNOWN = "Nothing is known of the endpoint yet"


@asynccontextmanager
async def endpoint_elsewhere(folder: Path) -> AsyncIterator[str]:
    """The address of an endpoint that the proxy did not start; its workers have models."""
    port, models = free_port(), make_models(folder / "models")
    arguments = shlex.join(model_arguments(models, folder / "models.json"))
    with (folder / "endpoint.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sandbox.endpoint", "--port", str(port), "--home", str(folder / "endpoint")),
            f"--comfyui-args={arguments}",
            cwd=PROJECT,
            stdout=log,
            stderr=log,
        )
    try:
        assert await wait_until_listening("127.0.0.1", port, 60)
        yield f"http://127.0.0.1:{port}/v2"
    finally:
        await stop(process)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def far(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with endpoint_elsewhere(tmp_path_factory.mktemp("endpoint")) as url:
        settings = {"RUNPOD_API_KEY": "any", "RUNPOD_ENDPOINT_ID": "sandbox", "RUNPOD_ENDPOINT_BASE_URL": url}
        async with running_stack(tmp_path_factory.mktemp("home"), **settings) as stack:
            yield stack


async def hint(stack: Stack) -> str:
    return str((await stack.get("/runpod/api/status"))["hint"])


@pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine; install the package chromium")
async def test_the_page_says_that_nothing_is_known_yet(far: Stack, browser: Browser) -> None:
    async with opened_context(browser) as context:
        tab = await opened_tab(context, far.url)
        await tab.text(NOTHING_KNOWN)

        assert tab.unexpected_errors() == []
    assert NOTHING_KNOWN in await hint(far)


async def test_the_first_run_brings_the_endpoints_nodes_and_models(far: Stack) -> None:
    async def told() -> Any:
        """A job never waits for the catalog, so it may be the next one that brings it."""
        await far.history(await far.queue_prompt(inverted_image()), timeout_s=150)
        return not await hint(far)

    await until(told, 170)
    nodes = await far.get("/object_info")

    assert await far.get("/models/checkpoints") == ["plain.safetensors", "sdxl/deep.safetensors"]
    assert nodes["SandboxCheckpoint"]["input"]["required"]["ckpt_name"][0] == [
        "plain.safetensors",
        "sdxl/deep.safetensors",
    ]
    assert not any(info["description"].startswith("The endpoint does not have") for info in nodes.values())
    assert list(far.output.iterdir())
