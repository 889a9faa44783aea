"""Lists the models on the network volume by its S3 API, from time to time, beside everything else."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from engine.catalog.catalogs import Catalogs
from engine.catalog.volume_listing import models_in
from storage.daemon_thread import in_daemon_thread
from storage.objects import ObjectMissing, StorageRefused
from wire.errors import Unavailable
from wire.model_kinds import MODELS_ON_VOLUME

logger = logging.getLogger(__name__)

EVERY_S = 600.0
_KEYS_MAX, _PAGES_MAX, _LISTING_MAX_S = 20_000, 500, 300.0
_BETWEEN_S = 5.0
"""between two listings, however often one is asked for"""


class ListedVolume(Protocol):
    """The objects of the volume; implemented by storage.s3.Bucket, whose methods block."""

    def pages(self, prefix: str) -> Iterator[Mapping[str, int]]: ...


class VolumeWatch:
    """:meth:`run` owns the work. *volume* is None without S3 keys. *is_used* says whether anybody would notice."""

    def __init__(self, volume: ListedVolume | None, catalogs: Catalogs, is_used: Callable[[], bool]) -> None:
        self._volume, self._catalogs, self._is_used = volume, catalogs, is_used
        self._wake = asyncio.Event()
        self._trouble = ""

    def look(self) -> None:
        """List soon: something has changed there, or a person wants to know."""
        self._wake.set()

    async def run(self, every_s: float = EVERY_S, between_s: float = _BETWEEN_S) -> None:
        """Until cancelled: once at the start, when asked, and while anybody would notice each *every_s*."""
        if self._volume is None:
            await asyncio.Event().wait()
            return
        while True:
            self._wake.clear()
            await self._look(self._volume)
            await asyncio.sleep(between_s)
            await self._until_due(every_s)

    async def _until_due(self, every_s: float) -> None:
        while not self._wake.is_set():
            try:
                async with asyncio.timeout(every_s):
                    await self._wake.wait()
            except TimeoutError:
                if self._is_used():
                    return

    async def _look(self, volume: ListedVolume) -> None:
        """Each kind of trouble is said once; what was known stays."""
        try:
            async with asyncio.timeout(2 * _LISTING_MAX_S):
                sizes = await in_daemon_thread(lambda: _all(volume), "volume listing")
            self._catalogs.listed(await asyncio.to_thread(models_in, sizes))
            self._trouble = ""
        except (Unavailable, StorageRefused, ObjectMissing, TimeoutError) as error:
            if (trouble := str(error) or "it takes too long") != self._trouble:
                self._trouble = trouble
                logger.warning("the models on the volume cannot be listed: %s", trouble)
        except Exception:  # the proxy goes on without it
            logger.exception("the models on the volume cannot be listed")


def _all(volume: ListedVolume) -> dict[str, int]:
    """Raises Unavailable for a listing that is too long: of a part nobody could say what is missing."""
    found, until = dict[str, int](), time.monotonic() + _LISTING_MAX_S
    for number, page in enumerate(volume.pages(f"{MODELS_ON_VOLUME}/")):
        found |= page
        if len(found) > _KEYS_MAX or number >= _PAGES_MAX or time.monotonic() > until:
            raise Unavailable(f"there are more than {_KEYS_MAX:,} files, or listing them takes too long")
    return found
