"""What does not work just now and is tried again: RunPod, ComfyUI, the disk. Pure. None of it ends a job."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.jobs import commands as do
from engine.jobs.events import CannotNow, Fault, Wait

RETENTION_MS = 30 * 60_000
"""for how long RunPod keeps a job after its end (RunPod docs, serverless/endpoints/send-requests)"""
GONE_MS, GONE_TIMES = 60_000, 4
"""for how long, and how often, RunPod must say that it does not know a job before that is believed"""
_PATIENCE = {Wait.FOLLOW: 6, Wait.CANCEL: 6, Wait.SAVE: 3, Wait.REFETCH: 6}
"""failures in a row after which a person should look"""


@dataclass(slots=True)
class Setbacks:
    """Of one job. *seen_ms* is when RunPod last said anything about it."""

    seen_ms: int
    needs_attention: bool
    _failures: Counter[Wait] = field(default_factory=Counter)
    _pauses: set[Wait] = field(default_factory=set)
    _gone_since_ms: int | None = None
    _gone_times: int = 0

    def is_paused(self, *waits: Wait) -> bool:
        return not self._pauses.isdisjoint(waits)

    def pause(self, wait: Wait) -> do.Command:
        """Look again in a moment; nothing is wrong."""
        self._pauses.add(wait)
        return do.Pause(wait, 0, 0.0, "")

    def failed(self, event: CannotNow) -> Iterator[do.Command]:
        """Try again later, and later still when it fails again."""
        wait = event.wait
        self._pauses.add(wait)
        yield do.Pause(wait, self._failures[wait], event.retry_after_s or 0.0, event.reason)
        self._failures[wait] += 1
        if event.fault is not Fault.UNAVAILABLE or self._failures[wait] >= _PATIENCE.get(wait, 1 << 30):
            self.needs_attention = True
            yield do.NeedsAttention(f"Cannot {wait.value}: {event.reason}")

    def is_worth_a_word(self, wait: Wait) -> bool:
        """A single failure is not."""
        return self._failures[wait] > 1

    def worked(self, wait: Wait) -> Iterator[do.Command]:
        if self._failures.pop(wait, 0):
            yield do.Works(wait)
        if self.needs_attention and not self._failures:
            self.needs_attention = False
            yield do.NeedsAttention(None)

    def over(self, wait: Wait) -> bool:
        """The pause is over; whether there was one."""
        was_paused = wait in self._pauses
        self._pauses.discard(wait)
        return was_paused

    # -- a job that RunPod does not know

    def reached_runpod(self, now_ms: int) -> None:
        """RunPod said something about the job."""
        self.seen_ms, self._gone_since_ms, self._gone_times = now_ms, None, 0

    def is_gone(self, now_ms: int, *, cancelled: bool) -> bool:
        """Whether to believe that RunPod no longer has the job; called each time that RunPod says so.

        RunPod keeps a job for half an hour after its end: one that it knew a moment ago is there. Of a job that the
        person has cancelled it is enough that RunPod repeats it.
        """
        self._gone_times += 1
        self._gone_since_ms = self._gone_since_ms or now_ms
        expired = now_ms - self.seen_ms >= RETENTION_MS and now_ms - self._gone_since_ms >= GONE_MS
        return self._gone_times >= GONE_TIMES and (expired or cancelled)
