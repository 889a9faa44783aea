"""Sends a model of this machine to the network volume by its S3 API, because a person wants it. It starts no worker."""

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine.comfyui import ComfyUI, ComfyUIRejected
from engine.comfyui_models import file_of, is_listed
from storage.daemon_thread import in_daemon_thread
from storage.objects import StorageRefused
from wire.errors import Unavailable
from wire.model_kinds import KINDS, MODELS_ON_VOLUME, NESTED_KINDS, folder_on_volume

logger = logging.getLogger(__name__)

_ASK_S, _TELL_S = 60.0, 1.0
"""for a question to the volume; between two messages about the progress"""
_SPEED = 2_500_000.0
"""bytes a second that are assumed before a transfer has shown better: 20 Mbit/s"""


class CannotSend(Exception):
    """This model is not sent; the text is a sentence that says why, and what to do."""


class VolumeStore(Protocol):
    """The volume's objects; implemented by storage.s3.Bucket, whose methods block."""

    def size(self, key: str) -> int | None: ...
    def put_file(self, key: str, path: Path, advance: Callable[[int], None] | None = None) -> None: ...


Broadcast = Callable[[str, dict[str, Any]], None]
"""sends a message to every open page: its type and its data"""


@dataclass(frozen=True, slots=True)
class SendingPlan:
    """What would be sent; *is_there*: the volume has it already."""

    kind: str
    name: str
    path: Path
    size: int
    minutes: int
    is_there: bool = False

    @property
    def key(self) -> str:
        return f"{MODELS_ON_VOLUME}/{folder_on_volume(self.kind)}/{self.name}"

    @property
    def text(self) -> str:
        """A sentence for the person, before the click."""
        if self.is_there:
            return f"{self.name} is on the volume already."
        how_long = "a minute" if self.minutes == 1 else f"{self.minutes} minutes"
        return f"{self.size / 1e9:.2f} GB go from this machine to the network volume, in about {how_long}. No GPU runs."


class _Stopped(Exception):
    """The proxy ends."""


class ModelSending:
    """One at a time; :meth:`run` owns the work. *missing* says which settings a volume needs that is not there.
    *on_sent* is called when something new is on the volume, *clock* counts seconds.
    """

    def __init__(
        self,
        comfyui: ComfyUI,
        volume: VolumeStore | None,
        missing: str,
        broadcast: Broadcast,
        on_sent: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._comfyui, self._volume, self._missing, self._broadcast = comfyui, volume, missing, broadcast
        self._on_sent, self._clock = on_sent, clock
        self._speed = _SPEED
        self._plan: SendingPlan | None = None
        self._wake = asyncio.Event()

    # -- called by the page

    async def plan(self, kind: str, name: str) -> SendingPlan:
        """What it takes to send the model; raises CannotSend."""
        path = await self._find(kind, name)
        size = (await asyncio.to_thread(path.stat)).st_size
        if not size:
            raise CannotSend(f"{name} is empty on this machine: an empty file is not a model, so it is not sent.")
        plan = SendingPlan(kind, name, path, size, max(1, round(size / self._speed / 60)))
        there = await self._size_there(plan)
        if there is not None and there > size:
            raise CannotSend(f"The volume has a larger {name} ({there:,} bytes, here {size:,}), which is kept.")
        return SendingPlan(kind, name, path, size, plan.minutes, is_there=there == size)

    def start(self, plan: SendingPlan) -> bool:
        """Send it soon; False when another one is being sent, or it is there."""
        if self._plan is not None or plan.is_there:
            return False
        self._plan = plan
        self._wake.set()
        return True

    async def _find(self, kind: str, name: str) -> Path:
        try:
            folders, listed = await asyncio.gather(self._comfyui.model_folders(), self._comfyui.models(kind))
        except ComfyUIRejected as error:
            raise CannotSend(f"Your ComfyUI does not tell where its models are: {error}") from error
        except Unavailable as error:
            raise CannotSend(str(error)) from error
        if not is_listed(name, listed):
            raise CannotSend(f"Your ComfyUI has no model {name[:200]!r} in {kind[:100]!r}.")
        path = await asyncio.to_thread(file_of, name, listed[name], folders.get(kind, ()))
        if path is None:
            raise CannotSend(
                f"{name} is not on this machine as your ComfyUI lists it: it runs on another machine or in a "
                "container, or the file is just being written."
            )
        if kind not in KINDS and kind not in NESTED_KINDS and path.parents[name.count("/")].name != kind:
            raise CannotSend(f"Where {kind} models belong on the volume is not known. {self._by_hand()}")
        return path

    async def _size_there(self, plan: SendingPlan) -> int | None:
        volume = self._volume
        if volume is None:
            raise CannotSend(f"It cannot go to a network volume: {self._missing}. {self._by_hand()}")
        try:
            async with asyncio.timeout(_ASK_S):
                return await in_daemon_thread(lambda: volume.size(plan.key), "volume question")
        except (Unavailable, StorageRefused, TimeoutError) as error:
            raise CannotSend(f"The volume cannot be asked: {error or 'it does not answer'}") from error

    def _by_hand(self) -> str:
        return "scripts/sync-models.py sends models too; see its --help."

    # -- the work

    async def run(self) -> None:
        """Until cancelled, which ends a transfer that is under way."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._plan is not None and self._volume is not None:
                await self._send(self._volume, self._plan)
            self._plan = None

    async def _send(self, volume: VolumeStore, plan: SendingPlan) -> None:
        done, stop, began = _Count(), threading.Event(), self._clock()

        def advance(count: int) -> None:
            if stop.is_set():
                raise _Stopped
            done.add(count)

        sent = asyncio.ensure_future(
            in_daemon_thread(lambda: volume.put_file(plan.key, plan.path, advance), f"sends {plan.name}")
        )
        error: str | None = None
        try:
            while not (await asyncio.wait([sent], timeout=_TELL_S))[0]:
                self._tell(plan, done.value)
            await sent
            self._speed = max(plan.size / max(self._clock() - began, 1.0), 1.0)
            self._on_sent()
            logger.info("%s is on the volume", plan.key)
        except (Unavailable, StorageRefused, OSError) as problem:
            logger.warning("%s could not be sent: %s", plan.key, problem)
            error = str(problem)
        except Exception as problem:  # the proxy goes on without it
            logger.exception("%s could not be sent", plan.key)
            error = str(problem)
        finally:
            stop.set()
            sent.cancel()
        self._tell(plan, done.value, ended=True, error=error)

    def _tell(self, plan: SendingPlan, done: int, *, ended: bool = False, error: str | None = None) -> None:
        shown = {"kind": plan.kind, "name": plan.name, "done": min(done, plan.size), "size": plan.size}
        self._broadcast("runpod.transfer", {**shown, "ended": ended, "error": error})


class _Count:
    """Bytes, added up by several threads."""

    def __init__(self) -> None:
        self.value = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        with self._lock:
            self.value += count
