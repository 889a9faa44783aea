"""Events of a job that were received and wait for their turn: an output is stored before what follows it is told. Pure.

Receiving goes on meanwhile: RunPod keeps a result for half an hour, and a disk may be full for longer.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.model.sequence import Intake, Progress, accept
from wire.batch import Batch, NumberedEvent
from wire.events import Ending, FileChunk, FilesSaved, NodeMessage, NodeOutput, Preview, WorkerEvent
from wire.files import FileRef


@dataclass(slots=True)
class Saving:
    """An output that is being stored, or a picture that is being read; the answer bears the same *ticket*."""

    ticket: int
    event: NodeOutput | NodeMessage | FilesSaved | Preview
    damaged: tuple[FileRef, ...] = ()
    refetches: int = 0


@dataclass(slots=True)
class ResultQueue:
    """Of one job. *progress* is how far it was received."""

    progress: Progress = field(default_factory=Progress)
    all_received: bool = False
    """the last event of the run is here: nothing more comes"""
    saving: Saving | None = None
    _waiting: deque[WorkerEvent] = field(default_factory=deque)
    _tickets: int = 0

    @property
    def is_idle(self) -> bool:
        """Whether everything that was received has been dealt with."""
        return self.saving is None and not self._waiting

    def recover(self, journal: Iterable[NumberedEvent]) -> None:
        """What was received before a restart."""
        for item in journal:
            self._enqueue(item.event)

    def accept(self, batch: Batch) -> Intake:
        """Take in the part of *batch* that is new; what an earlier run reported is void."""
        accepted = accept(batch, self.progress)
        if accepted.restarted:
            self.forget()
        self.progress = accepted.progress
        for item in accepted.fresh:
            if not isinstance(item.event, FileChunk):
                self._enqueue(item.event)
        return accepted

    def _enqueue(self, event: WorkerEvent) -> None:
        self._waiting.append(event)
        self.all_received = self.all_received or isinstance(event, Ending)

    def forget(self) -> None:
        """Nothing was received."""
        self.progress, self.all_received, self.saving = Progress(), False, None
        self._waiting.clear()

    def next(self) -> WorkerEvent | None:
        """The next event; None while nothing waits, or while an output before it is being stored."""
        return self._waiting.popleft() if self.has_next else None

    @property
    def has_next(self) -> bool:
        return bool(self._waiting) and self.saving is None

    def start_saving(self, event: NodeOutput | NodeMessage | FilesSaved | Preview) -> Saving:
        """What follows *event* waits until :meth:`saved`."""
        self._tickets += 1
        self.saving = Saving(self._tickets, event)
        return self.saving

    def saved(self) -> None:
        self.saving = None
