"""Story: what a run says to the page, and what of it the history keeps.

Source: ComfyUI 0.8.0, execution.py ``add_message``, comfy_execution/progress.py, main.py ``hijack_progress``.
"""

import io
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from sandbox.comfyui.dynamic import DynamicPrompt
from sandbox.comfyui.node import Blocked, Result
from wire.comfy import CustomMessage, Message, PreviewFrame, TextFrame, UnknownFrame

Said = Message | CustomMessage | PreviewFrame | TextFrame | UnknownFrame
Picture = tuple[bytes, str]
"""an encoded image and its type"""
Send = Callable[[Said], Awaitable[None]]
_PREVIEW_SIDE = 512


@dataclass(slots=True)
class Outcome:
    outputs: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    messages: list[list[Any]] = field(default_factory=list)
    success: bool = False


class Story:
    """The messages of one run."""

    def __init__(self, prompt_id: str, prompt: DynamicPrompt, send: Send) -> None:
        self._prompt_id, self._prompt, self._send = prompt_id, prompt, send
        self._states: dict[str, dict[str, Any]] = {}
        self.outcome = Outcome()

    async def start(self) -> None:
        await self.kept("execution_start", {})

    async def cached(self, nodes: list[str]) -> None:
        await self.kept("execution_cached", {"nodes": nodes})

    async def success(self) -> None:
        self.outcome.success = True
        await self.kept("execution_success", {})

    async def running(self, node: str) -> None:
        await self._state(node, 0.0, 1.0, "running")
        await self._say("executing", {"node": node, "display_node": self._prompt.real(node)})

    async def step(self, node: str, value: float, most: float, picture: Picture | None) -> None:
        """State, picture, progress: the page that wants its pictures the old way gets them last."""
        await self._state(node, value, most, "running")
        if picture is not None:
            real, parent = self._prompt.real(node), self._prompt.parent(node)
            await self._send(PreviewFrame(*picture, node, self._prompt_id, real, parent, real))
        await self._say("progress", {"value": value, "max": most, "node": node})

    async def text(self, node: str, text: str) -> None:
        await self._send(TextFrame(node, text))

    async def custom(self, kind: str, data: Any) -> None:
        await self._send(CustomMessage(kind, data))

    async def frame(self, frame: bytes) -> None:
        await self._send(UnknownFrame(frame))

    async def finished(self, node: str) -> None:
        most = self._states.get(node, {"max": 1})["max"]
        await self._state(node, most, most, "finished")

    async def executed(self, node: str, result: Result) -> None:
        """A node whose result is kept says it again, also when it has nothing to show."""
        real, output = self._prompt.real(node), None if result.ui is None else dict(result.ui)
        if output is not None:
            meta = {"node_id": node, "display_node": real, "parent_node": self._prompt.parent(node)}
            self.outcome.meta[node] = {**meta, "real_node_id": real}
            self.outcome.outputs[node] = output
        await self._say("executed", {"node": node, "display_node": real, "output": output})

    async def blocked(self, node: str, block: Blocked, ran: list[str]) -> None:
        """Not kept and not dated, as in execution.py ``execution_block_cb``."""
        data = {
            "node_id": node,
            "node_type": self._prompt[node]["class_type"],
            "executed": list(ran),
            "exception_message": f"Execution Blocked: {block.message}",
            "exception_type": "ExecutionBlocked",
            "traceback": [],
            "current_inputs": [],
            "current_outputs": [],
        }
        await self._say("execution_error", data)

    async def ended_at(self, kind: str, node: str, ran: list[str], more: dict[str, Any]) -> None:
        """The ending that names the posted node, whatever it became."""
        real = self._prompt.real(node)
        await self.kept(
            kind, {"node_id": real, "node_type": self._prompt[real]["class_type"], "executed": list(ran), **more}
        )

    async def kept(self, kind: str, data: dict[str, Any]) -> None:
        """Said to the page and kept in the history."""
        dated = {"prompt_id": self._prompt_id, **data, "timestamp": time.time_ns() // 1_000_000}
        self.outcome.messages.append([kind, dated])
        await self._send(Message(kind, dated))

    async def _state(self, node: str, value: float, most: float, state: str) -> None:
        self._states[node] = {
            "value": value,
            "max": most,
            "state": state,
            "node_id": node,
            "prompt_id": self._prompt_id,
            "display_node_id": self._prompt.real(node),
            "parent_node_id": self._prompt.parent(node),
            "real_node_id": self._prompt.real(node),
        }
        await self._say("progress_state", {"nodes": dict(self._states)})

    async def _say(self, kind: str, data: dict[str, Any]) -> None:
        await self._send(Message(kind, {**data, "prompt_id": self._prompt_id}))


def jpeg(image: Image.Image) -> Picture:
    """As the server sends a preview: scaled to fit, quality 95."""
    scale = _PREVIEW_SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return _encoded(image.convert("RGB").resize(size), "JPEG", quality=95)


def png(image: Image.Image) -> Picture:
    """A picture that is a result and not a preview: the server sends it as it is."""
    return _encoded(image, "PNG", compress_level=1)


def _encoded(image: Image.Image, kind: str, **options: int) -> Picture:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue(), f"image/{kind.lower()}"
