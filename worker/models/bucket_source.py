"""BucketSource: a model in S3."""

import asyncio
from collections.abc import AsyncIterator

from worker.models.sources import Facts, SourceFailed
from worker.settings import Credentials
from worker.storage import Storage, StorageError


class BucketSource:
    def __init__(self, credentials: Credentials | None, bucket: str, key: str) -> None:
        self._storage, self._bucket, self._key = Storage(credentials), bucket, key
        self._known = (0, "")

    async def facts(self) -> Facts:
        try:
            self._known = await asyncio.to_thread(self._storage.head, self._bucket, self._key)
        except StorageError as error:
            raise SourceFailed(str(error), for_good=True) from error
        return Facts(*self._known, ranged=True)

    async def read(self, start: int, end: int | None) -> AsyncIterator[bytes]:
        size, etag = self._known
        chunks = self._storage.read(self._bucket, self._key, start, size if end is None else end, etag)
        try:
            while (chunk := await asyncio.to_thread(next, chunks, b"")) != b"":
                yield chunk
        except StorageError as error:
            raise SourceFailed(str(error)) from error
