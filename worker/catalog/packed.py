"""PackedCatalog: a catalog as it travels, and as the events of a job tell it."""

from collections.abc import Iterator
from dataclasses import dataclass

from wire.catalog import Catalog, decode_catalog, encode_catalog
from wire.events import CatalogPiece, CatalogTold
from wire.files import encode_bytes
from wire.limits import CATALOG_PIECE


@dataclass(frozen=True, slots=True)
class PackedCatalog:
    packed: bytes
    sha256: str

    def told(self, has: str) -> Iterator[CatalogTold | CatalogPiece]:
        """The events for whoever has the catalog with the SHA-256 *has*."""
        yield CatalogTold(sha256=self.sha256)
        if has == self.sha256:
            return
        pieces = [self.packed[at : at + CATALOG_PIECE] for at in range(0, len(self.packed), CATALOG_PIECE)]
        for number, piece in enumerate(pieces):
            yield CatalogPiece(sha256=self.sha256, number=number, count=len(pieces), data=encode_bytes(piece))

    def file(self) -> bytes:
        """As a file: the SHA-256 in its first line, then the catalog. engine/catalog/catalog_files.py reads it."""
        return self.sha256.encode() + b"\n" + self.packed


def pack(catalog: Catalog) -> PackedCatalog:
    """It takes a while: use a thread. Raises WireError for a catalog that its receiver would refuse."""
    packed, sha256 = encode_catalog(catalog)
    decode_catalog(packed, sha256)
    return PackedCatalog(packed, sha256)
