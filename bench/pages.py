"""Loading the user interface in Chromium, through the proxy and directly."""

import time

from playwright.async_api import Browser, BrowserContext, async_playwright

from bench.process import Target
from bench.report import Limit, Row
from tests.support.browser import chromium

_ROUNDS = 4
_READY_MS = 60_000
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


async def page_loads(proxy: Target, direct: Target) -> list[Row]:
    """Seconds until the graph is on the screen, for a browser that never was there and for one that was."""
    first: dict[str, list[float]] = {proxy.name: [], direct.name: []}
    second: dict[str, list[float]] = {proxy.name: [], direct.name: []}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=_ARGUMENTS)
        for turn in range(_ROUNDS):
            for target in (proxy, direct) if turn % 2 else (direct, proxy):
                cold, warm = await _two_visits(browser, target.url)
                first[target.name].append(cold)
                second[target.name].append(warm)
        await browser.close()
    peer = direct.name
    return [
        Row("page load, first visit", "s", first[proxy.name], {peer: first[peer]}),
        Row("page load, second visit", "s", second[proxy.name], {peer: second[peer]}, Limit(1.0, peer)),
    ]


async def _two_visits(browser: Browser, url: str) -> tuple[float, float]:
    context = await browser.new_context()
    try:
        return await _visit(context, url), await _visit(context, url)
    finally:
        await context.close()


async def _visit(context: BrowserContext, url: str) -> float:
    page = await context.new_page()
    began = time.perf_counter()
    await page.goto(url, wait_until="load")
    await page.wait_for_function("() => window.app?.graph && window.app.extensionManager", timeout=_READY_MS)
    await page.locator("[data-testid=queue-button]").wait_for(timeout=_READY_MS)
    took = time.perf_counter() - began
    await page.close()
    return took
