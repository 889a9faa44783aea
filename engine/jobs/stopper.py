"""Cancels at RunPod what nobody needs any more, until RunPod says that it has ended. Survives restarts."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from engine.jobs.retry import delay_s
from engine.jobs.troubles import Troubles
from engine.runpod.endpoint import Endpoint, EndpointRejected, JobGone
from engine.store.database import DatabaseUnavailable
from engine.store.runpod_jobs import RunPodJob, RunPodJobs, SentState
from wire.errors import Unavailable

logger = logging.getLogger(__name__)

_UNKNOWN_TIMES = 3
"""how often RunPod must say that it does not know a job"""
_LONGEST_MS = 8 * 24 * 3600 * 1000
"""RunPod runs no job for longer than a week (RunPod docs, serverless/endpoints/send-requests, ``policy``)"""
_DOING = "stop a job at RunPod"


class Stopper:
    """:meth:`run` owns the work; :meth:`wake` when there may be something to stop."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        runpod_jobs: RunPodJobs,
        troubles: Troubles,
        sleep: Callable[[float], Awaitable[None]],
        now_ms: Callable[[], int],
    ) -> None:
        self._endpoints, self._runpod_jobs, self._troubles = endpoints, runpod_jobs, troubles
        self._sleep, self._now_ms = sleep, now_ms
        self._wanted = asyncio.Event()
        self._unknown: Counter[int] = Counter()

    def wake(self) -> None:
        self._wanted.set()

    async def run(self) -> None:
        """Until cancelled."""
        rounds = 0
        while True:
            self._wanted.clear()
            left = [job for job in self._runpod_jobs.to_stop() if not await self._is_over(job, rounds)]
            if left:  # the longer it lasts, the more seldom RunPod is asked
                rounds += 1
                await self._sleep(delay_s(rounds, 0.0))
            else:
                rounds = 0
                await self._wanted.wait()

    async def _is_over(self, job: RunPodJob, rounds: int) -> bool:
        """Ask RunPod to stop the job; whether it has ended."""
        endpoint = self._endpoints.get(job.endpoint_id)
        old = self._now_ms() - job.sent_ms > _LONGEST_MS
        over = old or (endpoint is not None and await self._has_ended(endpoint, job, rounds))
        if over:
            try:
                self._runpod_jobs.became(job.number, SentState.ENDED)
            except DatabaseUnavailable as error:
                self._troubles.report(job.prompt_id, _DOING, str(error), rounds)
                return False
            logger.info("%s: %s has ended at RunPod", job.prompt_id, job.runpod_id)
        return over

    async def _has_ended(self, endpoint: Endpoint, job: RunPodJob, rounds: int) -> bool:
        if job.runpod_id is None:
            return True
        try:
            await endpoint.cancel(job.runpod_id)
            reply = await endpoint.status(job.runpod_id)
        except JobGone:
            self._unknown[job.number] += 1
            return self._unknown[job.number] >= _UNKNOWN_TIMES
        except (Unavailable, EndpointRejected) as error:
            self._troubles.report(job.prompt_id, _DOING, str(error), rounds)
            return False
        self._troubles.over(job.prompt_id, _DOING)
        return reply.ended
