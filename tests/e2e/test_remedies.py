"""What the frontends that people have show of the endpoint: marks, lists, the box with ways out, the download button.

The proxy's routes and messages are given by the tests, so that each answer can be had; the prompts that run are real.
"""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, expect

from tests.e2e.conftest import FAILED
from tests.support.browser import chromium, opened_context
from tests.support.comfyui import comfyui_process
from tests.support.desk import HOST, KNOWN, NOTHING, Desk
from tests.support.frontend import PATIENCE_S, Frontend
from tests.support.frontends import MISSING, VERSIONS, frontend_root
from tests.support.prompts import inverted_image
from tests.support.stack import running_stack
from tests.support.until import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine; install the package chromium"),
]
NAME = "sd_xl_base_1.0.safetensors"
FILE = {"name": NAME, "url": f"{HOST}/stabilityai/sdxl/resolve/main/{NAME}", "directory": "checkpoints"}
LOADER = {
    "4": {"class_type": "SandboxCheckpoint", "inputs": {"ckpt_name": NAME}},
    "5": {"class_type": "SaveImage", "inputs": {"images": ["4", 0], "filename_prefix": "loaded"}},
}
MISSING_MODEL = {
    "node_id": "4",
    "class_type": "SandboxCheckpoint",
    "input": "ckpt_name",
    "kind": "checkpoints",
    "name": NAME,
    "here": False,
    "size": None,
    "fetch": {"url": FILE["url"], "host": "huggingface.co", "size": None, "sha256": None},
    "command": f"scripts/sync-models.py ~/ComfyUI --include models/checkpoints/{NAME}",
}
REFUSED: dict[str, Any] = {
    "prompt_id": None,
    "refused": True,
    "can_run_anyway": True,
    "text": f"The endpoint has no {NAME} in checkpoints.",
    "models": [MISSING_MODEL],
    "classes": [],
    "differences": [],
}
COST = {"host": "huggingface.co", "size": 6_938_040_682, "to": "volume", "minutes": 2.1, "cost_usd": 0.031}


def _version(version: str) -> Any:
    missing = not frontend_root(version).is_dir()
    return pytest.param(version, marks=pytest.mark.skipif(missing, reason=f"{MISSING} {version}"))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[_version(version) for version in VERSIONS])
async def desk_of_module(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, browser: Browser
) -> AsyncIterator[Desk]:
    data, home = tmp_path_factory.mktemp("local"), tmp_path_factory.mktemp("home")
    args = ("--front-end-root", str(frontend_root(request.param)))
    async with (
        comfyui_process(data=data, args=args) as url,
        running_stack(home, COMFYUI_URL=url) as stack,
        opened_context(browser) as context,
    ):
        stack.output = data / "output"
        desk = Desk(request.param, stack, context, {"catalog": NOTHING})
        desk.tab = await desk.opened()
        yield desk


@pytest_asyncio.fixture(loop_scope="module")
async def desk(request: pytest.FixtureRequest, desk_of_module: Desk) -> AsyncIterator[Desk]:
    """The desk, tidied up, with the tab as the tests before have left it."""
    desk, tab = desk_of_module, desk_of_module.tab
    assert tab is not None
    desk.answers = {"catalog": NOTHING}
    desk.definitions = {}
    desk.asked.clear()
    await tidied(tab)
    yield desk
    if request.node.stash.get(FAILED, False):
        await tab.screenshot(f"failed-{request.node.name}")
    assert tab.unexpected_errors() == []


async def tidied(tab: Frontend) -> None:
    if await box(tab).is_visible():
        await box(tab).get_by_role("button", name="Close").click()
    for _ in range(3):
        if await tab.page.locator("[role=dialog]:visible").count():
            await tab.page.keyboard.press("Escape")
    await tab.close_panels()


def tab_of(desk: Desk) -> Frontend:
    assert desk.tab is not None
    return desk.tab


def box(tab: Frontend) -> Locator:
    return tab.page.locator("#comfy-runpod-toast")


async def marks(tab: Frontend) -> dict[str, list[str]]:
    """Our badges, by the type of their nodes."""
    script = """() => Object.fromEntries(window.app.graph.nodes.map((node) => {
        const texts = node.badges.map((badge) => (typeof badge === "function" ? badge() : badge).text);
        return [node.type, texts.filter((text) => /endpoint/.test(text))];
    }))"""
    found: dict[str, list[str]] = await tab.page.evaluate(script)
    return {kind: texts for kind, texts in found.items() if texts}


async def workflow(tab: Frontend) -> Any:
    """The graph as it is saved and as it is sent."""
    script = """async () => {
        const { output, workflow } = await window.app.graphToPrompt();
        return JSON.parse(JSON.stringify([output, workflow, window.app.graph.serialize()]));
    }"""
    return await tab.page.evaluate(script)


async def open_workflow(tab: Frontend, nodes: list[dict[str, Any]]) -> None:
    graph = {"last_node_id": 9, "last_link_id": 9, "nodes": nodes, "links": [], "groups": [], "version": 0.4}
    await tab.page.evaluate("(graph) => { window.app.loadGraphData(graph); }", graph)
    await tab.has_nodes([node["type"] for node in nodes])


