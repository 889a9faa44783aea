"""PromptRun: ComfyUI's messages about one prompt become WorkerEvents. Pure: no I/O, no clock.

Source of the messages and their order: ComfyUI 0.3.64 and 0.8.0, execution.py and comfy_execution/progress.py.
"""

from collections.abc import Collection, Iterator
from typing import Any

from wire.comfy import CustomMessage, Message, PreviewFrame, ServerMessage, TextFrame, UnknownFrame
from wire.events import (
    HistoryEntry,
    NodeBlocked,
    NodeFrame,
    NodeMessage,
    NodeOutput,
    NodesCached,
    NodesProgressed,
    NodeStarted,
    NodeText,
    Preview,
    PromptFailed,
    PromptFinished,
    PromptInterrupted,
    PromptStarted,
    StepProgress,
    WorkerEvent,
)
from wire.files import encode_bytes
from wire.graph import needed
from wire.limits import PREVIEW_MAX
from wire.progress import NodeProgress
from worker.events.truncate import truncate

PromptEnding = PromptFinished | PromptFailed | PromptInterrupted
"""how ComfyUI ended the prompt"""

_INPUTS_MAX = 4 * 1024
"""JSON of ``current_inputs`` in an error: ComfyUI prints whole tensors there."""
_ERROR_MAX = 64 * 1024
_REASONLESS = {
    "node_id": "",
    "node_type": "",
    "executed": [],
    "exception_message": "ComfyUI gave no reason",
    "exception_type": "UnknownError",
    "traceback": [],
    "current_inputs": {},
    "current_outputs": [],
}


