"""BucketSource: a model in S3."""

import asyncio
from collections.abc import AsyncIterator

from storage.objects import ObjectMissing, StorageRefused
from storage.s3 import Bucket
from wire.errors import Unavailable
from worker.models.sources import Facts, SourceFailed


class BucketSource:
    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket, self._key = bucket, key
        self._name = f"s3://{bucket.place.name}/{key}"
        self._known = (0, "")

    async def facts(self) -> Facts:
        try:
            self._known = await asyncio.to_thread(self._bucket.facts, self._key)
        except (ObjectMissing, StorageRefused, Unavailable) as error:
            raise self._failed(error) from error
        return Facts(*self._known, ranged=True)

    async def read(self, start: int, end: int | None) -> AsyncIterator[bytes]:
        size, etag = self._known
        pieces = self._bucket.read(self._key, start, size if end is None else end, etag=etag)
        try:
            while (piece := await asyncio.to_thread(next, pieces, b"")) != b"":
                yield piece
        except (ObjectMissing, StorageRefused, Unavailable) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> SourceFailed:
        reason = "the object does not exist" if isinstance(error, ObjectMissing) else str(error)
        return SourceFailed(f"{self._name}: {reason}", for_good=not isinstance(error, Unavailable))
