"""The calls that we make to the local ComfyUI."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from engine.errors import CannotStart
from engine.settings import is_loopback
from wire.files import Folder

logger = logging.getLogger(__name__)

_QUICK_S = 3.0
_NO_SUCH_FILE = (400, 403, 404)
"""answers of /view; any other says nothing of the file"""
_CALL = aiohttp.ClientTimeout(total=60, sock_connect=5)
_TRANSFER = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)


class ComfyUIUnavailable(Exception):
    """Nobody's fault: ComfyUI does not answer; try again when it is back."""


class ComfyUIRejected(Exception):
    """ComfyUI answered with an error."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"ComfyUI answered {status}: {body[:200]}")
        self.status = status
        self.body = body


class ComfyUI:
    """The ComfyUI at *url*, which may run on another machine."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session
        self._infos: dict[str, dict[str, Any] | None] = {}
        self._local_folders: dict[Folder, Path | None] = {}

    async def version(self) -> str | None:
        """Its version; None when it does not answer."""
        timeout = aiohttp.ClientTimeout(total=_QUICK_S)
        with contextlib.suppress(ComfyUIUnavailable, ComfyUIRejected):
            stats = await self._json("/system_stats", timeout)
            return str(stats.get("system", {}).get("comfyui_version") or "unknown")
        return None

    async def node_info(self, class_type: str) -> dict[str, Any] | None:
        """``/object_info`` of one class, kept until :meth:`forget`; None for a class that it does not know."""
        if class_type not in self._infos:
            body = await self._json(f"/object_info/{quote(class_type, safe='')}")
            self._infos[class_type] = body.get(class_type)
        return self._infos[class_type]

    def forget(self) -> None:
        """ComfyUI was restarted: other nodes, other folders."""
        self._infos.clear()
        self._local_folders.clear()

    @asynccontextmanager
    async def view(self, subfolder: str, filename: str, folder: Folder) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of a file, in pieces. Raises ComfyUIRejected with 404 when there is none, 403 for a link out."""
        if await self.leads_out(subfolder, filename, folder):
            raise ComfyUIRejected(403, f"a link out of the {folder} folder")
        params = {"filename": filename, "subfolder": subfolder, "type": folder}
        async with self._request("GET", "/view", timeout=_TRANSFER, params=params) as response:
            yield response.content.iter_chunked(256 * 1024)

    async def has_file(self, subfolder: str, filename: str, folder: Folder) -> bool:
        """Whether there is such a file."""
        params = {"filename": filename, "subfolder": subfolder, "type": folder}
        try:
            async with self._request("HEAD", "/view", timeout=_CALL, params=params):
                return True
        except ComfyUIRejected as refusal:
            return refusal.status not in _NO_SUCH_FILE

    async def lacks_file(self, subfolder: str, filename: str, folder: Folder) -> bool:
        return not await self.has_file(subfolder, filename, folder)

    async def leads_out(self, subfolder: str, filename: str, folder: Folder) -> bool:
        """Whether the file is really elsewhere, by links; /view would follow them. Only known of local folders."""
        root = await self.local_folder(folder)
        return root is not None and await asyncio.to_thread(_leads_out, root, root / subfolder / filename)

    async def upload(self, source: Path, subfolder: str, filename: str, folder: Folder) -> tuple[str, str]:
        """Put a file into a folder; ComfyUI chooses another name rather than overwrite. Returns subfolder and name."""
        with await asyncio.to_thread(source.open, "rb") as file:
            form = aiohttp.FormData(quote_fields=False)  # the names as browsers send them: raw UTF-8
            form.add_field("image", file, filename=filename, content_type="application/octet-stream")
            form.add_field("type", folder)
            form.add_field("subfolder", subfolder)
            async with self._request("POST", "/upload/image", timeout=_TRANSFER, data=form) as response:
                stored = await response.json()
        return str(stored["subfolder"]), str(stored["name"])

    async def output_folder(self) -> Path | None:
        """Its output folder when that is on this machine, else None."""
        return await self.local_folder("output")

    async def local_folder(self, folder: Folder) -> Path | None:
        """One of its folders when that is on this machine and known, else None."""
        if self._local_folders.get(folder) is None and is_loopback(urlsplit(self.url).hostname or ""):
            self._local_folders[folder] = await self._find_folder(folder)
        return self._local_folders.get(folder)

    async def _find_folder(self, folder: Folder) -> Path | None:
        """``folder_paths`` lists ``<output>/checkpoints``, and the others are beside the output folder unless they were
        moved; the listing must agree, or ComfyUI is in a container.
        """
        try:
            folders = await self._json("/internal/folder_paths")
            async with self._request("GET", f"/internal/files/{folder}", timeout=_CALL) as response:
                listed = set(await response.json())
        except ComfyUIRejected:
            return None
        output = Path((folders.get("checkpoints") or ["/"])[-1]).parent  # main.py adds the output's own last
        bases = [output.parent, *(Path(path).parent for path in folders.get("custom_nodes") or ())]
        candidates = [output] if folder == "output" else [base / folder for base in bases]
        return await asyncio.to_thread(_first_that_holds, candidates, listed)

    async def _json(self, path: str, timeout: aiohttp.ClientTimeout = _CALL) -> dict[str, Any]:
        async with self._request("GET", path, timeout=timeout) as response:
            try:
                body: dict[str, Any] = await response.json()
            except (aiohttp.ContentTypeError, json.JSONDecodeError) as error:
                raise ComfyUIRejected(response.status, f"not JSON: {error}") from error
        return body

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, *, timeout: aiohttp.ClientTimeout, **more: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._session.request(method, self.url + path, timeout=timeout, **more) as response:
                if response.status >= 400:
                    raise ComfyUIRejected(response.status, await response.text(errors="replace"))
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise ComfyUIUnavailable(f"ComfyUI at {self.url} does not answer: {reason}") from error


async def comfyui_answers(url: str) -> bool:
    """Whether a ComfyUI is at *url*; raises CannotStart when something else is.

    One that accepts the connection and is slow to answer counts: ComfyUI answers late while it loads its nodes.
    """
    timeout = aiohttp.ClientTimeout(total=_QUICK_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{url}/system_stats") as response:
            if response.status == 200:
                return True
            raise CannotStart(f"COMFYUI_URL={url}: something answers there ({response.status}), but it is no ComfyUI")
    except TimeoutError:
        return await _accepts(url)
    except aiohttp.ClientConnectorError:
        return False
    except aiohttp.ClientError as error:
        raise CannotStart(f"COMFYUI_URL={url}: something answers there, but it is no ComfyUI: {error}") from error


async def _accepts(url: str) -> bool:
    address = urlsplit(url)
    try:
        async with asyncio.timeout(_QUICK_S):
            _, writer = await asyncio.open_connection(address.hostname, address.port or 80)
    except OSError:
        return False
    writer.close()
    return True


def _leads_out(root: Path, path: Path) -> bool:
    return not path.resolve().is_relative_to(root.resolve())


def _first_that_holds(candidates: Iterable[Path], listed: set[str]) -> Path | None:
    return next((candidate for candidate in candidates if _holds(candidate, listed)), None)


def _holds(folder: Path, listed: set[str]) -> bool:
    """Whether *folder* is the one whose files ComfyUI has listed; some versions hide dot files."""
    if not folder.is_dir():
        return False
    found = {entry.name for entry in folder.iterdir() if entry.is_file()}
    return _visible(found) == _visible(listed)


def _visible(names: set[str]) -> set[str]:
    return {name for name in names if not name.startswith(".")}
