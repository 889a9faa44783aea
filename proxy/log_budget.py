"""LogBudget: no more than so much of the log is about one thing, so that nobody can fill the disk with it."""

import logging
import time
from collections.abc import Callable

PER_MINUTE = 30
"""records of one kind"""
LENGTH_MAX = 4_000
"""characters of one record, without its traceback"""
_MINUTE_S = 60.0


class LogBudget(logging.Filter):
    """Of a kind are the records that the same line of a program makes. The first of a kind in a new minute tells how
    many were left out.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._began_s = clock()
        self._counts: dict[tuple[str, int], int] = {}
        self._left_out: dict[tuple[str, int], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = (record.pathname, record.lineno)
        self._begin_minute()
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if self._counts[kind] > PER_MINUTE:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return False
        self._rewrite(record, self._left_out.pop(kind, 0))
        return True

    def _begin_minute(self) -> None:
        if self._clock() - self._began_s >= _MINUTE_S:
            self._began_s = self._clock()
            self._counts.clear()

    @staticmethod
    def _rewrite(record: logging.LogRecord, left_out: int) -> None:
        message = record.getMessage()
        if left_out or len(message) > LENGTH_MAX:
            more = f" (and {left_out} more of this kind before)" if left_out else ""
            record.msg, record.args = f"{message[:LENGTH_MAX]}{more}", ()
