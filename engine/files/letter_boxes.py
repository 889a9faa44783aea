"""LetterBoxes: what a page answers to a node that waits, on its way to the worker, by way of the volume or the bucket.

A box is one object that holds a job's letters in order, and is written anew with each letter: so one address is enough.
Its name is known to this proxy and to the job's worker. It comes from the storage's key, which nobody else has, so that
nothing needs to be kept for a job that goes on after a restart.
"""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from storage.disk import writing
from storage.objects import ObjectMissing, ObjectStore, StorageRefused
from storage.private import private_file, private_folder
from wire.errors import Unavailable
from wire.files import Url, Volume
from wire.ids import PromptId
from wire.letters import Letter, box_key, encode_letters, newest

logger = logging.getLogger(__name__)

_AGAIN_S = 5.0
"""until a box that could not be written is tried again"""
_FAULTS = (StorageRefused, Unavailable, ObjectMissing)


@dataclass(slots=True)
class _Box:
    prompt_id: PromptId
    name: str
    letters: tuple[Letter, ...] = ()
    unsent: int = 0
    """letters that are not in the storage"""
    closed: bool = False
    troubled: bool = False


class LetterBoxes:
    """*store* is None without a volume and a bucket; *signed* says that the worker reads it by a signed address.

    *notes* is a folder of ours: as long as a box may be in the storage there is a file with its name, and the prompt's
    id in it. *report* tells the person what goes wrong: a summary and a detail.
    """

    def __init__(
        self, store: ObjectStore | None, *, signed: bool, notes: Path, report: Callable[[str, str], None]
    ) -> None:
        self._store, self._signed, self._notes, self._report = store, signed, notes, report
        self._boxes: dict[PromptId, _Box] = {}
        self._wake = asyncio.Event()

    @property
    def usable(self) -> bool:
        """Whether there is a storage for them."""
        return self._store is not None

    async def place(self, prompt_id: PromptId) -> Url | Volume | None:
        """Where the job's worker finds its box; None without a storage, or when it cannot be addressed now."""
        if self._store is None:
            return None
        key = box_key(_name(self._store, prompt_id))
        if not self._signed:
            return Volume(path=key)
        try:
            return Url(url=await asyncio.to_thread(self._store.address, key))
        except Exception:  # a job without a letter box is a job
            logger.exception("%s has no letter box", prompt_id)
            return None

    def post(self, prompt_id: PromptId, letter: Letter) -> None:
        """Put *letter* into the box of a job that runs; it is on its way when this returns."""
        if self._store is None:
            return
        box = self._boxes.setdefault(prompt_id, _Box(prompt_id, _name(self._store, prompt_id)))
        box.letters, box.unsent = newest((*box.letters, letter)), box.unsent + 1
        self._wake.set()

    def close(self, prompt_id: PromptId) -> None:
        """The job has ended: its box is removed."""
        if self._store is not None:
            self._boxes.setdefault(prompt_id, _Box(prompt_id, _name(self._store, prompt_id))).closed = True
            self._wake.set()

    async def run(self, active: Collection[str]) -> None:
        """Write and remove boxes until cancelled. First those go that were left of jobs that are not *active*."""
        if self._store is None:
            await asyncio.Event().wait()
            return
        for prompt_id in await asyncio.to_thread(self._noted):
            if prompt_id not in active:
                self.close(PromptId(prompt_id))
        while True:
            again_s = _AGAIN_S if any(box.troubled for box in self._boxes.values()) else None
            try:
                async with asyncio.timeout(again_s):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            for box in list(self._boxes.values()):
                await self._settle(self._store, box)

    async def _settle(self, store: ObjectStore, box: _Box) -> None:
        """Bring the storage to where *box* is."""
        try:
            if box.closed:
                await asyncio.to_thread(self._remove, store, box)
                self._boxes.pop(box.prompt_id, None)
            elif box.unsent:
                await self._write(store, box)
            box.troubled = False
        except _FAULTS as error:
            self._trouble(box, str(error))
        except Exception as error:
            logger.exception("%s: its letter box", box.prompt_id)
            self._trouble(box, type(error).__name__)

    async def _write(self, store: ObjectStore, box: _Box) -> None:
        letters, count = box.letters, box.unsent
        await asyncio.to_thread(self._put, store, box, encode_letters(letters))
        box.unsent -= count
        logger.info("%s: %d letters are on their way", box.prompt_id, count)

    def _put(self, store: ObjectStore, box: _Box, content: bytes) -> None:
        note = self._notes / box.name
        with writing(note):
            private_folder(self._notes)
            private_file(note).write_text(box.prompt_id, encoding="utf-8")
        store.put(box_key(box.name), content)

    def _remove(self, store: ObjectStore, box: _Box) -> None:
        """Most jobs have no letters, and so no note."""
        note = self._notes / box.name
        if note.exists():
            store.delete(box_key(box.name))
            with writing(note):
                note.unlink(missing_ok=True)

    def _noted(self) -> list[str]:
        """The prompts whose boxes may be in the storage."""
        try:
            return [path.read_text(encoding="utf-8") for path in self._notes.glob("*")]
        except (OSError, ValueError) as error:
            logger.warning("the notes of old letter boxes cannot be read: %s", error)
            return []

    def _trouble(self, box: _Box, reason: str) -> None:
        """A box that is only left behind has its note, and goes at the next start."""
        logger.warning("%s: its letter box: %s", box.prompt_id, reason)
        if box.closed:
            self._boxes.pop(box.prompt_id, None)
        elif not box.troubled:
            self._report("Your answer is not at RunPod yet", f"{reason}. It is tried again while the job runs.")
        box.troubled = True


def _name(store: ObjectStore, prompt_id: str) -> str:
    key = store.place.secret_key.get_secret_value().encode()
    return hmac.new(key, f"letters of {prompt_id}".encode(errors="surrogatepass"), hashlib.sha256).hexdigest()
