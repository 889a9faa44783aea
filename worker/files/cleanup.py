"""Hygiene: what a job leaves behind, and what of it must go before the next one runs."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from worker.files.output_files import output_files
from worker.folders import Folders, UnsafeName, confined

logger = logging.getLogger(__name__)


class Cleanup:
    """Outputs stay for *max_age_s*, and while all of them are not over *max_bytes*; *clock* is the wall's."""

    def __init__(self, folders: Folders, max_age_s: float, max_bytes: int, clock: Callable[[], float]) -> None:
        self._folders, self._max_age_s, self._max_bytes, self._clock = folders, max_age_s, max_bytes, clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hygiene")
        self._tidying: Future[None] | None = None
        self._jobs = 0

    async def enter(self) -> None:
        """A job begins; returns when what an earlier one left is gone."""
        self._jobs += 1
        if self._tidying is not None:
            await asyncio.wait({asyncio.wrap_future(self._tidying)})

    def leave(self, staged: Iterable[Path], outputs: Mapping[str, Any] | None) -> None:
        """A job ended: :meth:`after`, in a thread, awaited by the next job only. Beside other jobs temp stays."""
        self._jobs -= 1
        alone = outputs if self._jobs == 0 else None
        self._tidying = self._thread.submit(self.after, tuple(staged), alone)

    def after(self, staged: Iterable[Path], outputs: Mapping[str, Any] | None) -> None:
        """After a job: its input files go, so that no other job can read them by name, then temp and old outputs.

        *outputs* are those in ComfyUI's history entry of the job. What they name in temp stays: ComfyUI caches the
        nodes of the last prompt, and names the same files when it runs again. None, of a job that failed: temp stays.
        """
        for path in staged:
            _remove(path, self._folders.data)
        if outputs is not None:
            self._empty_temp(set(self._named_in_temp(outputs)))
        self._thin_out(self._folders.root("output"))

    def _named_in_temp(self, outputs: Mapping[str, Any]) -> Iterator[Path]:
        for output in outputs.values():
            for file in output_files(output if isinstance(output, dict) else {}):
                with suppress(UnsafeName):
                    yield confined(self._folders.root(file.folder), file.subfolder, file.filename)

    def _empty_temp(self, kept: set[Path]) -> None:
        temp = self._folders.root("temp")
        for path in _files(temp):
            if path not in kept:
                _remove(path, temp)

    def _thin_out(self, folder: Path) -> None:
        """The oldest go first; ComfyUI's outputs are flat or in folders of their prefix."""
        now, together = self._clock(), 0
        for modified, size, path in sorted(_with_facts(_files(folder)), reverse=True):
            together += size
            if now - modified > self._max_age_s or together > self._max_bytes:
                _remove(path, folder)


def _files(folder: Path) -> list[Path]:
    """Real paths; links are neither followed nor removed."""
    base = folder.resolve()
    return [path for path in base.rglob("*") if path.is_file() and not path.is_symlink()] if base.is_dir() else []


def _with_facts(paths: Iterable[Path]) -> Iterator[tuple[float, int, Path]]:
    for path in paths:
        with suppress(OSError):
            facts = path.stat()
            yield facts.st_mtime, facts.st_size, path


def _remove(path: Path, root: Path) -> None:
    """The file, and the folders that it leaves empty; *root*, and the folders directly in it, stay."""
    try:
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder.parent in (root, root.parent) or not folder.is_relative_to(root) or any(folder.iterdir()):
                return
            folder.rmdir()
    except OSError as error:
        logger.warning("%s cannot be removed: %s", path, error)
