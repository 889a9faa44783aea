"""A real Chromium that shows ComfyUI's page and does what a person would."""

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
        script = "async (prompt) => { await window.app.loadApiJson(prompt, 'test'); }"
        await self.page.evaluate(script, json.loads(json.dumps(prompt)))

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
        await self.page.keyboard.press("q")

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
            await page.wait_for_function("() => window.app?.graph && window.app.extensionManager", timeout=_LOAD_MS)
            await page.locator("[data-testid=queue-button]").wait_for(timeout=_LOAD_MS)
            yield frontend
        finally:
            await browser.close()
