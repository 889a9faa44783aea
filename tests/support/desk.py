"""A person's page behind a proxy, whose routes and messages a test decides; the prompts that run are real."""

import json
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import BrowserContext, Route

from tests.support.browser import opened_tab
from tests.support.frontend import Frontend
from tests.support.stack import Stack

HOST = "https://huggingface.co"
NOTHING: dict[str, Any] = {
    "endpoints": [{"id": "e", "known": False}],
    "only_here": [],
    "only_there": [],
    "model_inputs": {},
}
KNOWN = {**NOTHING, "endpoints": [{"id": "e", "known": True, "sha256": "a"}]}
LOADERS = (
    "CheckpointLoaderSimple",
    "ImageOnlyCheckpointLoader",
    "LoraLoader",
    "LoraLoaderModelOnly",
    "VAELoader",
    "ControlNetLoader",
    "UNETLoader",
    "UpscaleModelLoader",
    "StyleModelLoader",
    "GLIGENLoader",
)
"""Every ComfyUI has them, the sandbox's does not. Without them frontend 1.27 makes no node with a ``ckpt_name``
(``registerDefaults`` in src/stores/modelToNodeStore.ts)."""


@dataclass
class Desk:
    """One release of the frontend behind a proxy, whose routes and messages the test decides."""

    version: str
    stack: Stack
    context: BrowserContext
    answers: dict[str, Any] = field(default_factory=dict)
    """path below /runpod/api → JSON"""
    asked: list[tuple[str, bool, Any]] = field(default_factory=list)
    """path, dry, body"""
    definitions: dict[str, Any] = field(default_factory=dict)
    """what /object_info has besides ComfyUI's own"""
    downloads: list[str] = field(default_factory=list)
    tab: Frontend | None = None

    async def opened(self) -> Frontend:
        await self.context.route("**/runpod/api/**", self._answer)
        await self.context.route("**/object_info", self._define)
        await self.context.route(f"{HOST}/**", self._download)
        return await opened_tab(self.context, self.stack.url)

    async def _answer(self, route: Route) -> None:
        path, _, query = route.request.url.partition("/runpod/api/")[2].partition("?")
        self.asked.append((path, "dry=1" in query, json.loads(route.request.post_data or "null")))
        if path in self.answers:
            await route.fulfill(json=self.answers[path])
        else:
            await route.continue_()

    async def _define(self, route: Route) -> None:
        reply = await route.fetch()
        known = await reply.json()
        loaders = {name: {**known["SandboxCheckpoint"], "name": name} for name in LOADERS}
        await route.fulfill(json={**known, **loaders, **self.definitions})

    async def _download(self, route: Route) -> None:
        if route.request.method == "GET":
            self.downloads.append(route.request.url)
        await route.fulfill(body="", headers={"Access-Control-Allow-Origin": "*", "Content-Length": "0"})

    async def tell(self, kind: str, data: Any) -> None:
        """A message of the proxy, as it comes out of the page's websocket."""
        script = """(text) => window.app.api.socket.dispatchEvent(new MessageEvent("message", { data: text }))"""
        assert self.tab is not None
        await self.tab.page.evaluate(script, json.dumps({"type": kind, "data": data}))

    def done(self, path: str) -> list[Any]:
        return [body for asked, dry, body in self.asked if asked == path and not dry]
