"""Handler: a job of RunPod's SDK in, our events out. The session does all the work, in a task of its own."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any

from worker.events.aggregate import Aggregate
from worker.session import Session
from worker.single_answer import SingleAnswer

logger = logging.getLogger(__name__)


class Chunk(dict[str, Any]):
    """A batch on its way to RunPod's SDK, which formats each for its debug log even when that is off."""

    def __repr__(self) -> str:
        return f"<{len(self['events'])} events>"


class Handler:
    """Owns the sessions' tasks, which may go on after RunPod's SDK has forgotten the job."""

    def __init__(
        self,
        open_session: Callable[[object, str], Session],
        job_began: Callable[[asyncio.Task[Any], Callable[[str], None]], None],
    ) -> None:
        """*job_began* gets the task in which RunPod's SDK runs a job, and how to give that job up."""
        self._open_session, self._job_began = open_session, job_began
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
        answer = SingleAnswer()
        try:
            async for batch in session.outbox.batches():
                answer.add(batch)
        finally:
            session.cancel()
        return answer.whole()

    def _start(self, job: dict[str, Any]) -> Session:
        session = self._open_session(job.get("input"), str(job.get("id", "")))
        task = session.start()
        self._running.add(task)
        task.add_done_callback(self._ended)
        reader = asyncio.current_task()
        assert reader is not None  # noqa: S101  we are in a coroutine
        # a generator that is suspended at its yield does not notice a cancellation; the task that reads it ends
        reader.add_done_callback(lambda _: session.cancel())
        self._job_began(reader, session.give_up)
        return session

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s failed after its last event", task.get_name(), exc_info=error)
