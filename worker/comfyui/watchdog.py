"""HangWatchdog: ends a ComfyUI that runs but does not answer any more, so that it is started again.

Unanswered questions are counted, not seconds: a worker that FlashBoot froze wakes up hours later by every clock, with
at most one question unanswered.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from worker.comfyui.process import ComfyProcess

_QUESTIONS = 4
"""unanswered in a row, after which ComfyUI hangs"""


class HangWatchdog:
    """Kills a ComfyUI that does not answer for *hang_s*; not before its first answer, because starting takes long."""

    def __init__(self, process: ComfyProcess, hang_s: float) -> None:
        self.process, self._hang_s = process, hang_s
        self._pace_s = hang_s / _QUESTIONS
        self._answered_life: int | None = None
        self._unanswered = 0

    @asynccontextmanager
    async def watching(self, answers: Callable[[float], Awaitable[bool]]) -> AsyncIterator[None]:
        """Asks during the block; *answers* gets the seconds that it may take."""
        task = asyncio.create_task(self._watch(answers), name="watchdog")
        try:
            yield
        finally:
            task.cancel()

    async def _watch(self, answers: Callable[[float], Awaitable[bool]]) -> None:
        await asyncio.sleep(self._pace_s)  # most jobs have ended by then, and a question costs ComfyUI milliseconds
        while True:
            life = self.process.deaths
            answered, _ = await asyncio.gather(answers(self._pace_s), asyncio.sleep(self._pace_s))
            self._judge(life, answered=answered)

    def answered(self) -> None:
        """ComfyUI answered somebody."""
        self._answered_life, self._unanswered = self.process.deaths, 0

    def _judge(self, life: int, *, answered: bool) -> None:
        if answered:
            self.answered()
        elif self._answered_life == life == self.process.deaths:
            self._unanswered += 1
        if self._unanswered >= _QUESTIONS:
            self._unanswered = 0
            self.process.kill(f"ComfyUI hung: it did not answer for {self._hang_s:g} seconds and was ended")
