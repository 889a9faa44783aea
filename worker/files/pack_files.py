"""PackComparison: which data files of custom node packs differ from those of whoever sent the job. Only a warning."""

import asyncio
import logging
from collections.abc import Collection
from pathlib import Path

from storage.digest import sha256_of
from wire.events import PackFilesDiffer
from wire.names import NameRefused, confined_path
from wire.packs import PackFile
from worker.folders import inside

logger = logging.getLogger(__name__)


class PackComparison:
    """*custom_nodes* is ComfyUI's folder of that name."""

    def __init__(self, custom_nodes: Path) -> None:
        self._custom_nodes = custom_nodes

    async def differing(self, files: Collection[PackFile]) -> PackFilesDiffer | None:
        """The names of the *files* that are missing here or have other bytes; None when all are equal or unreadable."""
        try:
            names = await asyncio.to_thread(lambda: tuple(file.path for file in files if self._differs(file)))
        except OSError as error:
            logger.warning("the files of custom nodes cannot be compared: %s", error)
            return None
        return PackFilesDiffer(files=names) if names else None

    def _differs(self, file: PackFile) -> bool:
        """A pack that is not here at all is not compared: its nodes are missing, and ComfyUI says so."""
        try:
            pack, _, _ = confined_path(file.path).partition("/")
            path = inside(self._custom_nodes, "", file.path)
        except NameRefused:
            return False
        if not (self._custom_nodes / pack).is_dir():
            return False
        return not path.is_file() or sha256_of(path) != file.sha256
