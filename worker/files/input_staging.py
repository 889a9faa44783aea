"""InputStaging: writes a job's input files where ComfyUI looks for them. Only inline files are whole in memory."""

import asyncio
import hashlib
import os
import shutil
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from storage.atomic import part_beside
from storage.digest import sha256_of
from wire.errors import WireError
from wire.files import Cached, FileRef, Inline, Url, Volume
from wire.job import JobRequest
from wire.limits import KEPT_MIN
from wire.names import NameRefused
from wire.texts import TEXTS_BYTES_MAX, EmbeddedText, decode_text, with_texts
from worker.files.input_cache import InputCache, require_content
from worker.files.input_fetch import InputFetch
from worker.folders import Folders, confined
from worker.models.sources import SourceFailed

_READABLE = 0o644
"""ComfyUI may run as another user; a temporary file is its writer's alone"""


class BadInput(Exception):
    """An input file that cannot be staged; the request is wrong."""


class InputsMissing(Exception):
    """The worker does not have files that were only named; *sha256* says which."""

    def __init__(self, sha256: tuple[str, ...]) -> None:
        super().__init__(f"the worker does not have {len(sha256)} of the input files any more")
        self.sha256 = sha256


@dataclass(frozen=True, slots=True)
class InputSources:
    """Where input files come from; *volume* is the network volume's root, None without one."""

    cache: InputCache
    fetch: InputFetch
    volume: Path | None


