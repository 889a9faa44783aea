"""A ComfyUI process, and the files that come and go between it and a worker."""

import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from engine.comfyui import ComfyUI
from engine.files.inputs import InputFiles
from engine.files.results import ResultFiles
from engine.model.job import Submission
from engine.store.jobs import JobStore
from tests.support.prompts import Prompt
from wire.events import NodeOutput
from wire.files import FileRef, Folder, Inline, Streamed
from wire.ids import PromptId

RUN = "run1"


@dataclass
class Bed:
    url: str
    data: Path
    session: aiohttp.ClientSession
    comfyui: ComfyUI
    store: JobStore
    files: ResultFiles
    inputs: InputFiles

    async def stage(self, prompt: Prompt) -> tuple[Prompt, tuple[FileRef, ...]]:
        prompt_id = PromptId(str(uuid.uuid4()))
        request = await self.inputs.stage(self.store.add(Submission(prompt_id, prompt, {}, ()), 0), "endpoint")
        return request.workflow, request.files

    def job(self, name: str) -> PromptId:
        prompt_id = PromptId(name)
        self.store.add(Submission(prompt_id, {}, {}, ()), 0)
        return prompt_id


def reference(
    name: str, content: bytes, *, subfolder: str = "", folder: Folder = "output", transfer: int | None = None
) -> FileRef:
    source = Inline.of(content) if transfer is None else Streamed(transfer=transfer)
    digest = hashlib.sha256(content).hexdigest()
    return FileRef(filename=name, subfolder=subfolder, type=folder, sha256=digest, size=len(content), source=source)


def output(*files: FileRef) -> NodeOutput:
    items = [{"filename": file.filename, "subfolder": file.subfolder, "type": file.type} for file in files]
    return NodeOutput(node="9", output={"images": items}, files=files)


def names(saved: NodeOutput) -> list[str]:
    assert saved.output is not None
    return [item["filename"] for item in saved.output["images"]]
