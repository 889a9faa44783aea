"""Input files in, output files out: between FileRefs and ComfyUI's folders. Never a large file whole in memory."""

import asyncio
import hashlib
import logging
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from wire.errors import WireError
from wire.events import FileChunk, NodeOutput, Preview
from wire.files import FileRef, Inline, Streamed, encode_bytes
from wire.limits import FILE_CHUNK, INLINE_OUTPUT_MAX
from worker.folders import Folders, UnsafeName, confined
from worker.output_files import OutputFile, output_files

logger = logging.getLogger(__name__)

_INLINE_TOGETHER = 3 * INLINE_OUTPUT_MAX
"""raw bytes inside one NodeOutput: as base64 they must fit into one batch"""

_READABLE = 0o644
"""ComfyUI may run as another user; a temporary file is its writer's alone"""

_INLINE_CHARACTERS = INLINE_OUTPUT_MAX // 3 * 4
_CHUNK_CHARACTERS = FILE_CHUNK // 3 * 4
"""base64 is cut between its groups of four"""


class BadInput(Exception):
    """An input file that cannot be staged; the request is wrong."""


class InputStaging:
    """Writes a job's input files to where ComfyUI looks for them."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self.written: list[Path] = []
        """what the job brought along, and takes with it"""

    def check(self, files: Iterable[FileRef]) -> None:
        """Raises BadInput for a file that could never be written."""
        for file in files:
            self._path(file)

    async def write(self, files: Iterable[FileRef]) -> None:
        """Every file whole, or BadInput; a file that is there already with the same bytes is left alone."""
        for file in files:
            await asyncio.to_thread(self._write, file)

    def _write(self, file: FileRef) -> None:
        path = self._path(file)
        try:
            content = _content(file)
            if path.is_file() and path.stat().st_size == file.size and _digest(path) == file.sha256:
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            self.written.append(path)
            _write_whole(path, content)
        except WireError as error:
            raise BadInput(f"input file {file.filename!r}: {error}") from error
        except OSError as error:
            raise BadInput(f"input file {file.filename!r} cannot be written: {error.strerror or error}") from error

    def _path(self, file: FileRef) -> Path:
        try:
            return confined(self._folders.root(file.type), file.subfolder, file.filename)
        except UnsafeName as error:
            raise BadInput(f"input file {file.filename!r}: {error}") from error


def _content(file: FileRef) -> bytes:
    if not isinstance(file.source, Inline):
        raise WireError(f"this worker cannot fetch from {file.source.kind!r}")
    content = file.source.content()
    if len(content) != file.size or hashlib.sha256(content).hexdigest() != file.sha256:
        raise WireError("its bytes are not those that were announced (size or SHA-256)")
    return content


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_whole(path: Path, content: bytes) -> None:
    """ComfyUI sees the old file or the new one, never a part."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as part:
        try:
            part.write(content)
            part.close()
            Path(part.name).chmod(_READABLE)
            Path(part.name).replace(path)
        except OSError:
            Path(part.name).unlink(missing_ok=True)
            raise


@dataclass(frozen=True, slots=True)
class _Piece:
    size: int
    data: str


class OutputStaging:
    """Turns the files that a NodeOutput names into FileRefs and FileChunks; one for each run."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
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
            async for piece in self._streamed(named, path, refs):
                yield piece
        yield event.model_copy(update={"files": tuple(refs)})

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


def _ref(named: OutputFile, sha256: str, size: int, source: Inline | Streamed) -> FileRef:
    return FileRef(
        filename=named.filename,
        subfolder=named.subfolder,
        type=named.folder,
        sha256=sha256,
        size=size,
        source=source,
    )
