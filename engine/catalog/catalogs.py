"""Catalogs: what is known of each endpoint."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from engine.catalog.volume_listing import Models, of_image, with_volume
from wire.catalog import Catalog

Source = Literal["worker", "image", "volume"]
"""who told it: a worker; the build of the image; or nobody yet, so that only the volume's listing is known"""


@dataclass(frozen=True, slots=True)
class KnownCatalog:
    """*sha256* is that of what a worker sent, *confirmed_ms* is when one last said that it still holds."""

    endpoint_id: str
    catalog: Catalog
    sha256: str
    confirmed_ms: int
    source: Source = "worker"


@dataclass(frozen=True, slots=True)
class _Listing:
    models: Models
    at_ms: int


class Catalogs:
    """Of the endpoints in *endpoint_ids*, whose order is the person's; *now_ms* is the wall's clock."""

    def __init__(self, endpoint_ids: Sequence[str], now_ms: Callable[[], int]) -> None:
        self.endpoint_ids, self._now_ms = tuple(endpoint_ids), now_ms
        self._told = dict[str, tuple[KnownCatalog, int]]()
        """as it was told, and when it was received"""
        self._known = dict[str, KnownCatalog]()
        """the same with what lies on the volume now"""
        self._listing: _Listing | None = None
        self._listeners: list[Callable[[], None]] = []

    def current(self) -> KnownCatalog | None:
        """What the page shows and prompts are judged by: of the first endpoint that is known."""
        found = (self._known.get(endpoint_id) for endpoint_id in self.endpoint_ids)
        return next((known for known in found if known is not None), None)

    def of(self, endpoint_id: str) -> KnownCatalog | None:
        """None while nothing is known of this endpoint."""
        return self._known.get(endpoint_id)

    def told(self, endpoint_id: str) -> KnownCatalog | None:
        """As the worker or the image's build told it, without the listing of the volume."""
        told = self._told.get(endpoint_id)
        return None if told is None else told[0]

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call *listener* whenever a catalog has changed."""
        self._listeners.append(listener)

    def received(self, endpoint_id: str, catalog: Catalog, sha256: str) -> None:
        """The endpoint's worker has sent its catalog."""
        self.take(KnownCatalog(endpoint_id, catalog, sha256, self._now_ms()))

    def take(self, known: KnownCatalog) -> None:
        """What was kept, or what the image's build or a worker told."""
        told = self._told.get(known.endpoint_id)
        if known.source == "image" and told is not None:
            known = replace(known, catalog=of_image(known.catalog, told[0].catalog))
        self._told[known.endpoint_id] = known, known.confirmed_ms
        self._show(known.endpoint_id)
        self._changed()

    def confirmed(self, endpoint_id: str, sha256: str) -> None:
        """The endpoint's worker still has what it had."""
        told = self._told.get(endpoint_id)
        if told is not None and (told[0].sha256, told[0].source) == (sha256, "worker"):
            now_ms = self._now_ms()
            self._told[endpoint_id] = replace(told[0], confirmed_ms=now_ms), told[1]
            self._known[endpoint_id] = replace(self._known[endpoint_id], confirmed_ms=now_ms)

    def listed(self, models: Models) -> None:
        """The volume, which all endpoints share, has these models now."""
        changed = self._listing is None or self._listing.models != models
        self._listing = _Listing(models, self._now_ms())
        for endpoint_id in self.endpoint_ids:
            self._show(endpoint_id)
        if changed:
            self._changed()

    def _show(self, endpoint_id: str) -> None:
        told, listing = self._told.get(endpoint_id), self._listing
        if told is not None:
            known, received_ms = told
            catalog = known.catalog
            if listing is not None:
                catalog = with_volume(catalog, listing.models, is_newer=listing.at_ms > received_ms)
            self._known[endpoint_id] = replace(known, catalog=catalog)
        elif listing is not None:
            only = with_volume(Catalog(), listing.models, is_newer=True)
            self._known[endpoint_id] = KnownCatalog(endpoint_id, only, "", listing.at_ms, "volume")

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()