class PromptRun:
    """Feed it every message of ComfyUI's websocket; messages about other prompts are skipped, and so are those whose
    types are *monitors*: they come whether a prompt runs or not.
    """

    def __init__(self, prompt_id: str, monitors: Collection[str] = (), shown_id: str | None = None) -> None:
        """*shown_id* is what the page knows the prompt by, which is another id when a node has queued it."""
        self._prompt_id, self._monitors = prompt_id, monitors
        self._shown_id = shown_id or prompt_id
        self._progress: dict[str, NodeProgress] = {}
        self._node: str | None = None
        self._with_output = set[str]()
        self.node_errors: dict[str, Any] = {}
        """ComfyUI's own, of the nodes that it refused when it accepted the rest of the prompt"""
        self.announced = False
        """whether ComfyUI announced the end: its history entry exists by then"""

    @property
    def prompt_id(self) -> str:
        """ComfyUI's id of the prompt."""
        return self._prompt_id

    def followed_by(self, prompt_id: str) -> "PromptRun":
        """For the prompt that a node of this one queued: it belongs to the same job."""
        following = PromptRun(prompt_id, self._monitors, self._shown_id)
        following.node_errors = self.node_errors
        return following

    @property
    def node(self) -> str | None:
        """The id of the node that runs."""
        return self._node

    def concerns(self, message: ServerMessage) -> bool:
        """Whether *message* says that it is about this prompt: custom nodes send messages of their own to everybody."""
        match message:
            case Message(data={"prompt_id": self._prompt_id}) | CustomMessage(data={"prompt_id": self._prompt_id}):
                return True
            case PreviewFrame() | TextFrame():
                return message.prompt_id == self._prompt_id
            case _:
                return False

    def feed(self, message: ServerMessage) -> Iterator[WorkerEvent]:
        """The events for *message*; none when it is not about this prompt."""
        match message:
            case Message(data={"prompt_id": self._prompt_id}):
                yield from self._events(message.type, message.data)
            case PreviewFrame():
                yield from self._previewed(message)
            case TextFrame() if self._node is not None and message.prompt_id in (None, "", self._prompt_id):
                yield NodeText(node=message.node_id, text=message.text)
            case CustomMessage(type=kind, data=data) if kind not in self._monitors:
                yield NodeMessage(type=kind, data=self._shown(data))
            case UnknownFrame(frame=frame):
                yield NodeFrame(data=encode_bytes(frame))
            case Message() | CustomMessage() | TextFrame():
                return

    def _shown(self, data: Any) -> Any:
        own = isinstance(data, dict) and data.get("prompt_id") == self._prompt_id
        return {**data, "prompt_id": self._shown_id} if own else data

    def _events(self, kind: str, data: dict[str, Any]) -> Iterator[WorkerEvent]:
        match kind:
            case "execution_start":
                yield PromptStarted(timestamp=data.get("timestamp", 0))
            case "execution_cached":
                yield NodesCached(nodes=tuple(data.get("nodes", ())), timestamp=data.get("timestamp", 0))
            case "executing":
                yield from self._executing(data)
            case "progress_state":
                yield from self._progressed(data)
            case "progress" if data.get("node") is not None:
                yield StepProgress(node=data["node"], value=data["value"], max=data["max"])
            case "executed":
                yield from self._executed(data)
            case "execution_error" if "timestamp" not in data:
                error = {key: value for key, value in data.items() if key != "prompt_id"}
                yield NodeBlocked(error=dict(truncate(error, _ERROR_MAX)))

    def _executing(self, data: dict[str, Any]) -> Iterator[WorkerEvent]:
        self._node = data.get("node")
        if self._node is None:
            self.announced = True
        else:
            yield NodeStarted(node=self._node, display_node=data.get("display_node"))

    def _progressed(self, data: dict[str, Any]) -> Iterator[WorkerEvent]:
        """ComfyUI repeats the state of every node in every message; only the changes go on."""
        states = {
            node: NodeProgress.model_validate({key: value for key, value in entry.items() if key != "prompt_id"})
            for node, entry in data.get("nodes", {}).items()
        }
        changed = {node: entry for node, entry in states.items() if self._progress.get(node) != entry}
        self._progress |= changed
        if changed:
            yield NodesProgressed(nodes=changed)

    def _executed(self, data: dict[str, Any]) -> Iterator[WorkerEvent]:
        if data.get("output") is not None:
            self._with_output.add(data["node"])
        yield NodeOutput(node=data["node"], display_node=data.get("display_node"), output=data.get("output"))

    def _previewed(self, frame: PreviewFrame) -> Iterator[WorkerEvent]:
        """A frame without a prompt id is old style: it can only belong to the node that runs."""
        node = frame.node_id or self._node
        if node is None or frame.prompt_id not in (None, "", self._prompt_id):
            return
        if len(frame.image) > PREVIEW_MAX and not frame.is_result:
            return
        if not frame.prompt_id and self._node is None:
            return
        yield Preview(
            node=node,
            display_node=frame.display_node_id,
            parent_node=frame.parent_node_id,
            real_node=frame.real_node_id,
            image_type=frame.image_type,
            data=encode_bytes(frame.image),
        )

    def unannounced(self, entry: dict[str, Any]) -> Iterator[NodeOutput]:
        """The outputs in ComfyUI's history *entry* that no message had."""
        history = _history(entry)
        for node, output in history.outputs.items():
            if node not in self._with_output:
                shown = history.meta.get(node, {}).get("display_node", node)
                yield NodeOutput(node=node, display_node=shown, output=output)

    def ending(self, entry: dict[str, Any]) -> PromptEnding:
        """What the messages in the history *entry* say: ``status_str`` is "success" for a prompt that failed in a
        circle.

        Source: ComfyUI 0.33.0, execution.py ``execute_async`` (``stage_node_execution`` answers with an error).
        """
        history = _history(entry)
        said = {kind: {k: v for k, v in data.items() if k != "prompt_id"} for kind, data in history.status["messages"]}
        last = max((data.get("timestamp", 0) for data in said.values()), default=0)
        if "execution_interrupted" in said:
            return PromptInterrupted(details=said["execution_interrupted"], history=history)
        if "execution_error" not in said and (success := said.get("execution_success")) is not None:
            timestamp = success.get("timestamp", last)
            return PromptFinished(timestamp=timestamp, history=history, node_errors=self.node_errors)
        return PromptFailed(error=said.get("execution_error", {**_REASONLESS, "timestamp": last}), history=history)


def _history(entry: dict[str, Any]) -> HistoryEntry:
    status = dict(entry.get("status") or {})
    status["messages"] = [
        [kind, _small_error(data) if kind == "execution_error" else data] for kind, data in status.get("messages", [])
    ]
    prompt = entry.get("prompt") or []
    graph, targets = (prompt[2], tuple(prompt[4])) if len(prompt) > 4 else ({}, ())
    meta = entry.get("meta") or {}
    ran = set(needed(graph, targets))  # 0.3.64's history also lists cached outputs of all other nodes
    outputs = {
        node: output
        for node, output in (entry.get("outputs") or {}).items()
        if not targets or node in ran or meta.get(node, {}).get("display_node") in ran
    }
    return HistoryEntry(outputs=outputs, status=status, meta=meta, outputs_to_execute=targets)


def _small_error(error: dict[str, Any]) -> dict[str, Any]:
    """*error* without the megabytes that nobody can read; a cut text says so."""
    inputs = error.get("current_inputs")
    small = {**error, "current_inputs": _first(inputs) if isinstance(inputs, dict) else truncate(inputs, _INPUTS_MAX)}
    return dict(truncate(small, _ERROR_MAX))


def _first(inputs: dict[str, Any]) -> dict[str, Any]:
    """The first inputs that fit, each shortened; the others are dropped."""
    kept: dict[str, Any] = {}
    room = _INPUTS_MAX
    for name, value in inputs.items():
        short = truncate(value, 1024)
        room -= len(str(short)) + len(name)
        if room < 0:
            break
        kept[name] = short
    return kept
