"""Handler: a job of RunPod's SDK in, our events out. All work is done by the session, in a task of its own."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from worker.events.aggregate import Aggregate
from worker.session import Session
from worker.single_answer import SingleAnswer


class Chunk(dict[str, Any]):
    """A batch on its way to RunPod's SDK, which formats each for its debug log even when that is off."""

    def __repr__(self) -> str:
        return f"<{len(self['events'])} events>"


class Handler:
    def __init__(
        self,
        open_session: Callable[[object], Session],
        began: Callable[[asyncio.Task[Any], Callable[[str], None]], None],
    ) -> None:
        """*began* is told the task in which RunPod's SDK runs a job, and how to give that job up."""
        self._open_session, self._began = open_session, began
        self._running = set[asyncio.Task[None]]()

    async def stream(self, job: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """Batches of WorkerEvents while the prompt runs."""
        session = self._start(job)
        aggregate = Aggregate()
        try:
            async for batch in session.outbox.batches():
                chunk = Chunk(batch)
                yield chunk
                aggregate.posted(chunk)
        finally:
            session.cancel()

    async def once(self, job: dict[str, Any]) -> dict[str, Any]:
        """One answer when the prompt has ended."""
        session = self._start(job)
        result = SingleAnswer()
        try:
            async for batch in session.outbox.batches():
                result.add(batch)
        finally:
            session.cancel()
        return result.answer()

    def _start(self, job: dict[str, Any]) -> Session:
        session = self._open_session(job.get("input"))
        task = session.start()
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        reader = asyncio.current_task()
        assert reader is not None  # noqa: S101  we are in a coroutine
        # a generator that is suspended at its yield is not told of a cancellation; the task that reads it ends
        reader.add_done_callback(lambda _: session.cancel())
        self._began(reader, session.give_up)
        return session
