"""The one door for money: every job that is sent to RunPod goes through here, written down before and after.

A program that is killed in between knows afterwards that it may have sent one, and does not send it again.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.jobs.events import CannotNow, Failed, SubmissionUnknown, Submitted, Wait
from engine.jobs.retry import Retry
from engine.runpod.endpoint import Endpoint, EndpointRejected, EndpointUnavailable, SubmissionUncertain
from engine.store.database import DatabaseUnavailable
from engine.store.jobs import JobStore
from engine.store.runpod_jobs import SentState
from wire.ids import PromptId, RunPodJobId

logger = logging.getLogger(__name__)

Outcome = Submitted | CannotNow | Failed | SubmissionUnknown


class Submissions:
    """Of one job; *now_ms* is the wall's clock."""

    def __init__(self, store: JobStore, retry: Retry, now_ms: Callable[[], int]) -> None:
        self._store, self._retry, self._now_ms = store, retry, now_ms

    async def run(self, prompt_id: PromptId, endpoint: Endpoint, body: Mapping[str, Any]) -> Outcome:
        """Submit a prompt, once."""
        store = self._store
        try:
            number = store.begin_submission(prompt_id, endpoint.id, self._now_ms())
        except DatabaseUnavailable as error:
            return CannotNow(Wait.SUBMIT, str(error))
        try:
            runpod_id = await endpoint.run(body, limit_s=endpoint.job_max_s)
        except EndpointUnavailable as error:
            await self._write(lambda: store.not_accepted(prompt_id, number))
            return CannotNow(Wait.SUBMIT, str(error), retry_after_s=error.retry_after_s)
        except EndpointRejected as error:
            await self._write(lambda: store.runpod_jobs.became(number, SentState.NOT_ACCEPTED))
            return Failed("EndpointRejected", str(error))
        except SubmissionUncertain as error:
            await self._write(lambda: store.runpod_jobs.became(number, SentState.UNCERTAIN))
            return SubmissionUnknown(str(error))
        logger.info("%s submitted as %s", prompt_id, runpod_id)
        await self._write(lambda: store.accepted(prompt_id, number, runpod_id, self._now_ms()))
        return Submitted(runpod_id)

    async def _write(self, write: Callable[[], None]) -> None:
        """What RunPod answered must not be forgotten because the disk is full just now."""

        async def once() -> None:
            write()

        await self._retry.until(once, "remember what was submitted")

    async def refetch(
        self, prompt_id: PromptId, endpoint: Endpoint, body: Mapping[str, Any], wanted: Sequence[str]
    ) -> tuple[int, RunPodJobId]:
        """Send a job that runs nothing; its number and id. *wanted*: files to fetch again. Raises as Endpoint.run."""
        number = self._store.runpod_jobs.begin_refetch(prompt_id, endpoint.id, wanted, self._now_ms())
        became = self._store.runpod_jobs.became
        try:
            runpod_id = await endpoint.run(body)
        except (EndpointUnavailable, EndpointRejected):
            await self._write(lambda: became(number, SentState.NOT_ACCEPTED))
            raise
        except SubmissionUncertain:
            await self._write(lambda: became(number, SentState.UNCERTAIN))
            raise
        await self._write(lambda: became(number, SentState.OPEN, runpod_id))
        if wanted:
            logger.info("%s: %d files are fetched again by %s", prompt_id, len(wanted), runpod_id)
        else:
            logger.info("%s: asked for by %s", prompt_id, runpod_id)
        return number, runpod_id
