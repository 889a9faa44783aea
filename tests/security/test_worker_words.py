"""What a worker says is text: nothing of it runs as script in ComfyUI's page or in ours, in any release of the page."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.support.browser import chromium, opened_context, opened_tab, running_browser
from tests.support.comfyui import comfyui_process
from tests.support.frontend import Frontend
from tests.support.frontends import MISSING, VERSIONS, frontend_root
from tests.support.marked import DECORATION, ENDINGS, NODE, TEXT_NODE, mark, marked_everywhere, marked_one_by_one
from tests.support.playbook import finished
from tests.support.prompts import Prompt, inverted_image
from tests.support.runpod import RunPod, serving
from tests.support.stack import PROJECT, Stack, running_stack
from wire.events import KINDS, NodeOutput, PromptStarted, Unknown, WorkerEvent
from wire.files import FileRef, Inline

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine; install the package chromium"),
]

_SHOWS_TEXT = {
    "name": "PreviewAny", "display_name": "Preview as Text", "category": "test", "python_module": "nodes",
    "description": "", "input": {"required": {"source": ["*", {}]}}, "input_order": {"required": ["source"]},
    "output": [], "output_is_list": [], "output_name": [], "output_node": True,
}  # fmt: skip
"""ComfyUI's own node for texts, which the page has special code for"""


def prompt() -> Prompt:
    shows_text = {"class_type": "PreviewAny", "inputs": {"source": ["2", 0]}, "_meta": {"title": "Preview"}}
    return {**inverted_image(), TEXT_NODE: shows_text}


@dataclass
class Site:
    stack: Stack
    runpod: RunPod
    tab: Frontend
    ours: Page

    async def run(self, events: Sequence[WorkerEvent]) -> dict[str, Any]:
        """The job in which a worker says *events*, when it has ended and the pages have shown it."""
        self.runpod.script = lambda _: events
        sid = (await self.tab.shown()).sid
        prompt_id = await self.stack.queue_prompt(inverted_image(), client_id=sid)
        await self.stack.history(prompt_id)
        await self.tab.shows(lambda moment: prompt_id in moment.ended)
        await self.ours.reload()
        await self.ours.locator("#recent tr").first.wait_for()
        return await self.stack.job(prompt_id)

    async def ran(self) -> list[str]:
        """The marks that ran as script in either page, when one that surely runs has shown that they would have."""
        await self.tab.open_queue()
        found = []
        for page in (self.tab.page, self.ours):
            await page.evaluate("(mark) => { document.createElement('div').innerHTML = mark; }", mark("control"))
            await page.wait_for_function("document.documentElement.dataset.marked?.includes('control')")
            found.append(await page.evaluate("document.documentElement.dataset.marked"))
            await page.evaluate("delete document.documentElement.dataset.marked")
        return [text.removeprefix("undefined control") for text in found if text != "undefined control"]


def _version(version: str) -> Any:
    missing = not frontend_root(version).is_dir()
    return pytest.param(version, marks=pytest.mark.skipif(missing, reason=f"{MISSING} {version}"))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[_version(version) for version in VERSIONS])
async def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    data, home = tmp_path_factory.mktemp("local"), tmp_path_factory.mktemp("home")
    args = ("--front-end-root", str(frontend_root(request.param)))
    async with (
        serving(RunPod(lambda _: [])) as runpod,
        comfyui_process(data=data, args=args) as url,
        running_stack(
            home,
            COMFYUI_URL=url,
            RUNPOD_API_KEY="key",
            RUNPOD_ENDPOINT_ID="ep",
            RUNPOD_ENDPOINT_BASE_URL=runpod.url,
        ) as stack,
        running_browser() as browser,
        opened_context(browser) as context,
    ):
        tab = await opened_tab(context, stack.url)
        await tab.page.evaluate("(known) => window.app.registerNodeDef(known.name, known)", _SHOWS_TEXT)
        await tab.load_prompt(prompt())
        ours = await context.new_page()
        await ours.goto(f"{stack.url}/runpod/")
        await tab.page.bring_to_front()
        stack.output = data / "output"
        yield Site(stack, runpod, tab, ours)


async def test_every_kind_of_event_and_each_of_its_fields_is_marked() -> None:
    found = {event["kind"]: event for event in (*DECORATION, *ENDINGS)}
    models = {model.model_fields["kind"].default: model for model in get_args(WorkerEvent) if model is not Unknown}

    assert set(found) - {"a_kind_of_next_year"} == KINDS - {"prompt_started"}
    assert all(set(found[kind]) == set(model.model_fields) for kind, model in models.items() if kind in found)


async def test_what_a_worker_tells_of_a_prompt_is_text(site: Site) -> None:
    told = [event for template in DECORATION for event in marked_one_by_one(template)]
    job = await site.run([PromptStarted(timestamp=1), *told, finished()])

    assert len(told) > 50
    assert job["state"] == "failed"
    assert "did not arrive" in job["error"]  # a marked file that the worker says it lacks
    assert await site.ran() == []


@pytest.mark.parametrize("template", ENDINGS, ids=lambda template: str(template["kind"]))
@pytest.mark.parametrize("but_in", [(NODE, "1"), ()], ids=["all but node ids", "all"])
async def test_how_a_worker_ends_a_prompt_is_text(site: Site, template: dict[str, Any], but_in: Sequence[str]) -> None:
    await site.run([PromptStarted(timestamp=1), marked_everywhere(template, but_in=but_in)])

    assert await site.ran() == []


async def test_the_name_of_a_result_is_text(site: Site) -> None:
    name = f"{mark('name')}.png"
    content = (PROJECT / "docs" / "run.png").read_bytes()
    file = FileRef(
        filename=name,
        subfolder=mark("folder"),
        type="output",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        source=Inline.of(content),
    )
    output = {"images": [{"filename": name, "subfolder": mark("folder"), "type": "output"}]}
    await site.run([PromptStarted(timestamp=1), NodeOutput(node="3", output=output, files=(file,)), finished()])

    assert [path.name for path in site.stack.output.rglob("*.png")] == [name]
    assert await site.ran() == []
