"""Takes in what workers tell of their catalogs, keeps it, and knows what was kept. Whatever goes wrong, jobs go on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from engine.catalog.assembly import Assembly
from engine.catalog.catalog_files import CatalogFiles, CatalogUnreadable
from engine.catalog.catalogs import Catalogs
from wire.catalog import decode_catalog
from wire.errors import WireError
from wire.events import CatalogPiece, CatalogTold

logger = logging.getLogger(__name__)

_LOOK_S = 60.0
"""between two looks for the catalog of an image that was deployed meanwhile"""
_CONFIRM_MS = 600_000
"""how far the time of the last confirmation that is on the disk may lag behind"""


class CatalogListener(Protocol):
    """Whoever runs jobs asks what to put into their requests, and hands over what comes of it."""

    def has(self, endpoint_id: str) -> str | None: ...
    def hear(self, endpoint_id: str, job: str, event: CatalogTold | CatalogPiece) -> None: ...


class NoCatalogs:
    """For whoever has no page: the worker is not asked."""

    def has(self, endpoint_id: str) -> str | None:
        return None

    def hear(self, endpoint_id: str, job: str, event: CatalogTold | CatalogPiece) -> None: ...


class CatalogIntake:
    """:meth:`run` owns the slow work; *on_told* is called when a worker has told something new of its endpoint."""

    def __init__(self, catalogs: Catalogs, files: CatalogFiles, on_told: Callable[[], None] = lambda: None) -> None:
        self._catalogs, self._files, self._on_told = catalogs, files, on_told
        self._assembly = Assembly()
        self._whole = dict[str, tuple[str, bytes]]()
        """by endpoint: the newest catalog that is yet to be read, its SHA-256 and its bytes"""
        self._saved_ms = dict[str, int]()
        self._images_ms = dict[str, int]()
        self._wake = asyncio.Event()

    # -- called by the runs of jobs

    def has(self, endpoint_id: str) -> str:
        """The SHA-256 of what the endpoint's worker told, empty if it has told nothing."""
        told = self._catalogs.told(endpoint_id)
        return told.sha256 if told is not None and told.source == "worker" else ""

    def hear(self, endpoint_id: str, job: str, event: CatalogTold | CatalogPiece) -> None:
        """A worker tells of its catalog, in *job*. Nothing slow happens here, and nothing fails."""
        try:
            if isinstance(event, CatalogTold):
                self._assembly.drop(job)
                self._catalogs.confirmed(endpoint_id, event.sha256)
                self._wake.set()
            elif (packed := self._assembly.add(job, event)) is not None:
                self._whole[endpoint_id] = event.sha256, packed
                self._wake.set()
        except Exception:  # a catalog is a help, and no job ends because of one
            logger.exception("%s: the catalog of endpoint %s is not used", job, endpoint_id)

    # -- beside the jobs

    async def run(self) -> None:
        """Until cancelled."""
        await self._guarded(self._load)
        while True:
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                await self._guarded(self._look_for_images)
            self._wake.clear()
            while self._whole:
                endpoint_id = next(iter(self._whole))
                sha256, packed = self._whole.pop(endpoint_id)
                await self._guarded(partial(self._take, endpoint_id, sha256, packed))
            await self._guarded(self._keep_confirmations)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (WireError, CatalogUnreadable, OSError) as error:
            logger.warning("a catalog is not used: %s", error)
        except Exception:  # the proxy goes on without it
            logger.exception("a catalog is not used")

    async def _load(self) -> None:
        for endpoint_id in self._catalogs.endpoint_ids:
            self._images_ms[endpoint_id] = self._files.image_changed_ms(endpoint_id)
            kept = await asyncio.to_thread(self._files.load, endpoint_id)
            if self._catalogs.told(endpoint_id) is None:
                for known in kept:
                    self._saved_ms[endpoint_id] = known.confirmed_ms
                    self._catalogs.take(known)

    async def _take(self, endpoint_id: str, sha256: str, packed: bytes) -> None:
        if self.has(endpoint_id) == sha256:
            return
        catalog = await asyncio.to_thread(decode_catalog, packed, sha256)
        self._catalogs.received(endpoint_id, catalog, sha256)
        self._on_told()
        known = self._catalogs.told(endpoint_id)
        if known is not None:
            self._saved_ms[endpoint_id] = known.confirmed_ms
            await asyncio.to_thread(self._files.save, known, packed)

    async def _keep_confirmations(self) -> None:
        for endpoint_id in self._catalogs.endpoint_ids:
            known = self._catalogs.told(endpoint_id)
            if known is None or known.source != "worker":
                continue
            if known.confirmed_ms > self._saved_ms.get(endpoint_id, 0) + _CONFIRM_MS:
                self._saved_ms[endpoint_id] = known.confirmed_ms
                await asyncio.to_thread(self._files.confirm, known)

    async def _look_for_images(self) -> None:
        """An image that was deployed since is what the next worker runs."""
        for endpoint_id in self._catalogs.endpoint_ids:
            changed_ms = self._files.image_changed_ms(endpoint_id)
            if changed_ms > self._images_ms.get(endpoint_id, 0):
                self._images_ms[endpoint_id] = changed_ms
                image = await asyncio.to_thread(self._files.image, endpoint_id)
                told = self._catalogs.told(endpoint_id)
                if image is not None and (told is None or told.confirmed_ms < image.confirmed_ms):
                    self._catalogs.take(image)
