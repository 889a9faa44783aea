"""Execution: one prompt in the worker's ComfyUI, from its submission to its history entry, or until it is withdrawn.

Prompts that its nodes queue by themselves follow it, one after the other: the worker's ComfyUI runs one job at a time,
so whatever is in its queue belongs to this one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

from wire.comfy import ServerMessage
from wire.events import (
    HistoryEntry,
    MessagesSkipped,
    NodeFrame,
    NodeMessage,
    NodeWaits,
    PromptFinished,
    WorkerEvent,
    WorkerState,
)
from wire.job import JobRequest
from worker.comfyui.client import ComfyClient, ComfySocket, ComfyUnreachable, PromptRefused
from worker.comfyui.loading import loading
from worker.comfyui.process import ComfyProcess, ComfyUIDied
from worker.comfyui.processor_time import processor_seconds
from worker.comfyui.suggestions import explained
from worker.comfyui.turns import Turns
from worker.comfyui.waiting_node import QUIET_S, Signs, WaitingNode
from worker.events.joined_history import joined_history
from worker.events.message_budget import MessageBudget
from worker.events.prompt_changes import PromptChanges
from worker.events.prompt_run import PromptEnding, PromptRun

logger = logging.getLogger(__name__)

_INTERRUPT_MAX_S = 1.0

Deliver = Callable[[WorkerEvent], Awaitable[None]]
"""sends an event on its way"""


class PromptVanished(Exception):
    """ComfyUI lives, but the prompt is neither in its queue nor in its history."""


@dataclass(frozen=True, slots=True)
class Waits:
    """How long an execution waits for what, in seconds."""

    silence_s: float = 2.0
    """without a message of the prompt: then ComfyUI is asked"""
    reconnect_s: float = 0.25
    history_s: float = 10.0
    """from the announced end until the history entry must be there"""
    history_poll_s: float = 0.05
    answer_s: float = QUIET_S
    """without a sign of life of a node that sent a message: then it waits for a person"""
    interrupt_s: float = 0.05
    """until a prompt that is still there is interrupted again; doubled up to a second"""


class Execution:
    """*process* runs the ComfyUI that *comfy* calls; *deliver* gets the events as they happen."""

    def __init__(
        self,
        request: JobRequest,
        prompt_id: str,
        client_id: str,
        comfy: ComfyClient,
        process: ComfyProcess,
        deliver: Deliver,
        waits: Waits,
        monitors: Collection[str] = (),
    ) -> None:
        """*monitors* are types of messages that do not belong to the prompt."""
        self._clock = asyncio.get_running_loop().time
        self.prompt_id = prompt_id
        self._request, self._client_id = request, client_id
        self._comfy, self._process, self._deliver, self._waits = comfy, process, deliver, waits
        self._life = process.deaths
        self._prompt = PromptRun(prompt_id, monitors)
        """the one that runs now"""
        self._histories = list[HistoryEntry]()
        """of the prompts that have ended"""
        self._changes = PromptChanges(request.workflow, request.extra_data)
        self._budget = MessageBudget(self._clock())
        self._submission: asyncio.Task[dict[str, Any]] | None = None
        self._loading: str | None = None
        self._waiting = WaitingNode(self._signs, waits.answer_s)
        self._has_ended = False

    @property
    def running_node(self) -> dict[str, Any] | None:
        """Id and class of the node that runs."""
        node = self._prompt.node
        return None if node is None else {"id": node, "class_type": self._node(node).get("class_type")}

    @property
    def accepted(self) -> bool:
        """Whether ComfyUI took the prompt."""
        submission = self._submission
        return submission is not None and submission.done() and submission.exception() is None

    async def run(self) -> None:
        """Submits the prompt and delivers its events to the last, and those of the prompts that follow it.

        Raises PromptRefused, ComfyUIDied, PromptVanished and ComfyUnreachable.
        """
        ending = await self._to_the_end()
        self._has_ended = isinstance(ending, PromptFinished)  # after another end something may still be in the queue
        for event in (*self._budget.rest(), ending):
            await self._deliver(event)

    async def withdraw(self, turns: Turns) -> None:
        """Takes the prompt and all that follow it out of ComfyUI, unless they have ended; kills a ComfyUI that does not
        let go of them.
        """
        if self._submission is None or self._has_ended or self._process.deaths != self._life:
            return
        try:
            async with turns.withdrawal():
                await self._leave(self._submission)
            logger.info("%s: withdrawn", self.prompt_id)
        except (ComfyUnreachable, TimeoutError) as error:
            logger.warning("%s: ComfyUI holds the cancelled prompt: %s", self.prompt_id, error or "timed out")
            await self._process.end("ComfyUI was ended: it did not let go of a cancelled prompt", self._life)

    async def _leave(self, submission: asyncio.Task[dict[str, Any]]) -> None:
        await asyncio.wait({submission})
        if isinstance(submission.exception(), PromptRefused):
            return
        pause_s = self._waits.interrupt_s
        while await self._comfy.drop_all():  # ComfyUI forgets an interrupt that comes before its first node
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _INTERRUPT_MAX_S)

    async def _to_the_end(self) -> PromptEnding:
        try:
            async with self._comfy.socket(self._client_id) as socket:
                await self._comfy.drop_all()  # what an earlier job has queued after its end
                await self._comfy.forget(self.prompt_id)
                await self._submit()
                return await self._follow(socket)
        except ComfyUnreachable:
            if self._submission is None:
                raise
        return await self._follow_again()  # also when only the answer to the submission was lost

    async def _submit(self) -> None:
        submit = self._comfy.submit(self._request, self.prompt_id, self._client_id)
        self._submission = asyncio.create_task(submit, name=f"submit {self.prompt_id}")
        try:
            refused = await asyncio.shield(self._submission)  # a prompt whose answer nobody read could not be withdrawn
        except PromptRefused as refusal:
            raise PromptRefused(refusal.error, await self._explained(refusal.node_errors, refusal.error)) from refusal
        logger.info("%s: submitted", self.prompt_id)
        if refused:
            logger.warning("%s: ComfyUI refused a part of the prompt: nodes %s", self.prompt_id, ", ".join(refused))
            self._prompt.node_errors = await self._explained(refused, {})
        await self._read_back()

    async def _read_back(self) -> None:
        """Delivers what custom nodes changed in the prompt. Its history entry has it, too, when ComfyUI is busy now."""
        try:
            item = (await self._comfy.queue()).item(self.prompt_id)
        except ComfyUnreachable as error:
            logger.warning("%s: %s; the prompt that runs is read later", self.prompt_id, error)
            return
        await self._deliver_changes(item)

    async def _deliver_changes(self, item: object) -> None:
        try:
            changed = self._changes.seen(item)
        except (ValueError, TypeError, RecursionError):  # it only decorates the result
            logger.exception("%s: what custom nodes changed in the prompt is not shown", self.prompt_id)
            return
        if changed is not None:
            await self._deliver(changed)

    async def _explained(self, node_errors: dict[str, Any], error: dict[str, Any]) -> dict[str, Any]:
        try:
            nodes = await self._comfy.node_definitions()
        except ComfyUnreachable:
            return node_errors
        return explained(node_errors, error, self._request.workflow, nodes)

    async def _follow_again(self) -> PromptEnding:
        """After the websocket was lost: the prompt goes on, and its history entry has what was missed."""
        while True:
            await asyncio.sleep(self._waits.reconnect_s)  # also what it takes to learn that ComfyUI died
            self._check_alive()
            try:
                entry = await self._ask()
                if entry is not None and (ending := await self._ended(entry)) is not None:
                    return ending
                async with self._comfy.socket(self._client_id) as socket:
                    return await self._follow(socket)
            except ComfyUnreachable as error:
                logger.warning("%s: %s; trying again", self.prompt_id, error)

    async def _follow(self, socket: ComfySocket) -> PromptEnding:
        while (ending := await self._ended(await self._entry(socket))) is None:
            pass
        return ending

    async def _entry(self, socket: ComfySocket) -> dict[str, Any]:
        """Messages of this prompt break the silence; a monitor that sends each second must not hide a lost end."""
        asked = self._clock()
        while not self._prompt.announced:
            message = await socket.receive(max(asked + self._waits.silence_s - self._clock(), 0))
            if message is not None:
                await self._deliver_events(message)
            for event in self._budget.due(self._clock()):
                await self._deliver(event)
            await self._report_waiting()
            if message is not None and self._prompt.concerns(message):
                asked = self._clock()
            elif self._clock() >= asked + self._waits.silence_s:
                if (entry := await self._ask()) is not None:
                    return entry
                await self._report_loading()
                asked = self._clock()
        return await self._announced_entry()

    async def _ended(self, entry: dict[str, Any]) -> PromptEnding | None:
        """The prompt that runs has ended with *entry*: how the job ends, None when another prompt follows.

        Only a prompt that succeeded is followed, for nobody has seen yet that the others failed.
        """
        ending = self._prompt.ending(entry)
        if not self._histories:
            await self._deliver_changes(entry.get("prompt"))
        self._histories.append(ending.history)
        for event in self._prompt.unannounced(entry):
            await self._deliver(event)
        following = await self._following() if isinstance(ending, PromptFinished) else None
        if following is None:
            return ending.model_copy(update={"history": joined_history(self.prompt_id, self._histories)})
        logger.info("%s: followed by %s", self.prompt_id, following)
        self._prompt = self._prompt.followed_by(following)
        return None

    async def _following(self) -> str | None:
        """The prompt that begins after the one that has ended; None when ComfyUI has nothing left to do.

        A prompt that a node queues is in the queue before the node's own prompt ends, and from there to the history it
        is always in one of them. Source: ComfyUI, execution.py ``PromptQueue``.
        """
        waits = False
        while self._process.deaths == self._life:
            try:
                queue = await self._comfy.queue()
                begun = [*await self._comfy.ended_after(self._prompt.prompt_id), *(item[1] for item in queue.running)]
                waits = bool(queue.pending)
                if begun or not waits:
                    return begun[0] if begun else None
            except ComfyUnreachable as error:
                logger.warning("%s: %s; asking again what follows", self.prompt_id, error)
            await asyncio.sleep(self._waits.history_poll_s)
        if waits:
            self._check_alive()
        return None  # what came is kept

    async def _deliver_events(self, message: ServerMessage) -> None:
        try:
            events = [
                admitted
                for event in self._prompt.feed(message)
                for admitted in self._budget.admit(event, self._clock())
            ]
        except (KeyError, TypeError, ValueError):
            logger.exception("%s: a message from ComfyUI is skipped", self.prompt_id)
            return
        if not all(isinstance(event, NodeMessage | NodeFrame | MessagesSkipped) for event in events):
            self._loading = None
        self._waiting.heard(events, self._clock())
        for event in events:
            await self._deliver(event)

    async def _report_waiting(self) -> None:
        """Whether the page's answer arrives here is for the session to say."""
        try:
            waits = self._node_waits()
        except Exception:  # whatever it is, the prompt goes on
            logger.exception("%s: nobody knows whether its node waits", self.prompt_id)
            return
        if waits is not None:
            await self._deliver(waits)

    def _node_waits(self) -> NodeWaits | None:
        node = self._prompt.node
        if node is None or not self._waiting.is_due(self._clock()):
            return None
        match self._node(node):
            case {"_meta": {"title": str(title)}} if title:
                shown = title
            case content:
                shown = str(content.get("class_type", ""))
        return NodeWaits(node=node[:200], title=shown[:200], answerable=False)

    def _signs(self) -> Signs:
        log, pid = self._process.log_tail(), self._process.pid
        loads = loading(self._node(self._prompt.node), log) is not None
        return Signs(None if pid is None else processor_seconds(pid), tuple(log), loads)

    async def _report_loading(self) -> None:
        """ComfyUI is silent while it reads a model, which can take minutes."""
        text = loading(self._node(self._prompt.node), self._process.log_tail())
        if text is not None and text != self._loading:
            await self._deliver(WorkerState(phase="loading", message=text))
        self._loading = text

    async def _ask(self) -> dict[str, Any] | None:
        """The history entry, None while the prompt waits or runs."""
        self._check_alive()
        for _ in range(2):  # it moves from the queue to the history between the two questions
            if (entry := await self._comfy.history(self._prompt.prompt_id)) is not None:
                return entry
            if await self._comfy.is_queued(self._prompt.prompt_id):
                return None
        raise PromptVanished("ComfyUI does not know the prompt any more: it is neither queued nor in the history")

    async def _announced_entry(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._waits.history_s):
                while (entry := await self._ask()) is None:  # noqa: ASYNC110  another process
                    await asyncio.sleep(self._waits.history_poll_s)
                return entry
        except TimeoutError as error:
            raise PromptVanished("ComfyUI said that the prompt ended, but keeps no history of it") from error

    def _check_alive(self) -> None:
        if self._process.deaths != self._life:
            raise ComfyUIDied(f"{self._process.last_death()}. It was running the prompt.")

    def _node(self, node: str | None) -> dict[str, Any]:
        return self._request.workflow.get(node or "") or {}
