"""How long a job waited and ran, by RunPod's own account."""

import logging
from collections.abc import Awaitable, Callable

from engine.runpod.endpoint import Endpoint, EndpointRejected, JobGone
from engine.runpod.replies import StatusReply
from engine.store.jobs import JobStore
from wire.errors import Unavailable
from wire.ids import PromptId, RunPodJobId

logger = logging.getLogger(__name__)

_QUESTIONS = 6
_PAUSE_S = 0.5


class RunTimes:
    """Of one job."""

    def __init__(self, prompt_id: PromptId, store: JobStore, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._prompt_id, self._store, self._sleep = prompt_id, store, sleep

    def note(self, status: StatusReply) -> None:
        if status.delay_ms is not None or status.execution_ms is not None:
            self._store.update(self._prompt_id, delay_ms=status.delay_ms, execution_ms=status.execution_ms)

    async def pass_by(self, seconds: float) -> None:
        await self._sleep(seconds)

    async def ask(self, endpoint: Endpoint, runpod_id: RunPodJobId) -> None:
        """RunPod knows the times a moment after the last event. They are worth no retry."""
        try:
            for _ in range(_QUESTIONS):
                status = await endpoint.status(runpod_id)
                self.note(status)
                if status.ended:
                    return
                await self._sleep(_PAUSE_S)
        except (Unavailable, EndpointRejected, JobGone) as error:
            logger.debug("%s: no times: %s", self._prompt_id, error)
