"""What Linux tells of a process (/proc), and processes beside the proxy."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_port
from tests.support.stack import PROJECT
from tests.support.until import until

_START_S = 20.0


@dataclass(frozen=True, slots=True)
class Target:
    """Something that answers at *url*; *pid* is None when its process is of no interest."""

    name: str
    url: str
    pid: int | None = None


def measurable() -> bool:
    return Path("/proc/self/schedstat").exists() and os.access("/proc/self/clear_refs", os.W_OK)


def cpu_s(pid: int) -> float:
    """CPU time of all threads of *pid* so far, to the nanosecond."""
    spent = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        spent += int((thread / "schedstat").read_text().split()[0])
    return spent / 1e9


def forget_peak(pid: int) -> None:
    """Makes the peak memory of *pid* what it uses now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def memory_mb(pid: int, field: str = "VmHWM") -> float:
    """Peak resident memory (or another line of /proc/PID/status) in megabytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError(field)


def bare_mitmproxy(upstream: str) -> AbstractAsyncContextManager[Target]:
    """mitmproxy without any addon of ours in front of *upstream*."""
    return running("bare mitmproxy", "bench.bare", upstream)


@asynccontextmanager
async def running(name: str, module: str, *arguments: str) -> AsyncIterator[Target]:
    """A module of ours as a process; it listens on the port that is its last argument."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments, str(port)), cwd=PROJECT, stdin=asyncio.subprocess.DEVNULL
    )
    try:
        await until(lambda: _listens(port), _START_S)
        yield Target(name, f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
