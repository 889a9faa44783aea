"""LargeFiles: files that are too large for a job or its stream, by way of the endpoint's network volume or a bucket."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import aiohttp

from engine.files.transport import Transport
from storage.disk import require_room
from storage.objects import ObjectMissing, ObjectStore, StorageRefused
from storage.private import private_file
from storage.web import web_client
from wire.addresses import AddressRefused, origin_of
from wire.errors import Unavailable
from wire.files import FileRef, Url, Volume, input_key, output_key
from wire.ids import PromptId

logger = logging.getLogger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
_PIECE = 1024 * 1024


class LargeFileLost(Exception):
    """What a worker left for us is not there, or is not what it said."""


class LargeFiles:
    """*volume* is the endpoint's, by its S3 API, which knows no signed addresses."""

    def __init__(
        self, session: aiohttp.ClientSession, *, bucket: ObjectStore | None, volume: ObjectStore | None
    ) -> None:
        self._session, self._bucket, self._volume = session, bucket, volume

    @property
    def store(self) -> ObjectStore | None:
        """Where what is sent to workers lies: the volume comes first, which all of them have."""
        return self._volume or self._bucket

    @property
    def transport(self) -> Transport | None:
        """How an input file that is too large for a job travels; None without a bucket and a volume."""
        if self._volume is not None:
            return Transport.VOLUME
        return None if self._bucket is None else Transport.URL

    @property
    def fetches(self) -> tuple[str, ...]:
        """From where large outputs can be fetched: a signed address needs no key."""
        return ("url",) if self._volume is None else ("url", "volume")

    async def put(self, sha256: str, path: Path) -> Url | Volume:
        """Upload an input file, unless it is there; raises StorageRefused, Unavailable.

        The volume comes first: what lies there is in the cache of all workers.
        """
        store = self.store
        if store is None:
            raise LookupError("neither a bucket nor a volume")
        key = input_key(sha256)
        await asyncio.to_thread(_put_once, store, key, path)
        return Volume(path=key) if store is self._volume else Url(url=store.address(key))

    async def fetch(self, prompt_id: PromptId, file: FileRef, path: Path) -> None:
        """All bytes of an output into *path*, which goes on where it stopped, in a folder that is there; none beyond
        the size that the worker announced. Without its address, which is not kept over a restart, a file is looked for
        in our own bucket.

        Raises LargeFileLost, StorageRefused, Unavailable, OSError when it cannot be written.
        """
        with await asyncio.to_thread(lambda: private_file(path).open("ab")) as part:
            left = file.size - part.tell()
            if left <= 0:
                return
            async with aclosing(self._pieces(prompt_id, file, part.tell())) as pieces:
                async for piece in pieces:
                    await asyncio.to_thread(_write, part, path, piece[:left])
                    left -= len(piece)
                    if left <= 0:
                        return

    async def drop(self, prompt_id: PromptId, file: FileRef) -> None:
        """Remove what was fetched, if it lies where only this job's outputs lie."""
        key = output_key(prompt_id, file.sha256)
        match file.source:
            case Volume(path=path) if path == key:
                store = self._volume
            case Url(url=url) if not url or (self._is_own(url) and unquote(urlsplit(url).path).endswith(f"/{key}")):
                store = self._bucket
            case _:
                return
        if store is None:
            return
        try:
            await asyncio.to_thread(store.delete, key)
        except (StorageRefused, Unavailable) as error:
            logger.warning("%s: %s stays in the storage: %s", prompt_id, key, error)

    def _pieces(self, prompt_id: PromptId, file: FileRef, start: int) -> AsyncGenerator[bytes, None]:
        key = output_key(prompt_id, file.sha256)
        match file.source:
            case Url(url="") if self._bucket is not None:
                return _from_store(self._bucket, key, start)
            case Url(url=url) if url:
                return self._from_address(url, start)
            case Volume(path=path) if path == key and self._volume is not None:
                return _from_store(self._volume, path, start)
            case _:
                raise LargeFileLost(
                    f"{file.filename[:200]} lies where this proxy does not fetch it: {file.source.kind}"
                )

    async def _from_address(self, url: str, start: int) -> AsyncGenerator[bytes, None]:
        """Errors name the host only: the address is a secret."""
        headers = {"Range": f"bytes={start}-", "Accept-Encoding": "identity"}
        try:
            host = origin_of(url).host
            async with self._asked(url, headers) as answer:
                _require_range(answer.status, host, start)
                async for piece in answer.content.iter_chunked(_PIECE):
                    yield piece
        except AddressRefused as error:
            raise LargeFileLost(f"the worker's bucket is not ours (BUCKET_ENDPOINT_URL), and {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"{host}: {type(error).__name__}") from error

    @asynccontextmanager
    async def _asked(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """Our own bucket may be anywhere; what else a worker names must be for everybody."""
        if self._is_own(url):
            async with self._session.get(url, headers=headers, timeout=_TIMEOUT, allow_redirects=False) as answer:
                yield answer
        else:
            async with web_client() as web, await web.get(url, headers) as answer:
                yield answer

    def _is_own(self, url: str) -> bool:
        try:
            return self._bucket is not None and origin_of(url) == origin_of(self._bucket.place.url)
        except AddressRefused:
            return False


def _require_range(status: int, host: str, start: int) -> None:
    if status == 206 or (status == 200 and start == 0):
        return
    if status in (429, 500, 502, 503, 504):
        raise Unavailable(f"{host} answers {status}")
    raise LargeFileLost(f"{host} answers {status}: a result stays in the bucket for a day")


async def _from_store(store: ObjectStore, key: str, start: int) -> AsyncGenerator[bytes, None]:
    pieces = store.read(key, start)
    try:
        while (piece := await asyncio.to_thread(next, pieces, b"")) != b"":
            yield piece
    except ObjectMissing as error:
        raise LargeFileLost(f"{key} is not on the volume any more") from error


def _put_once(store: ObjectStore, key: str, path: Path) -> None:
    if store.size(key) != path.stat().st_size:
        store.put_file(key, path)


def _write(part: BinaryIO, path: Path, piece: bytes) -> None:
    require_room(path.parent, len(piece))
    part.write(piece)
