"""A program that dies with the process that started it; Linux only."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from worker.comfyui import die_with_parent

PROGRAM = die_with_parent.__file__
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")


async def output(*command: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, PROGRAM, *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    text, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, text.decode()


async def test_it_becomes_the_program_with_its_arguments() -> None:
    code = "import sys; print(sys.argv[1:]); sys.exit(7)"

    assert await output(str(os.getpid()), sys.executable, "-c", code, "a b", "c") == (7, "['a b', 'c']\n")


async def test_it_does_not_start_for_a_parent_that_is_gone_already() -> None:
    status, text = await output("1", sys.executable, "-c", "print('started')")

    assert status == 1
    assert "the worker is gone" in text
    assert "started" not in text


async def test_the_program_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, sys.argv[1], str(os.getpid()), sys.executable, '-c',"
        " 'import time; print(1, flush=True); time.sleep(600)'], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, PROGRAM, stdout=asyncio.subprocess.PIPE, cwd=tmp_path
    )
    assert parent.stdout is not None
    child = psutil.Process(int(await asyncio.wait_for(parent.stdout.readline(), 60)))
    assert child.is_running()

    parent.send_signal(signal.SIGKILL)
    await parent.wait()

    gone, _ = await asyncio.to_thread(psutil.wait_procs, [child], 10)
    assert gone
