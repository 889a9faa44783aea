"""Our own page and API under /runpod/, and the script that shows our notices in ComfyUI's page."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from mitmproxy import http

from proxy.addons.fail_closed import closed
from proxy.addons.responses import comfy_error, json_response
from proxy.addons.routes import Route, route

SCRIPT = "/extensions/comfy-runpod/runpod.js"
_STATIC = Path(__file__).resolve().parents[1] / "static"
_FILES = {"/runpod/": ("index.html", "text/html"), SCRIPT: ("runpod.js", "application/javascript")}


class Panel:
    def __init__(
        self,
        status: Callable[[], Awaitable[dict[str, Any]]],
        jobs: Callable[[str | None, int], dict[str, Any]],
    ) -> None:
        self._status = status
        self._jobs = jobs
        self._files = {path: (_STATIC / name).read_bytes() for path, (name, _) in _FILES.items()}

    @closed
    async def request(self, flow: http.HTTPFlow) -> None:
        if route(flow.request.method, flow.request.path).route is Route.OURS:
            flow.response = await self._answer(flow.request)

    async def _answer(self, request: http.Request) -> http.Response:
        path = request.path.partition("?")[0]
        if path in self._files:
            headers = {"Content-Type": f"{_FILES[path][1]}; charset=utf-8", "Cache-Control": "no-cache"}
            return http.Response.make(200, self._files[path], headers)
        if path == "/runpod":
            return http.Response.make(308, b"", {"Location": "/runpod/", "Content-Length": "0"})
        if path == "/runpod/api/status":
            return json_response(200, await self._status())
        if path == "/runpod/api/jobs":
            return self._list(request)
        return comfy_error(404, "not_found", "The proxy has no such page", path)

    def _list(self, request: http.Request) -> http.Response:
        try:
            limit = int(request.query.get("limit", "100"))
            return json_response(200, self._jobs(request.query.get("status"), max(0, limit)))
        except ValueError as error:
            return comfy_error(400, "bad_request", "Bad query", str(error))

    @closed
    def response(self, flow: http.HTTPFlow) -> None:
        """The page imports every script of this list."""
        if route(flow.request.method, flow.request.path).route is not Route.EXTENSIONS or flow.response is None:
            return
        if flow.response.status_code != 200:
            return
        try:
            scripts = json.loads(flow.response.get_content(strict=False) or b"")
        except ValueError:
            return
        if isinstance(scripts, list):
            flow.response.content = json.dumps([*scripts, SCRIPT]).encode()
