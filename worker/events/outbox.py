"""Outbox: holds the session's events until RunPod's stream, which takes one batch at a time, has room for them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from wire.batch import encode_batch
from wire.events import WorkerEvent
from worker.events.coalescer import Coalescer

INTERVAL_S = 0.15
"""between two batches that a person does not wait for"""
GATHER_S = 0.02
"""from the first event of such a batch: ComfyUI sends a step as three messages"""
WEIGHT_MAX = 4 * 1024 * 1024
"""bytes that may wait; whoever puts more has to wait as well"""


class Outbox:
    """One writer, one reader."""

    def __init__(self, run: str, started_ms: int, clock: Callable[[], float]) -> None:
        self.run = run
        self._started_ms, self._clock = started_ms, clock
        self._pending = Coalescer()
        self._closed = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._last = self._first = clock() - INTERVAL_S

    async def put(self, event: WorkerEvent) -> None:
        """Adds *event*; waits first while too many bytes wait for the reader."""
        while self._pending.weight > WEIGHT_MAX:
            self._room.clear()
            await self._room.wait()
        if not self._pending:
            self._first = self._clock()
        self._pending.add(event)
        self._changed.set()

    @property
    def closed(self) -> bool:
        """Whether the last event was put."""
        return self._closed

    def close(self) -> None:
        """No event comes any more; waiting events are still delivered, at once."""
        self._closed = True
        self._changed.set()

    async def batches(self) -> AsyncIterator[dict[str, Any]]:
        """Batches until the outbox is closed and empty."""
        while self._pending or not self._closed:
            await self._until_due()
            if events := self._pending.take(self._now()):
                self._last = self._clock()
                self._room.set()
                yield encode_batch(self.run, self._started_ms, events)

    def _now(self) -> float:
        return float("inf") if self._closed else self._clock()

    async def _until_due(self) -> None:
        while not self._closed:
            due = self._pending.due_at(max(self._last + INTERVAL_S, self._first + GATHER_S))
            wait_s = None if due is None else due - self._clock()
            if wait_s is not None and wait_s <= 0:
                return
            self._changed.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                return
