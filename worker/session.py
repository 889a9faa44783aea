"""Session: one job, from the request to its last event, in a task of its own.

RunPod cancels the task that reads our generator, which may then be suspended at a ``yield`` and learn nothing. So the
work is done in a task that we own, and whoever notices the cancellation first calls :meth:`Session.cancel`.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from wire.errors import WireError
from wire.events import (
    FilesCollected,
    FilesKept,
    FilesMissing,
    NodeOutput,
    Preview,
    PromptFailed,
    PromptRejected,
    WorkerEvent,
    WorkerFailed,
    WorkerState,
)
from wire.files import Wanted
from wire.job import JobRequest, decode_request
from worker.comfyui.client import ComfyClient, ComfySocket, ComfyUnreachable, PromptRefused
from worker.comfyui.diagnostics import Diagnostics
from worker.comfyui.fatal_gpu_errors import poison
from worker.comfyui.loading import loading
from worker.comfyui.process import ComfyUIDied
from worker.comfyui.suggestions import explained
from worker.comfyui.watchdog import HangWatchdog
from worker.events.outbox import Outbox
from worker.events.prompt_run import PromptRun
from worker.files.cleanup import Cleanup
from worker.files.input_staging import BadInput, FilesLacking, InputSources, InputStaging
from worker.files.large_outputs import LargeOutputs
from worker.files.output_staging import OutputGone, OutputStaging
from worker.folders import Folders
from worker.models.downloads import ModelUnavailable
from worker.models.required_models import RequiredModels

logger = logging.getLogger(__name__)

_SILENCE_S = 2.0
"""without a message: then ComfyUI is asked"""
_RECONNECT_S = 0.25
_ENDED_S, _ENDED_POLL_S = 10.0, 0.05
"""from the announced end until the history entry must be there"""
_DROP_S = 60.0
"""for ComfyUI to let go of a cancelled prompt; a node that does not look at the interrupt holds it longer"""
_DROP_RETRY_S, _DROP_RETRY_MAX_S = 0.05, 1.0


class PromptVanished(Exception):
    """ComfyUI lives, but the prompt is neither in its queue nor in its history."""


_FAILURES: dict[type[Exception], str] = {
    WireError: "bad_request",
    BadInput: "bad_request",
    ModelUnavailable: "model_unavailable",
    PromptVanished: "prompt_vanished",
    ComfyUnreachable: "comfyui_unreachable",
    OutputGone: "output_gone",
}
"""what a job cannot go on after, and how it is called"""


@dataclass(frozen=True, slots=True)
class WorkerServices:
    """What all sessions of a worker work with."""

    comfy_url: str
    watch: HangWatchdog
    folders: Folders
    shelf: RequiredModels
    inputs: InputSources
    depot: LargeOutputs
    hygiene: Cleanup
    diagnostics: Diagnostics
    replace: Callable[[str], None]
    """called with the reason when this worker will not get well again"""


class Session:
    def __init__(self, job_input: object, workshop: WorkerServices, outbox: Outbox, new_id: Callable[[], str]) -> None:
        self._input, self._shop, self._process = job_input, workshop, workshop.watch.process
        self._inputs, self._outputs = InputStaging(workshop.folders, workshop.inputs), OutputStaging(workshop.folders)
        self._new_id, self._client_id = new_id, new_id()
        self._given_up: str | None = None
        self._deaths = 0
        self._submission: asyncio.Task[None] | None = None
        self._prompt_id = ""
        self._workflow: dict[str, Any] = {}
        self._prompt_run: PromptRun | None = None
        self._outputs_named: dict[str, Any] | None = None
        self._loading: str | None = None
        self._task: asyncio.Task[None] | None = None
        self.outbox = outbox

    def start(self) -> asyncio.Task[None]:
        self._task = asyncio.create_task(self._run(), name=f"session {self._client_id}")
        return self._task

    def cancel(self) -> None:
        """Ends the session and its prompt; the second call, and one after the end, does nothing."""
        if self._task is not None and not self._task.done() and not self._task.cancelling():
            self._task.cancel()

    def give_up(self, reason: str) -> None:
        """Ends the session, whose last event then says why; the worker is about to end."""
        self._given_up = reason
        self.cancel()

    async def _run(self) -> None:
        try:
            await self._shop.hygiene.enter()
            async with aiohttp.ClientSession() as http:
                comfy = ComfyClient(self._shop.comfy_url, http)
                watching = asyncio.create_task(self._shop.watch.keep(comfy.answers))
                try:
                    await self._guarded(comfy)
                finally:
                    watching.cancel()
        finally:
            self.outbox.close()
            self._shop.hygiene.leave(self._inputs.written, self._outputs_named)

    async def _guarded(self, comfy: ComfyClient) -> None:
        """The job; whatever goes wrong becomes its last event."""
        try:
            await self._job(comfy)
        except asyncio.CancelledError:
            if self._given_up is None:
                await self._abandon(comfy)
                raise
            await self._fail("worker_stopped", self._given_up)
        except PromptRefused as refusal:
            await self.outbox.put(await self._rejected(comfy, refusal))
        except FilesLacking as error:
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
        diagnostics = await self._shop.diagnostics.report(error_type, self._running_node())
        await self.outbox.put(WorkerFailed(error_type=error_type, message=message, diagnostics=diagnostics))

    def _replace_if_beyond_help(self, error: ComfyUIDied) -> None:
        reason = poison(self._process.log_tail()) or (str(error) if error.beyond_help else None)
        if reason is not None:
            self._shop.replace(reason)

    def _running_node(self) -> dict[str, Any] | None:
        node = None if self._prompt_run is None else self._prompt_run.node
        return None if node is None else {"id": node, "class_type": self._workflow.get(node, {}).get("class_type")}

    async def _job(self, comfy: ComfyClient) -> None:
        request = decode_request(self._input)
        self._prompt_id = request.prompt_id or self._new_id()
        self._workflow = request.workflow
        if request.collect:
            await self._collect(request.collect)
            return
        self._outputs = OutputStaging(self._shop.folders, self._shop.depot.leaver(self._prompt_id, request.fetches))
        await self._inputs.check(request.files)
        await self._shop.shelf.ensure(request.models, self._say_models)
        await self._wait_for_comfy(comfy)
        if request.files:
            await self.outbox.put(WorkerState(phase="staging", message=f"Writing {len(request.files)} input files"))
            if kept := await self._inputs.write(request.files):
                await self.outbox.put(FilesKept(sha256=kept))
        self._prompt_run = run = PromptRun(self._prompt_id)
        entry = await self._execute(comfy, request, run)
        if (entry.get("status") or {}).get("status_str") == "success":
            self._outputs_named = entry.get("outputs") or {}
        for event in run.finish(entry):
            await self._deliver(event)

    async def _collect(self, outputs: tuple[Wanted, ...]) -> None:
        """Sends outputs of an earlier job again; ComfyUI is not needed for it."""
        for transfer, wanted in enumerate(outputs):
            async for piece in self._outputs.again(wanted, transfer):
                await self.outbox.put(piece)
        await self.outbox.put(FilesCollected(sha256=tuple(wanted.sha256 for wanted in outputs)))

    async def _say_models(self, line: str) -> None:
        await self.outbox.put(WorkerState(phase="models", message=line))

    async def _wait_for_comfy(self, comfy: ComfyClient) -> None:
        stats = await comfy.stats()
        if stats is None:
            await self.outbox.put(WorkerState(phase="starting", message="ComfyUI is starting on the worker"))
            await self._process.wait_ready(comfy.answers)
            stats = await comfy.stats()
        if stats is not None:
            self._shop.watch.heard()
            self._shop.diagnostics.stats = stats
        self._deaths = self._process.deaths

    async def _execute(self, comfy: ComfyClient, request: JobRequest, run: PromptRun) -> dict[str, Any]:
        """Submits the prompt and follows it to its end; answers ComfyUI's history entry."""
        try:
            async with comfy.socket(self._client_id) as socket:
                self._submission = asyncio.create_task(comfy.submit(request, self._prompt_id, self._client_id))
                await asyncio.shield(self._submission)  # a prompt whose answer nobody read could not be withdrawn
                logger.info("%s: submitted", self._prompt_id)
                return await self._follow(comfy, socket, run)
        except ComfyUnreachable:
            if self._submission is None:
                raise
        return await self._follow_again(comfy, run)  # also when only the answer to the submission was lost

    async def _follow_again(self, comfy: ComfyClient, run: PromptRun) -> dict[str, Any]:
        """After the websocket was lost: the prompt goes on, and its history entry tells what was missed."""
        while True:
            await asyncio.sleep(_RECONNECT_S)  # also what it takes to learn that ComfyUI died
            self._check_alive()
            try:
                if (entry := await self._ask(comfy)) is not None:
                    return entry
                async with comfy.socket(self._client_id) as socket:
                    return await self._follow(comfy, socket, run)
            except ComfyUnreachable as error:
                logger.warning("%s: %s; trying again", self._prompt_id, error)

    async def _follow(self, comfy: ComfyClient, socket: ComfySocket, run: PromptRun) -> dict[str, Any]:
        while not run.announced:
            message = await socket.receive(_SILENCE_S)
            if message is None:
                if (entry := await self._ask(comfy)) is not None:
                    return entry
                await self._say_what_loads(run)
                continue
            try:
                events = list(run.feed(message))
            except (KeyError, TypeError, ValueError):
                logger.exception("%s: a message of ComfyUI is passed over", self._prompt_id)
                continue
            if events:
                self._loading = None
            for event in events:
                await self._deliver(event)
        return await self._ended(comfy)

    async def _say_what_loads(self, run: PromptRun) -> None:
        """ComfyUI is silent while it reads a model, which can take minutes."""
        text = loading(self._workflow.get(run.node or ""), self._process.log_tail())
        if text is not None and text != self._loading:
            await self.outbox.put(WorkerState(phase="loading", message=text))
        self._loading = text

    async def _ask(self, comfy: ComfyClient) -> dict[str, Any] | None:
        """The history entry, None while the prompt waits or runs."""
        self._check_alive()
        for _ in range(2):  # it moves from the queue to the history between the two questions
            if (entry := await comfy.history(self._prompt_id)) is not None:
                return entry
            if await comfy.is_queued(self._prompt_id):
                return None
        raise PromptVanished("ComfyUI does not know the prompt any more: it is neither queued nor in the history")

    async def _ended(self, comfy: ComfyClient) -> dict[str, Any]:
        try:
            async with asyncio.timeout(_ENDED_S):
                while (entry := await self._ask(comfy)) is None:  # noqa: ASYNC110  another process
                    await asyncio.sleep(_ENDED_POLL_S)
                return entry
        except TimeoutError as error:
            raise PromptVanished("ComfyUI said that the prompt ended, but keeps no history of it") from error

    def _check_alive(self) -> None:
        if self._process.deaths != self._deaths:
            raise ComfyUIDied(f"{self._process.what_happened()}. It was running the prompt.")

    async def _deliver(self, event: WorkerEvent) -> None:
        if isinstance(event, NodeOutput):
            async for piece in self._outputs.outgoing(event):
                await self.outbox.put(piece)
        elif isinstance(event, PromptFailed):
            await self.outbox.put(await self._reported(event))
        elif isinstance(event, Preview):
            for part in self._outputs.split(event):
                await self.outbox.put(part)
        else:
            await self.outbox.put(event)

    async def _rejected(self, comfy: ComfyClient, refusal: PromptRefused) -> PromptRejected:
        try:
            node_errors = explained(refusal.node_errors, self._workflow, await comfy.node_definitions())
        except ComfyUnreachable:
            node_errors = refusal.node_errors
        report = await self._shop.diagnostics.report(str(refusal.error.get("type")))
        return PromptRejected(error=refusal.error, node_errors=node_errors, diagnostics=report)

    async def _reported(self, event: PromptFailed) -> PromptFailed:
        """*event* with its diagnostics; this worker is replaced when nothing can run on it after such an error."""
        error = event.error
        traceback = [str(line) for line in error.get("traceback") or ()]
        if reason := poison((str(error.get("exception_message")), *traceback)):
            self._shop.replace(reason)
        node = {"id": error.get("node_id"), "class_type": error.get("node_type")}
        report = await self._shop.diagnostics.report(str(error.get("exception_type")), node, traceback)
        return event.model_copy(update={"diagnostics": report})

    async def _abandon(self, comfy: ComfyClient) -> None:
        """Withdraws the prompt and waits until ComfyUI has let go of it."""
        if self._submission is None:
            return
        try:
            async with asyncio.timeout(_DROP_S):
                await asyncio.wait({self._submission})
                if not isinstance(self._submission.exception(), PromptRefused):
                    await self._drop(comfy)
            logger.info("%s: cancelled", self._prompt_id)
        except (ComfyUnreachable, TimeoutError) as error:
            logger.warning("%s: cancelled, but ComfyUI does not let go of it: %s", self._prompt_id, error)
            self._process.kill("ComfyUI was ended: it did not let go of a cancelled prompt")

    async def _drop(self, comfy: ComfyClient) -> None:
        retry_s = _DROP_RETRY_S
        await comfy.drop(self._prompt_id)
        while await comfy.is_queued(self._prompt_id):
            await asyncio.sleep(retry_s)
            retry_s = min(retry_s * 2, _DROP_RETRY_MAX_S)
            await comfy.drop(self._prompt_id)  # ComfyUI forgets an interrupt that comes before its first node
