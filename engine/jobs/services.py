"""What the runs of all jobs work with."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from engine.catalog.intake import CatalogListener, NoCatalogs
from engine.catalog.knowledge import Knowledge
from engine.files.inputs import InputFiles, InputReader
from engine.files.large_files import LargeFiles
from engine.files.prompt_paths import PromptPaths
from engine.files.results import OutputSink, ResultFiles
from engine.jobs.accounts import Accounts
from engine.jobs.troubles import Troubles
from engine.messages.translate import BrowserMessage
from engine.store.jobs import JobStore
from wire.files import Url, Volume
from wire.ids import ClientId, PromptId

logger = logging.getLogger(__name__)


class Publisher(Protocol):
    """Where people look; implemented by the proxy's Sockets and by the commands' Terminal."""

    def publish(self, prompt_id: PromptId, client_id: ClientId | None, messages: Iterable[BrowserMessage]) -> None: ...
    def publish_status(self) -> None: ...
    def notice(self, severity: str, summary: str, detail: str) -> None: ...


_KINDS_MAX, _NAME_MAX = 50, 80
"""a worker may send any number of names, of any length"""


class UnknownKinds:
    """Events that a newer worker sends and this version does not know: skipped, with one warning for each kind."""

    def __init__(self) -> None:
        self._met = set[str]()

    def warn_once(self, name: str) -> None:
        name = name[:_NAME_MAX]
        if name not in self._met and len(self._met) < _KINDS_MAX:
            self._met.add(name)
            logger.warning("the worker reports %r in a form that this version cannot read; a newer one may", name)


LetterPlace = Callable[[PromptId], Awaitable[Url | Volume | None]]
"""where a job's worker finds what its page answers to its nodes"""


async def no_letters(_: PromptId) -> None:
    """For whoever has no page."""


@dataclass(frozen=True, slots=True)
class Services:
    """*sleep* takes seconds, *now_ms* is the wall's clock."""

    store: JobStore
    inputs: InputFiles
    paths: PromptPaths
    files: ResultFiles
    publisher: Publisher
    now_ms: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]]
    troubles: Troubles
    letter_place: LetterPlace = no_letters
    unknown_kinds: UnknownKinds = field(default_factory=UnknownKinds)
    accounts: Accounts = field(default_factory=Accounts)
    catalogs: CatalogListener = field(default_factory=NoCatalogs)


class FilesAtHome(InputReader, OutputSink, Protocol):
    """Where input files are read and results put; implemented by ComfyUI, and by folders."""


def job_services(
    store: JobStore,
    files: FilesAtHome,
    home: Path,
    large: LargeFiles,
    publisher: Publisher,
    letter_place: LetterPlace = no_letters,
    *,
    knowledge: Knowledge | None = None,
    worker_paths: bool = False,
) -> Services:
    """What jobs work with, below *home*, which holds what is on its way. *knowledge* is of the endpoints;
    *worker_paths*: texts may name files of the worker.
    """
    paths = PromptPaths(files, worker_paths=worker_paths)
    return Services(
        store=store,
        inputs=InputFiles(files, home / "spool", store.cached, large, paths, knowledge),
        paths=paths,
        files=ResultFiles(files, home / "parts", store.files, large),
        publisher=publisher,
        now_ms=lambda: time.time_ns() // 1_000_000,
        sleep=asyncio.sleep,
        troubles=Troubles(publisher.notice),
        letter_place=letter_place,
        catalogs=NoCatalogs() if knowledge is None else knowledge.intake,
    )
