"""Coalescer: holds events until the next batch, and drops what a newer event replaces. Pure: the time is passed in.

A step of a node's progress, a preview or a text replaces an older one that still waits. Nothing else is dropped: all
other events, the start and the end of a node's progress among them, are final, and no event overtakes a final one.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from wire.batch import encode_event
from wire.comfy import RESULT_TYPE
from wire.events import (
    CatalogPiece,
    FileChunk,
    FilesSaved,
    NodeFrame,
    NodeMessage,
    NodeOutput,
    NodesProgressed,
    NodeText,
    Preview,
    StepProgress,
    WorkerEvent,
)
from wire.files import Inline
from wire.limits import BATCH_TARGET, EVENT_VALUES_MAX
from wire.plain_json import portable
from wire.progress import NodeProgress
from worker.events.truncate import encode_json, is_small, truncate

PREVIEW_INTERVAL_S = 0.3
"""between two previews of one node"""
ENVELOPE = 256
"""bytes of a batch around its events"""
_ROOM = BATCH_TARGET - ENVELOPE
_VALUES = EVENT_VALUES_MAX - 5_000
"""of what ComfyUI says in an event; the rest is around it"""

Key = tuple[str, str]
_STEP = ("nodes_progressed", "preview", "step_progress")
"""the order in which ComfyUI reports a step (main.py, ``hijack_progress``)"""


def _rank(key: Key) -> int:
    return _STEP.index(key[0]) if key[0] in _STEP else -1


def replaceable(event: WorkerEvent) -> Key | None:
    """What a newer event must have in common with *event* to replace it; None when *event* is final."""
    match event:
        case NodesProgressed() if all(map(is_step, event.nodes.values())):
            return (event.kind, "")
        case Preview() if event.image_type == RESULT_TYPE:
            return None
        case StepProgress() | Preview() | NodeText():
            return (event.kind, event.node)
        case _:
            return None


def is_step(progress: NodeProgress) -> bool:
    """Between the start (0 of 1) and the end of a node (comfy_execution/progress.py)."""
    return progress.state == "running" and progress.value > 0


def weight(event: WorkerEvent) -> int:
    """Roughly the bytes that *event* holds in memory."""
    match event:
        case FileChunk() | CatalogPiece() | Preview() | NodeFrame():
            return len(event.data)
        case NodeOutput() | NodeMessage() | FilesSaved():
            return 1024 + sum(len(file.source.data) for file in event.files if isinstance(file.source, Inline))
        case _:
            return 512


class Coalescer:
    """Events in the order in which they happened; they get their numbers when they leave."""

    def __init__(self) -> None:
        self._final: deque[WorkerEvent] = deque()
        self._replaceable: dict[Key, WorkerEvent] = {}
        self._previewed: dict[str, float] = {}
        self._encoded: deque[tuple[dict[str, Any], int, int]] = deque()
        self._seq = 0
        self.weight = 0
        """roughly the bytes that wait"""
        self.urgent = False
        """whether an event waits that a person waits for"""

    def __bool__(self) -> bool:
        return bool(self._encoded or self._final or self._replaceable)

    def add(self, event: WorkerEvent) -> None:
        key = replaceable(event)
        self.weight += weight(event)
        if key is None:
            self._finalize_all()
            self._final.append(event)
            self.urgent = True
        else:
            self._replace(key, event)

    def _replace(self, key: Key, event: WorkerEvent) -> None:
        older = self._replaceable.get(key)
        if older is not None:
            self.weight -= weight(older)
        if isinstance(older, NodesProgressed) and isinstance(event, NodesProgressed):
            event = NodesProgressed(nodes={**older.nodes, **event.nodes})
        self._replaceable[key] = event

    def _finalize_all(self) -> None:
        self._finalize(lambda _: True)

    def _finalize(self, wanted: Callable[[WorkerEvent], bool]) -> None:
        """Makes the replaceable events for which *wanted* holds final, in the order in which ComfyUI reports a step."""
        for key in sorted((key for key, event in self._replaceable.items() if wanted(event)), key=_rank):
            self._final.append(self._replaceable.pop(key))

    def due_at(self, paced: float) -> float | None:
        """When the next batch should leave; 0 is at once, None while nothing waits.

        Final events leave at once, others at *paced*, and a preview not too soon after the last one of its node.
        """
        if self.urgent:
            return 0.0
        return min((max(paced, self._not_before(event)) for event in self._replaceable.values()), default=None)

    def _not_before(self, event: WorkerEvent) -> float:
        if isinstance(event, Preview) and event.node in self._previewed:
            return self._previewed[event.node] + PREVIEW_INTERVAL_S
        return 0.0

    def take(self, now: float) -> list[dict[str, Any]]:
        """The encoded events of the next batch, never over BATCH_TARGET bytes of JSON; empty when none is due."""
        self._finalize(lambda event: self._not_before(event) <= now)
        room, batch = _ROOM, list[dict[str, Any]]()
        while self._encoded or self._final:
            if not self._encoded:
                self._encoded.append(self._encode(self._final.popleft(), now))
            item, size, held = self._encoded[0]
            if batch and size > room:
                break
            self._encoded.popleft()
            batch.append(item)
            room -= size
            self.weight -= held
        self.urgent = bool(self._encoded or self._final)
        return batch

    def _encode(self, event: WorkerEvent, now: float) -> tuple[dict[str, Any], int, int]:
        if isinstance(event, Preview):
            self._previewed[event.node] = now
        item, size = encoded(self._seq, event)
        self._seq += 1
        return item, size, weight(event)


def encoded(seq: int, event: WorkerEvent) -> tuple[dict[str, Any], int]:
    """The event as it travels, and the bytes of its JSON with a separator; made to fit into a batch of its own."""
    item = encode_event(seq, event)
    if isinstance(event, FileChunk | CatalogPiece):
        return item, len(event.data) + 128  # base64 grows no more in JSON: no need to encode it twice
    try:
        size = len(encode_json(item))
    except ValueError:
        item = portable(item)
        size = len(encode_json(item))
    if size > _ROOM or not is_small(item, EVENT_VALUES_MAX):
        item = _small(event, item)
        size = len(encode_json(item))
    return item, size + 2


def _small(event: WorkerEvent, item: dict[str, Any]) -> dict[str, Any]:
    """Cuts texts and lists, but never the files that an output names."""
    if isinstance(event, NodeOutput):
        room = max(_ROOM - len(encode_json({**item, "output": None})), 1024)
        return {**item, "output": truncate(item["output"], room, _VALUES)}
    cuttable = {name: part for name, part in item.items() if isinstance(part, dict | list)}
    parts = {name: truncate(part, _ROOM // 2, _VALUES // 4) for name, part in cuttable.items()}
    if "history" in item:
        parts["history"] = _small_history(item["history"])
    return dict(truncate(item | parts, _ROOM))


def _small_history(history: dict[str, Any]) -> dict[str, Any]:
    outputs, meta = (truncate(history[name], _ROOM // 2, _VALUES // 8) for name in ("outputs", "meta"))
    return dict(truncate({**history, "outputs": outputs, "meta": meta}, _ROOM // 2))
