"""Cleanup: what must go after a job, and what may stay for a while.

ComfyUI caches nodes together with the names of the files that they made, and names them again when it skips the node:
the nodes of the last prompt by default (0.3.64, 0.8.0), those of any earlier prompt with its LRU and RAM-pressure
caches (the default of 0.33.0). So results stay until they are too many or too old, and ComfyUI forgets its cache before
they go. That makes it load its models again, so it must be rare: half of what is allowed goes at once.

ComfyUI forgets when its queue is empty for a moment, or after its next prompt, and does not say when it has. So the
results go after that prompt.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from worker.folders import Folders

logger = logging.getLogger(__name__)

ForgetCache = Callable[[], Awaitable[bool]]
"""makes ComfyUI forget what it cached; False when it cannot be asked"""


@dataclass(frozen=True, slots=True, order=True)
class _StoredResult:
    modified_ns: int
    size: int
    path: Path

    @classmethod
    def at(cls, path: Path) -> "_StoredResult | None":
        """None when the file does not exist."""
        with suppress(OSError):
            facts = path.stat()
            return cls(facts.st_mtime_ns, facts.st_size, path)
        return None


class Cleanup:
    """Results stay for *max_age_s*, and while all of them are not over *max_bytes*; *clock* is the wall's."""

    def __init__(self, folders: Folders, max_age_s: float, max_bytes: int, clock: Callable[[], float]) -> None:
        self._folders, self._max_age_s, self._max_bytes, self._clock = folders, max_age_s, max_bytes, clock
        self._condemned = list[_StoredResult]()

    async def after_job(self, staged: Iterable[Path], *, prompt_ran: bool, forget_cache: ForgetCache) -> None:
        """Removes the job's input files, so that no other job can read them by name, then results over the limits."""
        await asyncio.to_thread(_remove_all, staged, self._folders.data)
        if prompt_ran:
            condemned, self._condemned = self._condemned, []
            unchanged = [result.path for result in condemned if _StoredResult.at(result.path) == result]
            await asyncio.to_thread(_remove_all, unchanged, self._folders.data)
        if not self._condemned:
            expired = await asyncio.to_thread(self._expired)
            self._condemned = expired if expired and await forget_cache() else []

    def _expired(self) -> list[_StoredResult]:
        """The oldest results down to half of the limits, once there are any over a limit."""
        results = list(self._newest_first())
        if not any(age_s > self._max_age_s or together > self._max_bytes for age_s, together, _ in results):
            return []
        half_age_s, half_bytes = self._max_age_s / 2, self._max_bytes / 2
        return [result for age_s, together, result in results if age_s > half_age_s or together > half_bytes]

    def _newest_first(self) -> Iterator[tuple[float, int, _StoredResult]]:
        """Each result with its age, and the bytes of all that are as young."""
        now, together = self._clock(), 0
        paths = [*_files(self._folders.root("output")), *_files(self._folders.root("temp"))]
        for result in sorted(filter(None, map(_StoredResult.at, paths)), reverse=True):
            together += result.size
            yield now - result.modified_ns / 1e9, together, result


def _files(folder: Path) -> list[Path]:
    """Real paths; links are neither followed nor removed."""
    base = folder.resolve()
    return [path for path in base.rglob("*") if path.is_file() and not path.is_symlink()] if base.is_dir() else []


def _remove_all(paths: Iterable[Path], data: Path) -> None:
    for path in paths:
        _remove(path, data)


def _remove(path: Path, data: Path) -> None:
    """The file, and the folders that it leaves empty; the folders directly in *data* stay."""
    try:
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder.parent == data or not folder.is_relative_to(data) or any(folder.iterdir()):
                return
            folder.rmdir()
    except OSError as error:
        logger.warning("%s cannot be removed: %s", path, error)
