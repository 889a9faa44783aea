"""The routes of ComfyUI, each bare and under /api.

Source: ComfyUI server.py, app/user_manager.py, api_server/routes/internal.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware

from sandbox.comfyui.asking import Asking
from sandbox.comfyui.console import Console
from sandbox.comfyui.executor import Executor
from sandbox.comfyui.films import FILMS
from sandbox.comfyui.folders import ComfyFolders
from sandbox.comfyui.hub import FEATURES, Hub
from sandbox.comfyui.loaders import LOADERS
from sandbox.comfyui.makers import MAKERS
from sandbox.comfyui.prompt_queue import PromptQueue
from sandbox.comfyui.routes_files import FileRoutes
from sandbox.comfyui.routes_machine import MachineRoutes
from sandbox.comfyui.routes_models import ModelRoutes
from sandbox.comfyui.routes_prompt import PromptRoutes
from sandbox.comfyui.routes_user import UserRoutes
from sandbox.comfyui.savers import SAVERS
from sandbox.comfyui.special import SPECIAL
from wire.origin import refusal

_SCHEMES = ("http", "https")


class ComfyServer:
    """Everything behind one port; *app* is the aiohttp application. *hosts* are names of this machine for pages."""

    def __init__(
        self, folders: ComfyFolders, frontend: Path, max_upload: int, version: str, hosts: Collection[str] = ()
    ) -> None:
        asking = Asking()
        classes = {node.name: node for node in (*MAKERS, *SAVERS, *LOADERS, *SPECIAL, *FILMS, asking.node)}
        features = {**FEATURES, "max_upload_size": max_upload}
        self._hub = Hub(features)
        console = Console(self._hub)
        executor = Executor(classes, folders)
        self._queue = PromptQueue(executor, self._hub, console)
        self._frontend = frontend
        self.app = web.Application(client_max_size=max_upload, middlewares=[check_origin(hosts), _no_cache])
        routes = web.RouteTableDef()
        PromptRoutes(self._queue, classes, folders, console).add_to(routes)
        FileRoutes(folders, version).add_to(routes)
        UserRoutes(folders.user).add_to(routes)
        ModelRoutes(folders.models).add_to(routes)
        MachineRoutes(folders, features, console, version).add_to(routes)
        asking.add_to(routes)
        routes.get("/ws")(self._hub.handle)
        self._add(routes)
        self.app.cleanup_ctx.append(self._working)

    def _add(self, routes: web.RouteTableDef) -> None:
        for route in routes:
            if not isinstance(route, web.RouteDef):
                continue
            paths = (
                [route.path]
                if route.path.startswith(("/internal", "/api/jobs", "/extensions/"))
                else [route.path, f"/api{route.path}"]
            )
            for path in paths:
                web.RouteDef(route.method, path, route.handler, {}).register(self.app.router)  # GET answers HEAD too
        self.app.router.add_get("/", self._index)
        self.app.router.add_static("/", self._frontend)

    async def _index(self, _: web.Request) -> web.FileResponse:
        return web.FileResponse(self._frontend / "index.html", headers={"Cache-Control": "no-cache"})

    async def _working(self, _: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self._queue.work())
        yield
        self._queue.interrupt(None)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def check_origin(hosts: Collection[str]) -> Middleware:
    """403 for whatever a foreign page sends: stricter than ComfyUI (``create_origin_only_middleware``), which lets a
    page through whose name was rebound to this machine. A Host of the proxy arrives as the browser wrote it.
    """

    @web.middleware
    async def checked(request: web.Request, handler: _Handler) -> web.StreamResponse:
        if all(_is_foreign(request, hosts, scheme) for scheme in _SCHEMES):
            return web.Response(status=403)
        return web.Response() if request.method == "OPTIONS" else await handler(request)

    return checked


def _is_foreign(request: web.Request, hosts: Collection[str], scheme: str) -> bool:
    names = dict.fromkeys(hosts, scheme)
    headers = request.headers.items()
    return refusal(request.method, headers, scheme=scheme, allow_remote=True, names=names) is not None


@web.middleware
async def _no_cache(request: web.Request, handler: _Handler) -> web.StreamResponse:
    response = await handler(request)
    if request.path.endswith((".js", ".css", "index.json")):
        response.headers.setdefault("Cache-Control", "no-cache")
    return response
