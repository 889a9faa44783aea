"""Outputs down: into part files, checked, and into ComfyUI's folders under local names."""

import asyncio
import hashlib
import logging
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from engine.comfyui import ComfyUIRejected
from engine.files.atomic_save import StorageFailed, inside, place_all
from engine.files.large_files import LargeFileLost, LargeFiles
from engine.files.remote_naming import RemoteNames
from engine.model.naming import ItemKey, local_names, localised
from engine.model.safe_path import confined
from wire.events import FileChunk, NodeOutput, Preview
from wire.files import FileRef, Folder, Inline, Streamed, Url, Volume, decode_bytes, encode_bytes
from wire.ids import PromptId

logger = logging.getLogger(__name__)


class FileDamaged(Exception):
    """A result did not arrive whole: ask for it again; *file* is it, where it is known."""

    def __init__(self, message: str, file: FileRef | None = None) -> None:
        super().__init__(message)
        self.file = file


class OutputSink(Protocol):
    """Where results are put; implemented by ComfyUI."""

    async def has_file(self, subfolder: str, filename: str, folder: Folder) -> bool: ...
    async def upload(self, source: Path, subfolder: str, filename: str, folder: Folder) -> tuple[str, str]: ...
    async def output_folder(self) -> Path | None: ...


class SavedResults(Protocol):
    """Remembers what was stored, over restarts; implemented by JobStore."""

    def saved_file(self, prompt_id: PromptId, worker_item: ItemKey, sha256: str) -> ItemKey | None: ...
    def stored_before(self, worker_item: ItemKey, sha256: str) -> ItemKey | None: ...
    def remember_file(self, prompt_id: PromptId, worker_item: ItemKey, sha256: str, local_item: ItemKey) -> None: ...


