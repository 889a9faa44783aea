"""A real Chromium, and ComfyUI's page opened in it."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, BrowserContext, async_playwright, expect

from tests.support.frontend import PATIENCE_S, Frontend

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_SETTINGS = {"Comfy.TutorialCompleted": True, "Comfy.UseNewMenu": "Top", "Comfy.Validation.Workflows": False}


def chromium() -> str | None:
    """The system's Chromium; Playwright's own download is not needed."""
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )


@asynccontextmanager
async def running_browser(*flags: str) -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE_S * 1000)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=[*_FLAGS, *flags])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def opened_context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A person's browser: its pages share what they store, and nothing is left of it afterwards."""
    context = await browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(PATIENCE_S * 1000)
    try:
        yield context
    finally:
        await context.close()


async def opened_tab(context: BrowserContext, url: str) -> Frontend:
    """The page at *url*, ready, in a tab of its own."""
    page = await context.new_page()
    frontend = Frontend(page)
    page.on("pageerror", lambda error: frontend.errors.append(str(error)))
    for name, value in _SETTINGS.items():
        await page.request.post(f"{url}/api/settings/{name}", data=json.dumps(value))
    await page.goto(url)
    await frontend.ready()
    return frontend
