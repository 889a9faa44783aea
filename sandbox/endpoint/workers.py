"""Starts the workers as subprocesses, under RunPod's unmodified SDK, and ends them without leaving orphans."""

import asyncio
import contextlib
import logging
import os
import signal
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.endpoint.service import Options, Service
from wire.backoff import next_delay

logger = logging.getLogger(__name__)

PROJECT = Path(__file__).resolve().parents[2]
_BACKOFF_S, _BACKOFF_MAX_S = 1.0, 30.0
_GRACE_S = 1.5


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """What a worker runs; *home* holds a folder for each."""

    argv: Sequence[str]
    home: Path
    environ: Mapping[str, str] = field(default_factory=dict)


def sdk_environment(base_url: str, options: Options, worker_id: str) -> dict[str, str]:
    """The variables that the platform injects, pointing at *base_url* (``http://host:port/v2``)."""
    api = f"{base_url}/{options.endpoint_id}"
    return {
        "RUNPOD_WEBHOOK_GET_JOB": f"{api}/job-take/$ID?gpu=SANDBOX",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{api}/job-done/$RUNPOD_POD_ID/$ID?gpu=SANDBOX",
        "RUNPOD_WEBHOOK_POST_STREAM": f"{api}/job-stream/$RUNPOD_POD_ID/$ID?gpu=SANDBOX",
        "RUNPOD_WEBHOOK_PING": f"{api}/ping/$RUNPOD_POD_ID?gpu=SANDBOX",
        "RUNPOD_PING_INTERVAL": "4000",
        "RUNPOD_AI_API_KEY": options.worker_key,
        "RUNPOD_POD_ID": worker_id,
        "RUNPOD_ENDPOINT_ID": options.endpoint_id,
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        "RUNPOD_SKIP_GPU_CHECK": "true",
        "RUNPOD_LOG_LEVEL": "INFO",
        "PYTHONUNBUFFERED": "1",
    }


class Workers:
    """Keeps the wanted number of workers running."""

    def __init__(
        self, service: Service, command: WorkerCommand, base_url: Callable[[], str], cold_start_s: float
    ) -> None:
        self._service = service
        self._command = command
        self._base_url = base_url
        self._cold_start_s = cold_start_s

    async def run(self) -> None:
        """Start workers, and replace each that ends, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._service.options.wanted_workers):
                group.create_task(self._keep(f"sandbox{number}"))

    async def _keep(self, name: str) -> None:
        """One place in the crew: a worker in it, and a new one when that has ended."""
        state, clock, unfit = self._service.state, self._service.clock, 0
        while True:
            worker_id = f"{name}-{uuid.uuid4().hex[:6]}"
            if self._cold_start_s > 0:
                await self._service.until(lambda: state.waiting > 0, None)
            state.start_worker(worker_id, clock())
            await asyncio.sleep(self._cold_start_s)
            await self._live(worker_id)
            unfit = 0 if state.end_worker(worker_id, clock()) else unfit + 1
            await self._service.changed()
            await asyncio.sleep(next_delay(unfit, base_s=_BACKOFF_S, cap_s=_BACKOFF_MAX_S))
            state.forget_worker(worker_id, clock())

    async def _live(self, worker_id: str) -> None:
        """From start to end of a process; it ends by itself, or because the state says that it stops."""
        try:
            process = await self._start(worker_id)
        except OSError as error:
            logger.warning("worker %s cannot be started, will be tried again: %s", worker_id, error)
            return
        try:
            await self._service.until(lambda: process.returncode is not None or self._shall_end(worker_id), None)
        finally:
            await self._end(worker_id, process)
            logger.warning("worker %s ended with status %s", worker_id, process.returncode)

    def _shall_end(self, worker_id: str) -> bool:
        return self._service.state.is_stopping(worker_id)

    async def _end(self, worker_id: str, process: asyncio.subprocess.Process) -> None:
        """Its polls are answered and it is asked to go, for the SDK waits for its polls; then the whole group ends."""
        if process.returncode is None:
            self._service.state.stop_worker(worker_id, self._service.clock())
            await self._service.changed()
            with contextlib.suppress(ProcessLookupError, TimeoutError):
                process.terminate()
                await asyncio.wait_for(process.wait(), _GRACE_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    async def _start(self, worker_id: str) -> asyncio.subprocess.Process:
        folder = self._command.home.absolute() / worker_id  # the worker runs in a folder of its own
        for part in ("home", "cwd", "data"):
            _private_folder(folder / part)
        ours = ("RUNPOD_", "SANDBOX_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        environ = {
            **inherited,
            "PYTHONPATH": str(PROJECT),
            "HOME": str(folder / "home"),  # the SDK would prefer credentials in ~/.runpod
            "WORKER_DATA_DIR": str(folder / "data"),
            "COMFYUI_PORT": "0",
            **self._command.environ,
            **sdk_environment(self._base_url(), self._service.options, worker_id),
        }
        log_file = folder / "worker.log"
        logger.info("worker %s starts, log: %s", worker_id, log_file)
        # a file, not a pipe: the SDK's heartbeat process outlives a killed worker and would keep the pipe open
        log_file.touch(0o600)
        with log_file.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *self._command.argv,
                cwd=folder / "cwd",
                env=environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # with its heartbeat process and its ComfyUI, so that all end together
            )


def _private_folder(path: Path) -> None:
    """Makes *path* and what is missing above it, so that other users of this machine see no prompts and results."""
    for folder in (*reversed(path.parents), path):
        if not folder.is_dir():
            folder.mkdir(0o700, exist_ok=True)
