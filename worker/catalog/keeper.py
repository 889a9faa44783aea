"""CatalogKeeper: gathers the worker's catalog beside its jobs, after each start of ComfyUI and each change of models.

No job fails because of it: a job tells what is known at its end. Only one that fetched models waits a moment for it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp

from wire.errors import WireError
from worker.catalog.answers import Answers, AnswersUnreadable, answers, catalog_of
from worker.catalog.job_files import job_files
from worker.catalog.models import Marks, marks
from worker.catalog.packed import PackedCatalog, pack
from worker.comfyui.client import ComfyClient, ComfyUnreachable
from worker.folders import Folders
from worker.redact import Redact

logger = logging.getLogger(__name__)

_GATHER_S = 300.0
"""ComfyUI lists a slow volume for the first time"""

_State = tuple[int, Marks]


class CatalogUnavailable(Exception):
    """The catalog that a job asks for cannot be gathered."""


class CatalogKeeper:
    """*life* counts ComfyUI's deaths, *models_dir* is on the volume, and *model_roots* are all folders of models."""

    def __init__(
        self,
        comfy_url: str,
        life: Callable[[], int],
        folders: Folders,
        models_dir: Path,
        model_roots: Sequence[Path],
        redact: Redact,
    ) -> None:
        self._comfy_url, self._life, self._folders = comfy_url, life, folders
        self._models_dir, self._model_roots, self._redact = models_dir, model_roots, redact
        self._state: _State | None = None
        self._problem = ""
        self._task: asyncio.Task[None] | None = None
        self._catalog: PackedCatalog | None = None

    @property
    def known(self) -> PackedCatalog | None:
        """None while it is being looked at whether it still holds, and when that cannot be said."""
        is_settled = self._task is None or self._task.done()
        return self._catalog if is_settled and not self._problem else None

    def look(self) -> None:
        """Gather the catalog in the background if something has changed since the last time; returns at once."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look(), name="catalog")

    async def look_again(self, wait_s: float) -> None:
        """Look once more, since models have come. *known* has them then, or is None if that takes over *wait_s*."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                if self._task is not None:  # it may have begun before they came
                    await asyncio.shield(self._task)
                self.look()
                assert self._task is not None  # noqa: S101  look() made it
                await asyncio.shield(self._task)

    async def gathered(self) -> PackedCatalog:
        """For a job that only asks for the catalog. Raises CatalogUnavailable."""
        self.look()
        assert self._task is not None  # noqa: S101  look() made it
        await asyncio.shield(self._task)
        if (known := self.known) is None:
            raise CatalogUnavailable(f"The worker cannot say what it has: {self._problem}")
        return known

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(_GATHER_S), aiohttp.ClientSession() as http:
                await self._gather(ComfyClient(self._comfy_url, http))
        except (ComfyUnreachable, AnswersUnreadable, WireError, OSError) as error:  # OSError: TimeoutError as well
            self._note(str(error) or type(error).__name__)
        except Exception:
            logger.exception("the catalog cannot be gathered")
            self._problem = "its log has the details"

    async def _gather(self, comfy: ComfyClient) -> None:
        state = self._life(), await asyncio.to_thread(marks, self._model_roots)
        if state != self._state:
            found = await answers(comfy.text)
            self._catalog = packed = await asyncio.to_thread(self._packed, found)
            self._state = state
            logger.info("catalog %s: %d bytes", packed.sha256[:8], len(packed.packed))
        self._problem = ""

    def _packed(self, found: Answers) -> PackedCatalog:
        plain = {path: self._redact.text(text) for path, text in found.items()}
        return pack(catalog_of(plain, job_files(self._folders), self._models_dir))

    def _note(self, problem: str) -> None:
        """Once: it happens again with each job."""
        if problem != self._problem:
            logger.warning("the catalog cannot be gathered: %s", problem)
        self._problem = problem
