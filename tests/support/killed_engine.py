"""The engine as a process that ends as by a power cut, just before its *n*-th step.

A step is a command of the machine, or the end of a transaction of the job database. The process is a fork of one that
has everything imported, for a test starts many.
"""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from engine.jobs.run import JobRun
from engine.model.states import JobState
from engine.store.database import Database
from tests.support.engine import Engine, engine
from tests.support.runpod import RunPod, endpoint_of
from wire.ids import PromptId

PROMPT_ID = PromptId("the-prompt")
_LIMIT_S = 60.0
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


class Steps:
    """Counts steps, and kills this process before the one with number *last*."""

    def __init__(self, last: int | None) -> None:
        self._last, self._done = last, 0

    def step(self) -> None:
        if self._done == self._last:
            os.kill(os.getpid(), signal.SIGKILL)
        self._done += 1


async def run_killed(url: str, home: Path, last: int | None, *, cancel: bool = False) -> int:
    """Run the engine in a process of its own until its job has ended, or its end before step *last*. Its exit code:
    0 or -SIGKILL.
    """
    process = _context.Process(target=_main, args=(url, home, last, cancel))
    process.start()
    await asyncio.to_thread(process.join, _LIMIT_S)
    if process.exitcode is None:
        process.kill()
        raise AssertionError(f"the engine did not end within {_LIMIT_S} s")
    return process.exitcode


def _main(url: str, home: Path, last: int | None, cancel: bool) -> None:
    steps = Steps(last)
    JobRun._carry_out = _counted(JobRun._carry_out, steps)  # type: ignore[method-assign]
    Database.transaction = _ending(Database.transaction, steps)  # type: ignore[method-assign]
    asyncio.run(_until_ended(url, home, cancel=cancel))


def _counted(method: Callable[..., Any], steps: Steps) -> Callable[..., Any]:
    @wraps(method)
    def counted(*args: Any, **options: Any) -> Any:
        steps.step()
        return method(*args, **options)

    return counted


def _ending(method: Callable[..., Any], steps: Steps) -> Callable[..., Any]:
    @wraps(method)
    @contextmanager
    def ending(*args: Any, **options: Any) -> Any:
        with method(*args, **options):
            yield
            steps.step()  # killed here, the transaction has not happened
        steps.step()

    return ending


async def _until_ended(url: str, home: Path, *, cancel: bool) -> None:
    async with endpoint_of(RunPod(script=lambda _: (), url=url)) as endpoint, engine(home, [endpoint]) as one:
        known = one.store.find(PROMPT_ID)
        if known is None:
            one.submit(PROMPT_ID)
        if cancel:
            await _cancelled(one)
        await one.ended(PROMPT_ID, _LIMIT_S)
        await one.stopped_everything()
        await one.tidied_up()


async def _cancelled(one: Engine) -> None:
    job = await one.becomes(
        PROMPT_ID, *(state for state in JobState if state not in (JobState.PENDING, JobState.SUBMITTING))
    )
    if job.state in (JobState.QUEUED, JobState.RUNNING):
        one.dispatcher.cancel(PROMPT_ID)
