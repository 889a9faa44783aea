"""/upload, /view and the folder listings. Source: ComfyUI server.py ``image_upload``, ``view_image``."""

import asyncio
import io
import json
import mimetypes
import posixpath
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web
from PIL import Image

from sandbox.comfyui.folders import ComfyFolders, OutsideFolder

_ANNOTATIONS = {" [output]": "output", " [input]": "input", " [temp]": "temp"}
_ANNOTATED_SINCE = (0, 33, 0)
"""the first version that was found to list ``name [folder]``"""
_UNSAFE = ("text/html", "text/javascript", "application/javascript", "text/css", "image/svg+xml")


class FileRoutes:
    def __init__(self, folders: ComfyFolders, version: str) -> None:
        self._folders = folders
        self._annotates = _numbers(version) >= _ANNOTATED_SINCE

    def add_to(self, routes: web.RouteTableDef) -> None:
        routes.post("/upload/image")(self.upload_image)
        routes.post("/upload/mask")(self.upload_mask)
        routes.get("/view")(self.view)
        routes.get("/internal/files/{kind}")(self.list_files)

    async def upload_image(self, request: web.Request) -> web.Response:
        return await self._upload(request, _save)

    async def upload_mask(self, request: web.Request) -> web.Response:
        return await self._upload(request, self._save_mask)

    async def _upload(self, request: web.Request, save: Callable[[Path, bytes, Any], None]) -> web.Response:
        form = await request.post()
        field, kind = form.get("image"), str(form.get("type", "input"))
        subfolder, overwrite = str(form.get("subfolder", "")), form.get("overwrite") in ("true", "1")
        if not isinstance(field, web.FileField) or not field.filename:
            return web.Response(status=400)
        try:
            path = self._folders.within(kind, posixpath.normpath(subfolder), field.filename)
        except OutsideFolder:
            return web.Response(status=400)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = field.file.read()
        if not overwrite:
            path = _free(path, content)
        if not path.exists() or overwrite:
            save(path, content, form)
        return web.json_response({"name": path.name, "subfolder": subfolder, "type": kind})

    def _save_mask(self, path: Path, content: bytes, form: Any) -> None:
        reference = json.loads(form["original_ref"])
        kind, subfolder = reference.get("type", "output"), reference.get("subfolder", "")
        original = self._folders.within(kind, subfolder, reference["filename"])
        if not original.is_file():
            return
        with Image.open(original) as opened, Image.open(io.BytesIO(content)) as mask:
            whole = opened.convert("RGBA")
            whole.putalpha(mask.convert("RGBA").getchannel("A"))
            whole.save(path, compress_level=4)

    async def view(self, request: web.Request) -> web.StreamResponse:
        path = self._viewed(request.query)
        if isinstance(path, int):
            return web.Response(status=path)
        channel = request.query.get("channel", "")
        if "preview" in request.query:
            return await asyncio.to_thread(_preview, path, request.query["preview"], channel)
        if channel in ("rgb", "a"):
            return await asyncio.to_thread(_channel, path, channel)
        content_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
        return web.FileResponse(path, headers=_headers(path.name, content_type, request))

    def _viewed(self, query: Mapping[str, str]) -> Path | int:
        """The file that the query names, or the status of the refusal."""
        if "filename" not in query:
            return 404
        filename, kind = query["filename"], query.get("type", "output")
        for ending, annotated in _ANNOTATIONS.items():
            if filename.endswith(ending):
                filename, kind = filename.removesuffix(ending), annotated
                break
        if not filename or filename.startswith("/") or ".." in filename or kind not in ("input", "output", "temp"):
            return 400
        try:
            path = self._folders.within(kind, query.get("subfolder", ""), posixpath.basename(filename))
        except OutsideFolder:
            return 403
        return path if path.is_file() else 404

    async def list_files(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        if kind not in ("input", "output", "temp"):
            return web.json_response({"error": "Invalid directory type"}, status=400)
        files = [path for path in self._folders.of(kind).iterdir() if path.is_file() and not path.name.startswith(".")]
        ending = f" [{kind}]" if self._annotates else ""
        newest_first = sorted(files, key=lambda path: -path.stat().st_mtime)
        return web.json_response([path.name + ending for path in newest_first])


def _headers(name: str, content_type: str, request: web.Request) -> dict[str, str]:
    """What a browser could run as a page is only downloaded, but for an SVG that is loaded as a picture."""
    headers = {"X-Content-Type-Options": "nosniff"}
    if content_type not in _UNSAFE and not content_type.endswith(("+xml", "/xml")):
        return {**headers, "Content-Type": content_type, "Content-Disposition": f'filename="{name}"'}
    headers |= {"Vary": "Sec-Fetch-Dest", "Cache-Control": "no-store"}
    if content_type == "image/svg+xml" and request.headers.get("Sec-Fetch-Dest") == "image":
        return {**headers, "Content-Type": content_type, "Content-Disposition": f'filename="{name}"'}
    attached = f'attachment; filename="{name}"'
    return {**headers, "Content-Type": "application/octet-stream", "Content-Disposition": attached}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _save(path: Path, content: bytes, _: Any) -> None:
    path.write_bytes(content)


def _free(path: Path, content: bytes) -> Path:
    """*path*, or the next free ``name (1).ext``; a file with the same bytes is reused."""
    candidate, number = path, 1
    while candidate.exists() and candidate.read_bytes() != content:
        candidate = path.with_name(f"{path.stem} ({number}){path.suffix}")
        number += 1
    return candidate


def _preview(path: Path, wanted: str, channel: str) -> web.Response:
    kind, _, quality = wanted.partition(";")
    kind = "webp" if kind not in ("webp", "jpeg") or "a" in channel else kind
    with Image.open(path) as opened:
        image = opened.convert("RGB") if kind == "jpeg" or channel == "rgb" else opened
        return _picture(path, image, kind, quality=int(quality) if quality.isdigit() else 90)


def _channel(path: Path, channel: str) -> web.Response:
    """The colors alone, or the transparency alone."""
    with Image.open(path) as opened:
        if channel == "rgb":
            return _picture(path, opened.convert("RGB"), "png")
        alone = Image.new("RGBA", opened.size)
        alone.putalpha(opened.getchannel("A") if opened.mode == "RGBA" else Image.new("L", opened.size, 255))
        return _picture(path, alone, "png")


def _picture(path: Path, image: Image.Image, kind: str, **options: int) -> web.Response:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    headers = {"Content-Disposition": f'filename="{path.name}"'}
    return web.Response(body=buffer.getvalue(), content_type=f"image/{kind}", headers=headers)
