"""The queue of jobs: one owned run each, at most *max_in_flight* at the endpoint; recovery and cancel.

Jobs are submitted one after the other, in queue order; what waits here can be reordered, deleted and cleared for free.
"""

import asyncio
import itertools
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.jobs import events as on
from engine.jobs.retry import delay_s
from engine.jobs.run import JobRun
from engine.jobs.services import Services
from engine.jobs.stopper import Stopper
from engine.model.job import Job, Submission
from engine.model.states import ENDED, SHOWN_PENDING, SHOWN_RUNNING, WAITING_HERE, JobState
from engine.prompt.partner_nodes import NO_ACCOUNT, Account
from engine.runpod.endpoint import Endpoint
from wire.ids import PromptId, RunPodJobId

logger = logging.getLogger(__name__)

_RUNPOD_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_STOP_S = 5.0
_RESTART_AFTER = 5
"""failures that the first restart after a bug of ours counts as: it is not in a hurry"""


class Dispatcher:
    """Owns the runs of all jobs."""

    def __init__(self, endpoints: Sequence[Endpoint], services: Services, max_in_flight: int) -> None:
        self._endpoints: Mapping[str, Endpoint] = {endpoint.id: endpoint for endpoint in endpoints}
        self._turns = itertools.cycle(endpoints)
        self._services = services
        self._store = services.store
        self._max_in_flight = max_in_flight
        self._runs: dict[str, tuple[JobRun, asyncio.Task[None]]] = {}
        self._bugs: Counter[str] = Counter()
        self._wake = asyncio.Event()
        self._stopper = Stopper(
            self._endpoints, self._store.runpod_jobs, services.troubles, services.sleep, services.now_ms
        )

    # -- called by addons and commands

    def submit(self, submission: Submission, account: Account = NO_ACCOUNT) -> Job:
        """Take a job in; nothing slow happens here. The tokens of *account* stay in memory until the job has ended."""
        job = self._store.add(submission, self._services.now_ms())
        self._services.accounts.hold(job.prompt_id, account)
        logger.info("%s pending", job.prompt_id)
        self._services.publisher.publish_status()
        self._wake.set()
        return job

    def run_again(self, prompt_id: str, new_id: PromptId) -> Job | None:
        """Submit the same prompt as a new job; None when the job is not known."""
        job = self._store.find(prompt_id)
        if job is None:
            return None
        again = Submission(new_id, job.prompt, job.extra_data, job.outputs_to_execute, job.targets, job.client_id)
        return self.submit(replace(again, extra_data={**job.extra_data, "create_time": self._services.now_ms()}))

    def cancel(self, prompt_id: str) -> bool:
        """Stop a job, wherever it is; False when it is not known or has ended."""
        job = self._store.find(prompt_id)
        if job is None or job.state in ENDED:
            return False
        self._cancel_all({job.prompt_id: job.state})
        return True

    def cancel_running(self) -> None:
        """What /interrupt without an id means: whatever runs. A job that only saves its results does not."""
        running = _only(self._store.states(), SHOWN_RUNNING)
        self._cancel_all({prompt_id: state for prompt_id, state in running.items() if self._runs_remotely(prompt_id)})

    def _runs_remotely(self, prompt_id: str) -> bool:
        run, _ = self._runs.get(prompt_id, (None, None))
        return run is None or not run.only_saves

    def cancel_pending(self) -> None:
        """What clearing the queue means; running jobs go on."""
        self._cancel_all(_only(self._store.states(), SHOWN_PENDING))

    def _cancel_all(self, jobs: Mapping[PromptId, JobState]) -> None:
        """One message tells of all that are gone at once, as in ComfyUI."""
        alone = [prompt_id for prompt_id in _only(jobs, WAITING_HERE) if prompt_id not in self._runs]
        if alone:
            self._store.discard(alone, self._services.now_ms())
            self._services.accounts.forget(alone)
            logger.info("%s cancelled before they were submitted", ", ".join(alone))
        for prompt_id, state in jobs.items():
            if state not in WAITING_HERE:
                self._store.update(prompt_id, cancel_requested=1)
            if prompt_id in self._runs:
                self._runs[prompt_id][0].want_cancel()
        if _only(jobs, WAITING_HERE | {JobState.QUEUED}):
            self._services.publisher.publish_status()

    def fetch(self, prompt_id: str) -> bool:
        """One click: what a job waits for is tried at once, and an ended job of whose result RunPod may have more is
        followed again. False when there is nothing to fetch.
        """
        job = self._store.find(prompt_id)
        if job is None:
            return False
        if job.state not in ENDED:
            if prompt_id in self._runs:
                self._runs[prompt_id][0].try_now()
            return True
        if prompt_id in self._runs:
            return False
        opened = self._store.reopen(job.prompt_id, self._services.now_ms())
        if opened is None:
            return False
        logger.info("%s is fetched again", prompt_id)
        self._resume(opened)
        self._services.publisher.publish_status()
        return True

    def stop_unwanted(self) -> None:
        """Something was marked to be stopped at RunPod."""
        self._stopper.wake()

    # -- the loop

    async def run(self) -> None:
        """Dispatch until cancelled. Jobs at the endpoint go on there, and are followed again after a restart."""
        stopping = asyncio.create_task(self._stopper.run(), name="stopper")
        stopping.add_done_callback(lambda _: self._wake.set())
        try:
            await self._recover()
            while not stopping.done():
                await self._wake.wait()
                self._wake.clear()
                await self._start_pending()
            await stopping  # only a bug of ours ends it
        finally:
            stopping.cancel()
            await self._stop()
            await asyncio.gather(stopping, return_exceptions=True)

    async def _start_pending(self) -> None:
        while sum(run.occupies_endpoint for run, _ in self._runs.values()) < self._max_in_flight:
            waiting = (prompt_id for prompt_id in self._store.pending_ids() if prompt_id not in self._runs)
            prompt_id = next(waiting, None)
            if prompt_id is None:
                return
            run = self._start(self._store.get(prompt_id), next(self._turns))
            await run.submitted.wait()

    def _resume(self, job: Job, first: on.RunEvent | None = None) -> JobRun:
        """A job belongs to the endpoint that it was sent to, also when the settings lack that one now."""
        return self._start(job, self._endpoints.get(job.endpoint_id or ""), first)

    def _start(self, job: Job, endpoint: Endpoint | None, first: on.RunEvent | None = None) -> JobRun:
        run = self._run_of(job, endpoint)
        # not create_task: mitmproxy makes tasks eager, and this one must not end before it is in the table
        self._runs[job.prompt_id] = (run, asyncio.Task(self._own(run, first), name=f"job {job.prompt_id}"))
        return run

    def _run_of(self, job: Job, endpoint: Endpoint | None) -> JobRun:
        return JobRun(job, endpoint, self._services, self._stopper, self._wake.set, self._take_up)

    def _take_up(self, jobs: Mapping[str, str]) -> None:
        """A worker knows jobs whose submission had no usable answer: what they made is paid, so it is fetched."""
        for prompt_id, runpod_id in jobs.items():
            if not _RUNPOD_ID.fullmatch(runpod_id) or prompt_id in self._runs:
                continue
            job = self._store.take_up(PromptId(prompt_id), RunPodJobId(runpod_id))
            if job is not None:
                logger.info("%s was submitted after all, as %s", prompt_id, runpod_id)
                text = "RunPod had accepted a job without an answer that could be read. Its result is fetched now."
                self._services.publisher.notice("info", "A job was found again", text)
                self._resume(job)
                self._services.publisher.publish_status()

    async def _own(self, run: JobRun, first: on.RunEvent | None) -> None:
        problem: Exception | None = None
        try:
            await run.run(first)
            self._bugs.pop(run.prompt_id, None)
        except Exception as error:
            logger.exception("%s: the proxy itself failed", run.prompt_id)
            problem = error
        finally:
            run.submitted.set()
            self._wake.set()
            if problem is None:
                self._is_over(run.prompt_id)
        if problem is not None:
            await self._go_on_after(run.prompt_id, problem)

    async def _go_on_after(self, prompt_id: PromptId, error: Exception) -> None:
        """A bug of ours ends no job that RunPod has: it goes on from the store, and a person should look."""
        text = f"The proxy itself failed: {type(error).__name__}: {error}"
        job, bugs = self._store.find(prompt_id), self._bugs[prompt_id]
        if job is None or job.state in ENDED:
            await self._services.files.finish(prompt_id)
            self._is_over(prompt_id)
        elif job.state in WAITING_HERE:
            await self._run_of(job, None).run(on.Failed("ProxyError", text))
            self._is_over(prompt_id)
        else:
            self._bugs[prompt_id] += 1
            self._store.update(prompt_id, attention=text)
            await self._services.sleep(delay_s(_RESTART_AFTER + bugs, 0.0))
            self._resume(self._store.get(prompt_id))

    def _is_over(self, prompt_id: PromptId) -> None:
        self._runs.pop(prompt_id, None)
        self._services.accounts.forget([prompt_id])

    async def _recover(self) -> None:
        self._store.runpod_jobs.recover()
        active = self._store.active()
        # what has come of a job that has yet to be sent is of no use
        await self._services.files.sweep_parts([job.prompt_id for job in active if job.state not in WAITING_HERE])
        await self._services.inputs.sweep()
        for job in active:
            if job.state not in WAITING_HERE:
                self._resume(job)
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
