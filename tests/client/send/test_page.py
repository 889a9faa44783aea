"""A page converts a workflow in a real Chromium; ComfyUI's own is compared in tests/conversion."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from client.send.page import ComfyPage, PageFailed, browser
from tests.support.served import served

PROGRAM = browser() or ""
pytestmark = pytest.mark.skipif(not PROGRAM, reason="no Chromium is installed")
PAGE = """<div id="vue-app"></div><script>
    window.name = "a page";
    window.app = {
        graph: { nodes: [{}] },
        loadGraphData: async (graph) => { window.loaded = graph; },
        graphToPrompt: async () => {
            if (window.loaded.fails) throw new Error("no node is here");
            return { output: window.loaded.odd ? [] : { chance: Math.random(), loaded: window.loaded } };
        },
    };
</script>"""


@asynccontextmanager
async def opened(body: str = PAGE) -> AsyncIterator[ComfyPage]:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="text/html")

    app = web.Application()
    app.add_routes([web.get("/", page)])
    async with served(app) as url, ComfyPage(PROGRAM, url) as found:
        yield found


async def test_the_page_is_given_the_graph_and_its_prompt_comes_back() -> None:
    graph = {"nodes": [], "title": 'é "quoted" </script> \u2028'}
    async with opened() as page:
        first, again, other = [await page.convert(graph, seed) for seed in (7, 7, 8)]

    assert first["loaded"] == graph
    assert first == again
    assert 0 <= first["chance"] < 1
    assert first["chance"] != other["chance"]


async def test_what_the_page_throws_is_said() -> None:
    async with opened() as page:
        with pytest.raises(PageFailed, match="the page says: Error: no node is here"):
            await page.convert({"fails": True}, 0)
        with pytest.raises(PageFailed, match="something else than a prompt"):
            await page.convert({"odd": True}, 0)


async def test_a_program_that_cannot_be_started_is_said() -> None:
    async with ComfyPage("/nowhere/chromium", "http://127.0.0.1:9") as page:
        with pytest.raises(PageFailed, match="the browser did not answer"):
            await page.convert({}, 0)


async def test_without_a_workflow_no_browser_is_started() -> None:
    async with ComfyPage("/nowhere/chromium", "http://127.0.0.1:9"):
        pass


async def test_another_page_is_not_waited_for() -> None:
    async with opened("<p>It works!</p>") as page:
        with pytest.raises(PageFailed, match="does not show ComfyUI's page"):
            await page.convert({}, 0)