class ResultFiles:
    """*parts* is a folder of ours, in which results grow until they are whole."""

    def __init__(self, comfyui: OutputSink, parts: Path, saved: SavedResults, large: LargeFiles) -> None:
        self._comfyui = comfyui
        self._large = large
        self._parts = parts
        self._saved = saved
        self._folders: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def fetches(self) -> tuple[str, ...]:
        """The sources of large outputs, for the request."""
        return self._large.fetches

    async def add_chunk(self, prompt_id: PromptId, run: str, chunk: FileChunk) -> None:
        """Append to the part file; a chunk that is there already changes nothing. Raises FileDamaged for a gap,
        StorageFailed.
        """
        path = self._part(prompt_id, run, chunk.transfer)
        await asyncio.to_thread(_append, path, chunk.offset, decode_bytes(chunk.data))

    async def received(self, prompt_id: PromptId, run: str, transfer: int) -> int:
        """Bytes of the part file."""
        return await asyncio.to_thread(_size, self._part(prompt_id, run, transfer))

    async def with_picture(self, prompt_id: PromptId, run: str, event: Preview) -> Preview:
        """*event* with its bytes, which came in chunks. Raises FileDamaged."""
        if event.transfer is None:
            return event
        path = self._part(prompt_id, run, event.transfer)
        try:
            content = await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise FileDamaged(f"a picture of node {event.node}: no bytes arrived") from error
        return event.model_copy(update={"data": encode_bytes(content), "transfer": None})

    async def save(
        self, prompt_id: PromptId, run: str, event: NodeOutput, *, cached: bool = False
    ) -> tuple[NodeOutput, dict[ItemKey, ItemKey]]:
        """Store the files of *event*; the event with local names, and each worker's name with its local one.

        What was stored for this job is not stored again, nor what a *cached* node shows again, as in ComfyUI.
        Raises FileDamaged, StorageFailed, ComfyUIUnavailable.
        """
        names: dict[ItemKey, ItemKey] = {}
        groups: defaultdict[tuple[Folder, str], list[tuple[FileRef, Path]]] = defaultdict(list)
        for file in event.files:
            key = (file.type, file.subfolder, file.filename)
            subfolder = confined(file.subfolder, file.filename).rpartition("/")[0]
            known = self._saved.saved_file(prompt_id, key, file.sha256)
            if known is None and cached:
                known = await self._shown_before(prompt_id, file)
            if known is not None:
                names[key] = known
            elif key not in names:
                groups[file.type, subfolder].append((file, await self._whole(prompt_id, run, file)))
        for (folder, subfolder), files in groups.items():
            names |= await self._place(prompt_id, folder, subfolder, files)
        output = None if event.output is None else localised(event.output, names)
        return event.model_copy(update={"output": output, "files": ()}), names

    async def discard(self, prompt_id: PromptId) -> None:
        """Remove the job's part files."""
        await asyncio.to_thread(shutil.rmtree, self._parts / prompt_id, ignore_errors=True)

    async def _shown_before(self, prompt_id: PromptId, file: FileRef) -> ItemKey | None:
        """The local file of an earlier job with this content, if it is still there."""
        key = (file.type, file.subfolder, file.filename)
        local = self._saved.stored_before(key, file.sha256)
        if local is None or not await self._is_still_there(local, file.sha256):
            return None
        self._saved.remember_file(prompt_id, key, file.sha256, local)
        return local

    async def _is_still_there(self, local: ItemKey, sha256: str) -> bool:
        folder, subfolder, filename = local
        if folder == "temp":  # its names are never given twice
            return await self._comfyui.has_file(subfolder, filename, "temp")
        root = await self._comfyui.output_folder()
        return root is not None and await asyncio.to_thread(_is_still, root / subfolder / filename, sha256)

    def _part(self, prompt_id: PromptId, run: str, transfer: int) -> Path:
        return self._parts / confined(prompt_id, f"{run}-{transfer}")

    async def _whole(self, prompt_id: PromptId, run: str, file: FileRef) -> Path:
        """The path of the whole, checked content."""
        match file.source:
            case Streamed(transfer=transfer):
                path = self._part(prompt_id, run, transfer)
            case Inline() as inline:
                path = self._parts / confined(prompt_id, f"{run}-{file.sha256}")
                await asyncio.to_thread(_write, path, inline.content())
            case Url() | Volume():
                path = self._parts / confined(prompt_id, file.sha256)
                await self._fetch(prompt_id, file, path)
            case _:
                raise FileDamaged(f"{file.filename}: the worker did not send it")
        await asyncio.to_thread(_check, path, file)
        return path

    async def _fetch(self, prompt_id: PromptId, file: FileRef, path: Path) -> None:
        try:
            with _writing(path):
                await self._large.fetch(prompt_id, file, path)
        except LargeFileLost as error:
            raise FileDamaged(f"{file.filename}: {error}") from error

    async def _place(
        self, prompt_id: PromptId, folder: Folder, subfolder: str, files: Sequence[tuple[FileRef, Path]]
    ) -> dict[ItemKey, ItemKey]:
        async with self._folders[folder, subfolder]:
            root = await self._comfyui.output_folder() if folder == "output" else None
            if root is None:
                placed = await self._place_remotely(folder, subfolder, files)
            else:
                placed = await asyncio.to_thread(_place_locally, root, subfolder, files)
            names: dict[ItemKey, ItemKey] = {}
            for (file, _), local in zip(files, placed, strict=True):
                key = (file.type, file.subfolder, file.filename)
                self._saved.remember_file(prompt_id, key, file.sha256, local)
                names[key] = local
                await self._large.drop(prompt_id, file)
                logger.info("%s saved %s", prompt_id, "/".join(part for part in local if part))
            return names

    async def _place_remotely(
        self, folder: Folder, subfolder: str, files: Sequence[tuple[FileRef, Path]]
    ) -> list[ItemKey]:
        """For a ComfyUI on another machine, and for temp."""
        names = RemoteNames(lambda name: self._comfyui.has_file(subfolder, name, folder))
        chosen = await names.choose(file.filename for file, _ in files)
        return [await self._upload(folder, subfolder, chosen[file.filename], file, path) for file, path in files]

    async def _upload(self, folder: Folder, subfolder: str, wanted: str, file: FileRef, path: Path) -> ItemKey:
        """ComfyUI picks another name when *wanted* is taken, and says which."""
        try:
            stored_in, name = await self._comfyui.upload(path, subfolder, wanted, folder)
        except ComfyUIRejected as error:
            if error.status != 413:
                raise
            text = (
                f"{file.filename} has {file.size:,} bytes, and ComfyUI takes no file of that size: start it with a"
                f" larger --max-upload-size (MB). Until then the result waits in {path}"
            )
            raise StorageFailed(text) from error
        return folder, stored_in, name


def _place_locally(root: Path, subfolder: str, files: Sequence[tuple[FileRef, Path]]) -> list[ItemKey]:
    target = inside(root, subfolder)
    placed = place_all(((file.filename, path) for file, path in files), target, local_names)
    return [("output", subfolder, placed[file.filename]) for file, _ in files]


def _append(path: Path, offset: int, content: bytes) -> None:
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if path.exists() else "x+b") as part:
            size = part.seek(0, 2)
            if offset > size:
                raise FileDamaged(f"{path.name}: bytes {size} to {offset} are missing")
            part.seek(offset)
            part.write(content)


def _write(path: Path, content: bytes) -> None:
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageFailed(f"cannot write {path}: {error.strerror}") from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_still(path: Path, sha256: str) -> bool:
    return path.is_file() and _digest(path) == sha256


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(path: Path, file: FileRef) -> None:
    size = path.stat().st_size if path.exists() else 0
    if size < file.size or not path.exists():
        raise FileDamaged(f"{file.filename}: {size} of {file.size} bytes arrived", file)
    if _digest(path) != file.sha256:
        path.unlink()
        raise FileDamaged(f"{file.filename}: arrived with another content than the worker sent", file)
