"""The scripts of scripts/ as a person starts them: processes, with an environment of their own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.stack import PROJECT

_OURS = ("RUNPOD_", "COMFYUI_", "SANDBOX_", "PROXY_", "BUCKET_", "COMFY_", "MAX_IN")


@dataclass(frozen=True, slots=True)
class Finished:
    status: int
    out: str
    err: str


def environment(**variables: str) -> dict[str, str]:
    """This process's without the project's variables, and with *variables*."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {**kept, **variables}


@asynccontextmanager
async def started(
    name: str, *arguments: object, environ: Mapping[str, str], cwd: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A script while it runs; killed at the end of the block if it still does."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROJECT / "scripts" / name), *map(str, arguments)),
        cwd=cwd,
        env=environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run_script(
    name: str, *arguments: object, environ: Mapping[str, str], cwd: Path, timeout_s: float = 90
) -> Finished:
    """A script from start to end."""
    async with started(name, *arguments, environ=environ, cwd=cwd) as process, asyncio.timeout(timeout_s):
        return await finished(process)


async def finished(process: asyncio.subprocess.Process) -> Finished:
    out, err = await process.communicate()
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


async def line_with(stream: asyncio.StreamReader | None, text: str, timeout_s: float = 60) -> str:
    """The first line of *stream* that has *text* in it."""
    assert stream is not None
    seen = list[str]()
    async with asyncio.timeout(timeout_s):
        while line := (await stream.readline()).decode():
            seen.append(line)
            if text in line:
                return line
    raise AssertionError(f"no line with {text!r} in {seen}")
