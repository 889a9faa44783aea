"""A real Chromium that shows ComfyUI's page and does what a person would."""

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_LOAD_MS = 90_000
_SETTINGS = {"Comfy.TutorialCompleted": True, "Comfy.UseNewMenu": "Top", "Comfy.Validation.Workflows": False}


def chromium() -> str | None:
    """The system's Chromium; Playwright's own download is not needed."""
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )


@dataclass
class Frontend:
    """ComfyUI's page."""

    page: Page
    errors: list[str] = field(default_factory=list)

    async def load_prompt(self, prompt: Mapping[str, Any]) -> None:
        """Show a prompt in API format as a graph."""
        await self.page.evaluate("(prompt) => window.app.loadApiJson(prompt, 'test')", dict(prompt))
        wanted = sorted(node["class_type"] for node in prompt.values())
        shown = "(wanted) => window.app.graph.nodes.map((node) => node.type).sort().join() === wanted.join()"
        await self.page.wait_for_function(shown, arg=wanted, timeout=20_000)

    async def run(self) -> None:
        await self.page.locator("[data-testid=queue-button] button").first.click()

    async def image_on_node(self, node_id: str, timeout_s: float = 60) -> str:
        """Where the picture on the node comes from, as soon as it is there and has been loaded."""
        script = """(id) => {
            const node = window.app.graph.getNodeById(Number(id));
            const image = node?.imgs?.find((image) => image.complete && image.naturalWidth > 0);
            return image ? image.src : false;
        }"""
        handle = await self.page.wait_for_function(script, arg=node_id, timeout=timeout_s * 1000)
        return str(await handle.json_value())

    async def open_queue(self) -> None:
        """The sidebar tab that lists what ran: the queue, or in newer frontends the assets."""
        script = """() => {
            const sidebar = window.app.extensionManager.sidebarTab;
            const names = sidebar.sidebarTabs.map((tab) => tab.id);
            const wanted = names.includes("queue") ? "queue" : "assets";
            if (sidebar.activeSidebarTabId !== wanted) sidebar.toggleSidebarTab(wanted);
        }"""
        await self.page.evaluate(script)

    async def queue_shows(self, filename: str) -> None:
        """The picture is in the queue panel."""
        image = self.page.locator(f"img[src*='{filename}']").first
        await image.wait_for(timeout=20_000)

    async def clear(self) -> None:
        await self.page.evaluate("() => window.app.graph.clear()")

    async def node_types(self) -> list[str]:
        types: list[str] = await self.page.evaluate("() => window.app.graph.nodes.map((node) => node.type)")
        return types

    async def set_widget(self, node_id: str, name: str, value: object) -> None:
        script = """([id, name, value]) => {
            window.app.graph.getNodeById(Number(id)).widgets.find((widget) => widget.name === name).value = value;
        }"""
        await self.page.evaluate(script, [node_id, name, value])

    async def drop_file(self, path: Path) -> None:
        """As dragging a file from the desktop onto the canvas."""
        script = """async ([name, data]) => {
            const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, { type: "image/png" }));
            const canvas = document.querySelector("canvas#graph-canvas");
            canvas.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }"""
        content = base64.b64encode(await asyncio.to_thread(path.read_bytes)).decode()
        await self.page.evaluate(script, [path.name, content])

    def unexpected_errors(self) -> list[str]:
        """What the page reported, without what it reports with or without a proxy (1.27.10 at every load)."""
        return [error for error in self.errors if "reading 'id'" not in error]

    async def screenshot(self, name: str) -> Path:
        ARTIFACTS.mkdir(exist_ok=True)
        path = ARTIFACTS / f"{name}.png"
        await self.page.screenshot(path=path)
        return path


@asynccontextmanager
async def opened_frontend(url: str) -> AsyncIterator[Frontend]:
    """The page at *url*, ready, in a browser of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=list(_FLAGS))
        try:
            page = await browser.new_page(viewport={"width": 1400, "height": 900})
            frontend = Frontend(page)
            page.on("pageerror", lambda error: frontend.errors.append(str(error)))
            for name, value in _SETTINGS.items():
                await page.request.post(f"{url}/api/settings/{name}", data=json.dumps(value))
            await page.goto(url)
            first_graph = "() => window.app?.graph?.nodes.length > 0 && window.app.extensionManager"
            await page.wait_for_function(first_graph, timeout=_LOAD_MS)  # what comes before it would be overwritten
            await page.locator("[data-testid=queue-button]").wait_for(timeout=_LOAD_MS)
            yield frontend
        finally:
            await browser.close()
