"""WaitingNode: notices that the running node waits for a person. Pure: time and signs of life are passed in.

Image choosers, filters and painters send a message to their script in the page, and then look again and again whether
an answer has come. Meanwhile nothing of the prompt moves, and ComfyUI computes nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from wire.events import MessagesSkipped, NodeFrame, NodeMessage, WorkerEvent

QUIET_S = 30.0
"""without a sign of life, after which a node waits: shorter pauses happen, and a minute is dear"""
_AGAIN_S = 60.0
"""until it is said again; doubled each time"""
_SETTLED_SHARE = 0.1
"""of that time, after which the first look is worth its time: most messages are followed by others"""
_BUSY_SHARE = 0.2
"""of one processor: who waits uses a hundredth, and who computes on a GPU keeps one busy"""


@dataclass(frozen=True, slots=True)
class Signs:
    """What shows that ComfyUI works although it sends nothing."""

    cpu_s: float | None
    """seconds of processor time that it has used; None when nobody knows, which counts as work"""
    log: tuple[str, ...] = ()
    """the end of its log: a download writes there"""
    loads: bool = False
    """whether it loads a model"""


class WaitingNode:
    """Of one prompt. *signs* are asked for seldom."""

    def __init__(self, signs: Callable[[], Signs], quiet_s: float = QUIET_S) -> None:
        self._signs, self._quiet_s = signs, quiet_s
        self._asked: float | None = None
        """when a node sent a message after which nothing has moved"""
        self._before: Signs | None = None
        self._since = self._due = 0.0
        self._again_s = _AGAIN_S

    def heard(self, events: Iterable[WorkerEvent], now: float) -> None:
        """ComfyUI has sent something. A message of a node may be a question; while it is quiet another one is not news:
        some nodes count the seconds down.
        """
        for event in events:
            if not isinstance(event, NodeMessage | NodeFrame | MessagesSkipped):
                self._asked = self._before = None
            elif isinstance(event, NodeMessage) and self._asked is None:
                self._asked = now

    def is_due(self, now: float) -> bool:
        """Whether it should be said now that the node waits."""
        if self._asked is None or now < self._asked + self._quiet_s * _SETTLED_SHARE:
            return False
        if self._before is None:
            self._begin(self._signs(), now)
        if now < self._due:
            return False
        signs = self._signs()
        if self._before is None or _has_worked(self._before, signs, now - self._since):
            self._begin(signs, now)
            return False
        self._due, self._again_s = now + self._again_s, self._again_s * 2
        return True

    def _begin(self, signs: Signs, now: float) -> None:
        self._before, self._since, self._due, self._again_s = signs, now, now + self._quiet_s, _AGAIN_S


def _has_worked(before: Signs, now: Signs, seconds: float) -> bool:
    if before.cpu_s is None or now.cpu_s is None or now.loads or now.log != before.log:
        return True
    return now.cpu_s - before.cpu_s > seconds * _BUSY_SHARE
