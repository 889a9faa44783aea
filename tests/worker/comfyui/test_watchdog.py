"""A ComfyUI that runs but does not answer is ended; one that starts slowly, or whose worker was frozen, is not."""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.skipped_time import in_skipped_time
from worker.comfyui.process import ComfyProcess
from worker.comfyui.watchdog import HangWatchdog

HANG_S = 60.0


class Comfy:
    """A process, and the answers that it gives one after another; the last is repeated."""

    def __init__(self, process: ComfyProcess) -> None:
        self.process = process
        self.given: list[bool] = [True]
        self.asked = 0

    async def answers(self, timeout_s: float) -> bool:
        answer = self.given[min(self.asked, len(self.given) - 1)]
        self.asked += 1
        if not answer:
            await asyncio.sleep(timeout_s)
        return answer

    def cause_of_death(self) -> str:
        """Waits for it; a thread counts the deaths."""
        deadline = time.monotonic() + 10
        while not self.process.deaths and time.monotonic() < deadline:
            time.sleep(0.005)
        return self.process.last_death()

    def was_left_alone(self) -> bool:
        """Whether it lived until we end it now."""
        self.process.kill("The test ended it")
        return self.cause_of_death() == "The test ended it"


@pytest.fixture
def comfy(tmp_path: Path) -> Iterator[Comfy]:
    (tmp_path / "main.py").write_text("import time; time.sleep(600)")
    process = ComfyProcess(tmp_path)
    process.start((sys.executable, "main.py"))
    yield Comfy(process)
    process.stop()


async def watch(watchdog: HangWatchdog, comfy: Comfy, seconds: float) -> None:
    async with watchdog.watching(comfy.answers):
        await asyncio.sleep(seconds)


@in_skipped_time
async def test_a_comfyui_that_answers_is_left_alone(comfy: Comfy) -> None:
    await watch(HangWatchdog(comfy.process, HANG_S), comfy, 3601)

    assert comfy.was_left_alone()
    assert comfy.asked == 240


@in_skipped_time
async def test_a_comfyui_that_does_not_answer_any_more_is_ended(comfy: Comfy) -> None:
    comfy.given = [True, False]

    await watch(HangWatchdog(comfy.process, HANG_S), comfy, 2 * HANG_S)

    assert comfy.cause_of_death() == "ComfyUI hung: it did not answer for 60 seconds and was ended"


@in_skipped_time
async def test_a_comfyui_that_has_not_answered_yet_is_starting(comfy: Comfy) -> None:
    comfy.given = [False]

    await watch(HangWatchdog(comfy.process, HANG_S), comfy, 3600)

    assert comfy.was_left_alone()


@in_skipped_time
async def test_an_answer_that_somebody_else_got_counts(comfy: Comfy) -> None:
    watchdog = HangWatchdog(comfy.process, HANG_S)
    watchdog.answered()
    comfy.given = [False]

    await watch(watchdog, comfy, 2 * HANG_S)

    assert "hung" in comfy.cause_of_death()


@in_skipped_time
async def test_a_pause_between_two_answers_is_not_a_hang(comfy: Comfy) -> None:
    comfy.given = [True, False, False, False] * 20

    await watch(HangWatchdog(comfy.process, HANG_S), comfy, 20 * HANG_S)

    assert comfy.was_left_alone()


@in_skipped_time
async def test_a_worker_that_was_frozen_has_one_question_unanswered(comfy: Comfy) -> None:
    watchdog = HangWatchdog(comfy.process, HANG_S)
    watchdog.answered()

    async def frozen(timeout_s: float) -> bool:
        comfy.asked += 1
        await asyncio.sleep(100_000 if comfy.asked == 1 else 0)  # by every clock
        return comfy.asked > 1

    async with watchdog.watching(frozen):
        await asyncio.sleep(200_000)

    assert comfy.was_left_alone()


@in_skipped_time
async def test_a_short_job_asks_nothing(comfy: Comfy) -> None:
    await watch(HangWatchdog(comfy.process, HANG_S), comfy, HANG_S / 4 - 1)

    assert comfy.asked == 0
