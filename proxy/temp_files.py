"""ComfyUI's folders, looked after whenever ComfyUI is there again.

It empties its temp folder when it starts: what the history shows of it is then taken out.

Source: ComfyUI main.py ``cleanup_temp``.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import cast

from engine.comfyui import ComfyUI, ComfyUIRejected, ComfyUIUnavailable
from engine.store.jobs import JobStore
from wire.files import Folder

logger = logging.getLogger(__name__)


class TempFiles:
    """:meth:`look` whenever ComfyUI is there again; *run* does what was asked for."""

    def __init__(self, comfyui: ComfyUI, store: JobStore) -> None:
        self._comfyui = comfyui
        self._store = store
        self._asked = asyncio.Event()
        self._asked.set()

    def look(self) -> None:
        """ComfyUI may have been started anew."""
        self._asked.set()

    async def run(self, sweep: Callable[[], Awaitable[None]]) -> None:
        """Until cancelled. *sweep* removes what a killed proxy has left in the output folder."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await sweep()
                await self._look()
            except (ComfyUIUnavailable, ComfyUIRejected) as error:
                logger.info("cannot check whether temp files are still there: %s", error)

    async def _look(self) -> None:
        """All of the folder go together, so the newest one tells."""
        newest = self._store.files.newest_temp_file()
        if newest is None:
            return
        folder, subfolder, filename = newest
        if await self._comfyui.has_file(subfolder, filename, cast(Folder, folder)):
            return
        lost = self._store.files.jobs_with_temp_files()
        logger.info(
            "ComfyUI has emptied its temp folder: the history no longer shows the temp files of %d jobs", len(lost)
        )
        for prompt_id in lost:
            self._store.lose_temp_files(prompt_id)
            await asyncio.sleep(0)  # there may be thousands
