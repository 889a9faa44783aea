"""Inputs up: from ComfyUI into spool files, hashed on the way, and from there to the worker. None is whole in memory
but what goes inside the job.
"""

import asyncio
import hashlib
import logging
import shutil
import uuid
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from engine.catalog.knowledge import Knowledge
from engine.comfyui import ComfyUIRejected, InputRefused
from engine.files.embedded_texts import LongText, weight, without_long_texts
from engine.files.large_files import LargeFiles
from engine.files.prompt_paths import PathPlaces, PromptPaths
from engine.files.transport import InputContent, Transport, inline_room, transports
from engine.model.input_file import InputFile
from engine.model.job import Job
from engine.pack_files import PackFiles, packs_of
from engine.prompt.admission import withheld_because
from engine.prompt.inputs import WorkflowError, find_inputs, staged_prompt
from engine.prompt.partner_nodes import GONE, partner_nodes
from engine.prompt.paths import PathFindings, with_places
from engine.prompt.sides import Sides
from engine.store.cached_inputs import CachedInputs
from storage.disk import require_room, unavailable
from storage.private import private_file, private_folder
from wire.file_inputs import Infos, refusals
from wire.files import Cached, FileRef, Folder, Inline, Source
from wire.graph import Prompt
from wire.job import JobRequest, account_tokens
from wire.packs import PackFile
from wire.texts import EmbeddedText, encode_text

logger = logging.getLogger(__name__)

_NAMED = 700
"""bytes of a file's name, SHA-256 and signed address in a job"""
_TRUSTED_RETURNS = 1
"""after so many jobs that came back for missing files, nothing is only named: workers have disks of their own"""


class InputReader(PathPlaces, Protocol):
    """Where input files are found; implemented by ComfyUI."""

    async def node_info(self, class_type: str) -> dict[str, Any] | None: ...
    def view(
        self, subfolder: str, filename: str, folder: Folder
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]: ...


class InputFiles:
    """*spool* is a folder of ours, in which files lie while a job is submitted."""

    def __init__(
        self,
        comfyui: InputReader,
        spool: Path,
        kept: CachedInputs,
        large: LargeFiles,
        paths: PromptPaths,
        knowledge: Knowledge | None = None,
    ) -> None:
        self._comfyui, self._spool, self._kept, self._large, self._paths = comfyui, spool, kept, large, paths
        self._knowledge = knowledge
        self._packs = PackFiles()

    async def sweep(self) -> None:
        """Remove what a program that was killed has left; nothing is being staged."""
        await asyncio.to_thread(shutil.rmtree, self._spool, ignore_errors=True)

    async def stage(self, job: Job, endpoint_id: str) -> JobRequest:
        """The job for a worker: the prompt, and the files that it needs; what is too large for it is uploaded first.

        Raises WorkflowError when a file is missing or outside ComfyUI's folders or all together are too large,
        ComfyUIUnavailable, DiskUnavailable, Unavailable, StorageRefused.
        """
        sides = await self._sides(job.prompt)
        found, paths = await self._find(job, sides)
        request = JobRequest(
            workflow=job.prompt,
            prompt_id=job.prompt_id,
            extra_data=job.extra_data,
            targets=job.targets,
            packs=await self._news(endpoint_id, sides.infos),
            models=self._knowledge.approved.wanted(job.prompt, endpoint_id) if self._knowledge else (),
        )
        spool = self._spool / uuid.uuid4().hex
        try:
            spooled = await self._read_all(_each_once((*found, *paths.files)), spool)
            there = {(content.file.folder, content.file.path) for content in spooled.values()}
            request = _staged(request, found, paths, there)
            request, texts = await asyncio.to_thread(without_long_texts, request)
            # before the files: a worker reads the texts first, and a content that both have travels with the first
            contents = {**await asyncio.to_thread(_spooled, texts, spool), **spooled}
            room = await asyncio.to_thread(_room, request, contents.values())
            sources = await self._send(job, endpoint_id, room, contents)
        finally:
            await asyncio.to_thread(shutil.rmtree, spool, ignore_errors=True)
        files = tuple(_reference(content, sources[path]) for path, content in spooled.items())
        embedded = tuple(
            EmbeddedText(sha256=content.sha256, size=content.size, source=sources[path], places=text.places)
            for text, (path, content) in zip(texts, contents.items(), strict=False)  # the texts come first
        )
        return request.model_copy(update={"files": files, "texts": embedded})

    async def _sides(self, prompt: Prompt) -> Sides:
        kinds = {node["class_type"] for node in prompt.values()}
        if self._knowledge is not None:
            return await self._knowledge.definitions.sides(kinds)
        return Sides.here_only({kind: await self._comfyui.node_info(kind) for kind in kinds})

    async def _news(self, endpoint_id: str, infos: Infos) -> tuple[PackFile, ...]:
        if not packs_of(infos):
            return ()
        bases = (await self._comfyui.local_paths()).bases
        return await asyncio.to_thread(self._packs.news_for, endpoint_id, infos, bases)

    async def _find(self, job: Job, sides: Sides) -> tuple[tuple[InputFile, ...], PathFindings]:
        prompt, infos = job.prompt, sides.infos
        paths = await self._paths.find(prompt, sides.here_first)
        for node_id, refused in {**refusals(prompt, infos), **paths.node_errors}.items():
            raise WorkflowError(refused["errors"][0]["details"], node_id)
        if not account_tokens(job.extra_data):
            for node_id in partner_nodes(prompt, infos, job.outputs_to_execute):
                raise WorkflowError(GONE.format(kind=prompt[node_id]["class_type"]), node_id)
        return find_inputs(prompt, infos), paths

    async def _send(
        self, job: Job, endpoint_id: str, room: int, spooled: Mapping[Path, InputContent]
    ) -> dict[Path, Source]:
        """Uploads what does not fit into the job; where each content is."""
        contents = list(spooled.values())
        trusted = job.returns <= _TRUSTED_RETURNS
        kept = self._kept.among(endpoint_id, (content.sha256 for content in contents)) if trusted else frozenset()
        chosen = transports(contents, kept, room, store=self._large.transport)
        sent = sum(content.size for content, way in zip(contents, chosen, strict=True) if way is not Transport.CACHED)
        sources = {
            path: await self._source(way, path, content)
            for (path, content), way in zip(spooled.items(), chosen, strict=True)
        }
        if contents:
            logger.info("%s: %d input files, %d bytes of them sent", job.prompt_id, len(contents), sent)
        return sources

    async def _source(self, way: Transport, path: Path, content: InputContent) -> Source:
        match way:
            case Transport.CACHED:
                return Cached()
            case Transport.URL | Transport.VOLUME:
                return await self._large.put(content.sha256, path)
            case Transport.INLINE:
                return Inline.of(await asyncio.to_thread(path.read_bytes))

    async def _read_all(self, files: Iterable[InputFile], spool: Path) -> dict[Path, InputContent]:
        await asyncio.to_thread(private_folder, spool)
        contents: dict[Path, InputContent] = {}
        for number, file in enumerate(files):
            path = spool / str(number)
            if (content := await self._read(file, path)) is not None:
                contents[path] = content
        return contents

    async def _read(self, file: InputFile, path: Path) -> InputContent | None:
        """None when the file does not exist and the value need not be a file name."""
        subfolder, _, filename = file.path.rpartition("/")
        digest, size = hashlib.sha256(), 0
        try:
            with await asyncio.to_thread(lambda: private_file(path).open("wb")) as spooled:
                async with self._comfyui.view(subfolder, filename, file.folder) as pieces:
                    async for piece in pieces:
                        await asyncio.to_thread(_take, piece, path, spooled, digest)
                        size += len(piece)
        except InputRefused as error:
            raise WorkflowError(withheld_because(file, error.presence), file.node_id) from error
        except ComfyUIRejected as error:
            if error.status >= 500:
                raise
            if not file.certain:
                return None
            raise WorkflowError(
                f"{file.value}: ComfyUI has no such file (HTTP {error.status})", file.node_id
            ) from error
        except OSError as error:
            raise unavailable(path, error) from error
        return InputContent(file, digest.hexdigest(), size)


