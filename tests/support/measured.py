"""What a piece of the program costs, in a process of its own: peak memory, processor time, and the longest step.

A step is what the event loop does without looking at anything else: while one lasts, everybody waits. It is measured
in processor time, and against a known piece of work that is done right after it: on a machine that others use too, the
same work takes two or three times as long.
"""

import asyncio
import importlib
import json
import resource
import signal
import sys
import time
from asyncio import events
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

MEMORY_MAX_MB = 64.0
STEP_MAX = 25.0
"""times the known work. That takes some 4 ms where nothing else runs, so this is 100 ms, twice what is promised."""
_WORTH_COMPARING_S = 0.01

needs_proc = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
_PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Cost:
    """*grown_mb*: peak memory above what the process had at the beginning; *step*: the longest step, in multiples of
    the known work; *step_s*: its processor time; *outcome*: what the function returned.
    """

    grown_mb: float
    step: float
    step_s: float
    cpu_s: float
    outcome: Any

    def require(self) -> None:
        """Fails when it cost more than is promised of whatever comes from outside."""
        assert self.grown_mb <= MEMORY_MAX_MB, self
        assert self.step <= STEP_MAX, self


async def cost_of(function: Callable[..., Awaitable[Any]], *arguments: Any, timeout_s: float = 60.0) -> Cost:
    """Awaits *function*, which a module has under its name, with *arguments*, which are JSON as its result is."""
    async with costing(function, *arguments) as running:
        return await running.cost(timeout_s)


@dataclass
class Running:
    """The process in which the function runs."""

    process: asyncio.subprocess.Process

    async def cost(self, timeout_s: float = 60.0) -> Cost:
        """When the function has returned."""
        cost = await self._next(timeout_s)
        await self.process.wait()
        assert self.process.returncode == 0
        return cost

    async def cost_so_far(self, timeout_s: float = 60.0) -> Cost:
        """Since this was asked the last time."""
        self.process.send_signal(signal.SIGUSR1)
        return await self._next(timeout_s)

    async def _next(self, timeout_s: float) -> Cost:
        assert self.process.stdout is not None
        async with asyncio.timeout(timeout_s):
            return Cost(**json.loads(await self.process.stdout.readline()))


@asynccontextmanager
async def costing(
    function: Callable[..., Awaitable[Any]],
    *arguments: Any,
    limit: tuple[int, int] | None = None,
    log: Path | None = None,
) -> AsyncIterator[Running]:
    """*limit* is how many descriptors the process may have, soft and hard; *log* takes what it says."""
    named = f"{function.__module__}:{function.__qualname__}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.measured", named, json.dumps(arguments), json.dumps(limit)),
        cwd=_PROJECT,
        stdout=asyncio.subprocess.PIPE,
        stderr=None if log is None else log.open("wb"),
    )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def memory_mb(pid: int | str, field: str) -> float:
    """VmRSS, or the peak VmHWM, of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError(field)


def forget_peak(pid: int | str) -> None:
    """Makes the peak memory what the process has now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


class _Meter:
    """Measures from its making on, and anew after each SIGUSR1."""

    def __init__(self) -> None:
        self._run = events.Handle._run
        self._begin()

    def _begin(self) -> None:
        forget_peak("self")
        self._before_mb, self._began_s = memory_mb("self", "VmRSS"), time.process_time()
        self._step = self._step_s = 0.0

    def timed(self, handle: events.Handle) -> None:
        began = time.thread_time()
        self._run(handle)
        took_s = time.thread_time() - began
        if took_s > max(self._step_s, _WORTH_COMPARING_S):
            self._step = max(self._step, took_s / _known_work_s())
        self._step_s = max(self._step_s, took_s)

    def say(self, outcome: Any = None) -> None:
        grown_mb = memory_mb("self", "VmHWM") - self._before_mb
        cost = Cost(grown_mb, self._step, self._step_s, time.process_time() - self._began_s, outcome)
        print(json.dumps(asdict(cost)), flush=True)
        self._begin()


def _known_work_s() -> float:
    """How long this machine takes at the moment for a fixed amount of work."""
    began = time.thread_time()
    sum({str(number): number for number in range(20_000)}.values())
    return time.thread_time() - began


def _main(named: str, arguments: str, limit: str) -> None:
    if (descriptors := json.loads(limit)) is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, tuple(descriptors))
    module, _, name = named.partition(":")
    function = getattr(importlib.import_module(module), name)
    meter = _Meter()
    signal.signal(signal.SIGUSR1, lambda *_: meter.say())

    def run(handle: events.Handle) -> None:
        meter.timed(handle)

    events.Handle._run = run  # type: ignore[method-assign, assignment]
    meter.say(asyncio.run(function(*json.loads(arguments))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
