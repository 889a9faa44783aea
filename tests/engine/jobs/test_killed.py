"""The program is killed before any of its steps, and goes on from the store. No step may lose a result or pay twice."""

import signal
from pathlib import Path

import pytest

from engine.model.states import JobState
from engine.store.jobs import JobStore
from engine.store.runpod_jobs import SentState
from tests.support.killed_engine import PROMPT_ID, run_killed
from tests.support.runpod import CONTENT, LOST, RunPod, Script, pictures, serving

_STEPS_MAX = 200


@pytest.mark.parametrize(
    ("script", "lost"),
    [(pictures(), False), (pictures(streamed=True), False), (pictures(streamed=True), True)],
    ids=["inline", "streamed", "streamed and lost"],
)
async def test_killed_before_any_step_a_job_is_submitted_once_and_its_result_is_kept(
    tmp_path: Path, script: Script, *, lost: bool
) -> None:
    for last in range(_STEPS_MAX):
        async with serving(RunPod(script)) as runpod:
            if lost:
                runpod.spoil("stream", LOST)
            home = tmp_path / str(last)
            killed = await run_killed(runpod.url, home, last)
            assert await run_killed(runpod.url, home, None) == 0
            _check(runpod, home, f"killed before step {last}")
        if killed == 0:
            break
        assert killed == -signal.SIGKILL
    else:
        raise AssertionError("there is no end to the steps")
    assert last > 20


async def test_killed_before_any_step_of_a_cancel_nothing_goes_on_at_runpod(tmp_path: Path) -> None:
    for last in range(_STEPS_MAX):
        async with serving(RunPod(pictures(), holds=True)) as runpod:
            home = tmp_path / str(last)
            killed = await run_killed(runpod.url, home, last, cancel=True)
            assert await run_killed(runpod.url, home, None, cancel=True) == 0
            with JobStore(home / "jobs.sqlite") as store:
                job = store.get(PROMPT_ID)
        if job.runpod_id is not None:
            assert job.state is JobState.CANCELLED, f"killed before step {last}"
            assert runpod.running == [], f"killed before step {last}"
        if killed == 0:
            break
    else:
        raise AssertionError("there is no end to the steps")
    assert last > 10


def _check(runpod: RunPod, home: Path, when: str) -> None:
    with JobStore(home / "jobs.sqlite") as store:
        job = store.get(PROMPT_ID)
        sent = store.runpod_jobs.of(PROMPT_ID)
    known = {item.runpod_id for item in sent if item.runpod_id is not None}
    unknown = set(runpod.jobs) - known
    uncertain = [item for item in sent if item.state is SentState.UNCERTAIN]

    assert len(runpod.prompts) == 1 or (not runpod.prompts and job.state is JobState.FAILED), when
    assert len(unknown) <= len(uncertain) <= 1, when
    assert all(runpod.jobs[one].status in ("COMPLETED", "CANCELLED") for one in known), when
    assert all(item.state in (SentState.ENDED, SentState.NOT_ACCEPTED) for item in sent if item.runpod_id), when
    assert not _files(home / "parts"), when
    if job.state is JobState.FAILED:  # the one moment in which nobody can know whether money is spent
        assert "may have been submitted" in (job.error or ""), when
        assert not known, when
    else:
        assert job.state is JobState.COMPLETED, when
        assert {path.name: path.read_bytes() for path in _files(home / "output")} == CONTENT, when


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
