"""MessageBudget: how much of what custom nodes say travels. Pure: the time is passed in.

A message has at most NODE_MESSAGE_MAX bytes, a frame as many as a preview, and all of them share NODE_MESSAGES_PER_S.
What is above that waits until there is room, and is replaced by a newer one of its kind.
"""

import json
from collections.abc import Iterator

from wire.events import MessagesSkipped, NodeFrame, NodeMessage, WorkerEvent
from wire.limits import NODE_MESSAGE_MAX, NODE_MESSAGES_PER_S, PREVIEW_MAX

_KINDS_MAX = 64
"""how many kinds may have a message waiting"""
_HEADER = 44
"""characters of base64: what VideoHelperSuite puts before a picture, which tells its node and its place"""

Kind = tuple[str, str]


class MessageBudget:
    """Of one prompt, from *now* on, in seconds."""

    def __init__(self, now: float) -> None:
        self._room, self._then = float(NODE_MESSAGES_PER_S), now
        self._waiting: dict[Kind, NodeMessage | NodeFrame] = {}
        self._said = False

    def admit(self, event: WorkerEvent, now: float) -> Iterator[WorkerEvent]:
        """*event*, as far as it may go on now; events of ComfyUI's own always may. A message that is left out is said,
        once.
        """
        if not isinstance(event, NodeMessage | NodeFrame):
            yield event
            return
        kind, size = _kind(event), _size(event)
        if size > (NODE_MESSAGE_MAX if isinstance(event, NodeMessage) else PREVIEW_MAX):
            yield from self._skip(event)
            return
        self._refill(now)
        if not self._waiting and self._room >= size:
            self._room -= size
            yield event
        elif kind in self._waiting or len(self._waiting) < _KINDS_MAX:
            if (older := self._waiting.pop(kind, None)) is not None:
                yield from self._skip(older)
            self._waiting[kind] = event
        else:
            yield from self._skip(event)

    def due(self, now: float) -> Iterator[WorkerEvent]:
        """What has waited and may go on now, the oldest first."""
        self._refill(now)
        while self._waiting:
            kind, event = next(iter(self._waiting.items()))
            if self._room < _size(event):
                return
            del self._waiting[kind]
            self._room -= _size(event)
            yield event

    def rest(self) -> Iterator[WorkerEvent]:
        """What still waits when the prompt has ended."""
        yield from self._waiting.values()
        self._waiting.clear()

    def _skip(self, event: NodeMessage | NodeFrame) -> Iterator[WorkerEvent]:
        if isinstance(event, NodeMessage) and not self._said:  # a frame that is left out is a preview less
            self._said = True
            yield MessagesSkipped(type=event.type)

    def _refill(self, now: float) -> None:
        self._room = min(self._room + (now - self._then) * NODE_MESSAGES_PER_S, NODE_MESSAGES_PER_S)
        self._then = now


def _kind(event: NodeMessage | NodeFrame) -> Kind:
    return (event.kind, event.type if isinstance(event, NodeMessage) else event.data[:_HEADER])


def _size(event: NodeMessage | NodeFrame) -> int:
    """Bytes: of the message's JSON, or of the frame."""
    return len(event.data) * 3 // 4 if isinstance(event, NodeFrame) else len(json.dumps(event.data).encode())
