"""Runs one prompt and tells it, message by message, as ComfyUI does.

Source: ComfyUI execution.py ``PromptExecutor.execute_async`` and comfy_execution/progress.py.
"""

import asyncio
import io
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from sandbox.comfyui.folders import Folders
from sandbox.comfyui.graph import Classes, is_link, order, signatures
from sandbox.comfyui.node import Context, Interrupted, Result
from wire.comfy import Message, PreviewFrame

Send = Callable[[Message | PreviewFrame], Awaitable[None]]
_PREVIEW_SIDE = 512


@dataclass(slots=True)
class Outcome:
    outputs: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    messages: list[list[Any]] = field(default_factory=list)
    success: bool = False


class Executor:
    """Keeps the results of the last prompt's nodes, so that what did not change is not computed again."""

    def __init__(self, classes: Classes, folders: Folders) -> None:
        self._classes = classes
        self._folders = folders
        self._cache: dict[str, Result] = {}
        self._interrupt = threading.Event()

    def interrupt(self) -> None:
        self._interrupt.set()

    async def run(
        self, prompt_id: str, prompt: Mapping[str, Any], extra_data: Mapping[str, Any], outputs: list[str], send: Send
    ) -> Outcome:
        self._interrupt.clear()
        run = _Run(self, prompt_id, prompt, extra_data, send)
        return await run.all(order(prompt, outputs))


