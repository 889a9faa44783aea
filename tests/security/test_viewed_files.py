"""Files that a worker made are shown and never run, however a page opens them."""

from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.support.browser import chromium, opened_context, running_browser
from tests.support.stack import Stack
from tests.support.stacks import KINDS, stack_of

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine; install the package chromium"),
]

_SCRIPT = "localStorage.setItem('ran', location.href)"
_SVG = f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>{_SCRIPT}</script></svg>'
_XHTML = f'<html xmlns="http://www.w3.org/1999/xhtml"><head><script>{_SCRIPT}</script></head><body>x</body></html>'
_FILES = {
    "a.svg": _SVG,
    "a.xml": _XHTML,
    "a.xhtml": _XHTML,
    "a.xht": _XHTML,
    "a.html": f"<!doctype html><script>{_SCRIPT}</script>",
    "a.htm": f"<!doctype html><script>{_SCRIPT}</script>",
    "a.rdf": _XHTML,
    "a.xsl": _XHTML,
    "a.mathml": _XHTML,
    "a.txt": f"<!doctype html><script>{_SCRIPT}</script>",
    "a.unknown": f"<!doctype html><script>{_SCRIPT}</script>",
    "a": f"<!doctype html><script>{_SCRIPT}</script>",
}
_OPENED = {
    "a tab": "(url) => { window.open(url); }",
    "a frame": "(url) => { const it = document.createElement('iframe'); it.src = url; document.body.append(it); }",
    "an object": "(url) => { const it = document.createElement('object'); it.data = url; document.body.append(it); }",
    "an embed": "(url) => { const it = document.createElement('embed'); it.src = url; document.body.append(it); }",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS)
async def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with stack_of(request.param, tmp_path_factory) as running:
        for name, content in _FILES.items():
            (running.output / name).write_text(content, encoding="utf-8")
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(stack: Stack) -> AsyncIterator[Page]:
    """A page of the proxy's origin."""
    async with running_browser() as browser, opened_context(browser) as context:
        opened = await context.new_page()
        await opened.goto(f"{stack.url}/runpod/")
        yield opened


def viewed(stack: Stack, name: str, path: str = "/view") -> str:
    return f"{stack.url}{path}?{urlencode({'filename': name, 'type': 'output'})}"


_CONTROL = """() => {
    const frame = document.createElement("iframe");
    const text = "<script>localStorage.setItem('control', 1)</script>";
    frame.src = URL.createObjectURL(new Blob([text], { type: "text/html" }));
    document.body.append(frame);
}"""
"""a document of this origin whose script surely runs"""


@pytest.mark.parametrize("path", ["/view", "/api/view"])
@pytest.mark.parametrize("way", _OPENED)
async def test_no_file_runs_as_script(stack: Stack, page: Page, way: str, path: str) -> None:
    for name in _FILES:
        url = viewed(stack, name, path)
        async with page.context.expect_event("response", lambda response, url=url: response.url == url):
            await page.evaluate(_OPENED[way], url)
    await page.evaluate(_CONTROL)
    await page.wait_for_function("localStorage.getItem('control')")
    ran = await page.evaluate("localStorage.getItem('ran')")
    await page.evaluate("localStorage.clear()")
    for other in page.context.pages:
        if other != page:
            await other.close()

    assert ran is None


async def test_a_picture_in_a_page_is_shown_as_before(stack: Stack, page: Page) -> None:
    script = """async (url) => {
        const image = new Image();
        image.src = url;
        await image.decode();
        return image.naturalWidth;
    }"""

    assert await page.evaluate(script, viewed(stack, "a.svg")) == 9


@pytest.mark.parametrize("name", ["a.svg", "a.txt"])
async def test_what_a_file_is_sent_with(stack: Stack, name: str) -> None:
    async with stack.session.get(viewed(stack, name)) as response, stack.session.head(viewed(stack, name)) as head:
        told = [
            (answer.headers["Content-Security-Policy"], answer.headers["X-Content-Type-Options"])
            for answer in (response, head)
        ]

    assert told == [("sandbox", "nosniff")] * 2
