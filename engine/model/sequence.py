"""Which events of a batch are news: replies can be lost, a job can be run twice, the aggregate repeats everything."""

from dataclasses import dataclass

from wire.events import Batch, NumberedEvent


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job has been read: *next_seq* of *run* is the first event that was not applied."""

    run: str = ""
    started: int = 0
    next_seq: int = 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """What to do with a batch."""

    fresh: tuple[NumberedEvent, ...]
    """to apply, in order"""
    progress: Progress
    restarted: bool
    """a new run began: what the old one reported is void"""
    gap: bool
    """events are missing before the rest of this batch, which was left out: the aggregate has them"""


def take(batch: Batch, progress: Progress) -> Accepted:
    """The events of *batch* that continue *progress* without a gap."""
    if batch.run != progress.run and progress.run and batch.started < progress.started:
        return Accepted((), progress, restarted=False, gap=False)
    restarted = batch.run != progress.run
    expected = 0 if restarted else progress.next_seq
    fresh: list[NumberedEvent] = []
    gap = False
    for item in batch.events:
        if item.seq < expected:
            continue
        if item.seq > expected:
            gap = True
            break
        fresh.append(item)
        expected += 1
    reached = Progress(batch.run, batch.started, expected)
    return Accepted(tuple(fresh), reached, restarted=restarted and bool(progress.run), gap=gap)
