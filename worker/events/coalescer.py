"""Pending: which events wait, and what of them goes into the next batch. Pure: the time is passed in.

Steps of a node's progress, previews and texts replace an older one that still waits; nothing else is dropped, and no
event overtakes one that must stay: such an event closes what may still be replaced. The start and the end of a node's
progress stay.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from wire.comfy import RESULT_TYPE
from wire.events import (
    FileChunk,
    NodeOutput,
    NodeProgress,
    NodesProgressed,
    NodeText,
    Preview,
    StepProgress,
    WorkerEvent,
    encode_event,
)
from wire.files import Inline
from wire.limits import BATCH_TARGET
from worker.events.truncate import cleaned, encode_json, trimmed

PREVIEW_INTERVAL_S = 0.3
"""between two previews of one node"""
ENVELOPE = 256
"""bytes of a batch around its events"""
_ROOM = BATCH_TARGET - ENVELOPE

Key = tuple[str, str]
_STEP = ("nodes_progressed", "preview", "step_progress")
"""how ComfyUI tells of a step (main.py, ``hijack_progress``)"""


def _place(key: Key) -> int:
    return _STEP.index(key[0]) if key[0] in _STEP else -1


def replaceable(event: WorkerEvent) -> Key | None:
    """What a newer event must have in common with *event* to take its place; None: it must be told."""
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
        case FileChunk() | Preview():
            return len(event.data)
        case NodeOutput():
            return 1024 + sum(len(file.source.data) for file in event.files if isinstance(file.source, Inline))
        case _:
            return 512


class Coalescer:
    """Events in the order in which they happened; numbered when they leave."""

    def __init__(self) -> None:
        self._told: deque[WorkerEvent] = deque()
        self._open: dict[Key, WorkerEvent] = {}
        self._previewed: dict[str, float] = {}
        self._encoded: deque[tuple[dict[str, Any], int, int]] = deque()
        self._seq = 0
        self.weight = 0
        """roughly the bytes that wait"""
        self.urgent = False
        """whether something waits that people wait for"""

    def __bool__(self) -> bool:
        return bool(self._encoded or self._told or self._open)

    def add(self, event: WorkerEvent) -> None:
        key = replaceable(event)
        self.weight += weight(event)
        if key is None:
            self._close()
            self._told.append(event)
            self.urgent = True
        else:
            self._replace(key, event)

    def _replace(self, key: Key, event: WorkerEvent) -> None:
        older = self._open.get(key)
        if older is not None:
            self.weight -= weight(older)
        if isinstance(older, NodesProgressed) and isinstance(event, NodesProgressed):
            event = NodesProgressed(nodes={**older.nodes, **event.nodes})
        self._open[key] = event

    def _close(self) -> None:
        self._tell(lambda _: True)

    def _tell(self, wanted: Callable[[WorkerEvent], bool]) -> None:
        """Those of the replaceable ones may go that are *wanted*, in the order in which ComfyUI tells of a step."""
        for key in sorted((key for key, event in self._open.items() if wanted(event)), key=_place):
            self._told.append(self._open.pop(key))

    def due_at(self, paced: float) -> float | None:
        """When the next batch should leave: *paced*, later for a preview too soon after another, else at once (0).

        None while nothing waits.
        """
        if self.urgent:
            return 0.0
        return min((max(paced, self._not_before(event)) for event in self._open.values()), default=None)

    def _not_before(self, event: WorkerEvent) -> float:
        if isinstance(event, Preview) and event.node in self._previewed:
            return self._previewed[event.node] + PREVIEW_INTERVAL_S
        return 0.0

    def take(self, now: float) -> list[dict[str, Any]]:
        """The encoded events of the next batch, never over BATCH_TARGET bytes of JSON; empty when none is due."""
        self._tell(lambda event: self._not_before(event) <= now)
        room, batch = _ROOM, list[dict[str, Any]]()
        while self._encoded or self._told:
            if not self._encoded:
                self._encoded.append(self._encode(self._told.popleft(), now))
            item, size, held = self._encoded[0]
            if batch and size > room:
                break
            self._encoded.popleft()
            batch.append(item)
            room -= size
            self.weight -= held
        self.urgent = bool(self._encoded or self._told)
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
    if isinstance(event, FileChunk):
        return item, len(event.data) + 128  # base64 grows no more in JSON: no need to encode it twice
    try:
        size = len(encode_json(item))
    except ValueError:
        item = cleaned(item)
        size = len(encode_json(item))
    if size > _ROOM:
        item = _small(event, item)
        size = len(encode_json(item))
    return item, size + 2


def _small(event: WorkerEvent, item: dict[str, Any]) -> dict[str, Any]:
    """Texts are cut, the files that an output names never."""
    if isinstance(event, NodeOutput):
        room = max(_ROOM - len(encode_json({**item, "output": None})), 1024)
        return {**item, "output": trimmed(item["output"], room)}
    if "history" in item:
        item = {**item, "history": trimmed(item["history"], _ROOM // 2)}
    return dict(trimmed(item, _ROOM))
