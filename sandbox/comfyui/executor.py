"""Runs one prompt as ComfyUI does: what is kept is not computed again, and a node may become several.

Source: ComfyUI 0.8.0, execution.py ``execute`` and ``PromptExecutor.execute_async``.
"""

import asyncio
import threading
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sandbox.comfyui.dynamic import DynamicPrompt
from sandbox.comfyui.folders import ComfyFolders
from sandbox.comfyui.graph import Classes, signatures
from sandbox.comfyui.node import Blocked, Context, Interrupted, NodeClass, Result
from sandbox.comfyui.story import Outcome, Picture, Send, Story, jpeg, png
from wire.graph import is_link, needed

_WAIT_S = 30
Queue = Callable[[Mapping[str, Any]], Awaitable[None]]
"""puts another prompt into the queue, like the one that runs"""
_FROM_EXTRA_DATA = ("AUTH_TOKEN_COMFY_ORG", "API_KEY_COMFY_ORG", "COMFY_USAGE_SOURCE")


class Executor:
    """Keeps the results of the last prompt's nodes, so that what did not change is not computed again."""

    def __init__(self, classes: Classes, folders: ComfyFolders) -> None:
        self._classes = classes
        self._folders = folders
        self._cache: dict[str, Result] = {}
        self._forget = False
        self._interrupt = threading.Event()

    def forget_cache(self) -> None:
        self._forget = True

    def interrupt(self) -> None:
        self._interrupt.set()

    async def run(
        self,
        prompt_id: str,
        prompt: Mapping[str, Any],
        extra_data: Mapping[str, Any],
        outputs: list[str],
        send: Send,
        queue: Queue,
    ) -> Outcome:
        self._interrupt.clear()
        if self._forget:
            self._cache, self._forget = {}, False
        dynamic = DynamicPrompt(prompt)
        story = Story(prompt_id, dynamic, send)
        await _Run(self, dynamic, extra_data, story, queue).all(outputs)
        return story.outcome


class _Run:
    def __init__(
        self, executor: Executor, prompt: DynamicPrompt, extra_data: Mapping[str, Any], story: Story, queue: Queue
    ) -> None:
        self._executor, self._queue = executor, queue
        self._classes, self._folders = executor._classes, executor._folders
        self._prompt, self._extra_data, self._story = prompt, extra_data, story
        self._results: dict[str, Result] = {}
        self._ran: list[str] = []
        self._loop = asyncio.get_running_loop()

    async def all(self, outputs: list[str]) -> None:
        await self._story.start()
        prints = self._signatures()
        cache = self._executor._cache
        cached = [node for node in self._prompt.posted if prints[node] in cache]
        await self._story.cached(cached)
        self._results = {node: cache[prints[node]] for node in cached}
        for node in outputs:
            if node in cached:
                await self._story.executed(node, self._results[node])
                await self._story.finished(node)
        if await self._each(needed(self._prompt, outputs)):
            await self._story.success()
        self._executor._cache = {prints[node]: found for node, found in self._results.items() if node in prints}

    def _signatures(self) -> dict[str, str]:
        """Of all nodes, also of the ones that do not run this time: their results are kept."""
        nodes = needed(self._prompt, list(self._prompt))
        return signatures(self._prompt, nodes, {node: self._fingerprint(node) for node in nodes})

    def _fingerprint(self, node: str) -> object:
        fingerprint = self._class(node).fingerprint
        if fingerprint is None:
            return None
        try:
            return fingerprint(self._folders, self._prompt[node]["inputs"])
        except (OSError, KeyError, TypeError, AttributeError) as error:
            return error  # a node that does not run may name a file that is not there

    def _class(self, node: str) -> NodeClass:
        return self._classes[self._prompt[node]["class_type"]]

    async def _each(self, nodes: list[str]) -> bool:
        """Run what has no result yet; False when the prompt ends here."""
        for node in nodes:
            if node not in self._results and not await self._one(node):
                return False
        return True

    async def _one(self, node: str) -> bool:
        """Run a node, and the nodes that it becomes; False when the prompt ends here."""
        await self._story.running(node)
        try:
            result = await self._result(node)
        except Interrupted:
            await self._story.ended_at("execution_interrupted", node, self._ran, {})
            return False
        except Exception as error:  # noqa: BLE001  whatever a node raises is the prompt's error
            await self._story.ended_at("execution_error", node, self._ran, self._failure(node, error))
            return False
        if result.ui is not None:
            await self._story.executed(node, result)
        if result.expand:
            self._prompt.add(result.expand, node)
            added = [new for new in result.expand if self._class(new).output_node]
            sources = [str(value[0]) for value in result.outputs if is_link(value)]
            if not await self._each(needed(self._prompt, [*added, *sources])):
                return False
            result = Result([self._results[v[0]].outputs[v[1]] if is_link(v) else v for v in result.outputs], result.ui)
        self._results[node] = result
        await self._story.finished(node)
        self._ran.append(node)
        return True

    async def _result(self, node: str) -> Result:
        """Raises Interrupted, and whatever the node raises."""
        inputs = self._inputs(node)
        if block := next((value for value in inputs.values() if isinstance(value, Blocked)), None):
            if block.message is not None:
                await self._story.blocked(node, block, self._ran)
            return Result([Blocked(None)] * len(self._class(node).outputs))
        result = await asyncio.to_thread(self._class(node).run, self._context(node), **inputs)
        self._check()
        return result

    def _inputs(self, node: str) -> dict[str, Any]:
        given = self._prompt[node].get("inputs", {})
        wanted = self._class(node).required
        return {
            name: self._results[value[0]].outputs[value[1]] if is_link(value) else value
            for name, value in given.items()
            if name in wanted
        }

    def _hidden(self, node: str) -> dict[str, Any]:
        """ComfyUI 0.33.0, execution.py ``get_input_data``: the types are names of extra_data."""
        kinds = self._class(node).hidden
        return {name: self._extra_data.get(kind.lower()) for name, kind in kinds.items() if kind in _FROM_EXTRA_DATA}

    def _context(self, node: str) -> Context:
        return Context(
            folders=self._folders,
            node_id=node,
            prompt=self._prompt.posted,
            extra_pnginfo=self._extra_data.get("extra_pnginfo"),
            hidden=self._hidden(node),
            progress=lambda value, most, image: self._progress(
                node, value, most, None if image is None else jpeg(image)
            ),
            deliver=lambda value, most, image: self._progress(node, value, most, png(image)),
            text=lambda text: self._wait(self._story.text(node, text)),
            send=lambda kind, data: self._wait(self._story.custom(kind, data)),
            send_frame=lambda frame: self._wait(self._story.frame(frame)),
            queue=lambda prompt: self._wait(self._queue(prompt)),
            check=self._check,
        )

    def _check(self) -> None:
        if self._executor._interrupt.is_set():
            raise Interrupted

    def _progress(self, node: str, value: float, most: float, picture: Picture | None) -> None:
        """Called in the node's thread."""
        self._check()
        self._wait(self._story.step(node, value, most, picture))

    def _wait(self, saying: Any) -> None:
        asyncio.run_coroutine_threadsafe(saying, self._loop).result(timeout=_WAIT_S)

    def _failure(self, node: str, error: Exception) -> dict[str, Any]:
        return {
            "exception_message": f"{error}\n",
            "exception_type": type(error).__name__,
            "traceback": traceback.format_tb(error.__traceback__),
            "current_inputs": {n: [str(value)] for n, value in (self._inputs(node) | self._hidden(node)).items()},
            "current_outputs": list(self._prompt.posted),
        }
