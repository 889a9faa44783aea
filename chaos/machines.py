"""The processes of a run: the local ComfyUI, the proxy, the workers and their ComfyUIs. They are killed and paused."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp
import psutil

from tests.support.ports import free_port
from tests.support.stack import PROJECT

_ANSWERS_S = 60.0
_STOP_S = 30.0


class Machine:
    """A process of ours that is started again when it was killed. *url* answers when it is ready."""

    def __init__(
        self, name: str, argv: Sequence[str], cwd: Path, url: str, log: Path, environ: Mapping[str, str]
    ) -> None:
        self.name, self.url = name, url
        self._argv, self._cwd, self._log, self._environ = argv, cwd, log, environ
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, session: aiohttp.ClientSession) -> None:
        """Returns when it answers."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._argv, cwd=self._cwd, env={**os.environ, **self._environ}, stdout=log, stderr=log
            )
        async with asyncio.timeout(_ANSWERS_S):
            while not await self._answers(session):
                if self._process.returncode is not None:
                    raise RuntimeError(f"{self.name} ended with {self._process.returncode}, see {self._log}")
                await asyncio.sleep(0.1)

    async def _answers(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(self.url, timeout=aiohttp.ClientTimeout(total=5)) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def be_there(self, session: aiohttp.ClientSession) -> None:
        """Start it when it is not running."""
        if self._process is None or self._process.returncode is not None:
            await self.start(session)

    async def kill(self) -> None:
        """As a power cut would."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_S)
            except TimeoutError:
                await self.kill()

    async def pause(self, seconds: float) -> None:
        """As a laptop's lid would."""
        if self._process is not None and self._process.returncode is None:
            await paused(self._process.pid, seconds)


async def paused(pid: int, seconds: float) -> None:
    """The process does nothing for *seconds*; it may end meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)


def local_comfyui(home: Path) -> Machine:
    """The sandbox's ComfyUI, with folders in *home*."""
    port = free_port()
    folders = [
        argument
        for name in ("input", "output", "temp", "user")
        for argument in (f"--{name}-directory", str(_made(home / name)))
    ]
    argv = [sys.executable, "main.py", "--listen", "127.0.0.1", "--port", str(port), *folders]
    url = f"http://127.0.0.1:{port}"
    return Machine("ComfyUI", argv, PROJECT / "sandbox" / "comfyui", f"{url}/system_stats", home / "comfyui.log", {})


def proxy(home: Path, comfyui: Machine, endpoint_url: str) -> Machine:
    """``python -m proxy`` before that ComfyUI, with *endpoint_url* for RunPod."""
    port = free_port()
    environ = {
        "PROXY_PORT": str(port),
        "COMFYUI_URL": comfyui.url.removesuffix("/system_stats"),
        "COMFY_RUNPOD_HOME": str(_made(home / "data")),
        "RUNPOD_API_KEY": "key",
        "RUNPOD_ENDPOINT_ID": "sandbox",
        "RUNPOD_ENDPOINT_BASE_URL": endpoint_url,
    }
    argv = [sys.executable, "-m", "proxy", "--verbose"]
    return Machine("proxy", argv, PROJECT, f"http://127.0.0.1:{port}/runpod/", home / "proxy.log", environ)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def workers() -> list[psutil.Process]:
    """The workers that this process has started."""
    children = psutil.Process().children()
    return [child for child in children if _runs(child, "worker") and child.is_running()]


def comfyui_of(worker: psutil.Process) -> psutil.Process | None:
    """The ComfyUI that *worker* drives; None while it has none."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return next((child for child in worker.children() if _runs(child, "main.py")), None)
    return None


def worker_id(worker: psutil.Process) -> str:
    """By which RunPod knows it."""
    return str(worker.environ().get("RUNPOD_POD_ID", ""))


def _runs(process: psutil.Process, word: str) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return word in process.cmdline()
    return False
