"""Which input files the workers of an endpoint have, as they said: those need not be sent again."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]


class CachedInputs:
    """*query* runs SQL on the job database. It is only a guess: each worker may have a disk of its own."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def add(self, endpoint_id: str, sha256: Iterable[str]) -> None:
        self._query(
            "INSERT OR IGNORE INTO cached_inputs SELECT ?, value FROM json_each(?)",
            (endpoint_id, json.dumps(list(sha256))),
        )

    def forget(self, endpoint_id: str, sha256: Iterable[str]) -> None:
        self._query(
            "DELETE FROM cached_inputs WHERE endpoint_id = ? AND sha256 IN (SELECT value FROM json_each(?))",
            (endpoint_id, json.dumps(list(sha256))),
        )

    def among(self, endpoint_id: str, sha256: Iterable[str]) -> frozenset[str]:
        """Those of *sha256* that are kept."""
        rows = self._query(
            "SELECT sha256 FROM cached_inputs WHERE endpoint_id = ? AND sha256 IN (SELECT value FROM json_each(?))",
            (endpoint_id, json.dumps(list(sha256))),
        )
        return frozenset(name for (name,) in rows)