class InputStaging:
    """Writes a job's input files; one for each job."""

    def __init__(self, folders: Folders, sources: InputSources) -> None:
        self._folders, self._sources, self._cache = folders, sources, sources.cache
        self._written: list[Path] = []
        self._lock, self._closed = threading.Lock(), False

    async def check(self, files: Collection[FileRef], texts: Collection[EmbeddedText] = ()) -> None:
        """Raises BadInput for a file that can never be written and for too many bytes of texts, InputsMissing for files
        and texts that were only named and are not here.
        """
        for file in files:
            self._path(file)
        if sum(text.size * len(text.places) for text in texts) > TEXTS_BYTES_MAX:
            raise BadInput(f"the texts of the prompt have more than {TEXTS_BYTES_MAX:,} bytes together")
        contents: tuple[FileRef | EmbeddedText, ...] = (*files, *texts)
        named = {content.sha256: content.size for content in contents if isinstance(content.source, Cached)}
        coming = {content.sha256 for content in contents if not isinstance(content.source, Cached)}
        missing = await asyncio.to_thread(self._missing, {sha: named[sha] for sha in named if sha not in coming})
        if missing:
            raise InputsMissing(missing)

    def _missing(self, named: dict[str, int]) -> tuple[str, ...]:
        return tuple(sha256 for sha256, size in named.items() if self._cache.find(sha256, size) is None)

    async def write(self, files: Iterable[FileRef], texts: Iterable[EmbeddedText] = ()) -> tuple[str, ...]:
        """Writes every file, or raises BadInput or InputsMissing. Returns the SHA-256 of the files, and of the *texts*
        that were read before, which are kept for later jobs.

        A file that is there already with the same bytes is left alone.
        """
        files = sorted(files, key=lambda file: isinstance(file.source, Cached))  # a named file may come with this job
        for file in files:
            try:
                await self._write(file)
            except (NameRefused, WireError, SourceFailed) as error:
                raise BadInput(f"input file {file.filename!r}: {error}") from error
            except OSError as error:
                raise BadInput(f"input file {file.filename!r} cannot be written: {error.strerror or error}") from error
        await asyncio.to_thread(self._cache.thin_out)
        contents: tuple[FileRef | EmbeddedText, ...] = (*files, *texts)
        return self._cache.kept(content.sha256 for content in contents if content.size >= KEPT_MIN)

    async def completed(self, request: JobRequest) -> JobRequest:
        """*request* with its long texts in their places. Raises BadInput or InputsMissing."""
        fields = {"workflow": request.workflow, "extra_data": request.extra_data}
        try:
            texts = [(text.places, await self._text(text)) for text in request.texts]
            return request.model_copy(update=with_texts(fields, texts)) if texts else request
        except (NameRefused, WireError, SourceFailed) as error:
            raise BadInput(f"a text of the prompt: {error}") from error
        except OSError as error:
            raise BadInput(f"a text of the prompt cannot be read: {error.strerror or error}") from error

    async def _text(self, text: EmbeddedText) -> str:
        path = await self._find(text)
        return decode_text(await asyncio.to_thread(path.read_bytes))

    async def _write(self, file: FileRef) -> None:
        path = self._path(file)
        if isinstance(file.source, Inline) and file.size < KEPT_MIN:
            await asyncio.to_thread(self._put, path, file, _content(file))
        else:
            content = await self._find(file)
            await asyncio.to_thread(self._put, path, file, content)

    def _path(self, file: FileRef) -> Path:
        try:
            return confined(self._folders.root(file.type), file.subfolder, file.filename)
        except NameRefused as error:
            raise BadInput(f"input file {file.filename!r}: {error}") from error

    async def _find(self, file: FileRef | EmbeddedText) -> Path:
        """Where the content is, in the cache or on the volume."""
        if (found := await asyncio.to_thread(self._cache.find, file.sha256, file.size)) is not None:
            return found
        match file.source:
            case Inline():
                return await asyncio.to_thread(self._keep, file, _content(file))
            case Url(url=url):
                with self._cache.part() as part:
                    await self._sources.fetch.fetch(url, part, file.size)
                    return await asyncio.to_thread(self._cache.keep, part, file.sha256, file.size)
            case Volume(path=path):
                return await asyncio.to_thread(self._on_volume, path, file)
            case Cached():
                raise InputsMissing((file.sha256,))
            case _:
                raise WireError(f"this worker cannot fetch from {file.source.kind!r}")

    def _keep(self, file: FileRef | EmbeddedText, content: bytes) -> Path:
        with self._cache.part() as part:
            part.write_bytes(content)
            return self._cache.keep(part, file.sha256, file.size)

    def _on_volume(self, name: str, file: FileRef | EmbeddedText) -> Path:
        if self._sources.volume is None:
            raise WireError("it is on a network volume, and this endpoint has none: check RUNPOD_VOLUME_ID")
        subfolder, _, filename = name.rpartition("/")
        path = confined(self._sources.volume, subfolder, filename)
        if not path.is_file():
            raise WireError("it is not on this endpoint's network volume: check RUNPOD_VOLUME_ID")
        require_content(path, file.sha256, file.size)
        return path

    def close(self) -> list[Path]:
        """The job is over: the files that it brought along. A thread that still writes one, for a job that was
        cancelled, leaves nothing behind, for the next job may bring a file of that name.
        """
        with self._lock:
            self._closed = True
            return self._written

    def _put(self, path: Path, file: FileRef, content: Path | bytes) -> None:
        """Replaces the file at once: ComfyUI sees the old one or the new one, never a part."""
        if path.is_file() and path.stat().st_size == file.size and sha256_of(path) == file.sha256:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        self._written.append(path)
        part = part_beside(path)
        try:
            if isinstance(content, bytes):
                part.write_bytes(content)
                part.chmod(_READABLE)
            else:
                _link(content, part)
            self._take_name(part, path)
        finally:
            part.unlink(missing_ok=True)

    def _take_name(self, part: Path, path: Path) -> None:
        with self._lock:
            if not self._closed:
                part.replace(path)


def _content(file: FileRef | EmbeddedText) -> bytes:
    assert isinstance(file.source, Inline)  # noqa: S101  the caller has looked
    content = file.source.content()
    if len(content) != file.size or hashlib.sha256(content).hexdigest() != file.sha256:
        raise WireError("its bytes differ from what was announced (size or SHA-256)")
    return content


def _link(content: Path, path: Path) -> None:
    """The same file under a second name; a copy where that cannot be, as from a volume. Its time stays."""
    try:
        os.link(content, path)
    except OSError:
        shutil.copy2(content, path)
        path.chmod(_READABLE)
