"""OutputStaging: sends ComfyUI's output files as FileRefs and FileChunks. A large file is never whole in memory."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from storage.digest import sha256_of
from wire.events import FileChunk, FilesSaved, NodeMessage, NodeOutput, Preview
from wire.files import FileRef, Inline, MissingFile, Streamed, Url, Volume, Wanted, encode_bytes
from wire.limits import FILE_CHUNK, INLINE_OUTPUT_MAX, PICTURE_MAX, STORED_OUTPUT_MIN
from wire.names import NameRefused
from wire.outputs import OutputFile, output_files
from worker.files.folder_scan import Stamp
from worker.files.large_outputs import Store
from worker.folders import Folders, inside

logger = logging.getLogger(__name__)

_INLINE_TOGETHER = 3 * INLINE_OUTPUT_MAX
"""raw bytes inside one NodeOutput: as base64 they must fit into one batch"""

_INLINE_CHARACTERS = INLINE_OUTPUT_MAX // 3 * 4
_CHUNK_CHARACTERS = FILE_CHUNK // 3 * 4
"""base64 is cut between its groups of four"""


class OutputGone(Exception):
    """An output was asked for again, but this worker does not have it; another worker may."""


@dataclass(frozen=True, slots=True)
class _Piece:
    offset: int
    size: int
    data: str


class OutputStaging:
    """Turns the files that a NodeOutput names into FileRefs and FileChunks; one for each run."""

    def __init__(self, folders: Folders, store: Store | None = None) -> None:
        """*store* puts a large file where whoever sent the job fetches it; without it, large files go in chunks."""
        self._folders, self._store = folders, store
        self._transfers = 0
        self._unannounced = list[FileRef]()
        """all that were sent of the files that nothing names: together they share the room inside events"""
        self.sent = dict[Path, Stamp]()
        """the real paths of the files that were sent, and what they were like"""

    async def outgoing(self, event: NodeOutput) -> AsyncIterator[FileChunk | NodeOutput]:
        """The bytes of the large files of *event*, then *event* with its files and with the missing ones."""
        refs, missing = list[FileRef](), list[MissingFile]()
        async for piece in self._all_sent(event.output or {}, refs, missing):
            yield piece
        yield event.model_copy(update={"files": tuple(refs), "missing": tuple(missing)})

    async def outgoing_message(self, event: NodeMessage) -> AsyncIterator[FileChunk | NodeMessage]:
        """The same for a message. A file that only a message names and that the worker lacks is not a lost result."""
        refs = list[FileRef]()
        async for piece in self._all_sent({"data": event.data}, refs, []):
            yield piece
        yield event.model_copy(update={"files": tuple(refs)})

    async def outgoing_unannounced(self, files: Iterable[OutputFile]) -> AsyncIterator[FileChunk | FilesSaved]:
        """The bytes of the large ones of *files*, which nothing names, then an event with all that can be read."""
        before = len(self._unannounced)
        for file in files:
            try:
                async for piece in self._sent(file, self._unannounced):
                    yield piece
            except (NameRefused, OSError) as error:
                logger.warning("%r / %r, which nothing names, is not sent: %s", file.subfolder, file.filename, error)
        yield FilesSaved(files=tuple(self._unannounced[before:]))

    async def _all_sent(
        self, output: Mapping[str, Any], refs: list[FileRef], missing: list[MissingFile]
    ) -> AsyncIterator[FileChunk]:
        """The chunks of the files that *output* names; then they are in *refs* or *missing*."""
        for named in output_files(output):
            try:
                async for piece in self._sent(named, refs):
                    yield piece
            except (NameRefused, OSError) as error:
                if named.certain:
                    logger.warning("output %r / %r is not sent: %s", named.subfolder, named.filename, error)
                    missing.append(_missing(named, error))

    async def _sent(self, named: OutputFile, refs: list[FileRef]) -> AsyncIterator[FileChunk]:
        """The chunks of the file, if it needs any; then its FileRef is in *refs*. Raises NameRefused and OSError."""
        path = inside(self._folders.root(named.folder), named.subfolder, named.filename)
        stamp = Stamp.of(path.stat())
        room = _INLINE_TOGETHER - sum(file.size for file in refs if isinstance(file.source, Inline))
        small = await asyncio.to_thread(_small_file, path, min(room, INLINE_OUTPUT_MAX))
        if small is not None:
            refs.append(_inline_ref(named, small))
        elif (stored := await self._stored(named, path)) is not None:
            refs.append(stored)
        else:
            async for piece in self._streamed(named, path, refs):
                yield piece
        self.sent[path] = stamp

    async def again(self, wanted: Wanted, transfer: int) -> AsyncIterator[FileChunk]:
        """The rest of an output of an earlier job; raises OutputGone when the worker does not have it any more."""
        try:
            path = inside(self._folders.root(wanted.type), wanted.subfolder, wanted.filename)
            if await asyncio.to_thread(sha256_of, path) != wanted.sha256:
                raise OutputGone(f"{wanted.filename} is another file by now")
            size = path.stat().st_size
            async for piece in _pieces(path, wanted.start, size):
                yield FileChunk(transfer=transfer, offset=piece.offset, data=piece.data, size=size)
        except (NameRefused, OSError) as error:
            raise OutputGone(f"{wanted.filename}: {error}") from error

    def split(self, event: Preview) -> Iterator[FileChunk | Preview]:
        """*event*; a picture that is too large for one event goes before it, in chunks, and one that is larger than any
        page gets is left out.
        """
        if len(event.data) <= _INLINE_CHARACTERS:
            yield event
            return
        size = len(event.data) // 4 * 3 - event.data[-2:].count("=")
        if size > PICTURE_MAX:
            logger.warning("a picture of %d bytes of node %s is not sent", size, event.node)
            return
        transfer = self._next_transfer()
        for start in range(0, len(event.data), _CHUNK_CHARACTERS):
            piece = event.data[start : start + _CHUNK_CHARACTERS]
            yield FileChunk(transfer=transfer, offset=start // 4 * 3, data=piece, size=size)
        yield event.model_copy(update={"data": "", "transfer": transfer})

    def _next_transfer(self) -> int:
        self._transfers += 1
        return self._transfers - 1

    async def _stored(self, named: OutputFile, path: Path) -> FileRef | None:
        """None when the file is small, or has to go in chunks."""
        size = path.stat().st_size  # noqa: ASYNC240  one stat
        if self._store is None or size < STORED_OUTPUT_MIN:
            return None
        sha256 = await asyncio.to_thread(sha256_of, path)
        source = await asyncio.to_thread(self._store, path, sha256)
        return None if source is None else _ref(named, sha256, size, source)

    async def _streamed(self, named: OutputFile, path: Path, refs: list[FileRef]) -> AsyncIterator[FileChunk]:
        """The chunks of the file; then its FileRef is in *refs*."""
        transfer, sent, digest = self._next_transfer(), 0, hashlib.sha256()
        size = path.stat().st_size  # noqa: ASYNC240  one stat
        async for piece in _pieces(path, 0, size, digest):
            yield FileChunk(transfer=transfer, offset=piece.offset, data=piece.data, size=size)
            sent += piece.size
        refs.append(_ref(named, digest.hexdigest(), sent, Streamed(transfer=transfer)))


def _missing(named: OutputFile, error: NameRefused | OSError) -> MissingFile:
    match error:
        case NameRefused():
            reason = f"ComfyUI named it, but {error}."
        case FileNotFoundError():
            reason = "ComfyUI named it, but it is not on the worker."
        case _:
            reason = f"The worker cannot read it: {error.strerror or error}."
    return MissingFile(filename=named.filename, subfolder=named.subfolder, type=named.folder, reason=reason)


def _small_file(path: Path, limit: int) -> bytes | None:
    """The content when it is not over *limit* bytes."""
    with path.open("rb") as file:
        content = file.read(limit + 1)
    return content if len(content) <= limit else None


async def _pieces(path: Path, start: int, end: int, digest: "hashlib._Hash | None" = None) -> AsyncIterator[_Piece]:
    """The file from *start* to *end*, also when it grows meanwhile; *digest* is fed with it. Raises OSError."""
    with await asyncio.to_thread(path.open, "rb") as file:
        offset = file.seek(start)
        while (piece := await asyncio.to_thread(_next_piece, file, offset, end, digest)).size:
            yield piece
            offset += piece.size


def _next_piece(file: BinaryIO, offset: int, end: int, digest: "hashlib._Hash | None") -> _Piece:
    content = file.read(min(FILE_CHUNK, max(end - offset, 0)))
    if digest is not None:
        digest.update(content)
    return _Piece(offset, len(content), encode_bytes(content))


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
