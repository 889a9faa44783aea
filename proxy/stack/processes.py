"""The other processes of ``make proxy``: finds out what is missing, starts it, watches it, and ends it again.

What to start is decided in :mod:`proxy.stack.plan`.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path, PurePath
from typing import NoReturn

from engine.comfyui import comfyui_answers
from engine.errors import CannotStart
from engine.ports import require_free
from engine.runpod.sandbox import SANDBOX_HOST
from engine.runpod.sandbox_key import new_sandbox_key
from engine.settings import PROJECT, Settings
from proxy.stack.machine import find_checkout, has_gpu
from proxy.stack.plan import Command, Situation, StackPlan, plan, sandbox_endpoint
from storage.private import private_file, private_folder

log = logging.getLogger(__name__)

_GRACE_S = 15.0
_TAIL_BYTES, _TAIL_LINES = 8192, 15


async def prepare(settings: Settings) -> StackPlan:
    """What to start for *settings* on this machine; raises CannotStart. Starts nothing, but makes a key for it."""
    require_free(settings.proxy_host, settings.proxy_port, "PROXY_PORT")
    if not settings.endpoint_ids:
        require_free(SANDBOX_HOST, settings.sandbox_port, "SANDBOX_PORT")
    answers = await comfyui_answers(settings.comfyui_url)
    key = None if settings.endpoint_ids else new_sandbox_key(settings.comfy_runpod_home)
    return plan(await _situation(settings, comfyui_answers=answers, sandbox_key=key))


async def prepare_endpoint(settings: Settings) -> Command:
    """The command that serves the sandbox endpoint alone; raises CannotStart. Starts nothing."""
    require_free(SANDBOX_HOST, settings.sandbox_port, "SANDBOX_PORT")
    return sandbox_endpoint(await _situation(settings, comfyui_answers=False, sandbox_key=None))


async def _situation(settings: Settings, *, comfyui_answers: bool, sandbox_key: str | None) -> Situation:
    return Situation(
        comfyui_url=settings.comfyui_url,
        comfyui_answers=comfyui_answers,
        checkout=find_checkout(settings.comfyui_dir, settings.comfyui_python, PROJECT / "docker" / "ComfyUI"),
        gpu=await has_gpu(sys.platform),
        endpoint_ids=settings.endpoint_ids,
        endpoint_base_url=settings.runpod_endpoint_base_url,
        sandbox_port=settings.sandbox_port,
        sandbox_workers=settings.sandbox_workers,
        sandbox_cold_start_s=settings.sandbox_cold_start_s,
        sandbox_key=sandbox_key,
        python=PurePath(sys.executable),
        project=PROJECT,
        data=settings.comfy_runpod_home,
        hosts=tuple(settings.admitted_names),
    )


def exec_command(command: Command, environ: Mapping[str, str]) -> NoReturn:
    """Turns this process into *command*, so that signals and output are its own."""
    os.chdir(command.cwd)
    os.execve(command.argv[0], command.argv, environ)  # noqa: S606 -- our own interpreter, no shell


@asynccontextmanager
async def running(
    commands: Iterable[Command], logs: Path, environ: Mapping[str, str], grace_s: float = _GRACE_S
) -> AsyncIterator[None]:
    """Runs *commands* while the block runs, each logging to its file in *logs*.

    A process that ends before the block does is reported with the end of its log; the others go on.
    """
    children: list[Child] = []
    watchers: list[asyncio.Task[None]] = []
    try:
        for command in commands:
            child = await Child.start(command, logs, environ)
            children.append(child)
            watchers.append(asyncio.create_task(child.report_end()))
        yield
    finally:
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        await asyncio.gather(*(child.stop(grace_s) for child in children))


class Child:
    """A started process and its log."""

    def __init__(self, command: Command, process: asyncio.subprocess.Process, log_file: Path) -> None:
        self._command = command
        self._process = process
        self._log_file = log_file

    @classmethod
    async def start(cls, command: Command, logs: Path, environ: Mapping[str, str]) -> "Child":
        """Starts *command* in a process group of its own; raises CannotStart."""
        log_file = _make_room(command, logs)
        try:
            with log_file.open("ab") as output:
                process = await asyncio.create_subprocess_exec(
                    *command.argv,
                    cwd=command.cwd,
                    env={**environ, **command.secrets},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=asyncio.subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise CannotStart(f"{command.argv[0]}: cannot be started: {error.strerror}") from error
        log.info("started %s (pid %s), log: %s", command.name, process.pid, log_file)
        return cls(command, process, log_file)

    async def report_end(self) -> None:
        """Wait until the process ends, and log that with the last lines of its log."""
        status = await self._process.wait()
        log.error(
            "%s ended with status %s; the last lines of %s:\n%s",
            *(self._command.name, status, self._log_file, _tail(self._log_file)),
        )

    async def stop(self, grace_s: float) -> None:
        """Ends the process, and what is left of its group after *grace_s*, or at once when cancelled."""
        try:
            if self._process.returncode is None:
                self._process.terminate()
                await asyncio.wait_for(self._process.wait(), grace_s)
        except TimeoutError:
            log.warning("%s did not end within %g s; killing it", self._command.name, grace_s)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


def _make_room(command: Command, logs: Path) -> Path:
    """Makes the folders of *command*; the path of its empty log. That of the last run is kept beside it."""
    for folder in (*command.folders, logs):
        private_folder(Path(folder))
    path = logs / f"{command.name}.log"
    if path.exists():
        path.replace(logs / f"{command.name}.log.1")
    return private_file(path)


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:])