class _Run:
    def __init__(
        self, executor: Executor, prompt_id: str, prompt: Mapping[str, Any], extra_data: Mapping[str, Any], send: Send
    ) -> None:
        self._executor = executor
        self._classes, self._folders = executor._classes, executor._folders
        self._prompt_id, self._prompt, self._extra_data, self._send = prompt_id, prompt, extra_data, send
        self._results: dict[str, Result] = {}
        self._ran: list[str] = []
        self._states: dict[str, Any] = {}
        self._outcome = Outcome()
        self._loop = asyncio.get_running_loop()

    async def all(self, nodes: list[str]) -> Outcome:
        await self._tell("execution_start", {"prompt_id": self._prompt_id})
        prints = self._signatures()
        cache = self._executor._cache
        cached = [node for node in self._prompt if prints[node] in cache]
        await self._tell("execution_cached", {"nodes": cached, "prompt_id": self._prompt_id})
        for node in cached:
            self._results[node] = cache[prints[node]]
            if node in nodes:
                await self._show_cached(node)
        for node in nodes:
            if node not in self._results and not await self._one(node):
                break
        else:
            self._outcome.success = True
            await self._tell("execution_success", {"prompt_id": self._prompt_id})
        self._executor._cache = {prints[node]: result for node, result in self._results.items()}
        return self._outcome

    def _signatures(self) -> dict[str, str]:
        """Of all nodes, also of those that do not run this time: their results are kept."""
        nodes = order(self._prompt, list(self._prompt))
        return signatures(self._prompt, nodes, {node: self._fingerprint(node) for node in nodes})

    def _fingerprint(self, node: str) -> object:
        fingerprint = self._class(node).fingerprint
        if fingerprint is None:
            return None
        try:
            return fingerprint(self._folders, self._prompt[node]["inputs"])
        except (OSError, KeyError, TypeError, AttributeError) as error:
            return error  # a node that does not run may name a file that is not there

    def _class(self, node: str) -> Any:
        return self._classes[self._prompt[node]["class_type"]]

    async def _show_cached(self, node: str) -> None:
        if self._results[node].ui is None:
            return
        await self._executed(node, self._results[node])
        await self._state(node, 1, 1, "finished")

    async def _one(self, node: str) -> bool:
        """Run a node; False when the prompt ends here."""
        await self._state(node, 0.0, 1.0, "running")
        await self._say("executing", {"node": node, "display_node": node, "prompt_id": self._prompt_id})
        try:
            result = await asyncio.to_thread(self._class(node).run, self._context(node), **self._inputs(node))
            self._check()
        except Interrupted:
            await self._interrupted(node)
            return False
        except Exception as error:  # noqa: BLE001  whatever a node raises is the prompt's error
            await self._failed(node, error)
            return False
        self._results[node] = result
        self._ran.append(node)
        if result.ui is not None:
            await self._executed(node, result)
        last = self._states[node]
        await self._state(node, last["max"], last["max"], "finished")
        return True

    def _inputs(self, node: str) -> dict[str, Any]:
        given = self._prompt[node].get("inputs", {})
        wanted = self._class(node).required
        return {
            name: self._results[value[0]].outputs[value[1]] if is_link(value) else value
            for name, value in given.items()
            if name in wanted
        }

    def _context(self, node: str) -> Context:
        return Context(
            folders=self._folders,
            node_id=node,
            prompt=self._prompt,
            extra_pnginfo=self._extra_data.get("extra_pnginfo"),
            progress=lambda value, most, preview: self._progress(node, value, most, preview),
            check=self._check,
        )

    def _check(self) -> None:
        if self._executor._interrupt.is_set():
            raise Interrupted

    def _progress(self, node: str, value: float, most: float, preview: Image.Image | None) -> None:
        """Called in the node's thread."""
        self._check()
        asyncio.run_coroutine_threadsafe(self._step(node, value, most, preview), self._loop).result(timeout=30)

    async def _step(self, node: str, value: float, most: float, preview: Image.Image | None) -> None:
        await self._state(node, value, most, "running")
        if preview is not None:
            image = await asyncio.to_thread(_jpeg, preview)
            await self._send(PreviewFrame(image, "image/jpeg", node, self._prompt_id, node, None, node))
        await self._say("progress", {"value": value, "max": most, "prompt_id": self._prompt_id, "node": node})

    async def _executed(self, node: str, result: Result) -> None:
        output = dict(result.ui or {})
        self._outcome.outputs[node] = output
        self._outcome.meta[node] = {"node_id": node, "display_node": node, "parent_node": None, "real_node_id": node}
        data = {"node": node, "display_node": node, "output": output, "prompt_id": self._prompt_id}
        await self._say("executed", data)

    async def _state(self, node: str, value: float, most: float, state: str) -> None:
        self._states[node] = {
            "value": value,
            "max": most,
            "state": state,
            "node_id": node,
            "prompt_id": self._prompt_id,
            "display_node_id": node,
            "parent_node_id": None,
            "real_node_id": node,
        }
        await self._say("progress_state", {"prompt_id": self._prompt_id, "nodes": dict(self._states)})

    async def _interrupted(self, node: str) -> None:
        kind = self._prompt[node]["class_type"]
        data = {"node_id": node, "node_type": kind, "executed": self._ran, "prompt_id": self._prompt_id}
        await self._tell("execution_interrupted", data)

    async def _failed(self, node: str, error: Exception) -> None:
        data = {
            "prompt_id": self._prompt_id,
            "node_id": node,
            "node_type": self._prompt[node]["class_type"],
            "executed": self._ran,
            "exception_message": f"{error}\n",
            "exception_type": type(error).__name__,
            "traceback": traceback.format_tb(error.__traceback__),
            "current_inputs": {name: [str(value)] for name, value in self._inputs(node).items()},
            "current_outputs": list(self._results),
        }
        await self._tell("execution_error", data)

    async def _tell(self, kind: str, data: dict[str, Any]) -> None:
        """Said to the page and kept in the history."""
        dated = {**data, "timestamp": time.time_ns() // 1_000_000}
        self._outcome.messages.append([kind, dated])
        await self._say(kind, dated)

    async def _say(self, kind: str, data: dict[str, Any]) -> None:
        await self._send(Message(kind, data))


def _jpeg(image: Image.Image) -> bytes:
    scale = _PREVIEW_SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    buffer = io.BytesIO()
    image.convert("RGB").resize(size).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()
