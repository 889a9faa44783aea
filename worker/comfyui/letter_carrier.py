"""LetterCarrier: repeats to ComfyUI what the page answers to a node, as it comes into the job's letter box.

It decorates a job and is never a reason for one to fail.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from wire.errors import WireError
from wire.letters import Letter, decode_letters
from worker.comfyui.client import ComfyClient, ComfyUnreachable
from worker.files.letter_box import BoxUnreadable, LetterBox

logger = logging.getLogger(__name__)

_PACE_S = 1.0
"""between two looks into the box: the GPU is billed meanwhile, and a look at a bucket costs almost nothing"""


class LetterCarrier:
    """For one job: *run* is the run whose letters are carried. Letters of another run answer other questions."""

    def __init__(self, box: LetterBox, comfy: ComfyClient, run: str, pace_s: float = _PACE_S) -> None:
        self._box, self._comfy, self._run, self._pace_s = box, comfy, run, pace_s
        self._carried = set[str]()

    @asynccontextmanager
    async def carrying(self) -> AsyncIterator[None]:
        """Carries letters during the block."""
        task = asyncio.create_task(self._carry_on(), name="letters")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _carry_on(self) -> None:
        trouble = ""
        while True:
            try:
                await self._carry(decode_letters(content) if (content := await self._box.news()) else ())
                trouble = ""
            except (BoxUnreadable, WireError) as error:  # it may be half written
                if str(error) != trouble:
                    logger.warning("the letter box cannot be read: %s; trying again", error)
                trouble = str(error)
            except Exception:  # whatever it is, the prompt goes on
                logger.exception("a letter was not carried")
            await asyncio.sleep(self._pace_s)

    async def _carry(self, letters: Iterable[Letter]) -> None:
        for letter in letters:
            if letter.run == self._run and letter.id not in self._carried:
                self._carried.add(letter.id)  # before: a letter that is carried twice may answer the next question
                await self._deliver(letter)

    async def _deliver(self, letter: Letter) -> None:
        path = letter.path.partition("?")[0]
        try:
            status = await self._comfy.deliver(letter.path, letter.content_type, letter.content())
            logger.info("a letter to %s: ComfyUI answered %d", path, status)
        except (ComfyUnreachable, WireError) as error:
            logger.warning("a letter to %s was not delivered: %s", path, error)
