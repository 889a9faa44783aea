"""The calls that we make to the local ComfyUI."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from engine.comfyui_folders import ComfyUIFolders, NamedFolders, ServedFile, Whereabouts, named_folders
from engine.comfyui_models import model_folders, model_sizes
from engine.errors import CannotStart
from engine.local_paths import LocalPaths
from engine.model.input_file import Presence
from engine.settings import is_loopback
from storage.http_body import read_up_to
from wire.errors import Unavailable
from wire.files import Folder
from wire.limits import MIB

logger = logging.getLogger(__name__)

_QUICK_S = 3.0
_NO_SUCH_FILE = (400, 403, 404)
"""answers of /view; any other says nothing about the file"""
_AS_IT_IS = {"Accept-Encoding": "identity"}
"""the file itself, and not a compressed copy that lies beside it"""
_ANSWER_MAX, _ERROR_MAX = 16 * MIB, 64 * 1024
"""bytes: the node class with the longest lists of files, and a list of all files, have some MiB"""
_LOOKS = 2
"""a file may change between the answer and the look at the disk"""
_WINDOWS = ("nt", "win32")
"""what ComfyUI 0.3.64 and 0.8.0 call it in /system_stats"""
_CALL = aiohttp.ClientTimeout(total=60, sock_connect=5)
_TRANSFER = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)


class ComfyUIUnavailable(Unavailable):
    """ComfyUI does not answer: try again when it is back."""


class ComfyUIRejected(Exception):
    """ComfyUI answered with an error."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"ComfyUI answered {status}: {body[:200]}")
        self.status = status
        self.body = body


class InputRefused(Exception):
    """ComfyUI serves the file, but it must not be sent; *presence* says why."""

    def __init__(self, presence: Presence) -> None:
        super().__init__(presence.name)
        self.presence = presence


