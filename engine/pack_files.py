"""PackFiles: the wildcards, styles and fonts of the custom node packs that a prompt uses, as this machine has them.

The endpoint has files of its own, and a prompt with another wildcard file silently gives another picture. Only names
and SHA-256 are sent. Source: Impact Pack (``wildcards/``, ``custom_wildcards/``), Easy-Use (``styles/``).
"""

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from storage.digest import sha256_of
from wire.limits import MIB
from wire.packs import PACK_FILES_MAX, PackFile

logger = logging.getLogger(__name__)

_DATA = re.compile(
    r"(?i)(.*/)?((custom_)?wildcards/.*\.(txt|ya?ml|json)|styles?(/.*)?[^/]*\.(csv|json)|[^/]*styles?[^/]*\.csv"
    r"|fonts/.*\.(ttf|otf))"
)
_FILE_MAX = 16 * MIB
_LOOKED_AT_MAX = 5_000
"""entries of a pack"""
_LEFT_OUT = (".", "__pycache__", "node_modules")


class PackFiles:
    """Remembers the SHA-256 of each file until it changes, and what an endpoint was told: it is told once. Blocking."""

    def __init__(self) -> None:
        self._digests: dict[Path, tuple[tuple[int, int], str]] = {}
        self._told = set[tuple[str, tuple[PackFile, ...]]]()

    def news_for(self, endpoint_id: str, infos: Mapping[str, Any], bases: Sequence[Path]) -> tuple[PackFile, ...]:
        """The files of the packs whose nodes *infos* (object_info by class) describes; none if the endpoint was told of
        exactly these. *bases* are the folders that hold ``custom_nodes``.
        """
        try:
            files = tuple(self._files(packs_of(infos), bases))[:PACK_FILES_MAX]
        except (OSError, ValueError) as error:  # what only warns must not keep a job from running
            logger.warning("the files of custom nodes cannot be compared: %s", error)
            return ()
        if not files or (endpoint_id, files) in self._told:
            return ()
        self._told.add((endpoint_id, files))
        return files

    def _files(self, packs: Iterable[str], bases: Sequence[Path]) -> Iterator[PackFile]:
        for pack in packs:
            for root in (base / "custom_nodes" for base in bases if (base / "custom_nodes" / pack).is_dir()):
                for path in _walk(root / pack):
                    name = path.relative_to(root).as_posix()
                    if _DATA.fullmatch(name.partition("/")[2]) and len(name) <= 200 and (digest := self._digest(path)):
                        yield PackFile(path=name, sha256=digest)
                break

    def _digest(self, path: Path) -> str:
        """Empty for a file that is too large to be one of these."""
        facts = path.stat()
        if facts.st_size > _FILE_MAX:
            return ""
        key = (facts.st_mtime_ns, facts.st_size)
        if self._digests.get(path, ((0, -1), ""))[0] != key:
            self._digests[path] = (key, sha256_of(path))
        return self._digests[path][1]


def packs_of(infos: Mapping[str, Any]) -> list[str]:
    """Folders of packs, by ``python_module`` (``custom_nodes.ComfyUI-Impact-Pack``; nodes.py ``load_custom_node``)."""
    modules = (str((info or {}).get("python_module")) for info in infos.values())
    names = {module.removeprefix("custom_nodes.") for module in modules if module.startswith("custom_nodes.")}
    return sorted(name for name in names if name and "/" not in name and not name.startswith("."))


def _walk(pack: Path) -> Iterator[Path]:
    """The files of a pack by name, as many as are looked at; links are not followed."""
    looked_at = 0
    for folder, folders, names in os.walk(pack):
        folders[:] = sorted(name for name in folders if not name.startswith(_LEFT_OUT))
        for name in sorted(names):
            looked_at += 1
            if looked_at > _LOOKED_AT_MAX:
                return
            path = Path(folder) / name
            if not path.is_symlink():
                yield path
