"""Monitors: types of messages that come whether a prompt runs or not, such as the load of the machine each second.

They belong to no prompt. ComfyUI-Crystools sends such messages, from a thread of its own.
"""

import asyncio
import logging
import uuid

import aiohttp

from wire.comfy import CustomMessage
from worker.comfyui.client import ComfyClient, ComfyUnreachable
from worker.comfyui.turns import Turns

logger = logging.getLogger(__name__)

_QUIET_S = 2.0
"""after a job: what its nodes said may still arrive"""
_AGAIN_S = 1.0
_SILENCE_S = 60.0
_KINDS_MAX = 200


class Monitors:
    """Listens to the ComfyUI at *url* while no job has its turn; *quiet_s* after one has ended."""

    def __init__(self, url: str, turns: Turns, quiet_s: float = _QUIET_S) -> None:
        self._url, self._turns, self._quiet_s = url, turns, quiet_s
        self.kinds = set[str]()
        """the types that were heard"""
        self._listening: asyncio.Task[None] | None = None

    def listen(self) -> None:
        """From now on, in the running loop; does nothing the second time."""
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen(), name="monitors")

    async def _listen(self) -> None:
        async with aiohttp.ClientSession() as http:
            comfy = ComfyClient(self._url, http)
            while True:
                try:
                    await self._hear(comfy)
                except ComfyUnreachable as error:
                    logger.debug("nothing to listen to: %s", error)
                await asyncio.sleep(_AGAIN_S)

    async def _hear(self, comfy: ComfyClient) -> None:
        async with comfy.socket(f"monitors-{uuid.uuid4()}") as socket:
            while True:
                message = await socket.receive(_SILENCE_S)
                if isinstance(message, CustomMessage) and self._turns.idle_for(self._quiet_s):
                    self._note(message.type)

    def _note(self, kind: str) -> None:
        if kind not in self.kinds and len(self.kinds) < _KINDS_MAX:
            logger.info("messages of type %r come without a prompt: they stay here", kind[:80])
            self.kinds.add(kind)
