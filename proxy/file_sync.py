"""Inputs up, outputs down."""

import asyncio
import hashlib
import logging
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from proxy.comfyui import ComfyUIRejected
from proxy.core.confine import confined
from proxy.core.inputs import InputFile, WorkflowError, find_inputs, staged_prompt
from proxy.core.naming import ItemKey, local_names, localised
from proxy.placing import inside, place_all
from wire.errors import WireError
from wire.events import FileChunk, NodeOutput, Preview
from wire.files import FileRef, Folder, Inline, Streamed, decode_bytes, encode_bytes
from wire.ids import PromptId
from wire.limits import INLINE_INPUTS_MAX, MIB

logger = logging.getLogger(__name__)


class FileDamaged(Exception):
    """A result did not arrive whole: ask for it again."""


class Shelf(Protocol):
    """Where input files are found and results are put; implemented by ComfyUI."""

    async def node_info(self, class_type: str) -> dict[str, Any] | None: ...
    def view(
        self, subfolder: str, filename: str, folder: Folder
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]: ...
    async def upload(self, source: Path, subfolder: str, filename: str, folder: Folder) -> tuple[str, str]: ...
    async def output_folder(self) -> Path | None: ...


class SavedFiles(Protocol):
    """Remembers what was stored, over restarts; implemented by JobStore."""

    def saved_file(self, prompt_id: PromptId, worker_item: ItemKey, sha256: str) -> ItemKey | None: ...
    def stored_before(self, worker_item: ItemKey, sha256: str) -> ItemKey | None: ...
    def remember_file(self, prompt_id: PromptId, worker_item: ItemKey, sha256: str, local_item: ItemKey) -> None: ...


class FileSync:
    """*parts* is a folder of ours, in which results grow until they are whole."""

    def __init__(self, comfyui: Shelf, parts: Path, saved: SavedFiles) -> None:
        self._comfyui = comfyui
        self._parts = parts
        self._saved = saved
        self._folders: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    # -- inputs

    async def stage(self, prompt: dict[str, Any]) -> tuple[dict[str, Any], tuple[FileRef, ...]]:
        """The prompt for the worker, and the files that it needs, read from ComfyUI.

        Raises WorkflowError when a file is missing or all together are too large, ComfyUIUnavailable.
        """
        kinds = {node["class_type"] for node in prompt.values()}
        infos = {kind: await self._comfyui.node_info(kind) for kind in kinds}
        found = find_inputs(prompt, infos)
        contents = await self._read_all({(file.folder, file.path): file for file in found}.values())
        files = tuple(_reference(file, content) for file, content in contents)
        return staged_prompt(prompt, found), files

    async def _read_all(self, files: Any) -> list[tuple[InputFile, bytes]]:
        contents: list[tuple[InputFile, bytes]] = []
        room = INLINE_INPUTS_MAX
        for file in files:
            content = await self._read(file, room)
            room -= len(content)
            contents.append((file, content))
        return contents

    async def _read(self, file: InputFile, room: int) -> bytes:
        subfolder, _, filename = file.path.rpartition("/")
        content = bytearray()
        try:
            async with self._comfyui.view(subfolder, filename, file.folder) as pieces:
                async for piece in pieces:
                    content += piece
                    if len(content) > room:
                        raise _too_large(file)
        except ComfyUIRejected as error:
            if error.status >= 500:
                raise
            raise WorkflowError(
                f"{file.value}: ComfyUI has no such file (HTTP {error.status})", file.node_id
            ) from error
        return bytes(content)

    # -- outputs

    async def add_chunk(self, prompt_id: PromptId, run: str, chunk: FileChunk) -> None:
        """Append to the part file; a chunk that is there already is ignored. Raises FileDamaged for a gap."""
        path = self._part(prompt_id, run, chunk.transfer)
        await asyncio.to_thread(_append, path, chunk.offset, decode_bytes(chunk.data))

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
            confined(file.subfolder, file.filename)
            known = self._saved.saved_file(prompt_id, key, file.sha256)
            if known is None and cached:
                known = await self._shown_before(prompt_id, file)
            if known is not None:
                names[key] = known
            elif key not in names:
                groups[file.type, file.subfolder].append((file, await self._whole(prompt_id, run, file)))
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
        root = await self._comfyui.output_folder()
        if local is None or root is None or local[0] != "output":
            return None
        if not await asyncio.to_thread(_is_still, root / local[1] / local[2], file.sha256):
            return None
        self._saved.remember_file(prompt_id, key, file.sha256, local)
        return local

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
            case _:
                raise WireError(f"{file.filename} lies where this proxy cannot fetch it: {file.source.kind}")
        await asyncio.to_thread(_check, path, file)
        return path

    async def _place(
        self, prompt_id: PromptId, folder: Folder, subfolder: str, files: Sequence[tuple[FileRef, Path]]
    ) -> dict[ItemKey, ItemKey]:
        async with self._folders[folder, subfolder]:
            root = await self._comfyui.output_folder() if folder == "output" else None
            if root is None:
                placed = [await self._upload(folder, subfolder, file, path) for file, path in files]
            else:
                placed = await asyncio.to_thread(_place_locally, root, subfolder, files)
            names: dict[ItemKey, ItemKey] = {}
            for (file, _), local in zip(files, placed, strict=True):
                key = (file.type, file.subfolder, file.filename)
                self._saved.remember_file(prompt_id, key, file.sha256, local)
                names[key] = local
                logger.info("%s saved %s", prompt_id, "/".join(part for part in local if part))
            return names

    async def _upload(self, folder: Folder, subfolder: str, file: FileRef, path: Path) -> ItemKey:
        """For a ComfyUI on another machine, and for temp: it picks a free name itself, and says which."""
        stored_in, name = await self._comfyui.upload(path, subfolder, file.filename, folder)
        return folder, stored_in, name


def _place_locally(root: Path, subfolder: str, files: Sequence[tuple[FileRef, Path]]) -> list[ItemKey]:
    target = inside(root, subfolder)
    placed = place_all(((file.filename, path) for file, path in files), target, local_names)
    return [("output", subfolder, placed[file.filename]) for file, _ in files]


def _reference(file: InputFile, content: bytes) -> FileRef:
    subfolder, _, filename = file.worker_path.rpartition("/")
    return FileRef(
        filename=filename,
        subfolder=subfolder,
        type="input",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        source=Inline.of(content),
    )


def _too_large(file: InputFile) -> WorkflowError:
    limit = INLINE_INPUTS_MAX / MIB
    text = f"{file.value}: the input files of one prompt may be {limit:.0f} MiB together, and this one goes beyond."
    return WorkflowError(text, file.node_id)


def _append(path: Path, offset: int, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("r+b" if path.exists() else "x+b") as part:
        size = part.seek(0, 2)
        if offset > size:
            raise FileDamaged(f"{path.name}: bytes {size} to {offset} are missing")
        part.seek(offset)
        part.write(content)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _is_still(path: Path, sha256: str) -> bool:
    return path.is_file() and _digest(path) == sha256


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(path: Path, file: FileRef) -> None:
    if not path.exists():
        raise FileDamaged(f"{file.filename}: no bytes arrived")
    if _digest(path) != file.sha256:
        raise FileDamaged(f"{file.filename}: arrived with another content than the worker sent")
