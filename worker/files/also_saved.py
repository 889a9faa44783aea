"""AlsoSaved: what a prompt has saved without announcing it, by comparing ComfyUI's folders with before."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from itertools import batched
from pathlib import Path
from typing import Any

from wire.events import FileChunk, FilesSaved
from wire.files import FileRef
from wire.names import NameRefused
from wire.outputs import OutputFile
from worker.files.elsewhere import written_elsewhere
from worker.files.folder_scan import Scan, ScanTooLong, Stamp, changed, scan
from worker.files.output_staging import OutputStaging
from worker.folders import Folders, inside

logger = logging.getLogger(__name__)

FILES_MAX = 500
"""files of one prompt that are sent"""
_TOGETHER = 20
"""files in one event, which must fit into a batch"""
_NAME_MAX = 1_000
"""bytes of a path in its folder"""


class AlsoSaved:
    """Of one job. Whatever goes wrong here is logged: the prompt and its announced results are not touched by it."""

    def __init__(
        self,
        prompt_id: str,
        folders: Folders,
        workflow: dict[str, Any],
        staged: Iterable[FileRef],
        volume: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*staged* are the job's own input files, which are not results. What is on the *volume* is not gone with the
        worker.
        """
        self._prompt_id, self._folders, self._workflow, self._clock = prompt_id, folders, workflow, clock
        self._staged, self._volume = tuple(staged), volume
        self._before: Scan | None = None
        self._since_ns: int | None = None

    async def look(self) -> None:
        """Remembers what is there: the job's inputs are written, and its prompt has not begun."""
        self._since_ns = time.time_ns()
        self._before = await self._scanned()

    async def events(self, outputs: OutputStaging) -> AsyncIterator[FileChunk | FilesSaved]:
        """What the prompt has saved and *outputs* has not sent; nothing without :meth:`look`, and the second time."""
        since_ns, self._since_ns = self._since_ns, None
        if since_ns is None:
            return
        try:
            async for event in self._events(outputs, since_ns):
                yield event
        except Exception:  # the results that ComfyUI announced, and the job's end, do not wait for this
            logger.exception("%s: what it saved without announcing it is not sent", self._prompt_id)

    async def _events(self, outputs: OutputStaging, since_ns: int) -> AsyncIterator[FileChunk | FilesSaved]:
        found, sent = await self._found(outputs.sent), 0
        for some in batched(filter(_can_be_named, found[:FILES_MAX]), _TOGETHER):
            async for event in outputs.outgoing_unannounced(some):
                sent += len(event.files) if isinstance(event, FilesSaved) else 0
                yield event
        elsewhere = await asyncio.to_thread(written_elsewhere, self._workflow, self._folders, since_ns, self._volume)
        if found or elsewhere:
            logger.info("%s: %d of %d unannounced files were sent", self._prompt_id, sent, len(found))
        if len(found) > sent or elsewhere:
            yield FilesSaved(left_out=len(found) - sent, elsewhere=elsewhere)

    async def _found(self, announced: Mapping[Path, Stamp]) -> list[OutputFile]:
        """What is new or changed and is not as it was *announced*; empty when there is too much to compare."""
        if self._before is None or (after := await self._scanned()) is None:
            return []
        inputs = dict.fromkeys(await asyncio.to_thread(self._inputs))
        return changed(self._before, after, {**announced, **inputs}, self._folders)

    async def _scanned(self) -> Scan | None:
        try:
            return await asyncio.to_thread(scan, self._folders, self._clock)
        except (ScanTooLong, OSError) as error:
            logger.warning("%s: unannounced files are not looked for: %s", self._prompt_id, error)
            return None

    def _inputs(self) -> set[Path]:
        paths = set[Path]()
        for file in self._staged:
            with suppress(NameRefused):
                paths.add(inside(self._folders.root(file.type), file.subfolder, file.filename))
        return paths


def _can_be_named(file: OutputFile) -> bool:
    """Whether its name can travel: text, and not longer than anybody's."""
    try:
        return len(f"{file.subfolder}/{file.filename}".encode()) <= _NAME_MAX
    except UnicodeEncodeError:
        return False