def node(kind: str, number: int = 4, **more: Any) -> dict[str, Any]:
    place = {"pos": [300, 200], "size": [320, 80], "flags": {}, "order": 0, "mode": 0}
    return {"id": number, "type": kind, **place, "inputs": [], "outputs": [], "properties": {}, **more}


MARKED = {
    "ImageInvert": ["not on the endpoint"],
    "SaveImage": ["endpoint only: plain widgets"],
    "SandboxCheckpoint": [f"endpoint lacks {NAME}"],
}


async def told_of_marks(desk: Desk) -> None:
    inputs = {"SandboxCheckpoint": {"ckpt_name": "checkpoints"}}
    only = {"only_here": ["ImageInvert"], "only_there": ["SaveImage"]}
    desk.answers["catalog"] = {**KNOWN, **only, "model_inputs": inputs}
    await tab_of(desk).load_prompt({**inverted_image(), "4": LOADER["4"]})
    await desk.tell("runpod.catalog", {"sha256": "a"})

    async def marked() -> bool:
        return await marks(tab_of(desk)) == MARKED

    await until(marked, PATIENCE_S)


async def test_what_the_endpoint_cannot_run_is_marked_and_the_graph_stays_as_it_is(desk: Desk) -> None:
    tab = tab_of(desk)
    await tab.load_prompt({**inverted_image(), "4": LOADER["4"]})
    before = await workflow(tab)
    await told_of_marks(desk)
    after = await workflow(tab)
    await tab.screenshot(f"{desk.version}-marks")

    assert after[0] == before[0]
    assert "endpoint" not in json.dumps(after)


async def test_a_mark_goes_with_its_reason(desk: Desk) -> None:
    tab = tab_of(desk)
    await told_of_marks(desk)
    desk.answers["catalog"] = KNOWN
    await desk.tell("runpod.catalog", {"sha256": "b"})

    async def unmarked() -> bool:
        return await marks(tab) == {}

    await until(unmarked, PATIENCE_S)


async def test_the_marks_are_on_the_nodes_of_the_new_design_too(desk: Desk) -> None:
    if desk.version == "1.27.10":
        pytest.skip("1.27 has no nodes of the new design")
    tab = tab_of(desk)
    design = "(on) => window.app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)"
    await told_of_marks(desk)
    await tab.page.evaluate(design, True)
    try:
        await tab.page.locator("[data-node-id]").get_by_text("not on the endpoint").wait_for(timeout=PATIENCE_S * 1000)
        await tab.screenshot(f"{desk.version}-marks-new-design")
    finally:
        await tab.page.evaluate(design, False)


async def test_the_marks_can_be_read_as_a_list(desk: Desk) -> None:
    tab = tab_of(desk)
    await told_of_marks(desk)
    desk.answers["models/send"] = {"size": None, "minutes": None, "text": "not here", "started": False}
    await tab.page.evaluate("() => window.app.extensionManager.command.execute('RunPod.CheckGraph')")
    await expect(box(tab)).to_contain_text(f"{NAME} · checkpoints")
    await tab.screenshot(f"{desk.version}-check")

    assert "does not have the node ImageInvert. #2" in await box(tab).inner_text()
    assert "Only the endpoint has the node SaveImage" in await box(tab).inner_text()


async def test_the_lists_follow_the_endpoint_without_a_reload(desk: Desk) -> None:
    tab = tab_of(desk)
    await tab.load_prompt(LOADER)
    infos = await desk.stack.get("/object_info")
    far = json.loads(json.dumps(infos["SandboxCheckpoint"]))
    far["input"]["required"]["ckpt_name"][0] = ["far.safetensors"]
    desk.definitions = {"SandboxCheckpoint": far, "FarInvert": {**infos["ImageInvert"], "name": "FarInvert"}}
    await desk.tell("runpod.catalog", {"sha256": "c"})
    script = """() => {
        const stores = document.getElementById("vue-app").__vue_app__.config.globalProperties.$pinia._s;
        const loader = window.app.graph.nodes.find((node) => node.type === "SandboxCheckpoint");
        return loader.widgets[0].options.values.includes("far.safetensors")
            && "FarInvert" in window.LiteGraph.registered_node_types
            && "FarInvert" in stores.get("nodeDef").nodeDefsByName;
    }"""
    await tab.page.wait_for_function(script, timeout=PATIENCE_S * 1000)

    assert await tab.page.locator("[role=dialog]:visible").count() == 0
    assert not await box(tab).is_visible()


async def test_a_node_that_the_page_did_not_know_is_there_when_the_graph_is_opened_again(desk: Desk) -> None:
    tab = tab_of(desk)
    infos = await desk.stack.get("/object_info")
    await open_workflow(tab, [node("LateInvert")])
    await tidied(tab)
    desk.definitions = {"LateInvert": {**infos["ImageInvert"], "name": "LateInvert"}}
    await desk.tell("runpod.catalog", {"sha256": "d"})
    await box(tab).get_by_role("button", name="Open the graph again").click()
    script = "() => window.app.graph.nodes[0]?.constructor.comfyClass === 'LateInvert'"
    await tab.page.wait_for_function(script, timeout=PATIENCE_S * 1000)

    assert await tab.node_types() == ["LateInvert"]


