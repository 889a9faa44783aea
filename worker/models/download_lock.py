"""DownloadLock: one of several workers on a shared volume downloads a model, the others wait for it.

A file that exists is the lock: network volumes do not pass on advisory locks. Its holder touches it; a lock that is not
touched any more belonged to a worker that is gone. The clocks of other machines are not trusted, only that the time of
the file changes.
"""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path


class DownloadLock:
    """The holder touches the lock every *touch_s*; when it has not for *stale_s*, another worker takes it over."""

    def __init__(self, path: Path, touch_s: float = 5.0, stale_s: float = 30.0) -> None:
        self._path, self._touch_s, self._stale_s = path, touch_s, stale_s
        self._name = uuid.uuid4().hex

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Waits for the lock, and holds it for the block."""
        await self._acquire()
        touching = asyncio.create_task(self._touch())
        try:
            yield
        finally:
            touching.cancel()
            if self._is_ours():
                self._path.unlink(missing_ok=True)

    async def _acquire(self) -> None:
        waited_s, seen = 0.0, self._state()
        pause_s = min(self._touch_s, 1.0)
        while not self._create():
            await asyncio.sleep(pause_s)
            now = self._state()
            waited_s = waited_s + pause_s if now == seen else 0.0
            seen = now
            if waited_s > self._stale_s:
                self._path.unlink(missing_ok=True)
                waited_s = 0.0

    def _create(self) -> bool:
        try:
            descriptor = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w") as file:
            file.write(self._name)
        return True

    def _state(self) -> tuple[int, str] | None:
        try:
            return self._path.stat().st_mtime_ns, self._path.read_text(encoding="utf-8")
        except OSError:
            return None

    def _is_ours(self) -> bool:
        seen = self._state()
        return seen is not None and seen[1] == self._name

    async def _touch(self) -> None:
        while True:
            await asyncio.sleep(self._touch_s)
            with suppress(OSError):
                os.utime(self._path)
