"""When a worker ends: a real process under RunPod's unmodified SDK, at the sandbox endpoint, and real signals."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from sandbox.endpoint.server import Running, running_endpoint
from sandbox.endpoint.service import Options
from sandbox.endpoint.workers import sdk_environment
from tests.support.job_client import JobClient, events
from tests.support.until import until
from tests.worker.conftest import FAKE

PROJECT = Path(__file__).parents[2]
QUICK = {"1": {"class_type": "Save", "inputs": {"size": 512, "name": "quick"}}}
SLOW = {"1": {"class_type": "Slow", "inputs": {}}}
A_WHILE = {"1": {"class_type": "Sleep", "inputs": {"seconds": 1.5}}}
POISON = {"1": {"class_type": "Fail", "inputs": {"message": "CUDA error: an illegal memory access was encountered"}}}
END_S = 20.0
"""longer than a busy machine needs to end a worker; the polls stay open for 60 s, and a job is waited for for 300 s"""


class Worker(JobClient):
    def __init__(
        self, endpoint: Running, process: asyncio.subprocess.Process, http: aiohttp.ClientSession, log: Path
    ) -> None:
        super().__init__(endpoint.url, http)
        self._log = log
        self.process, self.endpoint = process, endpoint
        self.family = psutil.Process(process.pid)

    async def said(self, text: str) -> None:
        """Until the worker's log has *text*."""

        async def found() -> bool:
            return text in self._log.read_text(errors="replace")

        await until(found)

    async def ended_after(self, act: Callable[[], None]) -> None:
        """After *act* the worker ends without waiting for anything, and nothing that it started is left."""
        children = self.family.children(recursive=True)
        act()
        await asyncio.wait_for(self.process.wait(), END_S)
        _, alive = await asyncio.to_thread(psutil.wait_procs, children, 3)
        assert not alive


