"""The engine at work in this process: a real store, real files in folders, a RunPod that does what a script says."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp

from client.send.folders import LocalFolders
from engine.catalog.intake import CatalogListener, NoCatalogs
from engine.files.large_files import LargeFiles
from engine.jobs.dispatcher import Dispatcher
from engine.jobs.services import FilesAtHome, Services, job_services
from engine.messages.translate import BrowserMessage
from engine.model.job import Job, Submission
from engine.model.states import ENDED, JobState
from engine.runpod.endpoint import Endpoint
from engine.store.jobs import JobStore
from tests.support.until import until
from wire.comfy import Message
from wire.ids import ClientId, PromptId

_HURRY = 50
"""how much faster than life the pauses between tries go by"""
PROMPT = {"0": {"class_type": "SaveImage", "inputs": {}}, "1": {"class_type": "SaveImage", "inputs": {}}}


@dataclass
class Heard:
    """What people were told."""

    messages: list[Message] = field(default_factory=list)
    notices: list[tuple[str, str, str]] = field(default_factory=list)
    statuses: int = 0

    def publish(self, prompt_id: PromptId, client_id: ClientId | None, messages: Iterable[BrowserMessage]) -> None:
        self.messages += [message for message in messages if isinstance(message, Message)]

    def publish_status(self) -> None:
        self.statuses += 1

    def notice(self, severity: str, summary: str, detail: str) -> None:
        self.notices.append((severity, summary, detail))


@dataclass
class Clock:
    """The wall's clock, which a test can put forward."""

    ahead_ms: int = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms


@dataclass
class Engine:
    store: JobStore
    services: Services
    dispatcher: Dispatcher
    heard: Heard
    clock: Clock
    output: Path

    def submit(self, prompt_id: str | None = None) -> PromptId:
        submission = Submission(PromptId(prompt_id or str(uuid.uuid4())), PROMPT, {}, ("0", "1"))
        return self.dispatcher.submit(submission).prompt_id

    async def ended(self, prompt_id: str, timeout_s: float = 60) -> Job:
        """The job, when it has ended."""
        await self.becomes(prompt_id, *ENDED, timeout_s=timeout_s)
        return self.store.get(prompt_id)

    async def becomes(self, prompt_id: str, *states: JobState, timeout_s: float = 60) -> Job:
        async def there() -> bool:
            return self.store.get(prompt_id).state in states

        await until(there, timeout_s)
        return self.store.get(prompt_id)

    async def needs_attention(self, prompt_id: str) -> str:
        """What a person is told about the job, as soon as there is anything."""

        async def told() -> str | None:
            return self.store.get(prompt_id).attention

        return str(await until(told))

    async def stopped_everything(self) -> None:
        """What nobody needs at RunPod has ended there."""

        async def stopped() -> bool:
            return self.store.runpod_jobs.to_stop() == []

        await until(stopped)

    async def tidied_up(self) -> None:
        """No bytes of a job that has ended are left, also of one that a killed program could not remove."""

        async def tidy() -> bool:
            return not list((self.output.parent / "parts").glob("*/*"))

        await until(tidy)

    def saved(self) -> dict[str, bytes]:
        """The files in the output folder, hidden ones too."""
        found = (path for path in self.output.rglob("*") if path.is_file())
        return {path.relative_to(self.output).as_posix(): path.read_bytes() for path in found}


@asynccontextmanager
async def engine(
    home: Path,
    endpoints: Sequence[Endpoint],
    *,
    files: FilesAtHome | None = None,
    max_in_flight: int = 10,
    catalogs: CatalogListener | None = None,
    sleep: Callable[[float], Awaitable[None]] = lambda seconds: asyncio.sleep(seconds / _HURRY),
) -> AsyncIterator[Engine]:
    """The engine over the job database in *home*; results go to ``home/output``."""
    heard, clock, output = Heard(), Clock(), home / "output"
    folders = files or LocalFolders(prompt=PROMPT, named={}, inputs=home / "input", output=output, comfyui=None)
    async with aiohttp.ClientSession() as session:
        with JobStore(home / "jobs.sqlite") as store:
            large = LargeFiles(session, bucket=None, volume=None)
            usual = job_services(store, folders, home, large, heard)
            services = replace(usual, sleep=sleep, now_ms=clock.now_ms, catalogs=catalogs or NoCatalogs())
            dispatcher = Dispatcher(endpoints, services, max_in_flight)
            task = asyncio.create_task(dispatcher.run())
            try:
                yield Engine(store, services, dispatcher, heard, clock, output)
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
