"""Turns: the worker's ComfyUI runs one prompt at a time, whatever RunPod's SDK does.

The SDK forgets a cancelled job and takes the next one at once, while a node that does not look at the interrupt may
hold ComfyUI for minutes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

_WITHDRAWAL_S = 60.0
"""for ComfyUI to let go of a cancelled prompt, while nobody waits for it"""
_AWAITED_WITHDRAWAL_S = 5.0
"""the same while the next job waits, which is paid for"""


class Turns:
    """A job takes its turn before it touches ComfyUI or its folders, and holds it until its prompt has left ComfyUI."""

    def __init__(
        self, withdrawal_s: float = _WITHDRAWAL_S, awaited_withdrawal_s: float = _AWAITED_WITHDRAWAL_S
    ) -> None:
        self._withdrawal_s, self._awaited_withdrawal_s = withdrawal_s, awaited_withdrawal_s
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._waiting_since = self._withdrawing_since = 0.0
        self._limit: asyncio.Timeout | None = None
        self._withdrawing = asyncio.Event()
        self._idle_since = 0.0

    def idle_for(self, seconds: float) -> bool:
        """Whether nobody has had the turn for so long."""
        return not self._turn.locked() and asyncio.get_running_loop().time() - self._idle_since >= seconds

    @asynccontextmanager
    async def take(self, report_withdrawal: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Waits for the turn, and holds it for the block.

        *report_withdrawal* is called when it waits for a cancelled prompt to leave ComfyUI.
        """
        if self._turn.locked():
            await self._wait(report_withdrawal)
        else:
            await self._turn.acquire()
        try:
            yield
        finally:
            self._turn.release()
            self._idle_since = asyncio.get_running_loop().time()

    async def _wait(self, report_withdrawal: Callable[[], Awaitable[None]]) -> None:
        async def report() -> None:
            await self._withdrawing.wait()
            await report_withdrawal()

        reporting = asyncio.create_task(report(), name="report the withdrawal")
        self._count(1)
        try:
            await self._turn.acquire()
        finally:
            self._count(-1)
            reporting.cancel()

    @asynccontextmanager
    async def withdrawal(self) -> AsyncIterator[None]:
        """For the block in which a prompt leaves ComfyUI. Raises TimeoutError late, or soon when a job waits."""
        self._withdrawing_since = asyncio.get_running_loop().time()
        async with asyncio.timeout_at(self._due()) as limit:
            self._limit = limit
            self._withdrawing.set()
            try:
                yield
            finally:
                self._limit = None
                self._withdrawing.clear()

    def _count(self, change: int) -> None:
        if self._waiting == 0:
            self._waiting_since = asyncio.get_running_loop().time()
        self._waiting += change
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(self._due())

    def _due(self) -> float:
        latest = self._withdrawing_since + self._withdrawal_s
        if not self._waiting:
            return latest
        return min(latest, max(self._waiting_since, self._withdrawing_since) + self._awaited_withdrawal_s)
