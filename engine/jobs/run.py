"""Carries out what the machine of a job decides, and tells it what happened. No decision is made here."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, assert_never

from engine.comfyui import ComfyUIRejected
from engine.jobs import commands as do
from engine.jobs import events as on
from engine.jobs.endpoint_calls import EndpointCalls
from engine.jobs.events import Wait
from engine.jobs.machine import RunMachine
from engine.jobs.refetch import Refetch
from engine.jobs.result_work import ResultWork
from engine.jobs.retry import Retry, delay_s
from engine.jobs.run_times import RunTimes
from engine.jobs.services import Services
from engine.jobs.setbacks import RETENTION_MS
from engine.jobs.stopper import Stopper
from engine.jobs.submissions import Submissions
from engine.model.job import Entry, Job
from engine.model.naming import without
from engine.prompt.inputs import WorkflowError
from engine.runpod.endpoint import Endpoint, EndpointRejected
from storage.objects import StorageRefused
from wire.errors import Unavailable
from wire.job import encode_request

logger = logging.getLogger(__name__)

_KEEP = "keep what arrives"
_SLOW = "slow"
"""the task of a command that takes time, before the next one is carried out"""


class JobRun:
    """The run of one job; :meth:`run` is its task's whole life."""

    def __init__(
        self,
        job: Job,
        endpoint: Endpoint | None,
        services: Services,
        stopper: Stopper,
        left_endpoint: Callable[[], None],
        take_up: Callable[[Mapping[str, str]], None],
    ) -> None:
        """*endpoint* is None when the settings lack the job's. *left_endpoint* is called when the job leaves its place
        (of ``MAX_IN_FLIGHT``), *take_up* when its worker knows jobs that were lost sight of.
        """
        self.prompt_id = job.prompt_id
        self.submitted = asyncio.Event()
        """set when the job is at the endpoint, or has ended before"""
        self._services, self._store = services, services.store
        self._stopper, self._left_endpoint, self._take_up = stopper, left_endpoint, take_up
        progress, names = self._store.journal.progress(job.prompt_id), self._store.files.names(job.prompt_id)
        self._machine = RunMachine(job, progress, names, endpoint.job_max_s if endpoint else 0)
        self._retry = Retry(job.prompt_id, services.troubles, services.sleep)
        self._submissions = Submissions(self._store, self._retry, services.now_ms)
        self._calls = EndpointCalls(job, endpoint, RunTimes(job.prompt_id, self._store, services.sleep))
        files, retry = services.files, self._retry
        refetch = Refetch(job.prompt_id, files, self._store.runpod_jobs, self._submissions, retry)
        self._results, self._refetching = ResultWork(job.prompt_id, files, refetch), 0
        self._body: dict[str, Any] = {}
        self._pending: deque[do.Command] = deque()
        self._tasks: dict[object, asyncio.Task[None]] = {}
        self._drained = asyncio.Event()
        self._over = asyncio.get_running_loop().create_future()

    @property
    def occupies_endpoint(self) -> bool:
        """Whether the job takes one of the ``MAX_IN_FLIGHT`` places."""
        return self._machine.occupies_endpoint

    @property
    def only_saves(self) -> bool:
        """Whether nothing runs at RunPod any more, and what came of it is being saved."""
        return self._machine.only_saves

    def want_cancel(self) -> None:
        """Stop the job; before a worker has begun it is out of the queue at once."""
        self._told(on.CancelWanted())

    def try_now(self) -> None:
        """Try at once what is waited for."""
        self._told(on.TryNow())

    def _told(self, event: on.RunEvent) -> None:
        try:
            self._happened(event)
        except Exception as error:  # noqa: BLE001  whatever it is, the run ends, and goes on from the store
            self._give_up(error)

    async def run(self, first: on.RunEvent | None = None) -> None:
        """Bring the job to its end. What it raises is our own bug: the job can go on from the store.

        *first* is what happens first, instead of its start.
        """
        try:
            self._happened(first or on.Start(self._store.journal.events(self.prompt_id)))
            await self._over
            await self._calls.times()
        finally:
            self.submitted.set()
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # -- events in, commands out

    def _happened(self, event: on.RunEvent | None) -> None:
        if event is None or self._over.done():
            return
        occupied = self.occupies_endpoint
        commands = self._machine.handle(event, self._services.now_ms())
        if any(isinstance(command, do.StopFollowing) for command in commands):
            self._drop_chunks()
        self._pending += commands
        self._work()
        if occupied and not self.occupies_endpoint:
            self._left_endpoint()

    def _drop_chunks(self) -> None:
        """What has been read of the stream is dropped with it, and asked for again where it is needed."""
        if self._pending and isinstance(self._pending[0], do.AppendChunk):
            self._stop(_SLOW)
        self._pending = deque(command for command in self._pending if not isinstance(command, do.AppendChunk))

    def _work(self) -> None:
        """Carry out, in order, what waits, up to what takes time. What a command raises ends the run, which can go on
        from the store.
        """
        while self._pending and _SLOW not in self._tasks and not self._over.done():
            command = self._pending[0]
            if isinstance(command, do.AppendChunk | do.DiscardParts):
                self._start(_SLOW, partial(self._write, command))
                return
            try:
                self._carry_out(command)
            except Unavailable as error:
                self._start(_SLOW, partial(self._carry_out_later, command, str(error)))
                return
            self._pending.popleft()
        if not self._pending or self._over.done():
            self._drained.set()

    def _give_up(self, error: Exception) -> None:
        if not self._over.done():
            self._over.set_exception(error)

    async def _write(self, command: do.AppendChunk | do.DiscardParts) -> None:
        files = self._services.files
        match command:
            case do.AppendChunk(run=run, chunk=chunk):
                await self._retry.until(lambda: files.add_chunk(self.prompt_id, run, chunk), _KEEP)
            case do.DiscardParts():
                self._stop(Wait.SAVE)
                await files.discard(self.prompt_id)
        self._slow_is_done()

    async def _carry_out_later(self, command: do.Command, reason: str) -> None:
        """The job database cannot be written just now."""

        async def once() -> None:
            self._carry_out(command)

        self._services.troubles.report(self.prompt_id, _KEEP, reason, 0)
        await self._services.sleep(delay_s(0, 0.0))
        await self._retry.until(once, _KEEP)
        self._slow_is_done()

    def _slow_is_done(self) -> None:
        self._tasks.pop(_SLOW, None)
        self._pending.popleft()
        self._work()

    def _carry_out(self, command: do.Command) -> None:
        if isinstance(command, do.Question):
            self._ask(command)
        elif isinstance(command, do.ResultCommand):
            self._work_on_results(command)
        elif isinstance(command, do.StoreCommand):
            self._remember(command)
        elif isinstance(command, do.Telling):
            self._tell(command)
        else:
            self._steer(command)

    def _steer(self, command: do.Steering) -> None:
        match command:
            case do.StopFollowing():
                self._stop(Wait.FOLLOW)
            case do.Pause():
                self._answer(("pause", command.wait), partial(self._pause, command))
            case do.ForgetPause():
                self._stop(("pause", command.wait))
            case do.GoOn():
                asyncio.get_running_loop().call_soon(self._told, on.TurnCame())
            case do.End():
                self._end(command)
            case do.AppendChunk() | do.DiscardParts():
                raise RuntimeError("parts are written one after the other, in a task of their own")
            case _:
                assert_never(command)

    def _ask(self, command: do.Question) -> None:
        calls = self._calls
        match command:
            case do.Stage():
                self._answer(Wait.STAGE, self._stage)
            case do.SubmitJob():
                self._answer(Wait.SUBMIT, self._submit)
            case do.Follow():
                self.submitted.set()
                self._answer(Wait.FOLLOW, partial(calls.follow, self._receive))
            case do.AskStatus():
                self._answer(Wait.FOLLOW, partial(calls.status, self._receive))
            case do.AskHealth():
                self._answer("health", calls.health)
            case do.WatchLimit(after_s=after_s):
                self._answer("limit", partial(calls.limit, after_s))
            case do.CancelAtRunPod():
                self.submitted.set()
                self._answer(Wait.CANCEL, calls.cancel)
            case _:
                assert_never(command)

    def _work_on_results(self, command: do.ResultCommand) -> None:
        match command:
            case do.SaveOutput():
                self._answer(Wait.SAVE, partial(self._results.save, command))
            case do.ReadPicture():
                self._answer(Wait.SAVE, partial(self._results.picture, command))
            case do.FetchAgain():
                self._refetching = command.ticket
                self._answer(Wait.REFETCH, partial(self._results.fetch_again, command, lambda: self._calls.endpoint))
            case do.StopRefetch():
                self._stop_refetch()
            case _:
                assert_never(command)

    def _remember(self, command: do.StoreCommand) -> None:
        store = self._store
        match command:
            case do.RecordProgress(progress=progress, kept=kept, restarted=restarted):
                seen_ms = self._services.now_ms()
                store.journal.received(self.prompt_id, progress, kept, restarted=restarted, seen_ms=seen_ms)
            case do.ShowChanges(changed=changed):
                store.show_changes(self.prompt_id, changed)
            case do.RememberCached(sha256=sha256):
                store.cached.add(self._calls.endpoint.id, sha256)
            case do.TakeUp(jobs=jobs):
                self._take_up(jobs)
            case do.Move(state=state, started_ms=started_ms):
                store.move(self.prompt_id, state, **({} if started_ms is None else {"started_ms": started_ms}))
            case do.SendBack(missing=missing):
                store.send_back(self.prompt_id, missing)
                self._calls.job = store.get(self.prompt_id)
                self.submitted.clear()
            case do.NeedsAttention(reason=reason):
                store.update(self.prompt_id, attention=reason)
            case _:
                assert_never(command)

    def _tell(self, command: do.Telling) -> None:
        publisher = self._services.publisher
        match command:
            case do.Works(wait=wait):
                self._services.troubles.over(self.prompt_id, wait.value)
            case do.Publish(messages=messages):
                publisher.publish(self.prompt_id, self._calls.job.client_id, messages)
            case do.StatusChanged():
                publisher.publish_status()
            case do.Notice(severity=severity, summary=summary, detail=detail):
                publisher.notice(severity, summary, detail)
            case do.UnknownEvent(name=name):
                self._services.unknown_kinds.warn_once(name)
            case do.HearCatalog(event=told):
                self._services.catalogs.hear(self._calls.job.endpoint_id or "", self.prompt_id, told)
            case _:
                assert_never(command)

    # -- tasks

    def _answer(self, key: object, work: Callable[[], Awaitable[on.RunEvent | None]]) -> None:
        async def answered() -> None:
            self._happened(await work())

        self._start(key, answered)

    def _start(self, key: object, work: Callable[[], Awaitable[None]]) -> None:
        """One task of a kind at a time: a new one takes the place of the old one."""
        self._stop(key)
        # not create_task: mitmproxy makes tasks eager, and this one must not end before it is in the table
        task = asyncio.Task(self._owned(work), name=f"{self.prompt_id} {key}")
        self._tasks[key] = task
        task.add_done_callback(lambda done: self._tasks.pop(key) if self._tasks.get(key) is done else None)

    async def _owned(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  whatever it is, the run ends, and goes on from the store
            self._give_up(error)

    def _stop(self, key: object) -> bool:
        """Whether there was such a task."""
        task = self._tasks.pop(key, None)
        if task is not None:
            task.cancel()  # also the task that we are in: it ends when it next waits
        return task is not None

    def _stop_refetch(self) -> None:
        if self._stop(Wait.REFETCH):
            self._store.runpod_jobs.stop_refetch(self.prompt_id)
            self._stopper.wake()
            self._answer(Wait.REFETCH, self._refetch_ended)

    async def _refetch_ended(self) -> on.RunEvent:
        return on.RefetchEnded(self._refetching)

    async def _receive(self, event: on.Received | on.Unreadable) -> None:
        self._drained.clear()
        self._happened(event)
        await self._drained.wait()

    async def _pause(self, command: do.Pause) -> on.RunEvent:
        if command.reason:
            self._services.troubles.report(self.prompt_id, command.wait.value, command.reason, command.failures)
        await self._services.sleep(delay_s(command.failures, command.at_least_s))
        return on.PauseOver(command.wait)

    # -- out

    async def _stage(self) -> on.RunEvent:
        job = self._services.accounts.signed(self._calls.job)
        try:
            request = await self._services.inputs.stage(job, self._calls.endpoint.id)
        except WorkflowError as error:
            return on.Failed("WorkflowError", error.message, error.node_id or "")
        except (EndpointRejected, StorageRefused, ComfyUIRejected) as error:
            return on.Failed(type(error).__name__, str(error))
        except Unavailable as error:
            return on.CannotNow(Wait.STAGE, str(error), retry_after_s=error.retry_after_s)
        more = {
            "fetches": self._services.files.fetches,
            "letters": await self._services.letter_place(self.prompt_id),
            "catalog": self._services.catalogs.has(self._calls.endpoint.id),
            "find": tuple(self._store.runpod_jobs.uncertain(self._calls.endpoint.id, self._services.now_ms())),
        }
        self._body = encode_request(request.model_copy(update=more))
        return on.Staged()

    async def _submit(self) -> on.RunEvent:
        outcome = await self._submissions.run(self.prompt_id, self._calls.endpoint, self._body)
        self._calls.job = self._store.get(self.prompt_id)
        return outcome

    # -- the end

    def _end(self, command: do.End) -> None:
        """History first, then the messages that make the page fetch it."""
        entry = command.entry and self._without_gone(command.entry)
        now_ms = self._services.now_ms()
        until_ms = now_ms + RETENTION_MS if command.fetchable else None
        self._store.end(
            self.prompt_id,
            command.state,
            entry,
            now_ms,
            error=command.error,
            stop=command.stop,
            fetchable_until_ms=until_ms,
        )
        logger.info("%s %s%s", self.prompt_id, command.state.value, f": {command.error}" if command.error else "")
        self._services.troubles.over(self.prompt_id)
        self._stopper.wake()
        self._services.publisher.publish(self.prompt_id, self._calls.job.client_id, command.messages)
        self._start("end", self._discard)

    async def _discard(self) -> None:
        """The parts go before the run does."""
        for key in [key for key in self._tasks if key != "end"]:
            self._stop(key)
        await self._services.files.finish(self.prompt_id)
        if not self._over.done():
            self._over.set_result(None)

    def _without_gone(self, entry: Entry) -> Entry:
        """Without temp files that a restart of ComfyUI has taken meanwhile."""
        gone = [item for item, is_gone in self._store.files.local(self.prompt_id).items() if is_gone]
        outputs = {node: without(output, gone) for node, output in entry.outputs.items()}
        return Entry(outputs=outputs, status=entry.status, meta=entry.meta)
