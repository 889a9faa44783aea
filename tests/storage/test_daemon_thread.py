"""A thread that hangs neither keeps a cancelled task waiting nor the program from ending."""

import asyncio
import subprocess
import sys
import threading

import pytest

from storage.daemon_thread import in_daemon_thread


async def test_what_the_work_returns_or_raises_comes_back() -> None:
    assert await in_daemon_thread(lambda: 5, "five") == 5
    with pytest.raises(ZeroDivisionError):
        await in_daemon_thread(lambda: 1 // 0, "error")


async def test_whoever_waits_can_be_cancelled() -> None:
    release = threading.Event()
    task = asyncio.create_task(in_daemon_thread(release.wait, "hangs"))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()


def test_a_program_ends_although_its_thread_hangs() -> None:
    program = (
        "import asyncio, threading\n"
        "from storage.daemon_thread import in_daemon_thread\n"
        "async def main():\n"
        "    task = asyncio.create_task(in_daemon_thread(threading.Event().wait, 'hangs'))\n"
        "    await asyncio.sleep(0)\n"
        "    task.cancel()\n"
        "asyncio.run(main())\n"
    )

    assert subprocess.run([sys.executable, "-c", program], check=True, timeout=120).returncode == 0
