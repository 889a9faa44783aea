"""Pages learn of a new catalog at once, and of many in a row once in a while."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from engine.catalog.catalogs import Catalogs
from proxy.catalog_news import CatalogNews
from tests.support.until import until
from wire.catalog import Catalog


@dataclass
class Pages:
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def broadcast(self, kind: str, data: dict[str, Any]) -> None:
        self.told.append((kind, data))


async def test_many_changes_are_told_once_and_the_last_one_is_not_missed() -> None:
    catalogs, pages = Catalogs(("ep",), lambda: 0), Pages()
    clock = asyncio.get_running_loop().time
    news = CatalogNews(catalogs, pages.broadcast, lambda: clock() * 50)  # a second is 20 ms
    for letter in "abc":
        catalogs.received("ep", Catalog(comfyui=letter), letter * 64)
    at_once = list(pages.told)

    async def told_again() -> bool:
        return len(pages.told) > 1

    await until(told_again)
    assert at_once == [("runpod.catalog", {"sha256": "a" * 64})]
    assert pages.told[1:] == [("runpod.catalog", {"sha256": "c" * 64})]
    news.stop()


async def test_after_the_end_nobody_is_told() -> None:
    catalogs, pages = Catalogs(("ep",), lambda: 0), Pages()
    news = CatalogNews(catalogs, pages.broadcast, lambda: 5.0)
    for letter in "ab":
        catalogs.received("ep", Catalog(comfyui=letter), letter * 64)
    news.stop()
    await asyncio.sleep(0)

    assert len(pages.told) == 1
