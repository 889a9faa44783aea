"""Faults that tests switch on: each happens a number of times, at a named point."""

from collections import Counter

POINTS = frozenset({
    "run_429",
    "run_503",
    "run_502",
    "run_lost",  # accepted, but the answer never arrives
    "stream_500",
    "stream_lost",  # drained, but the answer never arrives
    "status_500",
    "cancel_500",
    "done_500",  # the SDK tries again
    "done_400",  # the result is lost
    "take_400",  # as FlashBoot answers
})  # fmt: skip


class Faults:
    """How often each point still fails."""

    def __init__(self) -> None:
        self._left: Counter[str] = Counter()

    def set(self, point: str, times: int) -> None:
        """Raises KeyError for a point that does not exist."""
        if point not in POINTS:
            raise KeyError(point)
        self._left[point] = times

    def strikes(self, point: str) -> bool:
        """Whether *point* fails now; that counts as once."""
        if self._left[point] <= 0:
            return False
        self._left[point] -= 1
        return True
