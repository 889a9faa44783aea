"""Output files out: from ComfyUI's folders to FileRefs and FileChunks. Never a large file whole in memory."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from wire.events import FileChunk, NodeOutput, Preview
from wire.files import FileRef, Inline, Streamed, Url, Volume, Wanted, encode_bytes
from wire.limits import FILE_CHUNK, INLINE_OUTPUT_MAX, STORED_OUTPUT_MIN
from worker.files.input_cache import digest
from worker.files.large_outputs import Leave
from worker.files.output_files import OutputFile, output_files
from worker.folders import Folders, UnsafeName, confined

logger = logging.getLogger(__name__)

_INLINE_TOGETHER = 3 * INLINE_OUTPUT_MAX
"""raw bytes inside one NodeOutput: as base64 they must fit into one batch"""

_INLINE_CHARACTERS = INLINE_OUTPUT_MAX // 3 * 4
_CHUNK_CHARACTERS = FILE_CHUNK // 3 * 4
"""base64 is cut between its groups of four"""


class OutputGone(Exception):
    """An output that is asked for again is not here; another worker may have it."""


@dataclass(frozen=True, slots=True)
class _Piece:
    size: int
    data: str


class OutputStaging:
    """Turns the files that a NodeOutput names into FileRefs and FileChunks; one for each run."""

    def __init__(self, folders: Folders, leave: Leave | None = None) -> None:
        """*leave* puts a large file where whoever sent the job fetches it; without it all go in chunks."""
        self._folders, self._leave = folders, leave
        self._transfers = 0

    async def outgoing(self, event: NodeOutput) -> AsyncIterator[FileChunk | NodeOutput]:
        """The bytes of the large files of *event*, then *event* with its files.

        A file that is not there, or not below its folder, is left out: the item stays in the output.
        """
        refs = list[FileRef]()
        room = _INLINE_TOGETHER
        for named in output_files(event.output or {}):
            path = self._path(named)
            if path is None:
                continue
            small = await asyncio.to_thread(_small_file, path, min(room, INLINE_OUTPUT_MAX))
            if small is not None:
                room -= len(small)
                refs.append(_inline_ref(named, small))
                continue
            if (stored := await self._stored(named, path)) is not None:
                refs.append(stored)
                continue
            async for piece in self._streamed(named, path, refs):
                yield piece
        yield event.model_copy(update={"files": tuple(refs)})

    async def again(self, wanted: Wanted, transfer: int) -> AsyncIterator[FileChunk]:
        """The rest of an output of an earlier job; raises OutputGone when it is not here, or is another by now."""
        path = self._path(OutputFile(wanted.type, wanted.subfolder, wanted.filename))
        if path is None or await asyncio.to_thread(digest, path) != wanted.sha256:
            raise OutputGone(f"{wanted.filename} is not on this worker any more")
        with await asyncio.to_thread(path.open, "rb") as file:
            offset = file.seek(wanted.start)
            while (piece := await asyncio.to_thread(_next_piece, file, hashlib.sha256())).size:
                yield FileChunk(transfer=transfer, offset=offset, data=piece.data)
                offset += piece.size

    def split(self, event: Preview) -> Iterator[FileChunk | Preview]:
        """A picture that is too large for one event: its bytes, then *event* without them."""
        if len(event.data) <= _INLINE_CHARACTERS:
            yield event
            return
        transfer = self._next_transfer()
        for start in range(0, len(event.data), _CHUNK_CHARACTERS):
            piece = event.data[start : start + _CHUNK_CHARACTERS]
            yield FileChunk(transfer=transfer, offset=start // 4 * 3, data=piece)
        yield event.model_copy(update={"data": "", "transfer": transfer})

    def _next_transfer(self) -> int:
        self._transfers += 1
        return self._transfers - 1

    def _path(self, named: OutputFile) -> Path | None:
        try:
            path = confined(self._folders.root(named.folder), named.subfolder, named.filename)
        except UnsafeName as error:
            logger.warning("an output is not sent: %s", error)
            return None
        if not path.is_file():
            logger.warning("an output is not there: %s", path)
            return None
        return path

    async def _stored(self, named: OutputFile, path: Path) -> FileRef | None:
        """None when the file is small, or has to go in chunks."""
        size = path.stat().st_size  # noqa: ASYNC240  one stat
        if self._leave is None or size < STORED_OUTPUT_MIN:
            return None
        sha256 = await asyncio.to_thread(digest, path)
        source = await asyncio.to_thread(self._leave, path, sha256)
        return None if source is None else _ref(named, sha256, size, source)

    async def _streamed(self, named: OutputFile, path: Path, refs: list[FileRef]) -> AsyncIterator[FileChunk]:
        """The chunks of the file; then its FileRef is in *refs*."""
        transfer, offset, digest = self._next_transfer(), 0, hashlib.sha256()
        file = await asyncio.to_thread(path.open, "rb")
        try:
            while (piece := await asyncio.to_thread(_next_piece, file, digest)).size:
                yield FileChunk(transfer=transfer, offset=offset, data=piece.data)
                offset += piece.size
        finally:
            file.close()
        refs.append(_ref(named, digest.hexdigest(), offset, Streamed(transfer=transfer)))


def _small_file(path: Path, limit: int) -> bytes | None:
    """The content when it is not over *limit* bytes."""
    with path.open("rb") as file:
        content = file.read(limit + 1)
    return content if len(content) <= limit else None


def _next_piece(file: BinaryIO, digest: "hashlib._Hash") -> _Piece:
    content = file.read(FILE_CHUNK)
    digest.update(content)
    return _Piece(len(content), encode_bytes(content))


def _inline_ref(named: OutputFile, content: bytes) -> FileRef:
    return _ref(named, hashlib.sha256(content).hexdigest(), len(content), Inline.of(content))


def _ref(named: OutputFile, sha256: str, size: int, source: Inline | Streamed | Url | Volume) -> FileRef:
    return FileRef(
        filename=named.filename,
        subfolder=named.subfolder,
        type=named.folder,
        sha256=sha256,
        size=size,
        source=source,
    )
