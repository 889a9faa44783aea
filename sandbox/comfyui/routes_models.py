"""/models, /experiment/models, /embeddings and /view_metadata.

Source: ComfyUI 0.33.0, server.py and app/model_manager.py.
"""

import asyncio
import json
from pathlib import Path, PurePosixPath
from typing import Any

from aiohttp import web

from sandbox.comfyui.models import ModelFolders

_HEADER_MAX = 1024 * 1024
_NOT_IN_EXPERIMENT = ("configs", "custom_nodes")


class ModelRoutes:
    def __init__(self, models: ModelFolders) -> None:
        self._models = models

    def add_to(self, routes: web.RouteTableDef) -> None:
        routes.get("/models")(self.kinds)
        routes.get("/models/{kind}")(self.names)
        routes.get("/experiment/models")(self.folders)
        routes.get("/experiment/models/{kind}")(self.described)
        routes.get("/embeddings")(self.embeddings)
        routes.get("/view_metadata/{kind}")(self.metadata)

    async def kinds(self, _: web.Request) -> web.Response:
        return web.json_response(list(self._models.folders))

    async def names(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        if kind not in self._models.folders:
            return web.Response(status=404)
        return web.json_response(await asyncio.to_thread(self._models.names, kind))

    async def folders(self, _: web.Request) -> web.Response:
        listed = [
            {"name": kind, "folders": [str(folder) for folder in folders]}
            for kind, folders in self._models.folders.items()
            if kind not in _NOT_IN_EXPERIMENT
        ]
        return web.json_response(listed)

    async def described(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        if kind not in self._models.folders:
            return web.Response(status=404)
        return web.json_response(await asyncio.to_thread(self._models.described, kind))

    async def embeddings(self, _: web.Request) -> web.Response:
        names = await asyncio.to_thread(self._models.names, "embeddings")
        return web.json_response([str(PurePosixPath(name).with_suffix("")) for name in names])

    async def metadata(self, request: web.Request) -> web.Response:
        """What a safetensors file says of itself, such as its preview and its author."""
        kind, name = request.match_info["kind"], request.query.get("filename", "")
        if kind not in self._models.folders or not name.endswith(".safetensors"):
            return web.Response(status=404)
        path = (await asyncio.to_thread(self._models.paths, kind)).get(name)
        found = None if path is None else await asyncio.to_thread(_metadata, path)
        return web.Response(status=404) if found is None else web.json_response(found)


def _metadata(path: Path) -> Any:
    """Source: ComfyUI 0.33.0, comfy/utils.py ``safetensors_header``."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = file.read(size) if size <= _HEADER_MAX else b""
    return json.loads(header).get("__metadata__") if len(header) == size else None