async def test_a_refused_prompt_and_its_ways_out_can_be_read_together(desk: Desk) -> None:
    tab = tab_of(desk)
    desk.answers["models/fetch"] = {"models": [COST], "text": ""}
    prompt = inverted_image()
    scaled = {"image": ["1", 0], "upscale_method": "lanczos", "width": 8, "height": 8, "crop": "disabled"}
    prompt["2"] = {"class_type": "ImageScale", "inputs": scaled}
    await tab.load_prompt(prompt)
    await tab.set_widget("2", "upscale_method", "bogus")
    await tab.run()
    await tab.shows(lambda moment: moment.red)
    await desk.tell("runpod.remedies", REFUSED)
    await expect(box(tab)).to_contain_text("(6.9 GB, about 2 min, ~$0.03)")
    await tab.screenshot(f"{desk.version}-refused")
    run = await tab.page.locator("[data-testid=queue-button]").first.bounding_box()
    place = await box(tab).bounding_box()
    await box(tab).get_by_role("button", name="Close").click(trial=True)  # no dialog lies over it
    await tab.page.keyboard.press("Escape")
    await tidied(tab)

    assert run and place
    assert place["y"] > run["y"] + run["height"]
    assert not await box(tab).is_visible()


async def test_a_model_that_the_worker_may_fetch_is_agreed_on_and_the_graph_runs_again(desk: Desk) -> None:
    tab = tab_of(desk)
    desk.answers["models/fetch"] = {"models": [COST], "text": ""}
    prefix = f"again{desk.version.replace('.', '')}"
    await tab.load_prompt(inverted_image(prefix=prefix))
    await desk.tell("runpod.remedies", REFUSED)
    await box(tab).get_by_role("button", name=re.compile("Let the worker fetch it from huggingface.co .6.9 GB")).click()
    await tab.image_on_node("3", prefix)
    await tab.idle()

    assert [[model["name"] for model in body["models"]] for body in desk.done("models/fetch")] == [[NAME]]
    assert not await box(tab).is_visible()


async def test_the_pages_download_button_asks_where_the_file_shall_go(desk: Desk) -> None:
    tab = tab_of(desk)
    desk.answers["models/fetch"] = {"models": [COST], "text": ""}
    desk.downloads.clear()
    await open_workflow(tab, [node("SandboxCheckpoint", properties={"models": [FILE]}, widgets_values=[NAME])])
    button = await download_button(desk)
    await button.click()
    await expect(box(tab)).to_contain_text("(6.9 GB, about 2 min, ~$0.03)")
    await tab.screenshot(f"{desk.version}-download")
    before = list(desk.downloads)
    await box(tab).get_by_role("button", name="Download to this machine anyway").click()

    async def downloaded() -> bool:
        return desk.downloads == [FILE["url"]]

    await until(downloaded, PATIENCE_S, lambda: str(desk.downloads))

    assert before == []


ERRORS_TAB = ("1.49.6", "1.58.1")
"""releases that list missing models beside the graph; older ones have a dialog"""


async def download_button(desk: Desk) -> Locator:
    """The tab of the errors goes back to another one while there are none yet: the page looks for them in its time."""
    script = """() => {
        const stores = document.getElementById("vue-app").__vue_app__.config.globalProperties.$pinia._s;
        stores.get("rightSidePanel").openPanel("errors");
    }"""
    page = tab_of(desk).page
    button = page.locator(".comfy-missing-models button[title], [data-testid=missing-model-download]").first

    async def shown() -> bool:
        if desk.version in ERRORS_TAB:
            await page.evaluate(script)
        return await button.is_visible()

    await until(shown, PATIENCE_S)
    return button


async def test_asking_the_endpoint_says_its_price_first(desk: Desk) -> None:
    tab = tab_of(desk)
    text = "Starts a worker, which takes about a minute."
    desk.answers["catalog/refresh"] = {"text": text, "cost_usd": 0.0123, "started": True}
    await tab.page.evaluate("() => window.app.extensionManager.command.execute('RunPod.CheckGraph')")
    await box(tab).get_by_role("button", name="RunPod: ask the endpoint what it has").click()
    ask = box(tab).get_by_role("button", name="Ask now (~$0.01)")
    await ask.wait_for()
    before = desk.done("catalog/refresh")
    await ask.click()
    await expect(ask).to_have_count(0)

    assert before == []
    assert desk.done("catalog/refresh") == [{}]


async def test_the_commands_are_in_the_pages_menu(desk: Desk) -> None:
    script = """() => {
        const stores = document.getElementById("vue-app").__vue_app__.config.globalProperties.$pinia._s;
        const menu = stores.get("menuItem").menuItems.find((item) => item.label === "RunPod");
        return menu.items.map((item) => (typeof item.label === "function" ? item.label() : item.label));
    }"""

    assert await tab_of(desk).page.evaluate(script) == [
        "RunPod: check this graph against the endpoint",
        "RunPod: ask the endpoint what it has",
    ]
