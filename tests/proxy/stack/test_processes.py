import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import CannotStart
from proxy.stack.plan import Command
from proxy.stack.processes import running


def python(tmp_path: Path, source: str, name: str = "program") -> Command:
    return Command(name, (sys.executable, "-u", "-c", source), tmp_path)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_program_runs_while_the_block_runs(tmp_path: Path) -> None:
    log_file = tmp_path / "logs" / "program.log"
    source = "import os, time; print(os.getpid()); time.sleep(60)"

    async with running([python(tmp_path, source)], tmp_path / "logs", os.environ):
        await until(lambda: log_file.read_text().endswith("\n"))
        pid = int(log_file.read_text())
        assert alive(pid)

    assert not alive(pid)


async def test_its_folders_are_made_first(tmp_path: Path) -> None:
    command = Command("program", (sys.executable, "-c", ""), tmp_path, (tmp_path / "data" / "input",))

    async with running([command], tmp_path / "logs", os.environ):
        assert (tmp_path / "data" / "input").is_dir()


async def test_children_of_a_program_end_with_it(tmp_path: Path) -> None:
    log_file = tmp_path / "logs" / "program.log"
    source = (
        "import subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print(child.pid); time.sleep(60)"
    )

    async with running([python(tmp_path, source)], tmp_path / "logs", os.environ):
        await until(lambda: log_file.read_text().endswith("\n"))
        grandchild = int(log_file.read_text())
        assert alive(grandchild)

    await until(lambda: not _running(grandchild))


def _running(pid: int) -> bool:
    """Whether *pid* still runs; an orphan that nobody has waited for yet does not."""
    status = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self").exists():
        return alive(pid)
    try:
        return status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


async def test_a_program_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    log_file = tmp_path / "logs" / "program.log"
    source = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready'); time.sleep(60)"

    async with running([python(tmp_path, source)], tmp_path / "logs", os.environ, grace_s=0.2):
        await until(lambda: log_file.read_text() == "ready\n")
        began = time.monotonic()

    assert 0.2 <= time.monotonic() - began < 5


async def test_a_program_that_dies_is_reported_with_the_end_of_its_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    command = python(tmp_path, "raise SystemExit('no such model')")

    async with running([command], tmp_path / "logs", os.environ):
        await until(lambda: any(record.levelno == logging.ERROR for record in caplog.records))

    assert "program ended with status 1" in caplog.text
    assert "no such model" in caplog.text
    assert str(tmp_path / "logs" / "program.log") in caplog.text


async def test_ending_on_purpose_is_not_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running([python(tmp_path, "import time; time.sleep(60)")], tmp_path / "logs", os.environ):
        pass

    assert "ended" not in caplog.text


async def test_what_cannot_be_started_ends_what_was(tmp_path: Path) -> None:
    log_file = tmp_path / "logs" / "first.log"
    first = python(tmp_path, "import time; time.sleep(60)", "first")
    second = Command("second", (str(tmp_path / "missing"),), tmp_path)

    with pytest.raises(CannotStart, match="missing: cannot be started"):
        async with running([first, second], tmp_path / "logs", os.environ):
            pytest.fail("must not run")

    assert log_file.exists()


async def test_the_log_of_the_last_run_is_kept(tmp_path: Path) -> None:
    for word in ("one", "two"):
        async with running([python(tmp_path, f"print('{word}')")], tmp_path / "logs", os.environ):
            await until(lambda word=word: (tmp_path / "logs/program.log").read_text() == f"{word}\n")  # type: ignore[misc]

    assert (tmp_path / "logs/program.log.1").read_text() == "one\n"


async def test_the_environment_is_the_one_given(tmp_path: Path) -> None:
    source = "import os; print('RUNPOD_API_KEY' in os.environ)"
    environ = {name: value for name, value in os.environ.items() if name != "RUNPOD_API_KEY"}

    async with running([python(tmp_path, source)], tmp_path / "logs", environ):
        await until(lambda: (tmp_path / "logs/program.log").read_text() == "False\n")
