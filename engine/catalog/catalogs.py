"""Catalogs: what is known of each endpoint."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from wire.catalog import Catalog

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KnownCatalog:
    """*sha256* is that of what a worker sent, *confirmed_ms* is when one last said that it still holds."""

    endpoint_id: str
    catalog: Catalog
    sha256: str
    confirmed_ms: int


class Catalogs:
    """Of the endpoints in *endpoint_ids*, whose order is the person's; *now_ms* is the wall's clock."""

    def __init__(self, endpoint_ids: Sequence[str], now_ms: Callable[[], int]) -> None:
        self._endpoint_ids, self._now_ms = tuple(endpoint_ids), now_ms
        self._known = dict[str, KnownCatalog]()
        self._listeners: list[Callable[[], None]] = []

    def current(self) -> KnownCatalog | None:
        """What the page shows and prompts are judged by: of the first endpoint that is known."""
        found = (self._known.get(endpoint_id) for endpoint_id in self._endpoint_ids)
        return next((known for known in found if known is not None), None)

    def of(self, endpoint_id: str) -> KnownCatalog | None:
        """None while nothing is known of this endpoint."""
        return self._known.get(endpoint_id)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call *listener* whenever a catalog has changed."""
        self._listeners.append(listener)

    def received(self, endpoint_id: str, catalog: Catalog, sha256: str) -> None:
        """The endpoint's worker has sent its catalog."""
        self._known[endpoint_id] = KnownCatalog(endpoint_id, catalog, sha256, self._now_ms())
        for listener in self._listeners:
            listener()

    def confirmed(self, endpoint_id: str, sha256: str) -> None:
        """The endpoint's worker still has what it had."""
        known = self._known.get(endpoint_id)
        if known is not None and known.sha256 == sha256:
            self._known[endpoint_id] = replace(known, confirmed_ms=self._now_ms())