class ComfyUI:
    """The ComfyUI at *url*, which may run on another machine.

    *elsewhere* says so of one at a loopback address, which is in a container or behind a tunnel.
    """

    def __init__(self, url: str, session: aiohttp.ClientSession, *, elsewhere: bool = False) -> None:
        self.url = url
        self._session = session
        self._infos: dict[str, dict[str, Any] | None] = {}
        self._replacements: dict[str, Any] | None = None
        self._folders = ComfyUIFolders(self, elsewhere=elsewhere or not is_loopback(urlsplit(url).hostname or ""))
        self._windows: bool | None = None

    async def version(self) -> str | None:
        """Its version; None when it does not answer."""
        timeout = aiohttp.ClientTimeout(total=_QUICK_S)
        with contextlib.suppress(ComfyUIUnavailable, ComfyUIRejected):
            return str(_system(await self._json("/system_stats", dict, timeout)).get("comfyui_version") or "unknown")
        return None

    async def frontend(self) -> str:
        """The version of its page that it wants; empty where it does not tell. Raises as node_infos."""
        return str(_system(await self._json("/system_stats", dict)).get("required_frontend_version") or "")

    async def node_info(self, class_type: str) -> dict[str, Any] | None:
        """``/object_info`` of one class, kept until :meth:`forget`; None for a class that it does not know."""
        if class_type not in self._infos:
            try:
                body = await self._json(f"/object_info/{quote(class_type, safe='', errors='replace')}", dict)
            except ComfyUIRejected as refusal:
                if refusal.status != 404:
                    raise
                body = {}  # a name with braces, which its router does not take
            self._infos[class_type] = body.get(class_type)
        return self._infos[class_type]

    async def node_replacements(self) -> dict[str, Any]:
        """``/node_replacements``, kept until :meth:`forget`; empty where ComfyUI has none, as before 0.33."""
        if self._replacements is None:
            try:
                found = await self._json("/node_replacements", dict)
            except ComfyUIRejected as refusal:
                if refusal.status != 404:
                    raise
                found = {}
            self._replacements = found
        return self._replacements

    def forget(self) -> None:
        """ComfyUI was restarted: other nodes, other folders."""
        self._infos.clear()
        self._replacements = None
        self._folders.forget()
        self._windows = None

    @asynccontextmanager
    async def view(self, subfolder: str, filename: str, folder: Folder) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of a file that may be sent, in pieces. Raises ComfyUIRejected (404: missing), InputRefused."""
        async with self._view("GET", subfolder, filename, folder, _TRANSFER) as response:
            presence = await self._folders.presence(_joined(subfolder, filename), folder, _served(response))
            if presence is not Presence.THERE:
                raise InputRefused(presence)
            yield response.content.iter_chunked(256 * 1024)

    async def has_file(self, subfolder: str, filename: str, folder: Folder) -> bool:
        """Whether ComfyUI has such a file; True when it cannot tell."""
        try:
            return await self.served(subfolder, filename, folder) is not None
        except ComfyUIRejected:
            return True

    async def presence(self, path: str, folder: Folder) -> Presence:
        """Whether ComfyUI has the file and it may be sent. Raises ComfyUIUnavailable, ComfyUIRejected."""
        subfolder, _, filename = path.rpartition("/")
        presence = Presence.UNVERIFIED
        for _ in range(_LOOKS):
            served = await self.served(subfolder, filename, folder)
            if served is None:
                return Presence.MISSING
            presence = await self._folders.presence(path, folder, served)
            if presence is not Presence.UNVERIFIED:
                break
        return presence

    async def served(self, subfolder: str, filename: str, folder: Folder) -> ServedFile | None:
        """What ComfyUI says about the file; None when it has none of this name. Raises ComfyUIRejected."""
        try:
            async with self._view("HEAD", subfolder, filename, folder, _CALL) as response:
                return _served(response)
        except ComfyUIRejected as refusal:
            if refusal.status in _NO_SUCH_FILE:
                return None
            raise

    def _view(
        self, method: str, subfolder: str, filename: str, folder: Folder, timeout: aiohttp.ClientTimeout
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """With the folder behind the name: ComfyUI would take it from a name that ends like ``[output]`` by itself."""
        params = {"filename": f"{filename} [{folder}]", "subfolder": subfolder, "type": folder}
        return self._request(method, "/view", timeout=timeout, params=params, headers=_AS_IT_IS)

    async def upload(self, source: Path, subfolder: str, filename: str, folder: Folder) -> tuple[str, str]:
        """Put a file into a folder; ComfyUI chooses another name rather than overwrite. Returns subfolder and name."""
        name = filename.replace(";", "_")  # ComfyUI's own server cannot read a header with several of them
        with await asyncio.to_thread(source.open, "rb") as file:
            form = aiohttp.FormData(quote_fields=False)  # the names as browsers send them: raw UTF-8
            form.add_field("image", file, filename=name, content_type="application/octet-stream")
            form.add_field("type", folder)
            form.add_field("subfolder", subfolder)
            async with self._request("POST", "/upload/image", timeout=_TRANSFER, data=form) as response:
                stored = await _read_json(response)
        return str(stored["subfolder"]), str(stored["name"])

    async def output_folder(self) -> Path | None:
        """Its output folder when that is on this machine and known, else None."""
        _, path = await self.find_folder("output")
        return path

    async def on_windows(self) -> bool:
        """Whether its files lie on Windows, which takes fewer names."""
        if self._windows is None:
            stats = await self._json("/system_stats", dict)
            self._windows = str(_system(stats).get("os")) in _WINDOWS
        return self._windows

    async def find_folder(self, folder: Folder) -> tuple[Whereabouts, Path | None]:
        """Where one of its folders is, and the path when it is on this machine."""
        return await self._folders.find(folder)

    async def places(self, folder: Folder) -> tuple[Path, ...]:
        """Where one of its folders is on this machine, or may be."""
        return await self._folders.places(folder)

    async def local_paths(self) -> LocalPaths:
        """Looks for paths where its folders are."""
        return await self._folders.local_paths()

    async def named_folders(self) -> NamedFolders:
        """Where its folders may be, by its own account."""
        paths, system = dict[str, Any](), dict[str, Any]()
        with contextlib.suppress(ComfyUIRejected):
            paths = await self._json("/internal/folder_paths", dict)
        with contextlib.suppress(ComfyUIRejected):
            system = _system(await self._json("/system_stats", dict))
        return named_folders(paths, system.get("argv"))

    async def node_infos(self) -> dict[str, Any]:
        """``/object_info`` of all classes, some MiB; not kept. Raises ComfyUIUnavailable, ComfyUIRejected."""
        return await self._json("/object_info", dict)

    async def model_folders(self) -> dict[str, tuple[Path, ...]]:
        """Where it looks for models, by kind. Source: ComfyUI 0.3.64, app/model_manager.py. Raises as node_infos."""
        return model_folders(await self._json("/experiment/models", list))

    async def models(self, kind: str) -> dict[str, int | None]:
        """The models of a kind that it lists, with their bytes where it tells them. Raises as node_infos."""
        return model_sizes(await self._json(f"/experiment/models/{quote(kind, safe='', errors='replace')}", list))

    async def listed(self, folder: Folder) -> int:
        """How many files ComfyUI lists in the folder; -1 when it does not list them."""
        try:
            names = await self._json(f"/internal/files/{folder}", list)
        except ComfyUIRejected:
            return -1
        return sum(not str(name).startswith(".") for name in names)  # 0.3.64 lists hidden files, newer ones do not

    async def _json[T](self, path: str, kind: type[T], timeout: aiohttp.ClientTimeout = _CALL) -> T:
        async with self._request("GET", path, timeout=timeout) as response:
            body = await _read_json(response)
        if not isinstance(body, kind):
            raise ComfyUIRejected(response.status, f"{path} is not a JSON {kind.__name__}")
        return body

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, *, timeout: aiohttp.ClientTimeout, **more: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._session.request(method, self.url + path, timeout=timeout, **more) as response:
                if response.status >= 400:
                    said, _ = await read_up_to(response, _ERROR_MAX)
                    raise ComfyUIRejected(response.status, said.decode(errors="replace"))
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise ComfyUIUnavailable(f"ComfyUI at {self.url} does not answer: {reason}") from error


async def _read_json(response: aiohttp.ClientResponse) -> Any:
    """Raises ComfyUIRejected when it is not JSON, or too long."""
    body, is_whole = await read_up_to(response, _ANSWER_MAX)
    if not is_whole:
        raise ComfyUIRejected(response.status, f"more than {_ANSWER_MAX // MIB} MiB")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ComfyUIRejected(response.status, f"not JSON: {error}") from error


async def comfyui_answers(url: str) -> bool:
    """Whether a ComfyUI is at *url*; raises CannotStart when something else is.

    One that accepts the connection and is slow to answer counts: ComfyUI answers late while it loads its nodes.
    """
    timeout = aiohttp.ClientTimeout(total=_QUICK_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{url}/system_stats") as response:
            if response.status == 200:
                return True
            raise CannotStart(
                f"COMFYUI_URL={url}: something answers there ({response.status}), but it is not a ComfyUI"
            )
    except TimeoutError:
        return await _accepts(url)
    except aiohttp.ClientConnectorError:
        return False
    except aiohttp.ClientError as error:
        raise CannotStart(f"COMFYUI_URL={url}: something answers there, but it is not a ComfyUI: {error}") from error


async def _accepts(url: str) -> bool:
    address = urlsplit(url)
    try:
        async with asyncio.timeout(_QUICK_S):
            _, writer = await asyncio.open_connection(address.hostname, address.port or 80)
    except OSError:
        return False
    writer.close()
    return True


def _system(stats: dict[str, Any]) -> dict[str, Any]:
    system = stats.get("system")
    return system if isinstance(system, dict) else {}


def _joined(subfolder: str, filename: str) -> str:
    return f"{subfolder}/{filename}" if subfolder else filename


def _served(response: aiohttp.ClientResponse) -> ServedFile:
    """Size and time of change; what is not said fits no file."""
    try:
        changed_s = parsedate_to_datetime(response.headers["Last-Modified"]).timestamp()
    except (KeyError, ValueError):
        changed_s = -1.0
    return ServedFile(-1 if response.content_length is None else response.content_length, changed_s)
