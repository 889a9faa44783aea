"""What is done about the results of a run. Each outcome is an event: what does not work keeps a result waiting."""

import logging
from collections.abc import Awaitable, Callable

from engine.comfyui import ComfyUIRejected
from engine.files import results as files
from engine.jobs import commands as do
from engine.jobs.events import CannotNow, Fault, OutputDamaged, OutputSaved, PictureRead, RefetchEnded, RunEvent, Wait
from engine.jobs.refetch import Refetch
from engine.runpod.endpoint import Endpoint
from storage.objects import StorageRefused
from wire.errors import Unavailable
from wire.ids import PromptId

logger = logging.getLogger(__name__)


class ResultWork:
    """Of one job."""

    def __init__(self, prompt_id: PromptId, results: files.ResultFiles, refetch: Refetch) -> None:
        self._prompt_id, self._results, self._refetch = prompt_id, results, refetch

    async def save(self, command: do.SaveOutput) -> RunEvent:
        options = {"cached": command.cached, "give_up": command.give_up}

        async def save() -> RunEvent:
            try:
                saved = await self._results.save(self._prompt_id, command.run, command.event, **options)
            except files.OutputIncomplete as error:
                logger.warning("%s: %s", self._prompt_id, error)
                return OutputDamaged(command.ticket, error.files, str(error))
            return OutputSaved(command.ticket, saved.event, saved.names, saved.lost, saved.output_folder)

        return await self._done(command.ticket, Wait.SAVE, save)

    async def picture(self, command: do.ReadPicture) -> RunEvent:
        picture = await self._results.with_picture(self._prompt_id, command.run, command.event)
        return PictureRead(command.ticket, picture)

    async def fetch_again(self, command: do.FetchAgain, endpoint: Callable[[], Endpoint]) -> RunEvent:
        async def fetch() -> RunEvent:
            await self._refetch.fetch(endpoint(), command.run, command.files)
            return RefetchEnded(command.ticket)

        return await self._done(command.ticket, Wait.REFETCH, fetch)

    async def _done(self, ticket: int, wait: Wait, work: Callable[[], Awaitable[RunEvent]]) -> RunEvent:
        try:
            return await work()
        except Unavailable as error:
            return CannotNow(wait, str(error), retry_after_s=error.retry_after_s, ticket=ticket)
        except (ComfyUIRejected, StorageRefused) as error:
            return CannotNow(wait, str(error), Fault.REJECTED, ticket=ticket)
        except Exception as error:  # a paid result is not lost by a bug of ours
            logger.exception("%s: a result cannot be stored", self._prompt_id)
            return CannotNow(wait, f"{type(error).__name__}: {error}", Fault.BUG, ticket=ticket)
