"""Catalogs on the disk: one file for each endpoint, and what the build of its image left there.

``<endpoint id>.catalog`` has a line of JSON (format, sha256, confirmed_ms) and the packed catalog that a worker sent.
``<endpoint id>.image``, which scripts/deploy.py writes, has a line with the SHA-256 and the packed catalog of the
image.
"""

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

from engine.catalog.catalogs import KnownCatalog
from storage.atomic import atomic
from storage.private import private_file, private_folder
from wire.catalog import decode_catalog
from wire.errors import WireError
from wire.limits import CATALOG_PACKED_MAX

logger = logging.getLogger(__name__)

FORMAT = 1
_HEAD_MAX = 1_000
_ENDPOINT_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


class CatalogUnreadable(Exception):
    """The file is damaged, too large, or of a newer version."""


class CatalogFiles:
    """Below *folder*. The methods block: decoding may take seconds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, endpoint_id: str) -> list[KnownCatalog]:
        """What is kept of the endpoint, the older first: the worker's word, and that of an image that was deployed
        since. A file that cannot be used is left alone, with a line in the log.
        """
        found = [self._usable(endpoint_id, read) for read in (self._told_by_worker, self.image)]
        match [known for known in found if known is not None]:
            case [worker, image] if image.confirmed_ms <= worker.confirmed_ms:
                return [worker]
            case known:
                return known

    def _usable(self, endpoint_id: str, read: Callable[[str], KnownCatalog | None]) -> KnownCatalog | None:
        try:
            return read(endpoint_id)
        except (CatalogUnreadable, WireError, OSError) as error:
            logger.warning("what was kept of endpoint %s is not used: %s", endpoint_id, error)
            return None

    def image(self, endpoint_id: str) -> KnownCatalog | None:
        """What the build of the image left; raises CatalogUnreadable, WireError, OSError."""
        path = self._path(endpoint_id, "image")
        if path is None or not path.is_file():
            return None
        sha256, packed = _split(path)
        changed_ms = path.stat().st_mtime_ns // 1_000_000
        return KnownCatalog(endpoint_id, decode_catalog(packed, sha256), sha256, changed_ms, "image")

    def image_changed_ms(self, endpoint_id: str) -> int:
        """When an image was last deployed; 0 if that is not known."""
        path = self._path(endpoint_id, "image")
        try:
            return 0 if path is None else path.stat().st_mtime_ns // 1_000_000
        except OSError:
            return 0

    def _told_by_worker(self, endpoint_id: str) -> KnownCatalog | None:
        path = self._path(endpoint_id, "catalog")
        if path is None or not path.is_file():
            return None
        line, packed = _split(path)
        try:
            head = json.loads(line)
            kind, sha256, confirmed_ms = int(head["format"]), str(head["sha256"]), int(head["confirmed_ms"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise CatalogUnreadable(f"{path.name} is damaged") from error
        if kind != FORMAT:
            raise CatalogUnreadable(f"{path.name} is of another version")
        return KnownCatalog(endpoint_id, decode_catalog(packed, sha256), sha256, confirmed_ms)

    def save(self, known: KnownCatalog, packed: bytes) -> None:
        """Keep what a worker told, in the worker's own bytes: a newer one may tell more than this version reads. Raises
        OSError.
        """
        path = self._path(known.endpoint_id, "catalog")
        if path is None:
            return
        head = {"format": FORMAT, "sha256": known.sha256, "confirmed_ms": known.confirmed_ms, "source": known.source}
        private_folder(self._folder)
        with atomic(path) as part:
            private_file(part).write_bytes(json.dumps(head).encode() + b"\n" + packed)

    def confirm(self, known: KnownCatalog) -> None:
        """Keep when a worker last said that its catalog still holds; raises CatalogUnreadable, OSError."""
        path = self._path(known.endpoint_id, "catalog")
        if path is not None and path.is_file():
            self.save(known, _split(path)[1])

    def _path(self, endpoint_id: str, suffix: str) -> Path | None:
        """None for an id that must not be part of a file name."""
        return self._folder / f"{endpoint_id}.{suffix}" if _ENDPOINT_ID.fullmatch(endpoint_id) else None


def _split(path: Path) -> tuple[str, bytes]:
    """The first line, and what follows it."""
    with path.open("rb") as file:
        content = file.read(CATALOG_PACKED_MAX + _HEAD_MAX + 1)
    line, newline, packed = content.partition(b"\n")
    if not newline or len(line) > _HEAD_MAX or len(packed) > CATALOG_PACKED_MAX:
        raise CatalogUnreadable(f"{path.name} is damaged or too large")
    return line.decode(errors="replace").strip(), packed
