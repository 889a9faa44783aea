"""Patience: waits for what is not there just now. What is nobody's fault is tried again; the person is told once."""

import logging
import random
from collections.abc import Awaitable, Callable

from engine.comfyui import ComfyUIUnavailable
from engine.files.atomic_save import StorageFailed
from engine.files.object_store import StorageUnavailable
from engine.model.backoff import next_delay
from engine.runpod.endpoint import EndpointUnavailable

logger = logging.getLogger(__name__)

RETRY_S = 0.5


class Retry:
    """For one job; *notice* takes severity, summary and detail."""

    def __init__(
        self, job: str, notice: Callable[[str, str, str], None], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._job = job
        self._notice = notice
        self._sleep = sleep
        self._told = False

    async def until[T](self, call: Callable[[], Awaitable[T]], doing: str) -> T:
        """The result of *call*, repeated while RunPod, ComfyUI, a bucket or the disk is not there."""
        attempts = 0
        while True:
            try:
                return await call()
            except (EndpointUnavailable, ComfyUIUnavailable, StorageFailed, StorageUnavailable) as error:
                await self.pause(attempts, error, doing)
                attempts += 1

    async def pause(self, attempts: int, error: Exception, doing: str) -> None:
        """Wait before the next try; a single failure is not worth a notice."""
        delay_s = next_delay(attempts, random.random())  # noqa: S311  only spreads clients
        if isinstance(error, EndpointUnavailable) and error.retry_after_s is not None:
            delay_s = max(delay_s, error.retry_after_s)
        logger.warning("%s: cannot %s, again in %.1f s: %s", self._job, doing, delay_s, error)
        if attempts == 1 and not self._told:
            self._told = True
            self._notice("warn", f"Retrying to {doing}", str(error))
        await self._sleep(delay_s)
