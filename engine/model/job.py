"""Job: everything that the proxy knows of one prompt."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.model.input_file import InputFile
from engine.model.states import JobState
from wire.ids import ClientId, PromptId, RunPodJobId
from wire.outputs import ItemKey


@dataclass(frozen=True, slots=True)
class Submission:
    """A prompt as the browser posted it, checked; without secrets."""

    prompt_id: PromptId
    prompt: dict[str, Any]
    extra_data: dict[str, Any]
    outputs_to_execute: tuple[str, ...]
    targets: tuple[str, ...] | None = None
    client_id: ClientId | None = None
    front: bool = False
    number: float | None = None
    inputs: tuple[InputFile, ...] | None = None
    """the files that it reads, which were there when it was submitted; None when nobody looked"""


@dataclass(frozen=True, slots=True)
class Entry:
    """The outcome, in the shape of ComfyUI's history; file names are local ones."""

    outputs: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LostFile:
    """A file of a result that is not here, and why; *item* is the worker's."""

    item: ItemKey
    reason: str


@dataclass(frozen=True, slots=True)
class Brief:
    """A job without its documents: what lists show of it."""

    prompt_id: PromptId
    number: float
    state: JobState
    created_ms: int
    workflow_id: str | None = None
    runpod_id: RunPodJobId | None = None
    delay_ms: int | None = None
    execution_ms: int | None = None
    error: str | None = None
    attention: str | None = None
    fetchable_until_ms: int | None = None


class StoredJob(NamedTuple):
    """A job's documents as stored JSON, which goes into answers as it is. The prompt is the one that ran."""

    prompt_id: PromptId
    state: JobState
    number: float
    completion: int | None
    prompt: str
    extra_data: str
    outputs_to_execute: str
    entry: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job with all its documents, parsed."""

    prompt_id: PromptId
    number: float
    state: JobState
    prompt: dict[str, Any]
    extra_data: dict[str, Any]
    outputs_to_execute: tuple[str, ...]
    created_ms: int
    targets: tuple[str, ...] | None = None
    client_id: ClientId | None = None
    endpoint_id: str | None = None
    runpod_id: RunPodJobId | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    delay_ms: int | None = None
    execution_ms: int | None = None
    cancel_requested: bool = False
    error: str | None = None
    shown_prompt: dict[str, Any] | None = None
    """what custom nodes of the worker made of the prompt, which ran; None: nothing else"""
    shown_extra_data: dict[str, Any] | None = None
    entry: Entry | None = None
    """None until the job ended"""
    completion: int | None = None
    """position in the one sequence of completions over local and remote prompts"""
    returns: int = 0
    """how often a worker sent it back because it lacked input files"""
    attention: str | None = None
    """why the job needs a look, as a sentence; None while all is well"""
    seen_ms: int | None = None
    """when RunPod last said anything about the job"""
    fetchable_until_ms: int | None = None
    """until then RunPod may have more of the result of an ended job than what came; None: it has no more"""

    def brief(self) -> Brief:
        return Brief(
            prompt_id=self.prompt_id,
            number=self.number,
            state=self.state,
            created_ms=self.created_ms,
            workflow_id=workflow_id(self.extra_data),
            runpod_id=self.runpod_id,
            delay_ms=self.delay_ms,
            execution_ms=self.execution_ms,
            error=self.error,
            attention=self.attention,
            fetchable_until_ms=self.fetchable_until_ms,
        )


def is_fetchable(job: Brief | Job, now_ms: int) -> bool:
    """Whether it makes sense to follow an ended job once more."""
    return job.fetchable_until_ms is not None and now_ms < job.fetchable_until_ms


def workflow_id(extra_data: Mapping[str, Any]) -> str | None:
    """``extra_pnginfo.workflow.id``, by which /api/jobs can be filtered; None without a usable one."""
    value: Any = extra_data
    for name in ("extra_pnginfo", "workflow", "id"):
        value = value.get(name) if isinstance(value, dict) else None
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None
