"""Tells every open page that the catalog has changed, at most once in a while."""

import asyncio
from collections.abc import Callable

from engine.catalog.catalogs import Catalogs
from engine.files.model_sending import Broadcast

_BETWEEN_S = 1.0


class CatalogNews:
    """*clock* counts seconds."""

    def __init__(self, catalogs: Catalogs, broadcast: Broadcast, clock: Callable[[], float]) -> None:
        self._catalogs, self._broadcast, self._clock = catalogs, broadcast, clock
        self._told_s = float("-inf")
        self._due: asyncio.TimerHandle | None = None
        catalogs.on_change(self._changed)

    def _changed(self) -> None:
        if self._due is not None:
            return
        wait_s = self._told_s + _BETWEEN_S - self._clock()
        if wait_s <= 0:
            self._tell()
        else:
            self._due = asyncio.get_running_loop().call_later(wait_s, self._tell)

    def _tell(self) -> None:
        self._due, self._told_s = None, self._clock()
        known = self._catalogs.current()
        if known is not None:
            self._broadcast("runpod.catalog", {"sha256": known.sha256})

    def stop(self) -> None:
        """No page listens any more."""
        if self._due is not None:
            self._due.cancel()
