"""JobLimit: RunPod stops a job after so much of a worker's time, and the person hears of it before. Pure."""

from collections.abc import Iterator

from engine.jobs import commands as do

_AHEAD_S, _AHEAD_SHARE = 60.0, 0.2
"""so long before the end, or this part of a short limit"""


class JobLimit:
    """Of one job: *limit_s* is its ``JOB_MAX_S``, 0 for none, *started_ms* when a worker began it."""

    def __init__(self, limit_s: int, started_ms: int | None) -> None:
        self._limit_s, self._started_ms = limit_s, started_ms
        self._ahead_s = min(_AHEAD_S, limit_s * _AHEAD_SHARE)
        self._is_watched = False

    def begun(self, now_ms: int) -> Iterator[do.Command]:
        """A worker has the job; said again and again."""
        if self._limit_s == 0 or self._is_watched:
            return
        self._is_watched = True
        gone_s = max(now_ms - (self._started_ms or now_ms), 0) / 1000
        yield do.WatchLimit(max(self._limit_s - self._ahead_s - gone_s, 0.0))

    def near(self) -> Iterator[do.Command]:
        summary = f"RunPod stops the job in about {self._ahead_s:.0f} s"
        detail = f"JOB_MAX_S gives it {self._limit_s:,} s of a worker's time. What has arrived by then is kept."
        yield do.Notice("warn", summary, detail)
