"""A ComfyUI that says what it is told about its folders, whatever files it serves."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.support.served import served


@asynccontextmanager
async def serving(
    root: Path, folder_paths: Mapping[str, list[str]] | None, argv: Any = (), listing: object = ()
) -> AsyncIterator[str]:
    """A ComfyUI that serves the files of *root*, and says what it is told about its folders; None: 404."""

    async def view(request: web.Request) -> web.FileResponse:
        name = request.query["filename"].rpartition(" [")[0]
        path = root / request.query["subfolder"] / name
        if not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path)

    async def paths(_: web.Request) -> web.Response:
        if folder_paths is None:
            raise web.HTTPNotFound
        return web.json_response(folder_paths)

    async def files(_: web.Request) -> web.Response:
        return web.json_response(listing)

    async def stats(_: web.Request) -> web.Response:
        return web.json_response({"system": {"comfyui_version": "0.33.0", "argv": argv}})

    app = web.Application()
    app.router.add_get("/view", view)
    app.router.add_get("/internal/folder_paths", paths)
    app.router.add_get("/internal/files/{folder}", files)
    app.router.add_get("/system_stats", stats)
    async with served(app) as url:
        yield url


def told(home: Path) -> dict[str, list[str]]:
    """The paths that a ComfyUI in *home* names."""
    return {"custom_nodes": [str(home / "custom_nodes")], "checkpoints": [str(home / "output" / "checkpoints")]}
