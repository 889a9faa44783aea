"""The queue and the history, and the task that works on them.

Source: ComfyUI execution.py ``PromptQueue``, main.py ``prompt_worker``.
"""

import asyncio
import heapq
import itertools
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.comfyui.console import Console
from sandbox.comfyui.executor import Executor
from sandbox.comfyui.hub import Hub
from sandbox.comfyui.story import Said
from wire.comfy import CustomMessage, Message, PreviewFrame, TextFrame, UnknownFrame

_HISTORY_MAX = 10_000
_BROADCAST = ("progress_state", "progress", "execution_interrupted")


@dataclass(order=True, slots=True)
class Item:
    number: float
    tie: int
    prompt_id: str = field(compare=False)
    prompt: dict[str, Any] = field(compare=False)
    extra_data: dict[str, Any] = field(compare=False)
    outputs: list[str] = field(compare=False)
    account: dict[str, Any] = field(compare=False)
    """of extra_data what no list shows"""

    def tuple(self) -> list[Any]:
        return [self.number, self.prompt_id, self.prompt, self.extra_data, self.outputs]


class PromptQueue:
    def __init__(self, executor: Executor, hub: Hub, console: Console) -> None:
        self._executor = executor
        self._hub = hub
        self._console = console
        self._ties = itertools.count()
        self._filled = asyncio.Event()
        self.pending: list[Item] = []
        self.running: Item | None = None
        self.history: dict[str, dict[str, Any]] = {}

    @property
    def remaining(self) -> int:
        return len(self.pending) + (self.running is not None)

    async def put(
        self,
        number: float,
        prompt_id: str,
        prompt: dict[str, Any],
        extra_data: dict[str, Any],
        outputs: list[str],
        account: dict[str, Any],
    ) -> None:
        heapq.heappush(self.pending, Item(number, next(self._ties), prompt_id, prompt, extra_data, outputs, account))
        await self._hub.status(self.remaining)
        self._filled.set()

    async def delete(self, prompt_ids: list[str]) -> None:
        kept = [item for item in self.pending if item.prompt_id not in prompt_ids]
        if len(kept) != len(self.pending):
            self.pending = kept
            heapq.heapify(self.pending)
            await self._hub.status(self.remaining)

    async def clear(self) -> None:
        """Told also when nothing waited (``wipe_queue``)."""
        self.pending = []
        await self._hub.status(self.remaining)

    def interrupt(self, prompt_id: str | None) -> bool:
        """Stop what runs; with an id only if it is that."""
        if self.running is None or prompt_id not in (None, self.running.prompt_id):
            return False
        self._executor.interrupt()
        return True

    async def cancel(self, prompt_id: str) -> bool:
        """Whether the prompt ran or waited (server.py ``_cancel_job_by_id``)."""
        waited = any(item.prompt_id == prompt_id for item in self.pending)
        await self.delete([prompt_id])
        return waited or self.interrupt(prompt_id)

    def forget_cache(self) -> None:
        """The next prompt computes every node again."""
        self._executor.forget_cache()

    async def work(self) -> None:
        """Run prompts until cancelled."""
        while True:
            while not self.pending:
                self._filled.clear()
                await self._filled.wait()
            item = heapq.heappop(self.pending)
            self.running = item
            await self._hub.status(self.remaining)
            started = time.monotonic()
            await self._run(item)
            await self._console.say(f"Prompt executed in {time.monotonic() - started:.2f} seconds")

    async def _run(self, item: Item) -> None:
        client = item.extra_data.get("client_id")

        async def send(said: Said) -> None:
            if isinstance(said, Message) and said.type == "executing" and client:
                self._hub.running = (client, said.data["node"])
            for one in in_order(said):
                await self._say(one, client)

        async def queue(prompt: Mapping[str, Any]) -> None:
            await self.put(item.number, str(uuid.uuid4()), dict(prompt), item.extra_data, item.outputs, item.account)

        in_order = _InOrder(self._hub.wants_metadata(client))
        extra_data = item.extra_data | item.account
        outcome = await self._executor.run(item.prompt_id, item.prompt, extra_data, item.outputs, send, queue)
        status = {
            "status_str": "success" if outcome.success else "error",
            "completed": outcome.success,
            "messages": outcome.messages,
        }
        self.history.pop(item.prompt_id, None)
        self.history[item.prompt_id] = {
            "prompt": item.tuple(),
            "outputs": outcome.outputs,
            "status": status,
            "meta": outcome.meta,
        }
        while len(self.history) > _HISTORY_MAX:
            del self.history[next(iter(self.history))]
        self.running, self._hub.running = None, None
        await self._hub.status(self.remaining)
        if client:
            await self._hub.send(Message("executing", {"node": None, "prompt_id": item.prompt_id}), client)

    async def tell(self, message: CustomMessage) -> None:
        """To every page."""
        await self._hub.send(message, None)

    async def _say(self, said: Said, client: str | None) -> None:
        """Texts go to everybody, as those of ComfyUI's own nodes; of a prompt of nobody's only some messages do."""
        if isinstance(said, TextFrame | CustomMessage | UnknownFrame):
            await self._hub.send(said, None)
        elif client or isinstance(said, PreviewFrame) or said.type in _BROADCAST:
            await self._hub.send(said, client)


class _InOrder:
    """A picture comes before the progress that it belongs to; the old way after it (main.py ``hijack_progress``)."""

    def __init__(self, modern: bool) -> None:
        self._modern = modern
        self._held: list[Said] = []

    def __call__(self, said: Said) -> list[Said]:
        if not self._modern and isinstance(said, PreviewFrame):
            self._held.append(said)
            return []
        told, self._held = [said, *self._held], []
        return told
