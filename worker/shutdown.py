"""Shutdown: when this worker ends. Its job ends first, and a worker that is beyond repair asks to be replaced.

RunPod's SDK (1.10 to 2.0rc) only leaves its loop when its long polls have returned, which takes up to 90 seconds, and a
job that is handed out meanwhile is lost. So the signals are ours, and the process leaves by itself. We use only what
the SDK documents: ``refresh_worker`` in the configuration, and ``concurrency_modifier``, which it calls in its event
loop before it asks for a job.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from typing import Any

logger = logging.getLogger(__name__)

_TAKEN_S = 0.25
"""from a job's arrival until its handler runs: the SDK looks ten times a second"""


class Shutdown:
    """*config* is what RunPod's SDK was started with; *leave* ends the process and does not return."""

    def __init__(self, config: dict[str, Any], drain_s: float, leave: Callable[[], None]) -> None:
        self._config, self._drain_s, self._leave = config, drain_s, leave
        self._jobs = dict[asyncio.Task[Any], Callable[[str], None]]()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sdk_stop: Any = None
        self._stopping = False

    def before_taking(self, concurrency: int) -> int:
        """The SDK's ``concurrency_modifier``: changes nothing, but runs in its loop, after it set its own signals."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._sdk_stop = signal.getsignal(signal.SIGTERM)
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self.stop)
        return concurrency

    def job_began(self, task: asyncio.Task[Any], give_up: Callable[[str], None]) -> None:
        """The SDK's *task* runs a job; when it is done, the result was posted. *give_up* ends the job with a reason."""
        self._jobs[task] = give_up
        task.add_done_callback(self._job_ended)

    def replace_worker(self, reason: str) -> None:
        """Asks the platform, with the running job's result, to put another worker in this one's place."""
        logger.error("this worker cannot recover and asks to be replaced: %s", reason)
        self._config["refresh_worker"] = True

    def stop(self) -> None:
        """SIGTERM: takes no further job, ends the running one, leaves. The second time it leaves at once."""
        if self._stopping or self._loop is None:
            self._leave()
            return
        logger.info("told to stop; %d jobs are running", len(self._jobs))
        self._stopping = True
        self._loop.call_later(_TAKEN_S, self._drain)

    def _drain(self) -> None:
        if not self._jobs or self._loop is None:
            self._leave()
            return
        if callable(self._sdk_stop):
            self._sdk_stop(signal.SIGTERM, None)
        self._loop.call_later(self._drain_s, self._give_up)

    def _give_up(self) -> None:
        for give_up in list(self._jobs.values()):
            give_up(f"The worker was told to stop, and the prompt did not end within {self._drain_s:g} seconds.")

    def _job_ended(self, task: asyncio.Task[Any]) -> None:
        self._jobs.pop(task, None)  # a task may have run several jobs, where no SDK runs them
        if not self._jobs and (self._stopping or self._config.get("refresh_worker")):
            self._leave()
