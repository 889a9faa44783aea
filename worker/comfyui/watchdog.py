"""Watch: ends a ComfyUI that lives but answers no more, so that it is started again.

Unanswered questions are counted, not seconds: a worker that FlashBoot froze wakes up hours later by every clock, with
at most one question unanswered.
"""

import asyncio
from collections.abc import Awaitable, Callable

from worker.comfyui.process import ComfyProcess

_QUESTIONS = 4
"""unanswered in a row"""


class HangWatchdog:
    """*hang_s* is how long ComfyUI may be silent; it is not judged before its first answer, for starting takes long."""

    def __init__(self, process: ComfyProcess, hang_s: float) -> None:
        self.process, self._hang_s = process, hang_s
        self._pace_s = hang_s / _QUESTIONS
        self._known: int | None = None
        self._unanswered = 0

    async def keep(self, answers: Callable[[float], Awaitable[bool]]) -> None:
        """Asks until cancelled; *answers* gets the seconds that it may take."""
        await asyncio.sleep(self._pace_s)  # most jobs have ended by then, and a question costs ComfyUI milliseconds
        while True:
            life = self.process.deaths
            answered, _ = await asyncio.gather(answers(self._pace_s), asyncio.sleep(self._pace_s))
            self._judge(life, answered=answered)

    def heard(self) -> None:
        """ComfyUI answered, whoever asked."""
        self._known, self._unanswered = self.process.deaths, 0

    def _judge(self, life: int, *, answered: bool) -> None:
        if answered:
            self.heard()
        elif self._known == life == self.process.deaths:
            self._unanswered += 1
        if self._unanswered >= _QUESTIONS:
            self._unanswered = 0
            self.process.kill(f"ComfyUI hung: it did not answer for {self._hang_s:g} seconds and was ended")
