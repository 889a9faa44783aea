"""One job's way: stage its inputs, submit it, follow it, translate, save, publish."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from engine.files.object_store import StorageRefused
from engine.files.results import FileDamaged
from engine.jobs.refetch import Refetch
from engine.jobs.retry import RETRY_S, Retry
from engine.jobs.run_times import RunTimes
from engine.jobs.services import Services
from engine.messages.failures import advised_status, explain_platform, waiting_sentence
from engine.messages.translate import BrowserMessage, MessageTranslator, StatusDue
from engine.model.job import Entry, Job
from engine.model.naming import localised, without
from engine.model.safe_path import NameRefused
from engine.model.sequence import take
from engine.model.states import ENDED, RETURNING, WAITING_HERE, JobState
from engine.prompt.inputs import WorkflowError
from engine.runpod.endpoint import (
    TERMINAL,
    Endpoint,
    EndpointRejected,
    EndpointUnavailable,
    JobGone,
    SubmissionUncertain,
)
from wire.errors import WireError
from wire.events import (
    Batch,
    Ending,
    FileChunk,
    FilesKept,
    FilesMissing,
    LogLine,
    NodeOutput,
    NumberedEvent,
    Omitted,
    Preview,
    PromptFailed,
    PromptFinished,
    PromptInterrupted,
    PromptStarted,
    StepProgress,
    Unknown,
    WorkerState,
    decode_batch,
    encode_batch,
)
from wire.ids import RunPodJobId
from wire.job import JobRequest, decode_result, encode_request

logger = logging.getLogger(__name__)

_STREAM_WAIT_MS = 10_000
_RETURNS_MAX = 3
"""a worker that lacks what it was just sent is broken"""
_NOT_KEPT = (FileChunk, FilesKept, FilesMissing, LogLine, Omitted, Preview, StepProgress, WorkerState)
"""events that a restarted proxy can do without"""


class JobRun:
    """The run of one job; *run* is its task's whole life."""

    def __init__(self, job: Job, endpoint: Endpoint, tools: Services) -> None:
        self.prompt_id = job.prompt_id
        self.submitted = asyncio.Event()
        """set when the job is at the endpoint, or has ended before"""
        self._job = job
        self._endpoint = endpoint
        self._tools = tools
        self._store = tools.store
        self._cancel_wanted = asyncio.Event()
        self._display = MessageTranslator(job.prompt_id)
        self._ended = False
        self._received = 0
        """chunks of the stream"""
        self._patience = Retry(job.prompt_id, tools.publisher.notice, tools.sleep)
        self._collector = Refetch(job.prompt_id, endpoint, tools.files, self._patience)
        self._bill = RunTimes(job.prompt_id, tools.store, tools.sleep)

    def want_cancel(self) -> None:
        """Stop the job; before a worker has begun it is out of the queue at once. Whoever calls this says so."""
        if self._job.state is JobState.QUEUED:
            self._withdraw()
        self._cancel_wanted.set()

    def _withdraw(self) -> None:
        self._job = self._store.move(self.prompt_id, JobState.WITHDRAWING)
        self._publish(self._display.waiting(""))

    async def run(self) -> None:
        """Bring the job to its end. Raises only what is our own bug."""
        try:
            while not self._ended:
                if self._job.state in WAITING_HERE and not await self._submit():
                    return
                self.submitted.set()
                await self._follow_or_cancel()
        except EndpointRejected as error:
            self._fail("EndpointRejected", str(error))
        except WorkflowError as error:
            self._fail("WorkflowError", error.message, node_id=error.node_id or "")
        except JobGone:
            self._fail(*explain_platform("COMPLETED", None))
        except FileDamaged as error:
            self._fail("ResultDamaged", str(error))
        except NameRefused as error:
            self._fail("ResultRefused", f"The worker sent a file under a name that is none: {error}")
        except StorageRefused as error:
            self._fail("StorageRefused", str(error))
        finally:
            self.submitted.set()

    def replay(self, events: Iterable[dict[str, Any]]) -> None:
        """Tell again what was told before the proxy was restarted."""
        for item in decode_batch(encode_batch("replay", 0, events)).events:
            self._publish(self._display.messages(item.event, self._tools.now_ms()))

    # -- out

    async def _submit(self) -> bool:
        prompt, files = await self._patience.until(
            lambda: self._tools.inputs.stage(self._job, self._endpoint.id), "send the inputs"
        )
        request = JobRequest(
            workflow=prompt,
            prompt_id=self.prompt_id,
            extra_data=self._job.extra_data,
            files=files,
            targets=self._job.targets,
            fetches=self._tools.files.fetches,
        )
        body = encode_request(request)
        attempts = 0
        while True:
            self._job = self._store.move(self.prompt_id, JobState.SUBMITTING, endpoint_id=self._endpoint.id)
            try:
                runpod_id = await self._endpoint.run(body)
            except EndpointUnavailable as error:
                self._job = self._store.move(self.prompt_id, JobState.PENDING)
                if self._cancel_wanted.is_set():
                    self._finish(JobState.CANCELLED, None, [StatusDue()])
                    return False
                await self._patience.pause(attempts, error, "submit")
                attempts += 1
            except SubmissionUncertain as error:
                text = (
                    f"{error}\n\nThe job may have been submitted, so it was not sent again. Press Run to try once more."
                )
                self._fail("SubmissionUncertain", text)
                return False
            else:
                self._job = self._store.move(self.prompt_id, JobState.QUEUED, runpod_id=runpod_id)
                logger.info("%s submitted as %s", self.prompt_id, runpod_id)
                return True

    # -- back

    async def _follow_or_cancel(self) -> None:
        following = asyncio.create_task(self._follow())
        cancelling = asyncio.create_task(self._cancel_wanted.wait())
        try:
            await asyncio.wait({following, cancelling}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                await following
                return
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        finally:
            following.cancel()
            cancelling.cancel()
        if not self._ended:
            await self._cancel()

    async def _follow(self) -> None:
        """Read the stream until the job's last event."""
        if self._job.state is JobState.QUEUED:
            self._publish(self._display.waiting("Waiting for a machine"))
        runpod_id = self._runpod_id()
        while not self._is_over():
            received = self._received
            status = await self._patience.until(
                lambda: self._endpoint.follow(runpod_id, _STREAM_WAIT_MS, self._receive), "follow"
            )
            if not self._is_over() and status in TERMINAL and received == self._received:
                await self._settle()
            elif status == "IN_QUEUE":
                await self._say_why_it_waits()
        if self._ended:
            await self._bill.ask(self._endpoint, runpod_id)

    def _is_over(self) -> bool:
        """Nothing more comes from this submission."""
        return self._ended or self._job.state is JobState.RETURNED

    async def _receive(self, output: object) -> None:
        self._received += 1
        if self._is_over():
            return
        try:
            batch = decode_batch(output)
        except WireError as error:
            self._fail("VersionMismatch", str(error))
            await self._patience.until(lambda: self._endpoint.cancel(self._runpod_id()), "cancel")
            return
        await self._take(batch)

    async def _take(self, batch: Batch) -> None:
        intake = take(batch, self._store.progress(self.prompt_id))
        if intake.restarted:
            logger.warning("%s runs again: its worker was lost", self.prompt_id)
            self._tools.publisher.notice("warn", "Worker lost", "The job runs again on another worker (1 of 1).")
            await self._tools.files.discard(self.prompt_id)
            self._display = MessageTranslator(self.prompt_id)
        if intake.gap:
            logger.warning("%s: part of the stream was lost; its end is read from the job's output", self.prompt_id)
        kept = [kept for item in intake.fresh if (kept := await self._apply(batch.run, item)) is not None]
        if not self._is_over():
            self._store.received(self.prompt_id, intake.progress, kept, restarted=intake.restarted)

    async def _apply(self, run: str, item: NumberedEvent) -> NumberedEvent | None:
        """Act on one event; the event as it is to be kept for a restart, None when it need not be."""
        event = item.event
        match event:
            case FileChunk() | Preview():
                await self._take_bytes(run, event)
            case NodeOutput():
                event = await self._save(run, event)
                self._publish(self._display.messages(event, self._tools.now_ms()))
            case FilesKept():
                self._store.kept.add(self._endpoint.id, event.sha256)
            case FilesMissing():
                self._come_back(event)
            case _ if isinstance(event, Ending):
                await self._end(event)
            case _:
                if isinstance(event, PromptStarted):
                    self._begin(event)
                if isinstance(event, Unknown):
                    self._tools.novelties.meet(event.name)
                self._publish(self._display.messages(event, self._tools.now_ms()))
        return None if isinstance(event, _NOT_KEPT) else NumberedEvent(seq=item.seq, event=event)

    def _begin(self, event: PromptStarted) -> None:
        if self._job.state is JobState.QUEUED:
            self._job = self._store.move(self.prompt_id, JobState.RUNNING, started_ms=event.timestamp)
            self._tools.publisher.publish_status()

    def _come_back(self, event: FilesMissing) -> None:
        """The worker lacks files that it should have had, so it ran nothing: the only case of a second submission."""
        logger.info("%s: the worker lacks %d input files", self.prompt_id, len(event.sha256))
        if self._cancel_wanted.is_set() or self._job.state not in RETURNING:
            self._cancelled()
        elif self._job.returns >= _RETURNS_MAX:
            self._fail("InputsLost", "The endpoint's workers lack input files that they were just sent.")
        else:
            self._job = self._store.send_back(self.prompt_id, event.sha256)
            self.submitted.clear()
            self._publish(self._display.waiting("Sending input files that the worker has not"))

    async def _take_bytes(self, run: str, event: FileChunk | Preview) -> None:
        """What is lost of a file is asked for when it is to be whole; what is lost of a picture on the way is not."""
        files = self._tools.files
        try:
            if isinstance(event, FileChunk):
                await self._patience.until(lambda: files.add_chunk(self.prompt_id, run, event), "save the results")
            else:
                whole = await files.with_picture(self.prompt_id, run, event)
                self._publish(self._display.messages(whole, self._tools.now_ms()))
        except FileDamaged as error:
            logger.warning("%s: %s", self.prompt_id, error)

    async def _save(self, run: str, event: NodeOutput) -> NodeOutput:
        return await self._collector.save(run, event, cached=event.node in self._display.cached)

    async def _end(self, event: Ending) -> None:
        messages = list(self._display.messages(event, self._tools.now_ms()))
        match event:
            case PromptFinished():
                state = JobState.COMPLETED
            case PromptInterrupted():
                state = JobState.CANCELLED
            case _:
                state = JobState.FAILED
        entry = self._display.entry(completed=state is JobState.COMPLETED)
        if isinstance(event, PromptFinished | PromptFailed | PromptInterrupted):
            outputs = {node: self._local(output) for node, output in event.history.outputs.items()}
            entry = Entry(outputs=outputs, status=advised_status(event.history.status), meta=event.history.meta)
        await self._tools.files.discard(self.prompt_id)
        self._finish(state, entry, messages)

    def _local(self, output: dict[str, Any]) -> dict[str, Any]:
        """A node's output with the names of the files here, without those that a restart of ComfyUI has taken."""
        gone = [item for item, is_gone in self._store.local_files(self.prompt_id).items() if is_gone]
        return without(localised(output, self._store.names(self.prompt_id)), gone)

    async def _settle(self) -> None:
        """The job ended at RunPod, but its last event has not come: look for it in the job's output."""
        status = await self._patience.until(lambda: self._endpoint.status(self._runpod_id()), "read the result")
        try:
            batches = decode_result(status.output)
        except WireError as error:
            batches = ()
            logger.warning("%s: %s", self.prompt_id, error)
        for batch in batches:
            if not self._is_over():
                await self._take(batch)
        if self._is_over():
            logger.debug("%s: its end was in the job's output", self.prompt_id)
        else:
            self._fail(*explain_platform(status.status, status.error))
        self._bill.note(status)

    # -- cancel

    async def _cancel(self) -> None:
        if self._job.state is JobState.RUNNING:
            self._job = self._store.move(self.prompt_id, JobState.CANCELLING)
        elif self._job.state is JobState.QUEUED:  # wanted while it was submitted
            self._withdraw()
            self._publish([StatusDue()])
        runpod_id = self._runpod_id()
        while True:
            try:
                await self._patience.until(lambda: self._endpoint.cancel(runpod_id), "cancel")
                status = await self._patience.until(lambda: self._endpoint.status(runpod_id), "cancel")
            except JobGone:
                break
            if status.status == "COMPLETED":  # it was faster: the result is paid, so it is kept
                await self._follow()
                return
            if status.status in TERMINAL:
                self._bill.note(status)
                break
            await self._tools.sleep(RETRY_S)
        self._cancelled()
        await self._tools.files.discard(self.prompt_id)

    def _cancelled(self) -> None:
        if self._job.state is JobState.WITHDRAWING:  # gone already; as in ComfyUI, it leaves no history
            self._finish(JobState.CANCELLED, None, [])
            return
        messages = list(self._display.interrupted(self._job.prompt, self._tools.now_ms()))
        self._finish(JobState.CANCELLED, self._display.entry(completed=False), messages)

    # -- ends

    def fail_uncertain(self) -> None:
        """The proxy was stopped in the very moment of submitting."""
        text = (
            "The proxy was stopped while it submitted this job, so it may have been submitted. Press Run to try again."
        )
        self._fail("SubmissionUncertain", text)

    def fail_by_bug(self, error: BaseException) -> None:
        self._fail(type(error).__name__, f"The proxy itself failed: {error}")

    def _fail(self, error_type: str, text: str, *, node_id: str = "") -> None:
        if self._ended or self._store.get(self.prompt_id).state in ENDED:
            return
        node_type = self._job.prompt.get(node_id, {}).get("class_type", "")
        messages = list(
            self._display.failed(error_type, text, node_id=node_id, node_type=node_type, now_ms=self._tools.now_ms())
        )
        self._finish(JobState.FAILED, self._display.entry(completed=False), messages, error=text)

    def _finish(
        self, state: JobState, entry: Entry | None, messages: list[BrowserMessage], *, error: str | None = None
    ) -> None:
        """History first, then the messages that make the page fetch it."""
        self._job = self._store.end(self.prompt_id, state, entry, self._tools.now_ms(), error=error)
        self._ended = True
        logger.info("%s %s%s", self.prompt_id, state.value, f": {error}" if error else "")
        self._publish(messages)

    # -- small

    def _runpod_id(self) -> RunPodJobId:
        if self._job.runpod_id is None:
            raise RuntimeError(f"{self.prompt_id} is followed without a RunPod id")
        return self._job.runpod_id

    def _publish(self, messages: Iterable[BrowserMessage]) -> None:
        self._tools.publisher.publish(self.prompt_id, self._job.client_id, messages)

    async def _say_why_it_waits(self) -> None:
        try:
            health = await self._endpoint.health()
        except (EndpointUnavailable, EndpointRejected, JobGone):
            return
        self._publish(self._display.waiting(waiting_sentence(health.workers)))
