"""ComfyUI as a child process: its log, its death, its return."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.worker.conftest import FAKE
from worker.comfyui.process import ComfyProcess, ComfyUIDied

SLEEP = "import time; time.sleep(600)"


@contextmanager
def running(home: Path, program: str, python: str = sys.executable, user: str | None = None) -> Iterator[ComfyProcess]:
    (home / "main.py").write_text(program)
    process = ComfyProcess(home, user=user)
    process.start((python, "-u", "main.py"))
    try:
        yield process
    finally:
        process.stop()


def until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "main.py" in child.cmdline()]


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


def test_the_log_is_kept_without_colours_and_without_endless_lines(tmp_path: Path) -> None:
    with running(tmp_path, r"print('\x1b[32m[INFO]\x1b[0m got prompt'); print('x' * 5000)" + f"\n{SLEEP}") as process:
        until(lambda: len(process.log_tail()) == 2)
        first, second = process.log_tail()

    assert first == "[INFO] got prompt"
    assert len(second) == 2000


def test_the_last_lines_of_a_long_log_are_given(tmp_path: Path) -> None:
    with running(tmp_path, f"for n in range(1000): print(n)\n{SLEEP}") as process:
        until(lambda: process.log_tail(1) == ["999"])
        tail = process.log_tail(3)

    assert tail == ["997", "998", "999"]


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("raise SystemExit(3)", "ComfyUI ended with exit status 3"),
        ("import os; os.kill(os.getpid(), 9)", "ComfyUI was killed; most likely the worker ran out of memory"),
        ("import os; os.kill(os.getpid(), 11)", "ComfyUI was ended by SIGSEGV"),
    ],
)
def test_a_death_is_counted_and_explained(tmp_path: Path, program: str, said: str) -> None:
    with running(tmp_path, program) as process:
        until(lambda: process.deaths > 0)

        assert process.last_death() == said


def test_a_comfyui_that_ended_is_started_again(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys\np = pathlib.Path('was-here')\nif not p.exists(): p.touch(); sys.exit(1)\nprint('back')\n"
    )
    with running(tmp_path, program + SLEEP) as process:
        until(lambda: process.log_tail() == ["back"])

        assert process.deaths == 1


def test_a_death_is_noticed_although_a_program_that_comfyui_started_goes_on(tmp_path: Path) -> None:
    program = "import subprocess, sys\nprint(subprocess.Popen(['sleep', '600']).pid)\nprint('last words')\nsys.exit(3)"
    with running(tmp_path, program) as process:
        until(lambda: process.deaths == 1, timeout_s=5)
        orphan, words = process.log_tail()[:2]
        os.kill(int(orphan), signal.SIGKILL)

    assert words == "last words"


def test_a_killed_comfyui_says_who_killed_it_and_why(tmp_path: Path) -> None:
    with running(tmp_path, SLEEP) as process:
        process.kill("ComfyUI hung")
        until(lambda: process.deaths == 1)
        said = process.last_death()
        until(lambda: bool(children()))

    assert said == "ComfyUI hung"


async def test_ending_a_comfyui_waits_until_it_is_gone_and_spares_the_next(tmp_path: Path) -> None:
    with running(tmp_path, SLEEP) as process:
        await process.end("It held a cancelled prompt", 0)
        deaths = process.deaths
        await process.wait_ready(yes)
        (second,) = children()
        await process.end("It held a cancelled prompt", 0)

        assert deaths == process.deaths == 1
        assert second.is_running()


async def test_a_comfyui_is_ready_when_it_answers(tmp_path: Path) -> None:
    answers = iter([False, False, True])

    async def answer() -> bool:
        return next(answers)

    with running(tmp_path, SLEEP) as process:
        await asyncio.wait_for(process.wait_ready(answer), 60)

    assert next(answers, None) is None


async def test_a_comfyui_that_dies_again_and_again_is_beyond_help(tmp_path: Path) -> None:
    with running(tmp_path, "import sys; sys.exit('no such model folder')") as process:
        with pytest.raises(ComfyUIDied, match=r"exit status 1\. Starting it again did not help") as caught:
            await asyncio.wait_for(process.wait_ready(no), 60)

        assert caught.value.beyond_help
        assert "no such model folder" in process.log_tail()


async def test_a_comfyui_that_was_told_to_end_comes_back_for_a_job_only(tmp_path: Path) -> None:
    with running(tmp_path, SLEEP) as process:
        (child,) = children()
        child.send_signal(signal.SIGTERM)
        until(lambda: process.deaths == 1)
        await asyncio.sleep(1.5)  # longer than the pause before a start
        left_down = not children()
        await asyncio.wait_for(process.wait_ready(yes), 60)

        assert left_down
        assert children()


@pytest.mark.parametrize(
    ("home", "python", "user", "said"),
    [
        ("none", sys.executable, None, "main.py is missing"),
        ("", "/no/python", None, "there is no /no/python (COMFYUI_PYTHON)"),
        ("", sys.executable, "no-such-user", "there is no user no-such-user (COMFYUI_USER)"),
    ],
)
def test_what_cannot_be_started_is_said(tmp_path: Path, home: str, python: str, user: str | None, said: str) -> None:
    (tmp_path / "main.py").write_text(SLEEP)
    process = ComfyProcess(tmp_path / home, user=user)
    process.start((python, "main.py"))
    until(lambda: process.deaths > 0)
    process.stop()

    assert said in process.last_death()


def test_a_stopped_comfyui_is_gone_and_stays_away(tmp_path: Path) -> None:
    with running(tmp_path, SLEEP) as process:
        process.stop()
        process.stop()

        assert children() == []


def test_a_comfyui_that_ignores_its_end_is_killed(tmp_path: Path) -> None:
    program = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf')\n{SLEEP}"
    with running(tmp_path, program) as process:
        until(lambda: process.log_tail() == ["deaf"])
        process.stop()

        assert children() == []


async def test_comfyui_ends_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from tests.worker.conftest import FAKE, make_app;"
        "app = make_app(FAKE, Path(sys.argv[1])); app.start();"
        "print(app.comfy_url, flush=True); time.sleep(60)"
    )
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path), stdout=asyncio.subprocess.PIPE, cwd=FAKE.parents[2]
    )
    assert worker.stdout is not None
    url = (await worker.stdout.readline()).decode().strip()
    await until_answering(url, wanted=True)

    worker.kill()
    await worker.wait()

    await until_answering(url, wanted=False)


async def until_answering(url: str, *, wanted: bool) -> None:
    async with aiohttp.ClientSession() as http, asyncio.timeout(60):
        while True:
            try:
                await http.get(f"{url}/system_stats")
                answering = True
            except aiohttp.ClientError:
                answering = False
            if answering is wanted:
                return
            await asyncio.sleep(0.05)


def test_comfyui_is_there_before_anybody_else_can_fork(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("import time; time.sleep(60)")
    process = ComfyProcess(tmp_path)
    process.start((sys.executable, "main.py"))
    commands = [child.cmdline() for child in psutil.Process().children()]
    process.stop()

    assert any("main.py" in command for command in commands)
