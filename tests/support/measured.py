"""What a piece of the program costs, in a process of its own: peak memory, processor time, and the longest step.

A step is what the event loop does without looking at anything else: while one lasts, everybody waits. It is measured
in processor time, because a busy machine stretches every other.
"""

import asyncio
import importlib
import json
import sys
import time
from asyncio import events
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

MEMORY_MAX_MB = 64.0
STEP_MAX_S = 0.1
"""twice what is promised: on a processor that is shared with others the same work counts for more"""

needs_proc = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
_PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Cost:
    """*grown_mb*: peak memory above what the process had at the beginning; *outcome*: what the function returned."""

    grown_mb: float
    step_s: float
    cpu_s: float
    outcome: Any

    def require(self) -> None:
        """Fails when it cost more than is promised of whatever comes from outside."""
        assert self.grown_mb <= MEMORY_MAX_MB
        assert self.step_s <= STEP_MAX_S


async def cost_of(function: Callable[..., Awaitable[Any]], *arguments: Any, timeout_s: float = 60.0) -> Cost:
    """Awaits *function*, which a module has under its name, with *arguments*, which are JSON as its result is."""
    named = f"{function.__module__}:{function.__qualname__}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.measured", named, json.dumps(arguments)),
        cwd=_PROJECT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    return Cost(**json.loads(output.splitlines()[-1]))


def memory_mb(pid: int | str, field: str) -> float:
    """VmRSS, or the peak VmHWM, of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError(field)


def forget_peak(pid: int | str) -> None:
    """Makes the peak memory what the process has now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _measured(function: Callable[..., Awaitable[Any]], arguments: list[Any]) -> Cost:
    longest, run = [0.0], events.Handle._run

    def timed(handle: events.Handle) -> None:
        began = time.thread_time()
        run(handle)
        longest[0] = max(longest[0], time.thread_time() - began)

    events.Handle._run = timed  # type: ignore[method-assign, assignment]
    forget_peak("self")
    before, began = memory_mb("self", "VmRSS"), time.process_time()
    outcome: Any = asyncio.run(function(*arguments))  # type: ignore[arg-type]
    cpu_s = time.process_time() - began
    return Cost(memory_mb("self", "VmHWM") - before, longest[0], cpu_s, outcome)


def _main(named: str, arguments: str) -> None:
    module, _, name = named.partition(":")
    function = getattr(importlib.import_module(module), name)
    print(json.dumps(asdict(_measured(function, json.loads(arguments)))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