@asynccontextmanager
async def worker(home: Path, **settings: str) -> AsyncIterator[Worker]:
    async with running_endpoint(Options(wanted_workers=0, take_hold_s=60)) as endpoint, aiohttp.ClientSession() as http:
        endpoint.service.state.start_worker("w1", endpoint.service.clock())
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RUNPOD_")},
            "PYTHONPATH": str(PROJECT),
            "HOME": str(home),
            "COMFYUI_HOME": str(FAKE),
            "COMFYUI_PYTHON": sys.executable,
            "COMFYUI_PORT": "0",
            "WORKER_DATA_DIR": str(home),
            **settings,
            **sdk_environment(endpoint.url, endpoint.service.options, "w1"),
        }
        with (home / "worker.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "worker", cwd=home, env=environ, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield Worker(endpoint, process, http, home / "worker.log")
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def served(one: Worker) -> None:
    """The worker has done a job and waits for the next."""
    await one.reaches(await one.submit(QUICK), "COMPLETED")


async def test_an_idle_worker_ends_at_once_although_its_polls_are_open(tmp_path: Path) -> None:
    async with worker(tmp_path) as one:
        await served(one)

        await one.ended_after(one.process.terminate)

    assert one.process.returncode == 0


async def test_a_worker_that_is_told_to_stop_ends_its_job_first(tmp_path: Path) -> None:
    async with worker(tmp_path) as one:
        job = await one.submit(A_WHILE)
        await one.reaches(job, "IN_PROGRESS")

        await one.ended_after(one.process.terminate)
        answer = await one.status(job)

    assert answer["status"] == "COMPLETED"
    assert answer["output"][-1]["events"][-1]["kind"] == "prompt_finished"


async def test_a_job_that_does_not_end_in_time_is_told_why(tmp_path: Path) -> None:
    async with worker(tmp_path, WORKER_DRAIN_S="0.5") as one:
        job = await one.submit(SLOW)
        await one.reaches(job, "IN_PROGRESS")

        await one.ended_after(one.process.terminate)
        answer = await one.status(job)

    ending = answer["output"][-1]["events"][-1]
    assert ending["error_type"] == "worker_stopped"
    assert "told to stop" in ending["message"]


async def test_a_second_signal_does_not_wait_for_the_job(tmp_path: Path) -> None:
    async with worker(tmp_path) as one:
        await one.reaches(await one.submit(SLOW), "IN_PROGRESS")
        one.process.terminate()
        await one.said("told to stop")  # two signals at once are one

        await one.ended_after(one.process.terminate)


async def test_after_an_error_that_poisons_the_gpu_the_platform_is_asked_for_another_worker(tmp_path: Path) -> None:
    async with worker(tmp_path) as one:
        job = await one.submit(POISON)

        await asyncio.wait_for(one.process.wait(), 60)
        answer = await one.status(job)
        stopping = one.endpoint.service.state.is_stopping("w1")

    ending = answer["output"][-1]["events"][-1]
    assert ending["kind"] == "prompt_failed"
    assert ending["diagnostics"]["node"] == {"id": "1", "class_type": "Fail"}
    assert stopping


async def test_a_worker_without_a_comfyui_fails_its_job_and_is_replaced(tmp_path: Path) -> None:
    async with worker(tmp_path, COMFYUI_HOME=str(tmp_path / "none")) as one:
        job = await one.submit(QUICK)

        await asyncio.wait_for(one.process.wait(), 60)
        answer = await one.status(job)

    ending = answer["output"][-1]["events"][-1]
    assert ending["error_type"] == "comfyui_died"
    assert "COMFYUI_HOME" in ending["message"]


async def test_a_worker_that_was_frozen_in_mid_job_goes_on(tmp_path: Path) -> None:
    async with worker(tmp_path, COMFYUI_HANG_S="1") as one:
        await served(one)
        job = await one.submit(A_WHILE)
        await one.reaches(job, "IN_PROGRESS")
        os.killpg(one.process.pid, signal.SIGSTOP)
        await asyncio.sleep(2.5)  # much longer than a hang takes
        os.killpg(one.process.pid, signal.SIGCONT)

        answer = await one.reaches(job, "COMPLETED", "FAILED")

    assert answer["output"][-1]["events"][-1]["kind"] == "prompt_finished"


async def hangs(comfyui: psutil.Process) -> None:
    comfyui.suspend()


async def is_killed(comfyui: psutil.Process) -> None:
    comfyui.kill()


@pytest.mark.parametrize(("fault", "said"), [(hangs, "hung"), (is_killed, "killed")])
async def test_a_comfyui_that_hangs_or_is_killed_fails_its_job_and_the_next_one_runs(
    tmp_path: Path, fault: Callable[[psutil.Process], Awaitable[None]], said: str
) -> None:
    async with worker(tmp_path, COMFYUI_HANG_S="1") as one:
        await served(one)
        job = await one.submit(SLOW)
        await one.runs(job)
        (comfyui,) = [child for child in one.family.children() if "main.py" in child.cmdline()]

        await fault(comfyui)
        answer = await one.reaches(job, "COMPLETED", "FAILED")
        following = await one.reaches(await one.submit(QUICK), "COMPLETED", "FAILED")

    ending = answer["output"][-1]["events"][-1]
    assert ending["error_type"] == "comfyui_died"
    assert said in ending["message"]
    assert following["output"][-1]["events"][-1]["kind"] == "prompt_finished"
    assert not comfyui.is_running()


async def test_a_comfyui_that_hung_between_two_jobs_is_replaced_for_the_next(tmp_path: Path) -> None:
    async with worker(tmp_path, COMFYUI_HANG_S="1") as one:
        await served(one)
        (comfyui,) = [child for child in one.family.children() if "main.py" in child.cmdline()]
        comfyui.suspend()

        answer = await one.ends(await one.submit(QUICK))

    assert events(answer)[-1]["kind"] == "prompt_finished"
    assert not comfyui.is_running()
