"""Joins the pieces of catalogs. Pure: bytes in, bytes out."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from wire.errors import WireError
from wire.events import CatalogPiece
from wire.files import decode_bytes
from wire.limits import CATALOG_PACKED_MAX

_OPEN_MAX = 4
"""catalogs that arrive at the same time, of several jobs; the oldest one is dropped, and comes with the next job"""


@dataclass(slots=True)
class _Joined:
    sha256: str
    count: int
    pieces: list[bytes] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))


class Assembly:
    """The catalogs that are on their way. Their pieces come in order, and may come twice when a job is followed again;
    what has a gap, or is too large, is dropped.
    """

    def __init__(self) -> None:
        self._open = dict[Hashable, _Joined]()

    def add(self, job: Hashable, piece: CatalogPiece) -> bytes | None:
        """The packed catalog when *piece* of this *job* is its last one."""
        joined = self._open.get(job)
        if piece.number == 0:
            joined = self._begin(job, piece)
        elif joined is None or (joined.sha256, joined.count) != (piece.sha256, piece.count):
            self.drop(job)
            return None
        if piece.number >= len(joined.pieces):
            self._append(job, joined, piece)
        if job in self._open and len(joined.pieces) == joined.count:
            self.drop(job)
            return b"".join(joined.pieces)
        return None

    def drop(self, job: Hashable) -> None:
        """Forget what has come of the job's catalog."""
        self._open.pop(job, None)

    def _begin(self, job: Hashable, piece: CatalogPiece) -> _Joined:
        self.drop(job)
        while len(self._open) >= _OPEN_MAX:
            self.drop(next(iter(self._open)))
        self._open[job] = joined = _Joined(piece.sha256, piece.count)
        return joined

    def _append(self, job: Hashable, joined: _Joined, piece: CatalogPiece) -> None:
        try:
            data = decode_bytes(piece.data)
        except WireError:
            data = b""
        if not data or piece.number > len(joined.pieces) or joined.size + len(data) > CATALOG_PACKED_MAX:
            self.drop(job)
        else:
            joined.pieces.append(data)
