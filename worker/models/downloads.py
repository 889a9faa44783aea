"""Downloads: models from the web, Hugging Face, Civitai or S3 into the folder of models; resumed, parallel, checked.

A model gets its name only when it is whole. One that is there already is used as it is, unless its size is wrong.
"""

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from pathlib import Path

from storage.web import WebClient
from wire.backoff import next_delay
from wire.errors import WireError
from wire.models import ModelRef
from wire.names import NameRefused
from worker.folders import confined
from worker.models.download_lock import DownloadLock
from worker.models.manifest import address, target_path
from worker.models.part_file import PartFile, Piece
from worker.models.sources import Facts, ModelSource, ModelSources, SourceFailed

logger = logging.getLogger(__name__)

_PIECE = 32 * 1024 * 1024
_AT_ONCE = 8
_ATTEMPTS = 5
_RETRY_S = 1.0
_REPORT_S = 1.0

Report = Callable[[str], Awaitable[None]]
"""sends a line about the progress to the person"""


class ModelUnavailable(Exception):
    """A model is not there and cannot be downloaded."""


class Downloads:
    """*root* holds a folder for each kind of model."""

    def __init__(self, root: Path, sources: ModelSources, piece_size: int = _PIECE, retry_s: float = _RETRY_S) -> None:
        self._root, self._sources = root, sources
        self._piece_size, self._retry_s = piece_size, retry_s

    async def ensure(self, models: Iterable[ModelRef], report: Report) -> bool:
        """Downloads the *models* that are not there yet, and reports the progress. Raises ModelUnavailable.

        Whether one was missing; another worker may have fetched it meanwhile.
        """
        missing = [model for model in models if not self._is_there(model)]
        if not missing:
            return False
        async with self._sources.session() as http:
            for model in missing:
                await self._ensure(model, http, report)
        return True

    def _target(self, model: ModelRef) -> Path:
        try:
            return confined(self._root, *target_path(model))
        except (NameRefused, WireError) as error:
            raise ModelUnavailable(f"model {model.source}: {error}") from error

    def _is_there(self, model: ModelRef) -> bool:
        target = self._target(model)
        return target.is_file() and model.size in (None, target.stat().st_size)

    async def _ensure(self, model: ModelRef, http: WebClient, report: Report) -> None:
        target = self._target(model)
        try:
            source = self._sources.open(address(model.source), http)
            target.parent.mkdir(parents=True, exist_ok=True)
            async with DownloadLock(target.with_name(f".{target.name}.lock")).held():
                if not self._is_there(model):  # another worker may have fetched it while we waited
                    await self._fetch(model, source, target, report)
        except (SourceFailed, WireError) as error:
            raise ModelUnavailable(f"model {target.name}: {error}") from error
        except OSError as error:
            raise ModelUnavailable(f"model {target.name} cannot be written: {error.strerror or error}") from error

    async def _fetch(self, model: ModelRef, source: ModelSource, target: Path, report: Report) -> None:
        facts = await self._with_retries(source.facts)
        if facts.size is None:
            raise SourceFailed("its server does not say how large it is", for_good=True)
        if model.size is not None and facts.size != model.size:
            raise SourceFailed(f"it has {facts.size} bytes, the manifest says {model.size}", for_good=True)
        part = PartFile(target, facts.version, facts.size, self._piece_size if facts.ranged else max(facts.size, 1))
        _check_room(target.parent, facts.size - part.received)
        await self._fetch_pieces(source, facts, part, lambda: _progress(target.name, part, facts), report)
        await self._check(model, part)
        await asyncio.to_thread(part.finish)
        logger.info("model %s is there: %d bytes", target, facts.size)

    async def _fetch_pieces(
        self, source: ModelSource, facts: Facts, part: PartFile, line: Callable[[], str], report: Report
    ) -> None:
        room = asyncio.Semaphore(_AT_ONCE)
        try:
            async with asyncio.TaskGroup() as group:
                reporting = group.create_task(_report_progress(line, report))
                pieces = [group.create_task(self._piece(source, facts, part, piece, room)) for piece in part.missing()]
                await asyncio.gather(*pieces)
                reporting.cancel()
        except* (SourceFailed, OSError) as errors:
            raise errors.exceptions[0] from None

    async def _piece(
        self, source: ModelSource, facts: Facts, part: PartFile, piece: Piece, room: asyncio.Semaphore
    ) -> None:
        async def once() -> None:
            at = piece.start
            async with aclosing(source.read(piece.start, piece.end if facts.ranged else None)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    if at + len(chunk) > piece.end:
                        raise SourceFailed("the source sends more than it said", for_good=True)
                    await _to_its_end(part.write, at, chunk)
                    at += len(chunk)
            if at != piece.end:
                raise SourceFailed(f"the source ended after {at - piece.start} of {piece.end - piece.start} bytes")
            await _to_its_end(part.note, piece)

        async with room:
            await self._with_retries(once)

    async def _with_retries[T](self, call: Callable[[], Awaitable[T]]) -> T:
        """Tries again, after growing pauses, unless the source says that this is of no use."""
        for attempt in range(_ATTEMPTS - 1):
            try:
                return await call()
            except SourceFailed as error:
                if error.for_good:
                    raise
                logger.warning("%s; trying again", error)
                await asyncio.sleep(next_delay(attempt, base_s=self._retry_s))
        return await call()

    async def _check(self, model: ModelRef, part: PartFile) -> None:
        if model.sha256 is None:
            return
        found = await asyncio.to_thread(part.sha256)
        if found != model.sha256.lower():
            part.drop()
            raise SourceFailed(f"its SHA-256 is {found}, the manifest says {model.sha256.lower()}", for_good=True)


async def _to_its_end[**P](write: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """In a thread, which is waited for even when the download is cancelled: the next one must not meet it."""
    writing = asyncio.ensure_future(asyncio.to_thread(write, *args, **kwargs))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        while not writing.done():  # the group of the pieces cancels more than once
            with suppress(asyncio.CancelledError):
                await asyncio.wait([writing])
        raise


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise SourceFailed(f"it needs {size} bytes, {free} are free in {folder}", for_good=True)


def _progress(name: str, part: PartFile, facts: Facts) -> str:
    share = 100 * part.received // facts.size if facts.size else 100
    return f"Fetching model {name}: {share} %"


async def _report_progress(line: Callable[[], str], report: Report) -> None:
    reported = ""
    while True:
        if (current := line()) != reported:
            await report(current)
        reported = current
        await asyncio.sleep(_REPORT_S)
