"""AskingJobs: which job at RunPod has asked what. So it is known which job a POST of a page may answer.

A POST does not say which page sends it. What is known is the browser, what the letter names, and who has asked:

1. A job of a page that is open in another browser is not meant. One whose page is closed, or that came from a script,
   may be.
2. Of these, the jobs whose running node has sent a message of its own, if there are any.
3. Of these, the ones of whose question the letter names most: the id of the node, of the graph.
4. Of these, the one that asked last: its pictures are the ones that the page shows.
"""

import itertools
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from engine.messages.translate import BrowserMessage
from proxy.letter_texts import texts_of
from wire.comfy import CustomMessage, Message
from wire.ids import ClientId, PromptId

logger = logging.getLogger(__name__)

_NODE = ""
"""no message has such a type: what the running node is called"""
_KINDS_MAX = 20


class Pages(Protocol):
    """Where jobs show themselves; implemented by Sockets."""

    def publish(self, prompt_id: PromptId, client_id: ClientId | None, messages: Iterable[BrowserMessage]) -> None: ...
    def publish_status(self) -> None: ...
    def notice(self, severity: str, summary: str, detail: str) -> None: ...
    def browsers_of(self, client_id: ClientId) -> frozenset[str]: ...


@dataclass(slots=True)
class _Running:
    client_id: ClientId | None
    order: int
    """when it began, or when its running node asked"""
    asked: bool = False
    named: dict[str, frozenset[str]] = field(default_factory=dict)
    """what its question names, by the type of the message: the newest of a type counts"""

    def matches(self, texts: frozenset[str]) -> int:
        """How much of *texts* its question names."""
        return len(texts & frozenset[str]().union(*self.named.values()))


class AskingJobs:
    """A Publisher that listens to what goes to *pages*. *on_end* is called when a job has ended."""

    def __init__(self, pages: Pages, on_end: Callable[[PromptId], None]) -> None:
        self._pages, self._on_end = pages, on_end
        self._running: dict[PromptId, _Running] = {}
        self._order = itertools.count()

    # -- Publisher

    def publish(self, prompt_id: PromptId, client_id: ClientId | None, messages: Iterable[BrowserMessage]) -> None:
        shown = tuple(messages)
        self._pages.publish(prompt_id, client_id, shown)
        try:
            for message in shown:
                self._note(prompt_id, client_id, message)
        except Exception:  # a job must not fail because somebody listens
            logger.exception("%s: a message was not understood", prompt_id)

    def publish_status(self) -> None:
        self._pages.publish_status()

    def notice(self, severity: str, summary: str, detail: str) -> None:
        self._pages.notice(severity, summary, detail)

    # -- questions

    @property
    def any_running(self) -> bool:
        return bool(self._running)

    def has_asked(self, prompt_id: PromptId) -> bool:
        return prompt_id in self._running and self._running[prompt_id].asked

    def addressee(self, browser: str, texts: frozenset[str]) -> PromptId | None:
        """The job that a letter with *texts* in it is for; *browser* is the User-Agent of the page that sends it."""
        meant = {prompt_id: job for prompt_id, job in self._running.items() if self._may_be(browser, job)}
        asking = {prompt_id: job for prompt_id, job in meant.items() if job.asked} or meant
        return max(asking, key=lambda found: (asking[found].matches(texts), asking[found].order), default=None)

    def _may_be(self, browser: str, job: _Running) -> bool:
        browsers = frozenset[str]() if job.client_id is None else self._pages.browsers_of(job.client_id)
        return not browsers or browser in browsers

    def _note(self, prompt_id: PromptId, client_id: ClientId | None, message: BrowserMessage) -> None:
        match message:
            case Message(type="execution_start"):
                self._running[prompt_id] = _Running(client_id, next(self._order))
            case Message(type="executing", data={"node": None}):
                self._running.pop(prompt_id, None)
                self._on_end(prompt_id)
            case Message(type="executing", data=data) if prompt_id in self._running:
                job = self._running[prompt_id]
                job.asked, job.named = False, {_NODE: texts_of([data.get("node"), data.get("display_node")])}
            case CustomMessage(type=kind, data=data) if prompt_id in self._running:
                self._asks(self._running[prompt_id], kind, texts_of(data))

    def _asks(self, job: _Running, kind: str, texts: frozenset[str]) -> None:
        """While a node asks it may say more, such as the seconds that are left: that is not another question."""
        if not job.asked:
            job.asked, job.order = True, next(self._order)
        if kind in job.named or len(job.named) < _KINDS_MAX:
            job.named[kind] = texts
