"""Session: one job, from the request to its last event, in a task of its own.

RunPod cancels the task that reads our generator, which may then be suspended at a ``yield`` and learn nothing. So the
work is done in a task that we own, and whoever notices the cancellation first calls :meth:`Session.cancel`. What comes
after the last event, such as waiting until a cancelled prompt has left ComfyUI, belongs to that task as well.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from wire.errors import WireError
from wire.events import (
    FilesCollected,
    FilesKept,
    FilesMissing,
    JobsFound,
    NodeMessage,
    NodeOutput,
    NodeWaits,
    Preview,
    PromptFailed,
    PromptFinished,
    PromptInterrupted,
    PromptRejected,
    PromptStarted,
    WorkerEvent,
    WorkerFailed,
    WorkerState,
)
from wire.files import Wanted
from wire.job import JobRequest, account_tokens, decode_request
from worker.catalog.keeper import CatalogKeeper, CatalogUnavailable
from worker.comfyui.client import ComfyClient, ComfyUnreachable, PromptRefused
from worker.comfyui.diagnostics import Diagnostics
from worker.comfyui.execution import Execution, PromptVanished, Waits
from worker.comfyui.fatal_gpu_errors import fatal_gpu_error
from worker.comfyui.letter_carrier import LetterCarrier
from worker.comfyui.monitors import Monitors
from worker.comfyui.named_files import check_named_files
from worker.comfyui.process import ComfyUIDied
from worker.comfyui.turns import Turns
from worker.comfyui.watchdog import HangWatchdog
from worker.events.outbox import Outbox
from worker.files.also_saved import AlsoSaved
from worker.files.cleanup import Cleanup
from worker.files.input_paths import with_whole_paths
from worker.files.input_staging import BadInput, InputsMissing, InputSources, InputStaging
from worker.files.large_outputs import LargeOutputs
from worker.files.letter_box import LetterSources
from worker.files.output_staging import OutputGone, OutputStaging
from worker.files.pack_files import PackComparison
from worker.folders import Folders
from worker.known_jobs import KnownJobs
from worker.models.downloads import ModelUnavailable
from worker.models.required_models import RequiredModels

logger = logging.getLogger(__name__)

_FAILURES: dict[type[Exception], str] = {
    WireError: "bad_request",
    BadInput: "bad_request",
    ModelUnavailable: "model_unavailable",
    PromptVanished: "prompt_vanished",
    CatalogUnavailable: "catalog_unavailable",
    ComfyUnreachable: "comfyui_unreachable",
}
"""what ends a job, and the error type of its last event"""
_LOOK_AGAIN_S = 10.0
"""a moment beside a download, and the person sees at once that the model is there"""


@dataclass(frozen=True, slots=True)
class WorkerServices:
    """What all sessions of a worker share."""

    comfy_url: str
    watchdog: HangWatchdog
    turns: Turns
    known_jobs: KnownJobs
    folders: Folders
    required_models: RequiredModels
    input_sources: InputSources
    large_outputs: LargeOutputs
    cleanup: Cleanup
    diagnostics: Diagnostics
    replace_worker: Callable[[str], None]
    """called with the reason when this worker will not get well again"""
    packs: PackComparison
    waits: Waits
    monitors: Monitors
    letter_sources: LetterSources
    catalog: CatalogKeeper


class Session:
    """*job_input* is RunPod's ``input`` and *job_id* its id, *outbox* takes the job's events."""

    def __init__(
        self, job_input: object, job_id: str, services: WorkerServices, outbox: Outbox, new_id: Callable[[], str]
    ) -> None:
        self._input, self._services, self._process = job_input, services, services.watchdog.process
        self._job_id = job_id
        self._inputs = InputStaging(services.folders, services.input_sources)
        self._outputs = OutputStaging(services.folders)
        self._new_id, self._client_id = new_id, new_id()
        self._prompt_id = ""
        self._also_saved: AlsoSaved | None = None
        self._execution: Execution | None = None
        self._has_letter_box = False
        self._catalog_there: str | None = None
        self._models_came = False
        self._began = 0.0
        self._given_up: str | None = None
        self._task: asyncio.Task[None] | None = None
        self.outbox = outbox

    def start(self) -> asyncio.Task[None]:
        self._began = asyncio.get_running_loop().time()
        self._task = asyncio.create_task(self._run(), name=f"session {self._client_id}")
        return self._task

    def cancel(self) -> None:
        """Ends the job and its prompt; does nothing after the job's last event, and the second time."""
        if self._task is not None and not self.outbox.closed and not self._task.cancelling():
            self._task.cancel()

    def give_up(self, reason: str) -> None:
        """Ends the job with *reason* as its last event; the worker is about to end."""
        self._given_up = reason
        self.cancel()

    async def _run(self) -> None:
        try:
            async with aiohttp.ClientSession() as http:
                await self._reporting_errors(self._job(ComfyClient(self._services.comfy_url, http)))
        finally:
            self.outbox.close()

    async def _reporting_errors(self, work: Coroutine[Any, Any, None]) -> None:
        """Does *work*; whatever goes wrong becomes the job's last event."""
        try:
            await work
        except asyncio.CancelledError:
            if self._given_up is None:
                raise
            await self._fail("worker_stopped", self._given_up)
        except PromptRefused as refusal:
            await self._tell_catalog()
            self._services.catalog.look()
            report = await self._services.diagnostics.report(str(refusal.error.get("type")))
            rejected = PromptRejected(error=refusal.error, node_errors=refusal.node_errors, diagnostics=report)
            await self.outbox.put(rejected)
        except InputsMissing as error:
            logger.info("%s: %s", self._prompt_id, error)
            await self.outbox.put(FilesMissing(sha256=error.sha256))
        except ComfyUIDied as error:
            self._replace_if_beyond_help(error)
            await self._fail("comfyui_died", str(error))
        except tuple(_FAILURES) as error:
            await self._fail(_FAILURES[type(error)], str(error))
        except Exception:
            logger.exception("%s: the worker failed", self._prompt_id)
            await self._fail("worker_bug", "The worker failed; its log has the details.")

    async def _fail(self, error_type: str, message: str) -> None:
        logger.error("%s: %s: %s", self._prompt_id, error_type, message)
        node = None if self._execution is None else self._execution.running_node
        diagnostics = await self._services.diagnostics.report(error_type, node)
        await self.outbox.put(WorkerFailed(error_type=error_type, message=message, diagnostics=diagnostics))

    def _replace_if_beyond_help(self, error: ComfyUIDied) -> None:
        reason = fatal_gpu_error(self._process.log_tail()) or (str(error) if error.beyond_help else None)
        if reason is not None:
            self._services.replace_worker(reason)

    async def _job(self, comfy: ComfyClient) -> None:
        request = decode_request(self._input)
        self._prompt_id = request.prompt_id or self._new_id()
        self._catalog_there = request.catalog
        if request.collect:
            await self._collect(request.collect)
            return
        if not request.workflow:
            await self._only_catalog(comfy)
            return
        await self._find(request.find)
        await self._inputs.check(request.files, request.texts)
        self._models_came = await self._services.required_models.ensure(request.models, self._report_models)
        async with self._services.turns.take(self._report_withdrawal), self._services.watchdog.watching(comfy.answers):
            try:
                await self._reporting_errors(self._prompt(comfy, request))
            finally:
                self.outbox.close()
                await self._leave(comfy)

    async def _find(self, prompts: tuple[str, ...]) -> None:
        """Remembers this job, and names the jobs that the sender lost sight of."""
        known_jobs = self._services.known_jobs
        await asyncio.to_thread(known_jobs.remember, self._prompt_id, self._job_id)
        if prompts and (jobs := await asyncio.to_thread(known_jobs.found, prompts)):
            await self.outbox.put(JobsFound(jobs=jobs))

    async def _report_withdrawal(self) -> None:
        await self.outbox.put(WorkerState(phase="stopping", message="Stopping the last job"))

    async def _leave(self, comfy: ComfyClient) -> None:
        """ComfyUI and its folders are ready for the next job when this returns."""
        self._services.diagnostics.withhold(())
        prompt_ran = False
        if self._execution is not None:
            await self._execution.withdraw(self._services.turns)
            prompt_ran = self._execution.accepted
        cleanup = self._services.cleanup
        await cleanup.after_job(self._inputs.close(), prompt_ran=prompt_ran, forget_cache=comfy.forget_cache)

    async def _collect(self, outputs: tuple[Wanted, ...]) -> None:
        """Sends the outputs of an earlier job that this worker has again; ComfyUI is not needed for it."""
        missing = list[str]()
        for transfer, wanted in enumerate(outputs):
            try:
                async for piece in self._outputs.again(wanted, transfer):
                    await self.outbox.put(piece)
            except OutputGone as error:
                logger.warning("not sent again: %s", error)
                missing.append(wanted.sha256)
        sent = tuple(wanted.sha256 for wanted in outputs if wanted.sha256 not in missing)
        await self._tell_catalog()
        await self.outbox.put(FilesCollected(sha256=sent, missing=tuple(missing)))

    async def _only_catalog(self, comfy: ComfyClient) -> None:
        async with self._services.turns.take(self._report_withdrawal), self._services.watchdog.watching(comfy.answers):
            await self._wait_for_comfy(comfy)
            await self._services.catalog.gathered()
            await self._tell_catalog()
            await self.outbox.put(FilesCollected(sha256=()))

    async def _tell_catalog(self) -> None:
        """What is certain now. Only a job that fetched models waits for more, and none fails because of it."""
        if self._catalog_there is None:
            return
        catalog = self._services.catalog
        try:
            if self._models_came:
                await catalog.look_again(_LOOK_AGAIN_S)
            for event in () if catalog.known is None else catalog.known.told(self._catalog_there):
                await self.outbox.put(event)
        except Exception:
            logger.exception("%s: the catalog is not told", self._prompt_id)

    async def _prompt(self, comfy: ComfyClient, request: JobRequest) -> None:
        services, secrets = self._services, account_tokens(request.extra_data).values()
        comfy.withhold(secrets)
        services.diagnostics.withhold(secrets)
        store = services.large_outputs.store_for(self._prompt_id, request.fetches)
        self._outputs = OutputStaging(services.folders, store)
        await self._wait_for_comfy(comfy)
        request = await self._inputs.completed(request)
        await check_named_files(request.workflow, comfy)
        if request.files or request.texts:
            await self._write_inputs(request)
        volume = services.input_sources.volume
        self._also_saved = AlsoSaved(self._prompt_id, services.folders, request.workflow, request.files, volume)
        await self._also_saved.look()
        request = with_whole_paths(request, services.folders)
        if request.packs and (differing := await services.packs.differing(request.packs)) is not None:
            await self.outbox.put(differing)
        self._execution = Execution(
            request,
            self._prompt_id,
            self._client_id,
            comfy,
            self._process,
            self._deliver,
            services.waits,
            services.monitors.kinds,
        )
        try:
            async with self._carrying_letters(comfy, request):
                await self._execution.run()
        except (ComfyUIDied, PromptVanished):
            await self._deliver_also_saved()
            raise

    @asynccontextmanager
    async def _carrying_letters(self, comfy: ComfyClient, request: JobRequest) -> AsyncIterator[None]:
        async with self._services.letter_sources.opened(request.letters) as box:
            self._has_letter_box = box is not None
            if box is None:
                yield
            else:
                async with LetterCarrier(box, comfy, self.outbox.run).carrying():
                    yield

    async def _write_inputs(self, request: JobRequest) -> None:
        await self.outbox.put(WorkerState(phase="staging", message=f"Writing {len(request.files)} input files"))
        if kept := await self._inputs.write(request.files, request.texts):
            await self.outbox.put(FilesKept(sha256=kept))

    async def _report_models(self, line: str) -> None:
        await self.outbox.put(WorkerState(phase="models", message=line))

    async def _wait_for_comfy(self, comfy: ComfyClient) -> None:
        stats = await comfy.stats()
        if stats is None:
            await self.outbox.put(WorkerState(phase="starting", message="ComfyUI is starting on the worker"))
            await self._process.wait_ready(comfy.answers)
            stats = await comfy.stats()
        if stats is not None:
            self._services.watchdog.answered()
            self._services.diagnostics.stats = stats

    async def _deliver_also_saved(self) -> None:
        if self._also_saved is not None:
            async for event in self._also_saved.events(self._outputs):
                await self.outbox.put(event)

    async def _deliver(self, event: WorkerEvent) -> None:
        await self._deliver_before(event)
        if isinstance(event, NodeOutput):
            async for piece in self._outputs.outgoing(event):
                await self.outbox.put(piece)
        elif isinstance(event, NodeMessage):
            async for part_of_message in self._outputs.outgoing_message(event):
                await self.outbox.put(part_of_message)
        elif isinstance(event, PromptFailed):
            await self.outbox.put(await self._with_diagnostics(event))
        elif isinstance(event, NodeWaits):
            known = {"answerable": self._has_letter_box, "seconds": asyncio.get_running_loop().time() - self._began}
            await self.outbox.put(event.model_copy(update=known))
        elif isinstance(event, Preview):
            for part in self._outputs.split(event):
                await self.outbox.put(part)
        else:
            await self.outbox.put(event)

    async def _deliver_before(self, event: WorkerEvent) -> None:
        if isinstance(event, PromptStarted):
            self._services.catalog.look()
        elif isinstance(event, PromptFinished | PromptFailed | PromptInterrupted):
            await self._deliver_also_saved()
            await self._tell_catalog()

    async def _with_diagnostics(self, event: PromptFailed) -> PromptFailed:
        """*event* with its report; this worker is replaced when nothing can run on it after such an error."""
        error = event.error
        traceback = [str(line) for line in error.get("traceback") or ()]
        if reason := fatal_gpu_error((str(error.get("exception_message")), *traceback)):
            self._services.replace_worker(reason)
        node = {"id": error.get("node_id"), "class_type": error.get("node_type")}
        report = await self._services.diagnostics.report(str(error.get("exception_type")), node, traceback)
        return event.model_copy(update={"diagnostics": report})
