"""The queue of jobs: one owned task each, at most *max_in_flight* at the endpoint; recovery and cancel.

Jobs are submitted one after the other, in queue order; what waits here can be reordered, deleted and cleared for free.
"""

import asyncio
import itertools
import logging
from collections.abc import Mapping, Sequence

from engine.jobs.run import JobRun
from engine.jobs.services import Services
from engine.model.job import Job, Submission
from engine.model.states import AT_ENDPOINT, ENDED, SHOWN_PENDING, SHOWN_RUNNING, WAITING_HERE, JobState
from engine.runpod.endpoint import Endpoint
from wire.ids import PromptId

logger = logging.getLogger(__name__)

_STOP_S = 5.0


class Dispatcher:
    """Owns the tasks of all jobs."""

    def __init__(self, endpoints: Sequence[Endpoint], tools: Services, max_in_flight: int) -> None:
        self._endpoints: Mapping[str, Endpoint] = {endpoint.id: endpoint for endpoint in endpoints}
        self._turns = itertools.cycle(endpoints)
        self._tools = tools
        self._store = tools.store
        self._max_in_flight = max_in_flight
        self._runs: dict[str, tuple[JobRun, asyncio.Task[None]]] = {}
        self._wake = asyncio.Event()

    # -- called by addons

    def submit(self, submission: Submission) -> Job:
        """Take a job in; nothing slow happens here."""
        job = self._store.add(submission, self._tools.now_ms())
        logger.info("%s pending", job.prompt_id)
        self._tools.publisher.publish_status()
        self._wake.set()
        return job

    def cancel(self, prompt_id: str) -> bool:
        """Stop a job, wherever it is; False when there is none to stop."""
        job = self._store.find(prompt_id)
        if job is None or job.state in ENDED:
            return False
        self._cancel_all({job.prompt_id: job.state})
        return True

    def cancel_running(self) -> None:
        """What /interrupt without an id means: whatever runs."""
        self._cancel_all(_only(self._store.states(), SHOWN_RUNNING))

    def cancel_pending(self) -> None:
        """What clearing the queue means; running jobs go on."""
        self._cancel_all(_only(self._store.states(), SHOWN_PENDING))

    def _cancel_all(self, jobs: Mapping[PromptId, JobState]) -> None:
        """One message tells of all that are gone at once, as in ComfyUI."""
        waiting = _only(jobs, WAITING_HERE)
        for prompt_id in jobs:
            run, task = self._runs.get(prompt_id, (None, None))
            if prompt_id in waiting and task is not None:
                task.cancel()
            elif prompt_id not in waiting and run is not None:
                self._store.update(prompt_id, cancel_requested=1)
                run.want_cancel()
        if waiting:
            self._store.discard(waiting, self._tools.now_ms())
            logger.info("%s cancelled before they were submitted", ", ".join(waiting))
        if _only(jobs, WAITING_HERE | {JobState.QUEUED}):
            self._tools.publisher.publish_status()

    # -- the loop

    async def run(self) -> None:
        """Dispatch until cancelled. Jobs at the endpoint go on there, and are followed again after a restart."""
        try:
            self._recover()
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._start_pending()
        finally:
            await self._stop()

    async def _start_pending(self) -> None:
        while len(self._runs) < self._max_in_flight:
            waiting = (prompt_id for prompt_id in self._store.pending_ids() if prompt_id not in self._runs)
            prompt_id = next(waiting, None)
            if prompt_id is None:
                return
            run = self._start(self._store.get(prompt_id), next(self._turns))
            await run.submitted.wait()

    def _start(self, job: Job, endpoint: Endpoint) -> JobRun:
        run = JobRun(job, endpoint, self._tools)
        if job.state in AT_ENDPOINT:
            run.replay(self._store.events(job.prompt_id))
            if job.cancel_requested:
                run.want_cancel()
        # not create_task: mitmproxy makes tasks eager, and this one must not end before it is in the table
        self._runs[job.prompt_id] = (run, asyncio.Task(self._own(run), name=f"job {job.prompt_id}"))
        return run

    async def _own(self, run: JobRun) -> None:
        try:
            await run.run()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # the one place: whatever went wrong, the person is told and the job ends
            logger.exception("%s failed in the proxy", run.prompt_id)
            run.fail_by_bug(error)
        finally:
            run.submitted.set()
            self._runs.pop(run.prompt_id, None)
            self._wake.set()

    def _recover(self) -> None:
        for job in self._store.active():
            if job.state is JobState.SUBMITTING:
                JobRun(job, next(self._turns), self._tools).fail_uncertain()
            elif job.state in AT_ENDPOINT:
                endpoint = self._endpoints.get(job.endpoint_id or "") or next(self._turns)
                self._start(job, endpoint)
                logger.info("%s followed again", job.prompt_id)
        self._wake.set()

    async def _stop(self) -> None:
        """A submission under way may finish, so that its RunPod id is known after the restart."""
        submitting = [run.submitted.wait() for run, _ in self._runs.values() if self._is_submitting(run)]
        if submitting:
            await asyncio.wait([asyncio.ensure_future(wait) for wait in submitting], timeout=_STOP_S)
        tasks = [task for _, task in self._runs.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _is_submitting(self, run: JobRun) -> bool:
        return self._store.get(run.prompt_id).state is JobState.SUBMITTING


def _only(jobs: Mapping[PromptId, JobState], states: frozenset[JobState]) -> dict[PromptId, JobState]:
    return {prompt_id: state for prompt_id, state in jobs.items() if state in states}
