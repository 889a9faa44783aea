"""Definitions: the node definitions that judge a prompt, from this machine's ComfyUI and the endpoint's catalog."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from itertools import batched
from typing import Any

from engine.catalog.catalogs import Catalogs, KnownCatalog
from engine.catalog.merge import LOADERS, merged_class
from engine.prompt.sides import Sides
from wire.catalog import Catalog

FRESH_MS = 24 * 60 * 60 * 1000
"""for how long a catalog that a worker has confirmed may refuse a prompt; a deployment changes it at any time"""
_AT_A_TIME = 64

LocalInfo = Callable[[str], Awaitable[dict[str, Any] | None]]
"""object_info of one class of this machine's ComfyUI"""
LocalVersion = Callable[[], Awaitable[str | None]]


async def _no_version() -> str | None:
    return None


class Definitions:
    """*now_ms* is the wall's clock. With *stand_in* the local ComfyUI is not the person's own, and its definitions
    count only until the endpoint's are known.
    """

    def __init__(
        self,
        local: LocalInfo,
        catalogs: Catalogs,
        now_ms: Callable[[], int],
        version: LocalVersion = _no_version,
        *,
        stand_in: bool = False,
    ) -> None:
        self._local, self._catalogs, self._now_ms, self._version = local, catalogs, now_ms, version
        self._stand_in = stand_in

    async def sides(self, kinds: Collection[str]) -> Sides:
        """The definitions of the classes *kinds*. Raises whatever the local ComfyUI raises."""
        local = await self._local_infos(kinds)
        known = self._catalogs.current()
        if known is None:
            return Sides.here_only(local)
        loaders = {kind: info for kind, info in (await self._local_infos(LOADERS)).items() if info is not None}
        infos = {kind: merged_class(kind, info, known.catalog, loaders) for kind, info in local.items()}
        if self._stand_in and known.catalog.nodes:
            local = dict.fromkeys(kinds)
        version = await self._version() if _differ(local, known.catalog) else None
        is_current = _is_current(known, self._now_ms())
        return Sides(infos, local, known.catalog, is_current=is_current, local_version=version or "")

    async def _local_infos(self, kinds: Collection[str]) -> dict[str, dict[str, Any] | None]:
        infos: dict[str, dict[str, Any] | None] = {}
        for some in batched(kinds, _AT_A_TIME):
            infos |= zip(some, await asyncio.gather(*map(self._local, some)), strict=True)
        return infos


def _differ(local: Mapping[str, Mapping[str, Any] | None], known: Catalog) -> bool:
    return bool(known.nodes) and any(info is not None and info != known.nodes.get(kind) for kind, info in local.items())


def _is_current(known: KnownCatalog, now_ms: int) -> bool:
    """Whether a worker has said lately that it has just this; what an image's build tells may not be deployed."""
    return known.source == "worker" and now_ms - known.confirmed_ms <= FRESH_MS
