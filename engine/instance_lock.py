"""One program at a time for a folder, on every platform."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from engine.errors import CannotStart
from storage.private import private_folder


@contextlib.contextmanager
def instance_lock(home: Path) -> Iterator[None]:
    """Makes *home* ours for the block; raises CannotStart when another proxy, which would run the same jobs, has it.

    The lock ends with the process, however it ends.
    """
    lock = FileLock(private_folder(home) / "proxy.lock", mode=0o600)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise CannotStart(f"COMFY_RUNPOD_HOME={home}: another proxy uses it; stop that one first") from None
    try:
        yield
    finally:
        lock.release()
