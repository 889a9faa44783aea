"""Starts a ComfyUI, the sandbox's or a real one, as a process with folders of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.support.ports import free_port
from tests.support.stack import PROJECT, stop
from tests.support.until import until

SANDBOX = PROJECT / "sandbox" / "comfyui"
OWN_NODES = ("--extra-model-paths-config", str(PROJECT / "tests" / "support" / "comfyui_nodes.yaml"))
"""gives a real ComfyUI the nodes that the sandbox's has"""
_START_S = 120.0


@asynccontextmanager
async def comfyui_process(
    home: Path = SANDBOX,
    python: Path | None = None,
    data: Path = Path(),
    args: tuple[str, ...] = (),
    port: int = 0,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[str]:
    """The address of a ComfyUI that answers; *data* holds its input, output, temp and user folders."""
    port = port or free_port()
    folders = [argument for name in ("input", "output", "temp", "user") for argument in _folder(name, data)]
    database = f"sqlite:///{data / 'comfyui.db'}"
    command = [str(python or sys.executable), "main.py", "--listen", "127.0.0.1", "--port", str(port)]
    with (data / "comfyui.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(*command, *folders, "--database-url", database, *args),
            cwd=home,
            env=_environ() | dict(environment or {}),
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as session:
            await until(lambda: _answers(session, url), _START_S, (data / "comfyui.log").read_text)
        yield url
    finally:
        await _end(process)


def _folder(name: str, data: Path) -> tuple[str, str]:
    (data / name).mkdir(parents=True, exist_ok=True)
    return f"--{name}-directory", str(data / name)


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/system_stats", timeout=aiohttp.ClientTimeout(total=5)) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def _end(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(stop(process), 10)
    except TimeoutError:
        process.kill()  # ComfyUI does not always hear SIGTERM while it computes
        await process.wait()
