"""The state of a serverless endpoint: queue, statuses, stream, cancel, lost workers, retention. Pure; time comes in.

Source: RunPod docs, serverless/endpoints (operation reference, send requests, endpoint configurations), and what
RunPod's SDK expects of the worker's side.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.endpoint.job import TERMINAL, EndpointJob, NotAllowed, Status
from sandbox.endpoint.worker import Phase, Worker, worker_counts

_STOP_AGAIN_S = 0.25


@dataclass(frozen=True, slots=True)
class Policy:
    """The endpoint's settings and the platform's rules; seconds."""

    execution_timeout_s: float = 600.0
    ttl_s: float = 86_400.0
    retention_s: float = 1800.0
    sync_retention_s: float = 60.0
    lost_after_s: float = 30.0
    """a worker that neither pings nor asks for this long is lost"""
    max_retries: int = 1


class EndpointState:
    """Jobs and workers of one endpoint."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.jobs: dict[str, EndpointJob] = {}
        self.workers: dict[str, Worker] = {}
        self._queue: list[str] = []
        self._stops: dict[str, str] = {}
        """job id -> worker that must stop it"""
        self._told: dict[str, float] = {}
        """job id -> when the worker was last told to stop it"""
        self._counts = {"completed": 0, "failed": 0, "retried": 0}

    # -- the client's side

    def submit(
        self, job_id: str, job_input: Mapping[str, Any], now: float, policy: Mapping[str, Any], *, sync: bool = False
    ) -> EndpointJob:
        """Queue a job; *policy* is the request's own, in milliseconds."""
        job = EndpointJob(
            id=job_id,
            input=dict(job_input),
            created=now,
            queued=now,
            execution_timeout_s=float(policy.get("executionTimeout", self.policy.execution_timeout_s * 1000)) / 1000,
            ttl_s=float(policy.get("ttl", self.policy.ttl_s * 1000)) / 1000,
            sync=sync,
        )
        self.jobs[job_id] = job
        self._queue.append(job_id)
        return job

    def drain(self, job_id: str) -> tuple[Status, list[str]]:
        """Status and the chunks that nobody has read; each is handed out once. Raises KeyError."""
        job = self.jobs[job_id]
        chunks, job.stream = job.stream, []
        return job.status, chunks

    def cancel(self, job_id: str, now: float) -> EndpointJob:
        """RunPod owns the state: CANCELLED at once, the worker is told. Raises KeyError."""
        job = self.jobs[job_id]
        if job.status in TERMINAL:
            return job
        self._stop(job)
        job.move(Status.CANCELLED, now)
        self._unqueue(job_id)
        return job

    def retry(self, job_id: str, now: float) -> EndpointJob:
        """Once more from the start, with a whole life ahead. Raises KeyError, NotAllowed."""
        job = self.jobs[job_id]
        job.move(Status.IN_QUEUE, now)
        job.created, job.retries, job.stream = now, 0, []
        self._queue.append(job_id)
        self._counts["retried"] += 1
        return job

    def purge(self) -> int:
        """Drop what waits; what runs goes on."""
        removed = len(self._queue)
        for job_id in self._queue:
            del self.jobs[job_id]
        self._queue.clear()
        return removed

    def health(self) -> dict[str, dict[str, int]]:
        busy = {job.worker for job in self.jobs.values() if job.status is Status.IN_PROGRESS}
        return {
            "jobs": {
                "completed": self._counts["completed"],
                "failed": self._counts["failed"],
                "inProgress": sum(job.status is Status.IN_PROGRESS for job in self.jobs.values()),
                "inQueue": len(self._queue),
                "retried": self._counts["retried"],
            },
            "workers": worker_counts(self.workers.values(), busy),
        }

    @property
    def waiting(self) -> int:
        return len(self._queue)

    # -- the workers' side

    def take(self, worker_id: str, now: float, limit: int = 1) -> list[dict[str, Any]]:
        """Up to *limit* jobs for a worker, as job-take answers them; an empty input is left out, as RunPod does."""
        if self._seen(worker_id, now).phase is not Phase.READY:
            return []
        taken: list[dict[str, Any]] = []
        while self._queue and len(taken) < limit:
            job = self.jobs[self._queue.pop(0)]
            job.move(Status.IN_PROGRESS, now)
            job.worker = worker_id
            self._stops.pop(job.id, None)  # it was for an earlier run
            taken.append({"id": job.id, "input": job.input} if job.input else {"id": job.id})
        return taken

    def chunk(self, job_id: str, worker_id: str, text: str, now: float) -> None:
        """A yield of a running job; late ones of other jobs and workers are ignored."""
        job = self._running(job_id, worker_id, now)
        if job is not None:
            job.stream.append(text)

    def done(self, job_id: str, worker_id: str, result: Mapping[str, Any], now: float) -> None:
        """The worker's last word: an error fails the job; ``status: IN_PROGRESS`` is only progress."""
        job = self._running(job_id, worker_id, now)
        if result.get("status") == "IN_PROGRESS":
            if job is not None:
                job.output = result.get("output")
            return
        self._stopped(job_id, worker_id)
        if job is not None:
            error = result.get("error")
            job.output = result.get("output")
            job.error = str(error) if error else None
            self._end(job, Status.FAILED if error else Status.COMPLETED, now)
        if result.get("stopPod"):
            self.stop_worker(worker_id, now)

    def done_without_result(self, job_id: str, worker_id: str, now: float) -> None:
        """The result was refused for its size: the job shows COMPLETED without output."""
        job = self._running(job_id, worker_id, now)
        self._stopped(job_id, worker_id)
        if job is not None:
            job.output = None
            self._end(job, Status.COMPLETED, now)

    def stops(self, worker_id: str, now: float) -> list[str]:
        """Jobs that the worker must stop; repeated until it says that it no longer has them, but not in a hot loop."""
        self._seen(worker_id, now)
        due = [
            job_id
            for job_id, worker in self._stops.items()
            if worker == worker_id and now - self._told.get(job_id, -_STOP_AGAIN_S) >= _STOP_AGAIN_S
        ]
        self._told |= dict.fromkeys(due, now)
        return due

    def ping(self, worker_id: str, job_ids: Iterable[str], now: float) -> None:
        """The heartbeat names the jobs in progress: a stop is heard once its job is missing."""
        worker = self._seen(worker_id, now)
        said = frozenset(job_ids)
        for job_id in worker.jobs - said:
            self._stopped(job_id, worker_id)
        worker.jobs = said

    def idle(self, worker_id: str) -> None:
        """The worker asks for a job and has none: whatever it was to stop is gone."""
        for job_id in [job_id for job_id, worker in self._stops.items() if worker == worker_id]:
            self._stopped(job_id, worker_id)

    # -- the workers' machines

    def start_worker(self, worker_id: str, now: float) -> None:
        """Its machine comes up; it is ready once it asks for something."""
        self.workers[worker_id] = Worker(worker_id, now, Phase.INITIALIZING)

    def stop_worker(self, worker_id: str, now: float) -> None:
        """It gets no more jobs, and shall end."""
        self._seen(worker_id, now).phase = Phase.STOPPING

    def is_stopping(self, worker_id: str) -> bool:
        return worker_id in self.workers and self.workers[worker_id].phase is Phase.STOPPING

    def unfit_worker(self, worker_id: str, now: float) -> None:
        """It says that its machine is not fit, or has ended before it was ready."""
        self._seen(worker_id, now).phase = Phase.UNHEALTHY

    def end_worker(self, worker_id: str, now: float) -> bool:
        """Its process has ended. Whether it had been ready; if not, it is shown as unhealthy until it is forgotten."""
        worker = self.workers.get(worker_id)
        fit = worker is None or worker.phase in (Phase.READY, Phase.STOPPING)
        self.forget_worker(worker_id, now)
        if not fit:
            self.unfit_worker(worker_id, now)
        return fit

    def forget_worker(self, worker_id: str, now: float) -> None:
        """The worker is gone: its jobs run once more, or fail."""
        self.workers.pop(worker_id, None)
        self.idle(worker_id)
        for job in list(self.jobs.values()):
            if job.status is Status.IN_PROGRESS and job.worker == worker_id:
                self._lost(job, now)

    # -- time

    def tick(self, now: float) -> None:
        """What time brings: lost workers, timeouts, expiry."""
        for worker in list(self.workers.values()):
            silent = now - worker.seen > self.policy.lost_after_s
            if silent and worker.phase in (Phase.READY, Phase.STOPPING):
                self.forget_worker(worker.id, now)
        for job in list(self.jobs.values()):
            self._age(job, now)

    def _age(self, job: EndpointJob, now: float) -> None:
        if job.status in TERMINAL:
            kept_s = self.policy.sync_retention_s if job.sync else self.policy.retention_s
            if job.ended is not None and now - job.ended > kept_s:
                del self.jobs[job.id]
        elif now - job.created > job.ttl_s:
            self._expire(job, now)
        elif job.taken is not None and now - job.taken > job.execution_timeout_s:
            self._stop(job)
            job.error = "executionTimeout exceeded"
            self._end(job, Status.FAILED, now)

    def _expire(self, job: EndpointJob, now: float) -> None:
        if job.status is Status.IN_QUEUE:
            self._unqueue(job.id)
            job.move(Status.TIMED_OUT, now)
        else:
            self._stop(job)
            del self.jobs[job.id]

    def _lost(self, job: EndpointJob, now: float) -> None:
        if job.retries < self.policy.max_retries:
            job.move(Status.IN_QUEUE, now)
            job.retries += 1
            self._queue.insert(0, job.id)
            return
        job.error = f"job timed out after {job.retries} retries"
        self._end(job, Status.FAILED, now)

    def _end(self, job: EndpointJob, status: Status, now: float) -> None:
        job.move(status, now)
        self._counts["completed" if status is Status.COMPLETED else "failed"] += 1

    def _stop(self, job: EndpointJob) -> None:
        if job.status is Status.IN_PROGRESS and job.worker is not None:
            self._stops[job.id] = job.worker

    def _unqueue(self, job_id: str) -> None:
        if job_id in self._queue:
            self._queue.remove(job_id)

    def _stopped(self, job_id: str, worker_id: str) -> None:
        """The worker no longer has the job: nothing is left to stop."""
        if self._stops.get(job_id) == worker_id:
            del self._stops[job_id]
            self._told.pop(job_id, None)

    def _running(self, job_id: str, worker_id: str, now: float) -> EndpointJob | None:
        """The job, if this worker runs it; what others say about it is late."""
        self._seen(worker_id, now)
        job = self.jobs.get(job_id)
        return job if job is not None and job.status is Status.IN_PROGRESS and job.worker == worker_id else None

    def _seen(self, worker_id: str, now: float) -> Worker:
        worker = self.workers.setdefault(worker_id, Worker(worker_id, now))
        worker.seen = now
        if worker.phase is Phase.INITIALIZING:
            worker.phase = Phase.READY
        return worker


__all__ = ["EndpointJob", "EndpointState", "NotAllowed", "Phase", "Policy", "Status", "Worker"]
