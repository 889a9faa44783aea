"""Records what ComfyUI's own page sends for a workflow file: the truth that the converter is compared with."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import BrowserContext, Error, Page, ViewportSize

from tests.conversion.random_graphs import RANDOM_GRAPH
from tests.support.browser import opened_context, running_browser

_NOT_WORKFLOWS = ("index", "fuse_options")
"""what lists and searches the templates"""
_RELOAD_AFTER = 150
"""files in one tab; the page keeps something of each"""
_NODES = 12
"""in a random graph"""
_PAGE_S = 60
_OPEN_S = 900
_SETTLE_S = 15
"""the page loads a graph of its own at first, which would replace ours"""
_SMALL: ViewportSize = {"width": 400, "height": 300}
"""nobody looks at it"""
_CONVERT = """async ([graph, limit_ms]) => {
    Math.random = () => 0;
    window.app.canvas.pause_rendering = true;
    const late = new Promise((_, fail) => setTimeout(() => fail(new Error("the page took too long")), limit_ms));
    const convert = async () => {
        await window.app.loadGraphData(graph);
        return (await window.app.graphToPrompt()).output;
    };
    return JSON.stringify(await Promise.race([convert(), late]));
}"""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A real ComfyUI: its sources, and an interpreter with its requirements."""

    home: Path
    python: Path

    def workflows(self) -> Iterator[tuple[str, Path]]:
        """Name and path of each official workflow: the templates of its packages, its blueprints."""
        libraries = self.python.parent.parent / "lib"
        for path in sorted(libraries.glob("python3*/site-packages/comfyui_workflow_templates_*/templates/*.json")):
            if not path.name.startswith(_NOT_WORKFLOWS):
                yield f"template-{path.stem}", path
        for path in sorted((self.home / "blueprints").glob("*.json")):
            yield f"blueprint-{path.stem}", path


async def record(checkout: Checkout, url: str, into: Path) -> None:
    """Write ``object_info.json`` and, for each workflow, ``<name>.json`` into *into*; what is there is kept.

    *url* is the running ComfyUI of *checkout*.
    """
    into.mkdir(parents=True, exist_ok=True)
    missing = [(name, path) for name, path in checkout.workflows() if not (into / f"{name}.json").exists()]
    random.Random(0).shuffle(missing)
    await _save_object_info(url, into)
    async with running_browser() as browser, opened_context(browser) as context:
        for start in range(0, len(missing), _RELOAD_AFTER):
            tab = await _opened(context, url)
            for name, path in missing[start : start + _RELOAD_AFTER]:
                _write(into / f"{name}.json", await _recorded(tab, path))
                print(name, flush=True)
            await tab.close()


async def record_random(url: str, into: Path, count: int) -> None:
    """Write *count* graphs that the page made of random nodes, each with what it sends, into *into*."""
    into.mkdir(parents=True, exist_ok=True)
    await _save_object_info(url, into)
    async with running_browser() as browser, opened_context(browser) as context:
        tab = await _opened(context, url)
        for number in range(count):
            about = {"at": datetime.now().astimezone().isoformat()}
            graph = json.loads(await tab.evaluate(RANDOM_GRAPH, [number, _NODES]))
            found = {**about, "graph": graph, **await _sent(tab, graph)}
            _write(into / f"random-{number:03}.json", found)
            print(number, flush=True)


async def _opened(context: BrowserContext, url: str) -> Page:
    """The page at *url*, as soon as it can load a graph."""
    page = await context.new_page()
    await page.set_viewport_size(_SMALL)
    await page.goto(url, timeout=_OPEN_S * 1000, wait_until="commit")
    await page.wait_for_function("() => window.app?.extensionManager && window.name", timeout=_OPEN_S * 1000)
    await page.wait_for_timeout(_SETTLE_S * 1000)
    return page


async def _save_object_info(url: str, into: Path) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/object_info") as response:
        _write(into / "object_info.json", await response.json())


async def _recorded(tab: Page, path: Path) -> dict[str, Any]:
    graph = json.loads(path.read_text(encoding="utf-8"))
    about = {"path": str(path), "at": datetime.now().astimezone().isoformat()}
    return {**about, **await _sent(tab, graph)}


async def _sent(tab: Page, graph: Any) -> dict[str, Any]:
    try:
        output = await tab.evaluate(_CONVERT, [graph, _PAGE_S * 1000])
    except Error as error:
        return {"error": error.message}
    return {"output": json.loads(output)}


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")
