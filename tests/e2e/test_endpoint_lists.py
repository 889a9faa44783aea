"""ComfyUI's page before an endpoint whose nodes and models this machine does not have."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser

from engine.catalog.catalogs import Catalogs
from engine.catalog.merge import ONLY_THERE
from proxy.addons.node_lists import NodeLists
from proxy.addons.streaming import Streaming
from tests.proxy.addons.conftest import running_front
from tests.support.browser import chromium, opened_context, opened_tab
from tests.support.comfyui import comfyui_process
from tests.support.frontend import PATIENCE_S, Frontend
from wire.catalog import Catalog

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine; install the package chromium"),
]

ATTACK = "<img src=x onerror=window.attacked=1>"
BOTH = ("LoadImage", "SaveImage", "EmptyImage")
"""the endpoint does not have the sandbox's other nodes"""


def catalog_of(local: dict[str, Any]) -> Catalog:
    there = {name: local[name] for name in BOTH}
    inputs = {
        "ckpt_name": [["a.ckpt", "sub/b.ckpt", ATTACK], {"tooltip": ATTACK}],
        "picture": [[], {"image_upload": True}],
        "steps": ["INT", {"default": 7, "min": 1, "max": 9}],
    }
    farther = {
        **local["EmptyImage"],
        "name": "FarLoader",
        "display_name": "Far Loader",
        "description": f"Loads. {ATTACK}",
        "input": {"required": inputs},
        "input_order": {"required": list(inputs)},
    }
    broken = {**farther, "name": "Broken", "category": None, "input": {"required": {"x": None}}}
    models = {"checkpoints": {"a.ckpt": 1, "sub/b.ckpt": 2}}
    return Catalog(nodes=there | {"FarLoader": farther, "Broken": broken, ATTACK: farther}, models=models)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> AsyncIterator[Frontend]:
    """The page of a sandbox that stands in for a ComfyUI of the person's own; it has one picture."""
    data, catalogs = tmp_path_factory.mktemp("local"), Catalogs(["far"], lambda: 0)
    async with comfyui_process(data=data) as comfyui, aiohttp.ClientSession() as session:
        Image.new("RGB", (8, 8)).save(data / "input" / "mine.png")
        async with session.get(f"{comfyui}/object_info") as response:
            catalogs.received("far", catalog_of(await response.json()), "sha")
        addons = [Streaming(), NodeLists(catalogs, stand_in=True)]
        async with running_front(comfyui, addons) as url, opened_context(browser) as context:
            yield await opened_tab(context, url)


async def registered(page: Frontend) -> list[str]:
    found: list[str] = await page.page.evaluate("() => Object.keys(window.LiteGraph.registered_node_types)")
    return found


async def test_the_page_knows_the_endpoints_nodes_and_not_the_ones_of_its_stand_in(page: Frontend) -> None:
    types = await registered(page)

    assert {*BOTH, "FarLoader"} <= set(types)
    assert not [name for name in types if name.startswith("Sandbox")]
    assert not {"ImageInvert", "Broken", ATTACK} & set(types)


async def test_the_sample_whose_nodes_the_endpoint_lacks_is_not_opened(page: Frontend) -> None:
    assert "ImageInvert" not in await page.node_types()
    assert page.unexpected_errors() == []


_CHOICES = """() => {
  const { widgets } = window.app.graph._nodes.find((node) => node.type === "FarLoader");
  const lists = widgets.filter((widget) => widget.options?.values);
  return Object.fromEntries(lists.map((widget) => [widget.name, [...widget.options.values]]));
}"""


async def test_a_node_that_only_the_endpoint_has_can_be_used_with_its_models_and_the_persons_files(
    page: Frontend,
) -> None:
    prompt = {
        "1": {"class_type": "FarLoader", "inputs": {"ckpt_name": "sub/b.ckpt", "picture": "mine.png", "steps": 3}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "far"}},
    }
    await page.load_prompt(prompt)
    choices = await page.page.evaluate(_CHOICES)
    made = await page.page.evaluate("async () => (await window.app.graphToPrompt()).output")
    about = await page.page.evaluate("async () => (await (await fetch('/object_info/FarLoader')).json()).FarLoader")
    await page.screenshot("endpoint-only-node")

    assert choices["ckpt_name"] == ["a.ckpt", "sub/b.ckpt"]
    assert choices["picture"] == ["mine.png"]
    assert made["1"]["inputs"] | prompt["1"]["inputs"] == made["1"]["inputs"]
    assert about["description"].startswith(ONLY_THERE)
    assert page.unexpected_errors() == []


_OPEN_MENU = """async ([choices, patience_ms]) => {
  delete window.attacked;
  const menu = new window.LiteGraph.ContextMenu(choices, {});
  const until = Date.now() + patience_ms;
  while (!window.attacked && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 50));
  menu.close();
  return window.attacked === 1;
}"""


async def test_a_choice_of_a_hostile_endpoint_does_not_run_in_the_pages_menu(page: Frontend) -> None:
    """The page of this release runs such a choice when it gets one."""
    offered = await page.page.evaluate(
        "async () => (await (await fetch('/object_info/FarLoader')).json()).FarLoader.input.required.ckpt_name[0]"
    )
    ran = await page.page.evaluate(_OPEN_MENU, [[ATTACK], PATIENCE_S * 1000])

    assert ran is True
    assert await page.page.evaluate(_OPEN_MENU, [offered, 2000]) is False
