"""What describes the machine."""

import platform
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.comfyui.console import Console
from sandbox.comfyui.folders import ComfyFolders

SAMPLE = "/extensions/sandbox/sample.js"
HOME = Path(__file__).resolve().parent
VERSION = "0.33.0"
"""the ComfyUI that the sandbox imitates, unless it is told another"""
_WEB = HOME / "web"


class MachineRoutes:
    def __init__(self, folders: ComfyFolders, features: dict[str, Any], console: Console, version: str) -> None:
        self._folders = folders
        self._features = features
        self._console = console
        self._version = version

    def add_to(self, routes: web.RouteTableDef) -> None:
        self._nothing = {
            "/extensions": [SAMPLE],
            "/global_subgraphs": {},
            "/i18n": {},
            "/node_replacements": {},
            "/workflow_templates": {},
        }
        for path, body in self._nothing.items():
            routes.get(path)(_answering(body))
        routes.get(SAMPLE)(_sample)
        routes.get("/features")(_answering(self._features))
        routes.get("/system_stats")(self.system_stats)
        routes.get("/internal/folder_paths")(self.folder_paths)
        routes.get("/internal/logs")(self.logs)
        routes.get("/internal/logs/raw")(self.raw_logs)
        routes.patch("/internal/logs/subscribe")(self.subscribe)

    async def logs(self, _: web.Request) -> web.Response:
        return web.json_response("".join(f"{line['t']} - {line['m']}" for line in self._console.lines))

    async def raw_logs(self, _: web.Request) -> web.Response:
        return web.json_response({"entries": list(self._console.lines), "size": {"cols": 80, "rows": 24}})

    async def subscribe(self, request: web.Request) -> web.Response:
        body = await request.json()
        self._console.subscribe(body["clientId"], enabled=body["enabled"])
        return web.Response()

    async def folder_paths(self, _: web.Request) -> web.Response:
        paths = {kind: [str(path.absolute()) for path in paths] for kind, paths in self._folders.models.folders.items()}
        return web.json_response(paths)

    async def system_stats(self, _: web.Request) -> web.Response:
        system = {
            "os": sys.platform,
            "ram_total": 0,
            "ram_free": 0,
            "comfyui_version": self._version,
            "required_frontend_version": "1.35.9",
            "comfy_package_versions": [],
            "python_version": platform.python_version(),
            "pytorch_version": "none",
            "embedded_python": False,
            "deploy_environment": "local-git",
            "argv": sys.argv,
        }
        device = {"name": "cpu", "type": "cpu", "index": None, "vram_total": 0, "vram_free": 0}
        devices = [{**device, "torch_vram_total": 0, "torch_vram_free": 0}]
        return web.json_response({"system": system, "devices": devices})


def _answering(body: Any) -> Any:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body)

    return answer


async def _sample(_: web.Request) -> web.FileResponse:
    return web.FileResponse(_WEB / "sample.js", headers={"Content-Type": "application/javascript"})
