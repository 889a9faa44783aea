"""Job: everything that the proxy knows of one prompt."""

from dataclasses import dataclass, field
from typing import Any

from proxy.core.lifecycle import JobState
from wire.ids import ClientId, PromptId, RunPodJobId


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


@dataclass(frozen=True, slots=True)
class Entry:
    """The outcome, in the shape of ComfyUI's history; file names are local ones."""

    outputs: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
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
    entry: Entry | None = None
    """None until the job ended"""
    completion: int | None = None
    """place in the one sequence of completions over local and remote prompts"""