def _staged(
    request: JobRequest, found: Iterable[InputFile], paths: PathFindings, there: Collection[tuple[Folder, str]]
) -> JobRequest:
    """*request* with the names that its files have on the worker; *there* are the files that exist."""
    prompt = staged_prompt(request.workflow, tuple(file for file in found if (file.folder, file.path) in there))
    sent = (file for file in paths.files if (file.folder, file.path) in there)
    prompt, places = with_places(prompt, paths, sent)
    return request.model_copy(update={"workflow": prompt, "paths": places})


def _spooled(texts: Iterable[LongText], spool: Path) -> dict[Path, InputContent]:
    contents: dict[Path, InputContent] = {}
    for number, text in enumerate(texts):
        content, path = encode_text(text.text), spool / f"text-{number}"
        try:
            require_room(spool, len(content))
            with private_file(path).open("wb") as file:
                file.write(content)
        except OSError as error:
            raise unavailable(path, error) from error
        contents[path] = InputContent(text.source, hashlib.sha256(content).hexdigest(), len(content))
    return contents


def _room(request: JobRequest, contents: Collection[InputContent]) -> int:
    """How many bytes of files fit into the job."""
    return inline_room(weight(request) + sum(_NAMED + len(content.file.worker_path) for content in contents))


def _each_once(files: Iterable[InputFile]) -> Iterable[InputFile]:
    ordered = sorted(files, key=lambda file: file.certain)
    return {(file.folder, file.path): file for file in ordered}.values()


def _take(piece: bytes, path: Path, spooled: BinaryIO, digest: "hashlib._Hash") -> None:
    require_room(path.parent, len(piece))
    spooled.write(piece)
    digest.update(piece)


def _reference(content: InputContent, source: Source) -> FileRef:
    subfolder, _, filename = content.file.worker_path.rpartition("/")
    return FileRef(
        filename=filename,
        subfolder=subfolder,
        type="input",
        sha256=content.sha256,
        size=content.size,
        source=source,
    )
