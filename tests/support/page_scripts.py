"""The scripts that the proxy adds to ComfyUI's page, on a page without ComfyUI, with the proxy's routes beside them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from playwright.async_api import Browser, Locator, Page

import proxy
from tests.support.browser import opened_context
from tests.support.served import served

STATIC = Path(proxy.__file__).parent / "static"
PAGE = """<!doctype html><link rel="stylesheet" href="/extensions/comfy-runpod/runpod.css">
<canvas id="graph-canvas" tabindex="0"></canvas><script type="module">
import { ask } from "/extensions/comfy-runpod/proxy.js";
import { Remedies } from "/extensions/comfy-runpod/remedies.js";
import { Toast } from "/extensions/comfy-runpod/toast.js";
window.ran = 0;
window.notices = [];
window.remedies = new Remedies({
  toast: new Toast(), ask, run: () => { window.ran += 1; },
  notify: (...notice) => window.notices.push(notice), clientId: () => "page-1",
});
</script>"""


@dataclass
class ScriptBed:
    """A page with the box, and the proxy's routes with the *answers* (path → status, body) that a test gives them."""

    page: Page
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, bool, Any]] = field(default_factory=list)
    """path, dry, body"""

    async def answer(self, request: web.Request) -> web.Response:
        path, dry = request.match_info["path"], request.query.get("dry") == "1"
        body = await request.json() if request.method == "POST" else None
        self.asked.append((path, dry, body))
        status, answer = self.answers[path]
        return web.json_response(answer, status=status)

    async def tidy(self) -> None:
        """The page anew, without answers."""
        await self.page.unroute_all()
        await self.page.reload()
        await self.page.wait_for_function("() => window.remedies")
        self.answers.clear()
        self.asked.clear()

    @property
    def done(self) -> list[tuple[str, Any]]:
        """What was asked for in earnest."""
        return [(path, body) for path, dry, body in self.asked if not dry]

    async def show(self, detail: dict[str, Any]) -> None:
        await self.page.evaluate("(detail) => window.remedies.show(detail)", detail)

    async def transfer(self, **detail: Any) -> None:
        told = {
            "kind": "checkpoints",
            "name": "base.safetensors",
            "done": 0,
            "size": 100,
            "ended": False,
            "error": None,
        }
        await self.page.evaluate("(detail) => window.remedies.transfer(detail)", told | detail)

    @property
    def box(self) -> Locator:
        return self.page.locator("#comfy-runpod-toast")

    def button(self, text: str) -> Locator:
        return self.box.get_by_role("button", name=text)

    async def buttons(self) -> list[str]:
        return await self.box.locator("button:not(.close):visible").all_inner_texts()

    async def runs(self) -> int:
        return int(await self.page.evaluate("() => window.ran"))

    async def notices(self) -> list[list[str]]:
        found: list[list[str]] = await self.page.evaluate("() => window.notices")
        return found


@asynccontextmanager
async def script_bed(browser: Browser) -> AsyncIterator[ScriptBed]:
    async with opened_context(browser) as context:
        bed = ScriptBed(await context.new_page())
        app = web.Application()
        app.router.add_get("/", _blank)
        app.router.add_static("/extensions/comfy-runpod/", STATIC)
        app.router.add_route("*", "/runpod/api/{path:.*}", bed.answer)
        async with served(app) as url:
            await context.grant_permissions(["clipboard-read", "clipboard-write"], origin=url)
            await bed.page.goto(url)
            yield bed


async def _blank(_: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")
