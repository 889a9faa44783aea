"""The proxy's own page and API under /runpod/, and the scripts that it adds to ComfyUI's page."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import unquote

from mitmproxy import http

from proxy.addons.fail_closed import fail_closed
from proxy.addons.json_bodies import replace_body, upstream_list
from proxy.addons.responses import comfy_error, json_response
from proxy.addons.routes import Route, route
from proxy.job_actions import NoSuchJob, NotNow
from wire import plain_json

_SCRIPTS = "/extensions/comfy-runpod/"
SCRIPT = f"{_SCRIPTS}runpod.js"
"""the one script that the page is told of: it imports the others itself"""
_STATIC = Path(__file__).resolve().parents[1] / "static"
_TYPES = {".html": "text/html", ".js": "application/javascript", ".css": "text/css"}
_ACTION = re.compile(r"/runpod/api/jobs/([^/]+)/(cancel|retry|fetch)")


class Act(Protocol):
    """Does what the person wants done about a job; raises NoSuchJob, NotNow."""

    def __call__(self, prompt_id: str, action: str, *, dry: bool) -> dict[str, Any]: ...


Answer = Callable[[Mapping[str, Any], bool], Awaitable[dict[str, Any]]]
"""the body of an answer to a request with this JSON object (empty for GET); True: only say what would happen. Raises
NotNow, and ValueError for a request that is wrong."""


class Panel:
    """*answers* are further routes, by method and path."""

    def __init__(
        self,
        status: Callable[[], Awaitable[dict[str, Any]]],
        jobs: Callable[[str | None, int], dict[str, Any]],
        act: Act,
        answers: Mapping[tuple[str, str], Answer] = MappingProxyType({}),
    ) -> None:
        self._answers = answers
        self._status = status
        self._jobs = jobs
        self._act = act
        files = [file for file in _STATIC.iterdir() if file.suffix in _TYPES]
        self._files = {_path_of(file): (file.read_bytes(), _TYPES[file.suffix]) for file in files}

    @fail_closed
    async def request(self, flow: http.HTTPFlow) -> None:
        if route(flow.request.method, flow.request.path).route is Route.OURS:
            flow.response = await self._more(flow.request) or await self._answer(flow.request)

    async def _answer(self, request: http.Request) -> http.Response:
        path = request.path.partition("?")[0]
        if (action := _ACTION.fullmatch(path)) is not None:
            return self._do(request, unquote(action[1]), action[2])
        if request.method != "POST":
            if path in self._files:
                return self._file(path)
            match path:
                case "/runpod":
                    return http.Response.make(308, b"", {"Location": "/runpod/", "Content-Length": "0"})
                case "/runpod/api/status":
                    return json_response(200, await self._status())
                case "/runpod/api/jobs":
                    return self._list(request)
        return comfy_error(404, "not_found", "The proxy has no such page", path)

    async def _more(self, request: http.Request) -> http.Response | None:
        """The answer of one of the further routes."""
        method = "POST" if request.method == "POST" else "GET"
        answer = self._answers.get((method, request.path.partition("?")[0]))
        if answer is None:
            return None
        try:
            body = _object(request.content or b"{}") if method == "POST" else {}
            return json_response(200, await answer(body, request.query.get("dry", "0") != "0"))
        except NotNow as error:
            return comfy_error(409, "conflict", "Not now", str(error))
        except ValueError as error:
            return comfy_error(400, "bad_request", "Bad request", str(error))

    def _file(self, path: str) -> http.Response:
        content, kind = self._files[path]
        headers = {"Content-Type": f"{kind}; charset=utf-8", "Cache-Control": "no-cache"}
        return http.Response.make(200, content, headers)

    def _do(self, request: http.Request, prompt_id: str, action: str) -> http.Response:
        if request.method != "POST":
            return comfy_error(405, "method_not_allowed", "This route takes POST only", action)
        try:
            return json_response(200, self._act(prompt_id, action, dry=request.query.get("dry", "0") != "0"))
        except NoSuchJob as error:
            return comfy_error(404, "not_found", "Not found", str(error))
        except NotNow as error:
            return comfy_error(409, "conflict", f"Cannot {action}", str(error))

    def _list(self, request: http.Request) -> http.Response:
        try:
            limit = int(request.query.get("limit", "100"))
            return json_response(200, self._jobs(request.query.get("status"), max(0, limit)))
        except ValueError as error:
            return comfy_error(400, "bad_request", "Bad query", str(error))

    @fail_closed
    def response(self, flow: http.HTTPFlow) -> None:
        """The page imports every script of this list."""
        if route(flow.request.method, flow.request.path).route is not Route.EXTENSIONS:
            return
        if (scripts := upstream_list(flow)) is not None:
            replace_body(flow, json.dumps([*scripts, SCRIPT]))


def _path_of(file: Path) -> str:
    return "/runpod/" if file.name == "index.html" else f"{_SCRIPTS}{file.name}"


def _object(content: bytes) -> dict[str, Any]:
    """Raises ValueError when it is not a JSON object."""
    value = plain_json.loads(content)
    if not isinstance(value, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004  the request is at fault
    return value
