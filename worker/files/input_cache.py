"""InputCache: input files by their SHA-256, so that they need not be sent again.

The least recently used goes first. On a network volume all workers share the cache, and the proxy may put files into it
(wire/files.py ``input_key``).
"""

import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage.digest import sha256_of
from wire.errors import WireError

logger = logging.getLogger(__name__)

_READABLE = 0o644
"""ComfyUI may run as another user; a temporary file is its writer's alone"""
_PART = ".part-"
_PART_MAX_AGE_S = 86_400.0
_NAME = re.compile(r"[0-9a-f]{64}")


class InputCache:
    """Below *root*, together at most *max_bytes*; *clock* is the wall's. Blocking."""

    def __init__(self, root: Path, max_bytes: int, clock: Callable[[], float]) -> None:
        self._root, self._max_bytes, self._clock = root, max_bytes, clock

    def has(self, sha256: str) -> bool:
        return (self._root / sha256).is_file()

    def find(self, sha256: str, size: int) -> Path | None:
        """The file with this content; one that is damaged is removed."""
        path = self._root / sha256
        try:
            if path.stat().st_size == size and sha256_of(path) == sha256:
                self._touch(path)
                return path
            logger.warning("input %s was damaged", sha256)
            path.unlink(missing_ok=True)
        except FileNotFoundError:
            pass
        return None

    @contextmanager
    def part(self) -> Iterator[Path]:
        """A file to be filled, for :meth:`keep`; it is gone when the block ends without."""
        self._root.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=_PART, dir=self._root)
        os.close(descriptor)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def keep(self, part: Path, sha256: str, size: int) -> Path:
        """Gives *part* its name; raises WireError when it differs from what was announced."""
        require_content(part, sha256, size)
        part.chmod(_READABLE)
        path = part.replace(self._root / sha256)
        self._touch(path)
        return path

    def thin_out(self) -> None:
        """Removes the files over the limit, and parts that were abandoned."""
        together = 0
        for used, size, path in sorted(self._facts(), reverse=True):
            if path.name.startswith(_PART):
                if self._clock() - used > _PART_MAX_AGE_S:
                    path.unlink(missing_ok=True)
                continue
            together += size
            if together > self._max_bytes:
                path.unlink(missing_ok=True)

    def kept(self, sha256: Iterable[str]) -> tuple[str, ...]:
        """The files of *sha256* that are here."""
        return tuple(name for name in dict.fromkeys(sha256) if self.has(name))

    def _facts(self) -> Iterator[tuple[float, int, Path]]:
        for path in self._root.glob("*") if self._root.is_dir() else ():
            if not (_NAME.fullmatch(path.name) or path.name.startswith(_PART)):
                continue
            with suppress(FileNotFoundError):  # another worker removed it
                facts = path.stat()
                yield facts.st_atime, facts.st_size, path

    def _touch(self, path: Path) -> None:
        """Notes the time of use; the time of writing stays, because ComfyUI's loaders cache by it."""
        with suppress(PermissionError):  # on a volume another user may have written it
            os.utime(path, ns=(int(self._clock() * 1e9), path.stat().st_mtime_ns))


def require_content(path: Path, sha256: str, size: int) -> None:
    """Raises WireError when the file differs from what was announced."""
    if path.stat().st_size != size or sha256_of(path) != sha256:
        raise WireError("its bytes differ from what was announced (size or SHA-256)")
