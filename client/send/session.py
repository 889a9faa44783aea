"""A session: the jobs of one command, kept on disk until their results are here, so that they can be followed again."""

import asyncio
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.send.folders import LocalFolders
from client.send.terminal import Terminal
from engine.errors import CannotStart
from engine.files.large_files import LargeFiles
from engine.instance_lock import instance_lock
from engine.jobs.dispatcher import Dispatcher
from engine.jobs.services import job_services
from engine.model.job import Job, Submission
from engine.model.states import JobState
from engine.runpod.endpoint import Endpoint
from engine.store.jobs import JobStore
from wire.ids import PromptId, RunPodJobId
from wire.outputs import ItemKey

_BILL_S = 4.0
_LOOK_S = 0.1


class UnknownJob(ValueError):
    """No session of this machine has the job."""


@dataclass(frozen=True, slots=True)
class SendSession:
    """Its folder, which holds the job database and the parts of results."""

    folder: Path
    store: JobStore

    def add(self, prompt: Mapping[str, Any], extra_data: Mapping[str, Any]) -> PromptId:
        """A job to submit."""
        prompt_id = PromptId(str(uuid.uuid4()))
        self.store.add(Submission(prompt_id, dict(prompt), dict(extra_data), ()), _now_ms())
        return prompt_id

    def adopt(self, runpod_id: str, endpoint_id: str) -> PromptId:
        """A job that was submitted elsewhere."""
        prompt_id = self.add({}, {})
        number = self.store.begin_submission(prompt_id, endpoint_id, _now_ms())
        self.store.accepted(prompt_id, number, RunPodJobId(runpod_id), _now_ms())
        return prompt_id


@contextmanager
def new_session(home: Path) -> Iterator[SendSession]:
    """A session below *home*; forgotten at the end of the block unless a job of it is still at RunPod."""
    with _opened(home / uuid.uuid4().hex) as session:
        yield session


@contextmanager
def session_with(home: Path, job_id: str) -> Iterator[SendSession]:
    """The session that holds *job_id*, RunPod's or ours; raises UnknownJob, CannotStart when it is in use."""
    for folder in sorted(home.glob("*/")):
        with JobStore(folder / "jobs.sqlite") as store:
            known = {name for job in store.active() for name in (job.prompt_id, job.runpod_id)}
        if job_id in known:
            with _opened(folder) as session:
                yield session
            return
    raise UnknownJob(job_id)


def abandoned(home: Path) -> list[str]:
    """RunPod's ids of the jobs that were submitted and whose command ended before they did."""
    found: list[str] = []
    for folder in sorted(home.glob("*/")):
        with suppress(CannotStart), instance_lock(folder), JobStore(folder / "jobs.sqlite") as store:
            found += [job.runpod_id for job in store.active() if job.runpod_id]
    return found


@contextmanager
def _opened(folder: Path) -> Iterator[SendSession]:
    with ExitStack() as stack:
        try:
            stack.enter_context(instance_lock(folder))
        except CannotStart as error:
            raise CannotStart(f"{folder.name}: another command is already following this job") from error
        store = stack.enter_context(JobStore(folder / "jobs.sqlite"))
        try:
            yield SendSession(folder, store)
        finally:
            finished = not any(job.runpod_id for job in store.active())
    if finished:
        shutil.rmtree(folder, ignore_errors=True)


class Followed:
    """The jobs of a session while they run."""

    def __init__(
        self,
        session: SendSession,
        ids: Sequence[PromptId],
        endpoints: Sequence[Endpoint],
        folders: LocalFolders,
        terminal: Terminal,
        max_in_flight: int,
        large: LargeFiles,
        *,
        worker_paths: bool = False,
    ) -> None:
        services = job_services(session.store, folders, session.folder, large, terminal, worker_paths=worker_paths)
        self._ids = ids
        self._store = session.store
        self._terminal = terminal
        self._dispatcher = Dispatcher(endpoints, services, max_in_flight)

    async def until_ended(self) -> None:
        """Submit and follow all jobs until the last one has ended."""
        dispatching = asyncio.create_task(self._dispatcher.run())
        waiting = asyncio.create_task(self._wait())
        try:
            await asyncio.wait({dispatching, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if dispatching.done():
                await dispatching  # only a bug of ours ends it
        finally:
            for task in (waiting, dispatching):
                task.cancel()
            await asyncio.gather(waiting, dispatching, return_exceptions=True)

    def cancel(self) -> None:
        """Stop all jobs, wherever they are; :meth:`until_ended` returns when RunPod has confirmed it."""
        for job in self._store.active():
            self._dispatcher.cancel(job.prompt_id)

    async def _wait(self) -> None:
        while self._store.count_active():
            self._terminal.changed.clear()
            await self._terminal.changed.wait()
        await self._wait_for_bills()

    async def _wait_for_bills(self) -> None:
        """RunPod knows the times of a job a moment after its end; the dispatcher asks for them."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_BILL_S):
                while not all(_is_billed(self._store.get(prompt_id)) for prompt_id in self._ids):  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_S)


def _is_billed(job: Job) -> bool:
    return job.state is not JobState.COMPLETED or job.execution_ms is not None


def saved_paths(names: Mapping[ItemKey, ItemKey], output: Path) -> list[Path]:
    """Where the files of a job are."""
    roots = {"output": output}
    return [roots.get(folder, output / folder) / subfolder / name for folder, subfolder, name in names.values()]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
