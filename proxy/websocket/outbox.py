"""What waits to be written to one browser: previews may be dropped when it is slow, nothing else."""

import asyncio
from collections import deque
from collections.abc import Callable

_PREVIEWS_WAITING = 16
"""messages that may wait for a slow browser before previews are dropped"""
_SIZE_MAX = 32_000_000
"""characters and bytes that may wait at all"""


class BrowserOutbox:
    """A queue of texts and frames.

    *overfull* is called once when too much waits, because the page reads nothing, as on a sleeping laptop. From then on
    everything is dropped: the page is expected to connect again, and is then shown what there is.
    """

    def __init__(self, overfull: Callable[[], None]) -> None:
        self._overfull = overfull
        self._waiting: deque[str | bytes] = deque()
        self._filled = asyncio.Event()
        self._size = 0
        self._is_full = False

    @property
    def is_long(self) -> bool:
        """Whether it is full, or soon will be."""
        return self._size > _SIZE_MAX / 2

    def put(self, payload: str | bytes, *, droppable: bool = False) -> None:
        if self._is_full or (droppable and len(self._waiting) >= _PREVIEWS_WAITING):
            return
        self._waiting.append(payload)
        self._size += len(payload)
        self._filled.set()
        if self._size > _SIZE_MAX:
            self._is_full = True
            self._overfull()

    async def get(self) -> str | bytes:
        """The next payload; waits for one."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        payload = self._waiting.popleft()
        self._size -= len(payload)
        return payload
