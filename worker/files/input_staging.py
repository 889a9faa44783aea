"""Input files in: from FileRefs to where ComfyUI looks for them. Only what came inside the job is whole in memory."""

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from wire.errors import WireError
from wire.files import Cached, FileRef, Inline, Url, Volume
from wire.limits import KEPT_MIN
from worker.files.input_cache import InputCache, digest, require_content
from worker.files.input_fetch import InputFetch
from worker.folders import Folders, UnsafeName, confined
from worker.models.sources import SourceFailed

_READABLE = 0o644
"""ComfyUI may run as another user; a temporary file is its writer's alone"""


class BadInput(Exception):
    """An input file that cannot be staged; the request is wrong."""


class FilesLacking(Exception):
    """Files that were only named are not here; *sha256* says which."""

    def __init__(self, sha256: tuple[str, ...]) -> None:
        super().__init__(f"{len(sha256)} input files are not here any more")
        self.sha256 = sha256


@dataclass(frozen=True, slots=True)
class InputSources:
    """Where input files come from; *volume* is the network volume's root, None without one."""

    cache: InputCache
    fetch: InputFetch
    volume: Path | None


class InputStaging:
    """Writes a job's input files; one for each job."""

    def __init__(self, folders: Folders, places: InputSources) -> None:
        self._folders, self._places, self._cache = folders, places, places.cache
        self.written: list[Path] = []
        """what the job brought along, and takes with it"""

    async def check(self, files: Collection[FileRef]) -> None:
        """Raises BadInput for a file that could never be written, FilesLacking for named ones that are not here."""
        for file in files:
            self._path(file)
        named = {file.sha256: file.size for file in files if isinstance(file.source, Cached)}
        coming = {file.sha256 for file in files if not isinstance(file.source, Cached)}
        lacking = await asyncio.to_thread(self._lacking, {sha: named[sha] for sha in named if sha not in coming})
        if lacking:
            raise FilesLacking(lacking)

    def _lacking(self, named: dict[str, int]) -> tuple[str, ...]:
        return tuple(sha256 for sha256, size in named.items() if self._cache.find(sha256, size) is None)

    async def write(self, files: Iterable[FileRef]) -> tuple[str, ...]:
        """Every file whole, or BadInput, or FilesLacking. Returns the SHA-256 of those that are kept for later jobs.

        A file that is there already with the same bytes is left alone.
        """
        files = sorted(files, key=lambda file: isinstance(file.source, Cached))  # what is named may come with this job
        for file in files:
            try:
                await self._write(file)
            except (UnsafeName, WireError, SourceFailed) as error:
                raise BadInput(f"input file {file.filename!r}: {error}") from error
            except OSError as error:
                raise BadInput(f"input file {file.filename!r} cannot be written: {error.strerror or error}") from error
        await asyncio.to_thread(self._cache.thin_out)
        return self._cache.kept(file.sha256 for file in files if file.size >= KEPT_MIN)

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
        except UnsafeName as error:
            raise BadInput(f"input file {file.filename!r}: {error}") from error

    async def _find(self, file: FileRef) -> Path:
        """A file of the cache, or of the volume, with the content."""
        if (found := await asyncio.to_thread(self._cache.find, file.sha256, file.size)) is not None:
            return found
        match file.source:
            case Inline():
                return await asyncio.to_thread(self._keep, file, _content(file))
            case Url(url=url):
                with self._cache.part() as part:
                    await self._places.fetch.fetch(url, part, file.size)
                    return await asyncio.to_thread(self._cache.keep, part, file.sha256, file.size)
            case Volume(path=path):
                return await asyncio.to_thread(self._on_volume, path, file)
            case Cached():
                raise FilesLacking((file.sha256,))
            case _:
                raise WireError(f"this worker cannot fetch from {file.source.kind!r}")

    def _keep(self, file: FileRef, content: bytes) -> Path:
        with self._cache.part() as part:
            part.write_bytes(content)
            return self._cache.keep(part, file.sha256, file.size)

    def _on_volume(self, name: str, file: FileRef) -> Path:
        if self._places.volume is None:
            raise WireError("it lies on a network volume, and this endpoint has none: is RUNPOD_VOLUME_ID another's?")
        subfolder, _, filename = name.rpartition("/")
        path = confined(self._places.volume, subfolder, filename)
        if not path.is_file():
            raise WireError("it is not on this endpoint's network volume: is RUNPOD_VOLUME_ID another's?")
        require_content(path, file.sha256, file.size)
        return path

    def _put(self, path: Path, file: FileRef, content: Path | bytes) -> None:
        """ComfyUI sees the old file or the new one, never a part."""
        if path.is_file() and path.stat().st_size == file.size and digest(path) == file.sha256:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        self.written.append(path)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as folder:
            part = Path(folder) / "part"
            if isinstance(content, bytes):
                part.write_bytes(content)
                part.chmod(_READABLE)
            else:
                _link(content, part)
            part.replace(path)


def _content(file: FileRef) -> bytes:
    assert isinstance(file.source, Inline)  # noqa: S101  the caller has looked
    content = file.source.content()
    if len(content) != file.size or hashlib.sha256(content).hexdigest() != file.sha256:
        raise WireError("its bytes are not those that were announced (size or SHA-256)")
    return content


def _link(content: Path, path: Path) -> None:
    """The same file under a second name; a copy where that cannot be, as from a volume. Its time stays."""
    try:
        os.link(content, path)
    except OSError:
        shutil.copy2(content, path)
        path.chmod(_READABLE)
