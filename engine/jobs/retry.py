"""Tries again what is nobody's fault, until it works; used where nothing else can go on meanwhile."""

import random
from collections.abc import Awaitable, Callable

from engine.jobs.troubles import Troubles
from wire.backoff import next_delay
from wire.errors import Unavailable


class Retry:
    """For one job."""

    def __init__(self, job: str, troubles: Troubles, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._job, self._troubles, self._sleep = job, troubles, sleep

    async def until[T](self, call: Callable[[], Awaitable[T]], doing: str) -> T:
        """The result of *call*, repeated while it raises Unavailable; cancel the task to stop it."""
        failures = 0
        while True:
            try:
                result = await call()
            except Unavailable as error:
                self._troubles.report(self._job, doing, str(error), failures)
                await self._sleep(delay_s(failures, error.retry_after_s or 0.0))
                failures += 1
            else:
                if failures:
                    self._troubles.over(self._job, doing)
                return result


def delay_s(failures: int, at_least_s: float) -> float:
    """Seconds before the next try."""
    return max(next_delay(failures, random.random()), at_least_s)  # noqa: S311  only spreads clients
