"""Tools: what the run of every job works with."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from engine.files.inputs import InputFiles
from engine.files.results import ResultFiles
from engine.messages.translate import BrowserMessage
from engine.store.jobs import JobStore
from wire.ids import ClientId, PromptId

logger = logging.getLogger(__name__)


class Publisher(Protocol):
    """Where browsers listen; implemented by Sockets."""

    def publish(self, prompt_id: PromptId, client_id: ClientId | None, messages: Iterable[BrowserMessage]) -> None: ...
    def publish_status(self) -> None: ...
    def notice(self, severity: str, summary: str, detail: str) -> None: ...


class UnknownKinds:
    """Events that a newer worker sends and this proxy does not know: passed by, told once each."""

    def __init__(self) -> None:
        self._met = set[str]()

    def meet(self, name: str) -> None:
        if name not in self._met:
            self._met.add(name)
            logger.warning("the worker reports %r, which this proxy does not know: it is older than the worker", name)


@dataclass(frozen=True, slots=True)
class Services:
    """What every job's run works with."""

    store: JobStore
    inputs: InputFiles
    files: ResultFiles
    publisher: Publisher
    now_ms: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]]
    novelties: UnknownKinds = field(default_factory=UnknownKinds)
