"""WorkerEvents become the websocket messages that ComfyUI would have sent, in ComfyUI's order."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, assert_never

from engine.messages.failures import advised, execution_error, explain_rejection, explain_worker, refused_part
from engine.messages.node_waits import waits_sentence
from engine.model.job import Entry
from wire.comfy import CustomMessage, Message, PreviewFrame, TextFrame, UnknownFrame
from wire.errors import WireError
from wire.events import (
    CatalogPiece,
    CatalogTold,
    FileChunk,
    FilesCollected,
    FilesKept,
    FilesMissing,
    FilesSaved,
    JobsFound,
    MessagesSkipped,
    NodeBlocked,
    NodeFrame,
    NodeMessage,
    NodeOutput,
    NodesCached,
    NodesProgressed,
    NodeStarted,
    NodeText,
    NodeWaits,
    Omitted,
    PackFilesDiffer,
    Preview,
    PromptChanged,
    PromptFailed,
    PromptFinished,
    PromptInterrupted,
    PromptRejected,
    PromptStarted,
    StepProgress,
    Unknown,
    WorkerEvent,
    WorkerFailed,
    WorkerState,
)
from wire.files import decode_bytes
from wire.follow_ups import joined_output
from wire.ids import PromptId


@dataclass(frozen=True, slots=True)
class StatusDue:
    """A ``status`` message: the socket that sends it fills in the count."""


BrowserMessage = Message | CustomMessage | PreviewFrame | TextFrame | UnknownFrame | StatusDue

_TAG = re.compile(r"<(?=[A-Za-z/!?])")
NODES_MAX = 5_000
"""nodes whose progress is shown, all of them in each message: no prompt has as many"""
_SAID_MAX = 1_000
"""characters of what a prompt waits for"""
_Silent = (
    FileChunk
    | FilesCollected
    | FilesKept
    | FilesMissing
    | FilesSaved
    | JobsFound
    | Omitted
    | CatalogTold
    | CatalogPiece
    | PromptChanged  # custom nodes tell their scripts themselves
    | Unknown
)
"""events that the page is not told about"""
_STILL = (
    *(WorkerState, FileChunk, FilesKept, FilesSaved, JobsFound, Omitted, Unknown, PromptChanged, CatalogTold),
    *(CatalogPiece, NodeMessage, NodeFrame, MessagesSkipped, NodeWaits, PackFilesDiffer),
)
"""events after which the person waits for the same as before"""


@dataclass(slots=True)
class MessageTranslator:
    """What has been told of one prompt so far; fed its events in order."""

    prompt_id: PromptId
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    executed: dict[str, None] = field(default_factory=dict)
    """the nodes that have run, in their order"""
    cached: frozenset[str] = frozenset()
    node: str | None = None
    """the node that runs"""
    story: list[list[Any]] = field(default_factory=list)
    """``status.messages`` of the history entry"""
    said: str = ""
    """what the person reads while nothing moves"""

    def messages(self, event: WorkerEvent, now_ms: int) -> Iterator[BrowserMessage]:
        """The messages for *event*; *now_ms* dates what the worker did not."""
        if not isinstance(event, _STILL):
            yield from self.waiting("")
        yield from self._translated(event, now_ms)

    def fenced(self, event: WorkerEvent, now_ms: int) -> list[BrowserMessage]:
        """The same, and none for an event with odd data: what is only shown must not cost a result."""
        try:
            return list(self.messages(event, now_ms))
        except (WireError, ValueError, TypeError, KeyError, AttributeError, IndexError):
            return []

    def waiting(self, text: str) -> Iterator[Message]:
        """Say what the prompt waits for; the empty *text* takes it back.

        Frontends from 1.35 mark a prompt as initializing when the text has "Waiting for a machine" in it.
        """
        text = text[:_SAID_MAX]
        if text != self.said:
            self.said = text
            yield Message("notification", {"value": text, "id": self.prompt_id})

    def _translated(  # noqa: C901, PLR0912  one exhaustive table
        self, event: WorkerEvent, now_ms: int
    ) -> Iterator[BrowserMessage]:
        if isinstance(event, _Silent):
            return
        match event:
            case PromptStarted():
                yield self._started({"prompt_id": self.prompt_id, "timestamp": event.timestamp})
            case NodesCached():
                yield self._cached(event)
            case NodeStarted():
                self.node = event.node
                shown = event.display_node or event.node
                yield self._message("executing", node=event.node, display_node=shown)
            case NodesProgressed():
                yield self._progressed(event)
            case StepProgress():
                yield Message("progress", self._step(event))
            case Preview():
                yield self._preview(event)
            case NodeText():
                yield TextFrame(node_id=event.node, text=_never_html(event.text), prompt_id=self.prompt_id)
            case NodeMessage() | NodeFrame() | MessagesSkipped() | PackFilesDiffer():
                yield from _of_a_custom_node(event)
            case NodeOutput():
                yield from self._output(event)
            case NodeBlocked():
                yield self._message("execution_error", **event.error)
            case WorkerState():
                yield from self.waiting(event.message)
            case NodeWaits():
                yield from self.waiting(waits_sentence(event))
            case PromptFinished():
                yield from self._refused(event)
                yield from self._ended("execution_success", {"prompt_id": self.prompt_id, "timestamp": event.timestamp})
            case PromptFailed():
                yield from self._ended("execution_error", {**advised(event.error), "prompt_id": self.prompt_id})
            case PromptInterrupted():
                yield from self._ended("execution_interrupted", {**event.details, "prompt_id": self.prompt_id})
            case PromptRejected():
                node_id, node_type, error_type, text = explain_rejection(event)
                yield from self.failed(error_type, text, node_id=node_id, node_type=node_type, now_ms=now_ms)
            case WorkerFailed():
                error_type, text = explain_worker(event)
                yield from self.failed(error_type, text, now_ms=now_ms)
            case _:
                assert_never(event)

    def failed(
        self, error_type: str, text: str, *, node_id: str = "", node_type: str = "", now_ms: int
    ) -> Iterator[BrowserMessage]:
        """The ending of a prompt that failed outside ComfyUI."""
        payload = execution_error(self.prompt_id, error_type, text, node_id=node_id, node_type=node_type, now_ms=now_ms)
        yield from self._ended("execution_error", payload)

    def interrupted(self, prompt: dict[str, Any], now_ms: int) -> Iterator[BrowserMessage]:
        """The ending of a prompt that was cancelled: the worker is stopped and says nothing any more."""
        node = self._real(self.node or "")
        payload = {
            "prompt_id": self.prompt_id,
            "node_id": node,
            "node_type": prompt.get(node, {}).get("class_type", ""),
            "executed": list(self.executed),
            "timestamp": now_ms,
        }
        yield from self._ended("execution_interrupted", payload)

    def entry(self, *, completed: bool) -> Entry:
        """The history entry as far as it was told."""
        status = {"status_str": "success" if completed else "error", "completed": completed, "messages": self.story}
        meta = {node: self._meta(node) for node in self.outputs}
        return Entry(outputs=self.outputs, status=status, meta=meta)

    def _real(self, node: str) -> str:
        """The posted node that *node* belongs to: a node may become several, which the prompt does not have."""
        return str(self.nodes.get(node, {}).get("real_node_id") or node)

    def _meta(self, node: str) -> dict[str, Any]:
        known = self.nodes.get(node, {})
        return {
            "node_id": node,
            "display_node": known.get("display_node_id", node),
            "parent_node": known.get("parent_node_id"),
            "real_node_id": known.get("real_node_id", node),
        }

    def _message(self, kind: str, **data: Any) -> Message:
        return Message(kind, {**data, "prompt_id": self.prompt_id})

    def _told(self, kind: str, data: dict[str, Any]) -> Message:
        self.story.append([kind, data])
        return Message(kind, data)

    def _told_once(self, kind: str, data: dict[str, Any]) -> Message:
        return Message(kind, data) if any(known == kind for known, _ in self.story) else self._told(kind, data)

    def _started(self, data: dict[str, Any]) -> Message:
        """Also for a prompt that a node queued: it belongs to the same job, and its nodes begin anew."""
        self.cached = frozenset()
        self.nodes.clear()
        self.executed.clear()
        return self._told_once("execution_start", data)

    def _cached(self, event: NodesCached) -> Message:
        self.cached = frozenset(event.nodes)
        data = {"nodes": list(event.nodes), "prompt_id": self.prompt_id, "timestamp": event.timestamp}
        return self._told_once("execution_cached", data)

    def _progressed(self, event: NodesProgressed) -> Message:
        for node, progress in event.nodes.items():
            if node not in self.nodes and len(self.nodes) >= NODES_MAX:
                continue
            self.nodes[node] = {**progress.model_dump(), "prompt_id": self.prompt_id}
            if progress.state == "finished" and node not in self.cached:
                self.executed.setdefault(node)
        return Message("progress_state", {"prompt_id": self.prompt_id, "nodes": dict(self.nodes)})

    def _step(self, event: StepProgress) -> dict[str, Any]:
        return {"value": event.value, "max": event.max, "prompt_id": self.prompt_id, "node": event.node}

    def _preview(self, event: Preview) -> PreviewFrame:
        return PreviewFrame(
            image=decode_bytes(event.data),
            image_type=event.image_type,
            node_id=event.node,
            prompt_id=self.prompt_id,
            display_node_id=event.display_node or event.node,
            parent_node_id=event.parent_node,
            real_node_id=event.real_node or event.node,
        )

    def _output(self, event: NodeOutput) -> Iterator[BrowserMessage]:
        if event.output is not None:
            self.outputs[event.node] = self._with_earlier(event.node, event.output)
        shown = event.display_node or event.node
        yield self._message("executed", node=event.node, display_node=shown, output=event.output)

    def _with_earlier(self, node: str, output: dict[str, Any]) -> dict[str, Any]:
        """A node that was cached shows again what an earlier prompt has shown."""
        earlier = self.outputs.get(node)
        return earlier if earlier is not None and node in self.cached else joined_output(earlier, output)

    def _refused(self, event: PromptFinished) -> Iterator[BrowserMessage]:
        """At the end, although it is known at the beginning: after an error newer pages show no progress any more."""
        if event.node_errors:
            yield self._message("execution_error", **refused_part(event.node_errors, self.executed))

    def _ended(self, kind: str, data: dict[str, Any]) -> Iterator[BrowserMessage]:
        yield from self.waiting("")
        yield self._told(kind, data)
        yield StatusDue()
        yield self._message("executing", node=None)  # ComfyUI says the end twice; 1.27 hangs without it


def _of_a_custom_node(event: NodeMessage | NodeFrame | MessagesSkipped | PackFilesDiffer) -> Iterator[BrowserMessage]:
    match event:
        case NodeMessage():
            yield CustomMessage(event.type, event.data)
        case NodeFrame():
            yield UnknownFrame(decode_bytes(event.data))


def _never_html(text: str) -> str:
    """*text* as it was for a person, and not a tag for a page that reads it as HTML: an invisible sign, U+2060, follows
    each ``<`` that could begin one (WHATWG HTML, 13.2.5.6, tag open state).

    Frontends up to 1.35 show the progress text of a node as HTML, so that a worker's text could run as script.
    """
    return _TAG.sub("<\u2060", text)
