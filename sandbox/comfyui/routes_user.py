"""Settings and user data, kept as files. Source: ComfyUI app/user_manager.py, app/app_settings.py."""

import json
from pathlib import Path
from typing import Any

from aiohttp import web


class UserRoutes:
    def __init__(self, folder: Path) -> None:
        self._home = folder / "default"
        self._settings = self._home / "comfy.settings.json"

    def add_to(self, routes: web.RouteTableDef) -> None:
        routes.get("/users")(self.users)
        routes.get("/settings")(self.settings)
        routes.get("/settings/{name}")(self.setting)
        routes.post("/settings")(self.set_many)
        routes.post("/settings/{name}")(self.set_one)
        routes.get("/userdata")(self.list_data)
        routes.get("/userdata/{path:.+}")(self.get_data)
        routes.post("/userdata/{path:.+}/move/{to:.+}")(self.move_data)
        routes.post("/userdata/{path:.+}")(self.put_data)
        routes.delete("/userdata/{path:.+}")(self.delete_data)

    async def users(self, _: web.Request) -> web.Response:
        return web.json_response({"storage": "server", "migrated": True})

    async def settings(self, _: web.Request) -> web.Response:
        return web.json_response(self._read())

    async def setting(self, request: web.Request) -> web.Response:
        return web.json_response(self._read().get(request.match_info["name"]))

    async def set_many(self, request: web.Request) -> web.Response:
        self._write({**self._read(), **await request.json()})
        return web.Response()

    async def set_one(self, request: web.Request) -> web.Response:
        self._write({**self._read(), request.match_info["name"]: await request.json()})
        return web.Response()

    async def list_data(self, request: web.Request) -> web.Response:
        name = request.query.get("dir")
        if not name:
            return web.Response(status=400, text="Directory not provided")
        folder = self._inside(name)
        if not folder.is_dir():
            return web.Response(status=404)
        found = folder.rglob("*") if request.query.get("recurse") == "true" else folder.glob("*")
        files = sorted(path for path in found if path.is_file())
        if request.query.get("full_info") == "true":
            return web.json_response([_info(path, folder) for path in files])
        names = [path.relative_to(folder).as_posix() for path in files]
        split = request.query.get("split") == "true"
        return web.json_response([[name, *name.split("/")] for name in names] if split else names)

    async def get_data(self, request: web.Request) -> web.StreamResponse:
        path = self._inside(request.match_info["path"])
        return web.FileResponse(path) if path.is_file() else web.Response(status=404)

    async def put_data(self, request: web.Request) -> web.Response:
        path = self._inside(request.match_info["path"])
        if path.exists() and request.query.get("overwrite") == "false":
            return web.Response(status=409)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(await request.read())
        full = request.query.get("full_info") == "true"
        return web.json_response(_info(path, self._home) if full else str(path.relative_to(self._home)))

    async def move_data(self, request: web.Request) -> web.Response:
        source, target = self._inside(request.match_info["path"]), self._inside(request.match_info["to"])
        if not source.is_file():
            return web.Response(status=404)
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        return web.json_response(_info(target, self._home))

    async def delete_data(self, request: web.Request) -> web.Response:
        path = self._inside(request.match_info["path"])
        if not path.is_file():
            return web.Response(status=404)
        path.unlink()
        return web.Response(status=204)

    def _inside(self, name: str) -> Path:
        path = (self._home / name).resolve()
        if not path.is_relative_to(self._home.resolve()):
            raise web.HTTPForbidden
        return path

    def _read(self) -> dict[str, Any]:
        if not self._settings.is_file():
            return {}
        settings: dict[str, Any] = json.loads(self._settings.read_text())
        return settings

    def _write(self, settings: dict[str, Any]) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        self._settings.write_text(json.dumps(settings, indent=4))


def _info(path: Path, folder: Path) -> dict[str, Any]:
    status = path.stat()
    name = str(path.relative_to(folder))
    return {"path": name, "size": status.st_size, "modified": status.st_mtime, "created": status.st_ctime}
