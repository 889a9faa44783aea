"""Results: into part files, checked, and into ComfyUI's folders under local names. What can be saved is saved."""

import asyncio
import logging
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from engine.comfyui import ComfyUIRejected
from engine.files.atomic_save import place_all, sweep
from engine.files.large_files import LargeFileLost, LargeFiles
from engine.files.part_files import (
    FileDamaged,
    append,
    base64_of,
    content_of,
    holds,
    require_whole,
    size_of,
    sweep_parts,
    write,
)
from engine.files.remote_naming import RemoteNames
from engine.files.subfolders import inside_subfolder
from engine.model.job import LostFile
from engine.model.naming import localised, shared_numbers, without
from storage.disk import DiskUnavailable, writing
from storage.objects import StorageRefused
from storage.private import private_folder
from wire.errors import Unavailable, WireError
from wire.events import FileChunk, NodeOutput, Preview
from wire.files import Cached, FileRef, Folder, Inline, Streamed, Url, Volume, decode_bytes
from wire.ids import PromptId
from wire.limits import PICTURE_MAX, UNANNOUNCED_MAX
from wire.names import confined, plain_id, stored_name
from wire.outputs import ItemKey

logger = logging.getLogger(__name__)


class OutputIncomplete(Exception):
    """*files* of an output did not arrive whole; the others are stored."""

    def __init__(self, files: tuple[FileRef, ...], reason: str) -> None:
        super().__init__(reason)
        self.files = files


@dataclass(frozen=True, slots=True)
class SavedOutput:
    """An output whose files are stored, all but the *lost* ones: *event* has local names only."""

    event: NodeOutput
    names: Mapping[ItemKey, ItemKey]
    lost: tuple[LostFile, ...] = ()
    output_folder: Path | None = None
    """where it is on this machine, if that is known"""


class OutputSink(Protocol):
    """Where results are put; implemented by ComfyUI."""

    async def has_file(self, subfolder: str, filename: str, folder: Folder) -> bool: ...
    async def upload(self, source: Path, subfolder: str, filename: str, folder: Folder) -> tuple[str, str]: ...
    async def output_folder(self) -> Path | None: ...
    async def places(self, folder: Folder) -> tuple[Path, ...]: ...
    async def on_windows(self) -> bool: ...


class SavedResults(Protocol):
    """Remembers what was stored, over restarts; implemented by FileRecords."""

    def saved(self, prompt_id: PromptId, worker_item: ItemKey, sha256: str) -> ItemKey | None: ...
    def stored_before(self, worker_item: ItemKey, sha256: str) -> ItemKey | None: ...
    def names(self, prompt_id: PromptId) -> dict[ItemKey, ItemKey]: ...
    def remember(self, prompt_id: PromptId, worker_item: ItemKey, sha256: str, local_item: ItemKey) -> None: ...


@dataclass(frozen=True, slots=True)
class _Result:
    """*name* is what the file would be called if nothing had this name; *part* is the whole, checked content."""

    file: FileRef
    name: str
    part: Path


@dataclass(slots=True)
class _Sorted:
    """The files of one output: stored before, whole and to be placed, damaged."""

    names: dict[ItemKey, ItemKey] = field(default_factory=dict)
    whole: defaultdict[tuple[Folder, str], list[_Result]] = field(default_factory=lambda: defaultdict(list))
    damaged: dict[ItemKey, tuple[FileRef, str]] = field(default_factory=dict)
    problem: Exception | None = None
    """why the others cannot be stored just now"""

    @contextmanager
    def keeping_the_first_problem(self) -> Iterator[None]:
        """One file that cannot be stored does not keep the others from it."""
        try:
            yield
        except (Unavailable, StorageRefused, ComfyUIRejected) as error:
            self.problem = self.problem or error


