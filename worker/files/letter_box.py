"""LetterBox: where the letters of one job arrive, on the network volume or in a bucket."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

import aiohttp

from storage.http_body import read_up_to
from storage.web import WebClient, web_client
from wire.addresses import AddressRefused, Origin, origin_of
from wire.files import Url, Volume
from wire.letters import BOX_MAX, LETTERS_FOLDER
from wire.names import NameRefused
from worker.folders import confined

logger = logging.getLogger(__name__)

_ANSWER_S = 15.0


class BoxUnreadable(Exception):
    """The box cannot be read just now."""


class LetterBox(Protocol):
    async def news(self) -> bytes | None:
        """The whole content, when it is not what it was last time. Raises BoxUnreadable."""
        ...


class LetterSources:
    """*volume* is None without one. Only *own_bucket*, an address, may be on a private one, unless *allow_private*.

    A box on the volume that nobody has removed goes after *max_age_s*; a bucket has rules of its own for that.
    """

    def __init__(self, volume: Path | None, own_bucket: str | None, *, allow_private: bool, max_age_s: float) -> None:
        self._volume, self._max_age_s = volume, max_age_s
        own = {origin_of(own_bucket)} if own_bucket else set[Origin]()
        self._allowed = None if allow_private else own

    @asynccontextmanager
    async def opened(self, place: Url | Volume | None) -> AsyncIterator[LetterBox | None]:
        """The box at *place* during the block; None without one, or when this worker cannot read there."""
        match place:
            case Url(url=url):
                async with web_client(allowed=self._allowed) as web:
                    yield BucketBox(url, web)
            case Volume(path=path) if self._volume is not None:
                box = await asyncio.to_thread(self._on_volume, self._volume, path)
                try:
                    yield box
                finally:
                    if box is not None:
                        await asyncio.to_thread(box.remove)
            case _:
                yield None

    def _on_volume(self, volume: Path, path: str) -> "VolumeBox | None":
        try:
            self._remove_old(volume / LETTERS_FOLDER)
            box = VolumeBox(confined(volume, LETTERS_FOLDER, path.rpartition("/")[2]))
            box.make()
        except (NameRefused, OSError) as error:
            logger.warning("this job has no letter box: %s", error)
            return None
        return box

    def _remove_old(self, folder: Path) -> None:
        for path in folder.glob("*"):
            with suppress(OSError):  # another worker, or the proxy, was faster
                if time.time() - path.stat().st_mtime > self._max_age_s:
                    path.unlink()


class VolumeBox:
    """A file that the proxy writes by the volume's S3 API. It is made here: a network disk remembers for a while that
    a file is not there, but asks about one that is there each time it is opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = b""

    def make(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch(0o600)

    def remove(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    async def news(self) -> bytes | None:
        content = await asyncio.to_thread(self._read)
        if content == self._last:
            return None
        self._last = content
        return content

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                content = file.read(BOX_MAX + 1)
        except FileNotFoundError:  # it is being replaced
            return self._last
        except OSError as error:
            raise BoxUnreadable(error.strerror or str(error)) from error
        if len(content) > BOX_MAX:
            raise BoxUnreadable(f"it has more than {BOX_MAX:,} bytes")
        return content


class BucketBox:
    """An object that is read by a signed address, which is a secret. It does not exist before the first letter."""

    def __init__(self, url: str, web: WebClient) -> None:
        self._url, self._web = url, web
        self._etag = ""

    async def news(self) -> bytes | None:
        wanted = {"Accept-Encoding": "identity"} | ({"If-None-Match": self._etag} if self._etag else {})
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await self._answered(await self._web.get(self._url, wanted))
        except AddressRefused as error:
            raise BoxUnreadable(f"{error} (DOWNLOADS_ALLOW_PRIVATE)") from error
        except (aiohttp.ClientError, OSError) as error:  # OSError: TimeoutError and the socket's own
            raise BoxUnreadable(type(error).__name__) from error

    async def _answered(self, response: aiohttp.ClientResponse) -> bytes | None:
        """A bucket whose objects may not be listed says 403 of one that is not there."""
        async with response:
            if response.status != 200:
                if response.status not in (304, 403, 404):
                    raise BoxUnreadable(f"the bucket answers {response.status}")
                return None
            content, is_whole = await read_up_to(response, BOX_MAX)
            if not is_whole:
                raise BoxUnreadable(f"it has more than {BOX_MAX:,} bytes")
            self._etag = response.headers.get("ETag", "")
            return content
