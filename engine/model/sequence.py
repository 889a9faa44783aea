"""Which events of a batch are news: replies can be lost, a job can be run twice, the aggregate repeats everything."""

from dataclasses import dataclass

from wire.batch import Batch, NumberedEvent


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job has been read: *next_seq* of *run* is the first event that was not applied."""

    run: str = ""
    started: int = 0
    next_seq: int = 0


@dataclass(frozen=True, slots=True)
class Intake:
    """What to do with a batch."""

    fresh: tuple[NumberedEvent, ...]
    """to apply, in order"""
    progress: Progress
    restarted: bool
    """a new run began: what the old one reported is void"""


def accept(batch: Batch, progress: Progress) -> Intake:
    """The events of *batch* that continue *progress* without a gap."""
    if batch.run != progress.run and progress.run and batch.started < progress.started:
        return Intake((), progress, restarted=False)
    restarted = batch.run != progress.run
    expected = 0 if restarted else progress.next_seq
    fresh: list[NumberedEvent] = []
    for item in batch.events:
        if item.seq < expected:
            continue
        if item.seq > expected:
            break  # some are missing before it: the job's output has them, and what follows
        fresh.append(item)
        expected += 1
    reached = Progress(batch.run, batch.started, expected)
    return Intake(tuple(fresh), reached, restarted=restarted and bool(progress.run))