class ResultFiles:
    """*parts* is a folder of ours, in which results grow until they are whole."""

    def __init__(self, comfyui: OutputSink, parts: Path, saved: SavedResults, large: LargeFiles) -> None:
        self._comfyui = comfyui
        self._large = large
        self._parts = parts
        self._saved = saved
        self._folders: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._swept = set[Path]()
        self._to_drop: defaultdict[PromptId, list[FileRef]] = defaultdict(list)
        self._writing: defaultdict[PromptId, set[asyncio.Task[object]]] = defaultdict(set)

    @property
    def fetches(self) -> tuple[str, ...]:
        """The sources of large outputs, for the request."""
        return self._large.fetches

    async def add_chunk(self, prompt_id: PromptId, run: str, chunk: FileChunk) -> None:
        """Append to the part file. A chunk that is there already changes nothing; one behind a gap, or beyond the end
        that was announced, is left out, which shows when the file is saved. Raises DiskUnavailable.
        """
        try:
            content = decode_bytes(chunk.data)
        except WireError as error:
            logger.warning("%s: %s", prompt_id, error)
            return
        path = self._part(prompt_id, run, chunk.transfer)
        size = UNANNOUNCED_MAX if chunk.size is None else chunk.size
        await self._write(prompt_id, lambda: append(path, chunk.offset, content, size))

    async def append(self, prompt_id: PromptId, run: str, file: FileRef, chunk: FileChunk) -> None:
        """The same for bytes of *file* that are sent again."""
        path = self._path(prompt_id, run, file)
        content = decode_bytes(chunk.data)
        await self._write(prompt_id, lambda: append(path, chunk.offset, content, file.size))

    async def received(self, prompt_id: PromptId, run: str, file: FileRef) -> int:
        """Bytes of the part file: what is sent again begins there."""
        return await asyncio.to_thread(size_of, self._path(prompt_id, run, file))

    async def with_picture(self, prompt_id: PromptId, run: str, event: Preview) -> Preview | None:
        """*event* with its bytes, which came in chunks; None when none did, or too many for a picture."""
        if event.transfer is None:
            return event
        path = self._part(prompt_id, run, event.transfer)
        try:
            if await asyncio.to_thread(size_of, path) > PICTURE_MAX:
                return None
            data = await asyncio.to_thread(base64_of, path)
        except OSError:
            return None
        return event.model_copy(update={"data": data, "transfer": None})

    async def save(
        self,
        prompt_id: PromptId,
        run: str,
        event: NodeOutput,
        *,
        cached: bool = False,
        give_up: bool = False,
    ) -> SavedOutput:
        """Store the files of *event*.

        What was stored for this job is not stored again, nor what a *cached* node shows again, as in ComfyUI.
        *give_up*: what is damaged is reported as lost. Raises OutputIncomplete, Unavailable,
        StorageRefused, ComfyUIUnavailable, ComfyUIRejected.
        """
        found = await self._sort(prompt_id, run, event, cached=cached)
        for (folder, subfolder), files in found.whole.items():
            with found.keeping_the_first_problem():
                found.names |= await self._place(prompt_id, folder, subfolder, files)
        if found.problem is not None:
            raise found.problem
        damaged, names = found.damaged, found.names
        if damaged and not give_up:
            raise OutputIncomplete(tuple(file for file, _ in damaged.values()), next(iter(damaged.values()))[1])
        lost = [LostFile(_key(file), reason) for file, reason in damaged.values()]
        lost += [LostFile((file.type, file.subfolder, file.filename), file.reason) for file in event.missing]
        root = await self._root(names)
        return SavedOutput(_local_event(event, names, lost, root), names, tuple(lost), root)

    async def _root(self, names: Mapping[ItemKey, ItemKey]) -> Path | None:
        """Where the output folder is, for what says so; a result that is stored does not wait for it."""
        with suppress(Unavailable, ComfyUIRejected):
            return await self._comfyui.output_folder() if names else None
        return None

    async def _sort(self, prompt_id: PromptId, run: str, event: NodeOutput, *, cached: bool) -> _Sorted:
        found = _Sorted()
        windows = os.name == "nt" or bool(event.files and await self._comfyui.on_windows())
        for key, file in {_key(file): file for file in event.files}.items():
            known = self._saved.saved(prompt_id, key, file.sha256)
            if known is None and cached:
                known = await self._shown_before(prompt_id, file)
            if known is not None:
                found.names[key] = known
                continue
            with found.keeping_the_first_problem():
                try:
                    path = await self._whole(prompt_id, run, file)
                except FileDamaged as error:
                    found.damaged[key] = (file, str(error))
                else:
                    subfolder, name = stored_name(file.subfolder, file.filename, windows=windows)
                    found.whole[file.type, subfolder].append(_Result(file, name, path))
        return found

    async def discard(self, prompt_id: PromptId) -> None:
        """Remove the job's part files, also the one that is being written."""
        if writing := self._writing.pop(prompt_id, None):
            await asyncio.wait(writing)
        await asyncio.to_thread(shutil.rmtree, self._parts / prompt_id, ignore_errors=True)

    async def finish(self, prompt_id: PromptId) -> None:
        """The job has ended: remove its part files, and from volume and bucket what was stored of them."""
        await self.discard(prompt_id)
        for file in self._to_drop.pop(prompt_id, ()):
            await self._large.drop(prompt_id, file)

    async def sweep_parts(self, active: Collection[PromptId]) -> None:
        """Remove the part files of jobs that have ended: a program that was killed could not."""
        await asyncio.to_thread(sweep_parts, self._parts, frozenset(active))

    async def sweep(self) -> None:
        """Remove what a killed program has left in the output folder. Raises ComfyUIUnavailable."""
        root = await self._comfyui.output_folder()
        if root is not None:
            await self._sweep(root)

    async def _sweep(self, root: Path) -> None:
        if root in self._swept:
            return
        self._swept.add(root)
        if count := await asyncio.to_thread(sweep, root):
            logger.info("removed %d unfinished files from %s", count, root)

    async def _shown_before(self, prompt_id: PromptId, file: FileRef) -> ItemKey | None:
        """The local file of an earlier job with this content, if it is still there."""
        local = self._saved.stored_before(_key(file), file.sha256)
        if local is None or not await self._is_still_there(local, file.sha256):
            return None
        self._saved.remember(prompt_id, _key(file), file.sha256, local)
        return local

    async def _is_still_there(self, local: ItemKey, sha256: str) -> bool:
        folder, subfolder, filename = local
        if folder == "temp":  # its names are never given twice
            return await self._comfyui.has_file(subfolder, filename, "temp")
        root = await self._comfyui.output_folder() if folder == "output" else None
        return root is not None and await asyncio.to_thread(holds, root / subfolder / filename, sha256)

    async def _write(self, prompt_id: PromptId, write: Callable[[], object]) -> None:
        """In a thread. One that goes on when we are cancelled would leave a part behind, so :meth:`discard` waits."""
        writing = asyncio.ensure_future(asyncio.to_thread(write))
        self._writing[prompt_id].add(writing)
        writing.add_done_callback(self._writing[prompt_id].discard)
        await asyncio.shield(writing)

    def _part(self, prompt_id: PromptId, run: str, transfer: int) -> Path:
        return self._parts / confined(prompt_id, f"{plain_id(run)}-{transfer}")

    def _path(self, prompt_id: PromptId, run: str, file: FileRef) -> Path:
        """Where the bytes of *file* grow."""
        match file.source:
            case Streamed(transfer=transfer):
                return self._part(prompt_id, run, transfer)
            case _:
                return self._parts / confined(prompt_id, f"{plain_id(run)}-{file.sha256}")

    async def _whole(self, prompt_id: PromptId, run: str, file: FileRef) -> Path:
        """The path of the whole, checked content; raises FileDamaged."""
        path = self._path(prompt_id, run, file)
        match file.source:
            case Inline() as inline:
                if not await asyncio.to_thread(holds, path, file.sha256):
                    content = content_of(inline)
                    await self._write(prompt_id, lambda: write(path, content))
            case Url() | Volume():
                await self._fetch(prompt_id, file, path)
            case Streamed() | Cached():
                pass
        await asyncio.to_thread(require_whole, path, file)
        return path

    async def _fetch(self, prompt_id: PromptId, file: FileRef, path: Path) -> None:
        try:
            with writing(path):
                await self._write(prompt_id, lambda: private_folder(path.parent))
                await self._large.fetch(prompt_id, file, path)
        except LargeFileLost as error:
            if await asyncio.to_thread(size_of, path) < file.size:
                raise FileDamaged(f"{file.filename[:200]}: {error}") from error

    async def _place(
        self, prompt_id: PromptId, folder: Folder, subfolder: str, results: Sequence[_Result]
    ) -> dict[ItemKey, ItemKey]:
        async with self._folders[folder, subfolder]:
            root = await self._comfyui.output_folder() if folder == "output" else None
            if root is None:
                places = await self._comfyui.places(folder)
                subfolder = await asyncio.to_thread(inside_subfolder, places, subfolder)
                placed = await self._place_remotely(folder, subfolder, results)
            else:
                await self._sweep(root)
                known = self._saved.names(prompt_id)
                placed = await asyncio.to_thread(_place_locally, root, subfolder, results, known)
            names: dict[ItemKey, ItemKey] = {}
            for result, local in zip(results, placed, strict=True):
                file = result.file
                self._saved.remember(prompt_id, _key(file), file.sha256, local)
                names[_key(file)] = local
                if isinstance(file.source, Url | Volume):  # another node may name the same content
                    self._to_drop[prompt_id].append(file)
                else:
                    await asyncio.to_thread(result.part.unlink, missing_ok=True)
                logger.info("%s saved %s", prompt_id, "/".join(part for part in local if part))
            return names

    async def _place_remotely(self, folder: Folder, subfolder: str, results: Sequence[_Result]) -> list[ItemKey]:
        """For a ComfyUI on another machine, and for temp and input, by ComfyUI's upload, which never overwrites. It
        makes *subfolder*, and follows links out of its folder.
        """
        chosen = [result.name for result in results]
        if folder != "input":  # there a node often names a file that the person has: upload leaves an equal one alone
            names = RemoteNames(lambda name: self._comfyui.has_file(subfolder, name, folder))
            chosen = await names.choose(chosen)
        pairs = zip(results, chosen, strict=True)
        return [await self._upload(folder, subfolder, wanted, result) for result, wanted in pairs]

    async def _upload(self, folder: Folder, subfolder: str, wanted: str, result: _Result) -> ItemKey:
        """ComfyUI picks another name when *wanted* is taken, and says which."""
        try:
            stored_in, name = await self._comfyui.upload(result.part, subfolder, wanted, folder)
        except ComfyUIRejected as error:
            if error.status != 413:
                raise
            text = (
                f"{wanted} has {result.file.size:,} bytes, and ComfyUI accepts no file of that size: start it with a"
                f" larger --max-upload-size (MB). Until then the result waits in {result.part}"
            )
            raise DiskUnavailable(text) from error
        return folder, stored_in, name


def _key(file: FileRef) -> ItemKey:
    return file.type, file.subfolder, file.filename


def _local_event(
    event: NodeOutput, names: Mapping[ItemKey, ItemKey], lost: Sequence[LostFile], root: Path | None
) -> NodeOutput:
    output = event.output
    if output is not None:
        output = localised(without(output, {one.item for one in lost}), names, root)
    return event.model_copy(update={"output": output, "files": (), "missing": ()})


def _place_locally(
    root: Path, subfolder: str, results: Sequence[_Result], known: Mapping[ItemKey, ItemKey]
) -> list[ItemKey]:
    others = {(place, name) for folder, place, name in known.values() if folder == "output"}
    shared = shared_numbers(known, "output", subfolder)
    try:
        placed = place_all([(result.name, result.part) for result in results], root, subfolder, others, shared)
    except FileNotFoundError as error:
        raise DiskUnavailable(f"{error.filename} is gone") from error
    return [("output", folder, name) for folder, name in placed]
