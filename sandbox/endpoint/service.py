"""What both sides of the server share: the state, the clock, and waking those who wait for a change."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sandbox.endpoint.faults import Faults
from sandbox.endpoint.state import EndpointState, Policy
from wire.limits import RUN_BODY_MAX, RUNSYNC_BODY_MAX, STREAM_CHUNK_MAX

_TICK_S = 0.5


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller may choose."""

    endpoint_id: str = "sandbox"
    api_key: str | None = field(default=None, repr=False)
    """of clients; None accepts any key"""
    worker_key: str = field(default_factory=secrets.token_urlsafe, repr=False)
    """of the workers that are started here, and of nobody else: a new one each time"""
    wanted_workers: int = 1
    take_hold_s: float = 10.0
    stream_hold_s: float = 10.0
    run_max: int = RUN_BODY_MAX
    runsync_max: int = RUNSYNC_BODY_MAX
    chunk_max: int = STREAM_CHUNK_MAX + 4096  # the limit is for the payload; the SDK wraps it
    policy: Policy = field(default_factory=Policy)


class Service:
    def __init__(self, options: Options, clock: Callable[[], float] = time.monotonic) -> None:
        self.options = options
        self.faults = Faults()
        self.state = EndpointState(options.policy)
        self.clock = clock
        self._changed = asyncio.Condition()

    async def changed(self) -> None:
        """Wake everybody who waits in :meth:`until`."""
        async with self._changed:
            self._changed.notify_all()

    async def until(self, condition: Callable[[], bool], hold_s: float | None) -> None:
        """Wait for *condition*, at most *hold_s* seconds; None is for ever."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(hold_s), self._changed:
                await self._changed.wait_for(condition)

    @asynccontextmanager
    async def ticking(self) -> AsyncIterator[None]:
        """Lets time pass for the state while the block runs."""
        task = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _tick(self) -> None:
        while True:
            self.state.tick(self.clock())
            await self.changed()
            await asyncio.sleep(_TICK_S)
