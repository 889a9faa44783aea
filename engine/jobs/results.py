"""What was received of a job and what becomes of it: told to the page, stored, fetched again. Pure."""

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import assert_never

from engine.jobs import commands as do
from engine.jobs import events as on
from engine.jobs.events import Wait
from engine.jobs.notices import notices_of
from engine.jobs.result_queue import ResultQueue, Saving
from engine.jobs.setbacks import Setbacks
from engine.messages.translate import MessageTranslator
from engine.model.job import LostFile
from engine.model.sequence import Intake, Progress
from wire.batch import Batch
from wire.events import (
    CatalogPiece,
    CatalogTold,
    FileChunk,
    FilesKept,
    FilesSaved,
    JobsFound,
    NodeMessage,
    NodeOutput,
    Preview,
    PromptChanged,
    Unknown,
    WorkerEvent,
)
from wire.ids import PromptId
from wire.outputs import ItemKey

REFETCHES_MAX = 8
"""jobs that may be sent to fetch one output again; each costs about a second of a worker"""

Answer = on.OutputSaved | on.OutputDamaged | on.PictureRead | on.RefetchEnded


class Results:
    """Of one job. *progress* and *names*: how far it was received before, and which of its files are stored."""

    def __init__(
        self, prompt_id: PromptId, setbacks: Setbacks, progress: Progress, names: Mapping[ItemKey, ItemKey]
    ) -> None:
        self.queue = ResultQueue(progress)
        self.translator = MessageTranslator(prompt_id)
        self.names = dict(names)
        self.output_folder: PurePath | None = None
        self.lost: list[LostFile] = []
        self.given_up = False
        """nothing more is worth a job at RunPod: the person has cancelled this one"""
        self.muted = False
        """the page no longer shows the job"""
        self._prompt_id = prompt_id
        self._setbacks = setbacks

    # -- the page

    def tell(self, event: WorkerEvent, now_ms: int) -> Iterator[do.Command]:
        messages = tuple(self.translator.fenced(event, now_ms))
        if messages and not self.muted:
            yield do.Publish(messages)

    def say(self, text: str) -> Iterator[do.Command]:
        """What the job waits for; the empty *text* takes it back."""
        messages = tuple(self.translator.waiting(text))
        if messages and not self.muted:
            yield do.Publish(messages)

    # -- in

    def receive(self, batch: Batch) -> Iterator[do.Command]:
        """Take in what is new of *batch*: bytes into part files, the rest into the journal."""
        accepted: Intake = self.queue.accept(batch)
        if accepted.restarted:
            yield from self._forget_run()
            yield do.DiscardParts()
            yield do.Notice("warn", "Worker lost", "The job runs again on another worker (1 of 1).")
        for item in accepted.fresh:
            if isinstance(item.event, FileChunk):
                yield do.AppendChunk(batch.run, item.event)
        kept = tuple(item for item in accepted.fresh if item.event.is_kept)
        yield do.RecordProgress(accepted.progress, kept, accepted.restarted)

    def forget(self) -> Iterator[do.Command]:
        """The job did not run: nothing was received."""
        self.queue.forget()
        yield from self._forget_run()

    def _forget_run(self) -> Iterator[do.Command]:
        """What a run reported is void. The files that were stored of it stay."""
        self.translator = MessageTranslator(self._prompt_id)
        self.lost.clear()
        for wait in (Wait.SAVE, Wait.REFETCH):
            if self._setbacks.over(wait):
                yield do.ForgetPause(wait)

    # -- on

    def apply(self, event: WorkerEvent, now_ms: int) -> Iterator[do.Command]:
        """Deal with an event whose turn it is. Who has cancelled the job needs no advice about it."""
        if not self.given_up:
            yield from notices_of(event)
        match event:
            case NodeOutput() if event.files or event.missing:
                yield from self._save(self.queue.start_saving(event))
            case NodeMessage() | FilesSaved() if event.files:
                yield from self._save(self.queue.start_saving(event))
            case Preview(transfer=int()):
                saving = self.queue.start_saving(event)
                yield do.ReadPicture(saving.ticket, self.queue.progress.run, event)
            case PromptChanged():
                yield do.ShowChanges(event)
            case FilesKept(sha256=sha256):
                yield do.RememberCached(sha256)
            case JobsFound(jobs=jobs):
                yield do.TakeUp(jobs)
            case CatalogTold() | CatalogPiece():
                yield do.HearCatalog(event)
            case Unknown(name=name):
                yield do.UnknownEvent(name)
            case _:
                yield from self.tell(event, now_ms)

    def answered(self, event: Answer, now_ms: int) -> Iterator[do.Command]:
        """What became of the output that is being stored, or of the picture that is being read."""
        saving = self.queue.saving
        if saving is None or saving.ticket != event.ticket:
            return  # of a run that is void
        match event:
            case on.OutputSaved():
                self.queue.saved()
                self.names |= event.names
                self.output_folder = event.output_folder or self.output_folder
                self.lost += event.lost
                yield from self._setbacks.worked(Wait.SAVE)
                yield from self._setbacks.worked(Wait.REFETCH)
                yield from self.tell(_told(saving.event, event.event), now_ms)
            case on.PictureRead():
                self.queue.saved()
                if event.event is not None:
                    yield from self.tell(event.event, now_ms)
            case on.OutputDamaged():
                saving.damaged = event.files
                yield from self._fetch_again(saving, event.reason)
            case on.RefetchEnded():
                yield from self._save(saving)
            case _:
                assert_never(event)

    def _fetch_again(self, saving: Saving, reason: str) -> Iterator[do.Command]:
        if self.given_up or saving.refetches >= REFETCHES_MAX:
            yield from self._save(saving, give_up=True)
        elif saving.refetches == 0:
            text = f"{reason}. It is fetched again, by at most {REFETCHES_MAX} short jobs of about a second each."
            yield do.Notice("warn", "A part of a result was lost on its way", text)
            yield from self.refetch()
        else:
            yield from self._setbacks.failed(on.CannotNow(Wait.REFETCH, reason))

    def refetch(self) -> Iterator[do.Command]:
        """Fetch again what is damaged of the output that is being stored."""
        for saving in self._being_stored():
            saving.refetches += 1
            yield do.FetchAgain(saving.ticket, self.queue.progress.run, saving.damaged)

    def save(self, *, give_up: bool = False) -> Iterator[do.Command]:
        """Store once more the output that is being stored."""
        for saving in self._being_stored():
            yield from self._save(saving, give_up=give_up)

    def _being_stored(self) -> list[Saving]:
        """The output; none when a picture is being read."""
        saving = self.queue.saving
        return [] if saving is None or isinstance(saving.event, Preview) else [saving]

    def _save(self, saving: Saving, *, give_up: bool = False) -> Iterator[do.Command]:
        run = self.queue.progress.run
        assert not isinstance(saving.event, Preview)  # noqa: S101  pictures are not stored
        event = _as_output(saving.event)
        cached = event.node in self.translator.cached
        yield do.SaveOutput(saving.ticket, run, event, cached, give_up)

    def is_void(self, ticket: int) -> bool:
        """Whether an answer with *ticket* is about something that is not waited for any more; 0 is about nothing."""
        return ticket != 0 and (self.queue.saving is None or self.queue.saving.ticket != ticket)


def _as_output(event: NodeOutput | NodeMessage | FilesSaved) -> NodeOutput:
    """Files that a message names, or nobody, are stored as those of an output are."""
    match event:
        case NodeOutput():
            return event
        case NodeMessage(data=data, files=files):
            return NodeOutput(node="", output={"data": data}, files=files)
        case FilesSaved(files=files):
            return NodeOutput(node="", files=files)


def _told(event: WorkerEvent, saved: NodeOutput) -> WorkerEvent:
    """*event* with the local names of its files, which *saved* has."""
    if isinstance(event, NodeMessage):
        return event.model_copy(update={"data": (saved.output or {}).get("data"), "files": ()})
    return event if isinstance(event, FilesSaved) else saved
