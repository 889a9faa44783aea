"""Waiting for a fact instead of for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def until[T](
    condition: Callable[[], Awaitable[T]], timeout_s: float = 60.0, about: Callable[[], str] = lambda: ""
) -> T:
    """The first true result of *condition*, asked every 50 ms; fails after *timeout_s* with what *about* says."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = await condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing after {timeout_s} s; last: {found!r} {about()}")
        await asyncio.sleep(0.05)
