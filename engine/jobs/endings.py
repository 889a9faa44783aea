"""How a job ends, for its history, its page and the list of jobs. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import assert_never

from engine.jobs.commands import End
from engine.messages.failures import (
    advised_status,
    error_sentence,
    explain_lost,
    explain_platform,
    explain_refused_parts,
    explain_rejection,
    explain_worker,
)
from engine.messages.translate import MessageTranslator
from engine.model.job import Entry, Job, LostFile
from engine.model.naming import localised, without
from engine.model.states import JobState
from engine.runpod.replies import StatusReply
from wire.events import (
    Ending,
    FilesCollected,
    FilesMissing,
    HistoryEntry,
    PromptFailed,
    PromptFinished,
    PromptInterrupted,
    PromptRejected,
    WorkerFailed,
)
from wire.outputs import ItemKey, output_files


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """What became of the files of a result: their *names*, what is *lost*, and where the output folder is, if known."""

    names: Mapping[ItemKey, ItemKey] = field(default_factory=dict)
    lost: tuple[LostFile, ...] = ()
    output_folder: PurePath | None = None


def ending_of(  # noqa: PLR0911  one exhaustive table
    event: Ending, translator: MessageTranslator, stored: StoredFiles, *, now_ms: int
) -> End:
    """The end that the worker's last event tells of."""
    match event:
        case PromptFinished():
            missing = (*stored.lost, *_never_sent(event.history, stored))
            if missing:
                return _incomplete(event.history, translator, replace(stored, lost=missing), now_ms)
            return _finished(event, translator, stored, now_ms)
        case PromptFailed():
            state, error = JobState.FAILED, error_sentence(event.error)
            return _told(event, state, translator, _entry(event.history, stored), error, now_ms)
        case PromptInterrupted():
            return _told(event, JobState.CANCELLED, translator, _entry(event.history, stored), None, now_ms)
        case PromptRejected():
            return _told(event, JobState.FAILED, translator, None, explain_rejection(event)[3], now_ms)
        case WorkerFailed():
            return _told(event, JobState.FAILED, translator, None, explain_worker(event)[1], now_ms)
        case FilesMissing() | FilesCollected():
            text = "The worker ended the job without running it."
            return _failed(translator, "WorkerFailed", text, now_ms=now_ms)
        case _:
            assert_never(event)


def explained_end(reply: StatusReply, translator: MessageTranslator, *, now_ms: int) -> End:
    """The job ended at RunPod without the worker's last event."""
    error_type, text = explain_platform(reply.status, reply.error)
    end = _failed(translator, error_type, text, now_ms=now_ms)
    return replace(end, fetchable=reply.status == "COMPLETED")


def failed_end(
    translator: MessageTranslator, job: Job, error_type: str, text: str, *, node_id: str = "", now_ms: int
) -> End:
    """The job cannot go on, for a reason outside ComfyUI."""
    node = job.prompt.get(node_id)
    node_type = str(node.get("class_type", "")) if isinstance(node, dict) else ""
    return _failed(translator, error_type, text, node_id=node_id, node_type=node_type, now_ms=now_ms)


def interrupted_end(translator: MessageTranslator, job: Job, *, now_ms: int, hidden: bool) -> End:
    """The person stopped the job; *hidden* leaves no history, as ComfyUI does when a waiting prompt is deleted."""
    if hidden:
        return End(JobState.CANCELLED, None, ())
    messages = tuple(translator.interrupted(job.prompt, now_ms))
    return End(JobState.CANCELLED, translator.entry(completed=False), messages)


def _failed(
    translator: MessageTranslator, error_type: str, text: str, *, node_id: str = "", node_type: str = "", now_ms: int
) -> End:
    messages = tuple(translator.failed(error_type, text, node_id=node_id, node_type=node_type, now_ms=now_ms))
    error = f"{node_type} #{node_id}: {text}" if node_id else text
    return End(JobState.FAILED, translator.entry(completed=False), messages, error)


def _told(
    event: Ending, state: JobState, translator: MessageTranslator, entry: Entry | None, error: str | None, now_ms: int
) -> End:
    messages = tuple(translator.fenced(event, now_ms))
    return End(state, entry or translator.entry(completed=False), messages, error)


def _finished(event: PromptFinished, translator: MessageTranslator, stored: StoredFiles, now_ms: int) -> End:
    """A part of the prompt may have been refused; the rest is a success, as in ComfyUI."""
    error = explain_refused_parts(event.node_errors) if event.node_errors else None
    return _told(event, JobState.COMPLETED, translator, _entry(event.history, stored), error, now_ms)


def _incomplete(history: HistoryEntry, translator: MessageTranslator, stored: StoredFiles, now_ms: int) -> End:
    """Files of the result are missing: what came is shown, and the job is not called a success."""
    text = explain_lost([(one.item, one.reason) for one in stored.lost])
    end = _failed(translator, "ResultIncomplete", text, now_ms=now_ms)
    entry = _entry(history, stored)
    gone = {one.item for one in stored.lost}
    outputs = {node: without(output, gone) for node, output in entry.outputs.items()}
    told = translator.entry(completed=False)
    return replace(end, entry=Entry(outputs=outputs, status=told.status, meta=entry.meta), fetchable=True)


def _entry(history: HistoryEntry, stored: StoredFiles) -> Entry:
    names, root = stored.names, stored.output_folder
    outputs = {node: localised(output, names, root) for node, output in history.outputs.items()}
    return Entry(outputs=outputs, status=advised_status(history.status), meta=history.meta)


def _never_sent(history: HistoryEntry, stored: StoredFiles) -> list[LostFile]:
    """Files that ComfyUI's history names and the worker said nothing about."""
    known = {*stored.names, *stored.names.values(), *(one.item for one in stored.lost)}
    named = dict.fromkeys(
        file.key for output in history.outputs.values() for file in output_files(output) if file.certain
    )
    return [LostFile(item, "the worker did not send it") for item in named if item not in known]
