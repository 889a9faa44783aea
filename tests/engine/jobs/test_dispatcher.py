"""The queue of jobs: order, places at the endpoint, cancel, run again, recovery."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from client.send.folders import LocalFolders
from engine.model.job import Submission
from engine.model.states import JobState
from engine.runpod.endpoint import Endpoint
from engine.store.jobs import JobStore
from engine.views.history import Window
from tests.support.engine import PROMPT, Engine, engine
from tests.support.jobs import added
from tests.support.runpod import CONTENT, DROPPED, LOST, Answer, RunPod, Told, endpoint_of, pictures
from tests.support.until import until
from wire.events import JobsFound
from wire.ids import PromptId
from wire.job import JobRequest


async def running(one: Engine, runpod: RunPod, count: int) -> list[PromptId]:
    """Jobs that RunPod has, as many as there are places for."""
    runpod.holds = True
    prompt_ids = [one.submit(f"job {number}") for number in range(count)]
    await at_runpod(runpod, min(count, 2))
    return prompt_ids


async def at_runpod(runpod: RunPod, count: int) -> None:
    async def there() -> bool:
        return len(runpod.jobs) == count

    await until(there)


def submitted(runpod: RunPod) -> list[str | None]:
    return [job.request.prompt_id for job in runpod.prompts]


async def test_jobs_are_submitted_in_queue_order_as_many_as_there_are_places(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    async with engine(tmp_path, [endpoint], max_in_flight=2) as one:
        prompt_ids = await running(one, runpod, 4)
        one.dispatcher.submit(Submission(PromptId("urgent"), PROMPT, {}, ("0",), front=True))
        assert submitted(runpod) == ["job 0", "job 1"]
        runpod.finish()
        for prompt_id in [*prompt_ids, PromptId("urgent")]:
            await one.ended(prompt_id)

    assert submitted(runpod) == ["job 0", "job 1", "urgent", "job 2", "job 3"]


async def test_several_endpoints_take_turns(runpod: RunPod, endpoint: Endpoint, tmp_path: Path) -> None:
    async with endpoint_of(runpod, "second") as second, engine(tmp_path, [endpoint, second]) as one:
        for name in ("a", "b", "c"):
            one.submit(name)
        used = [(await one.ended(name)).endpoint_id for name in ("a", "b", "c")]

    assert used == ["ep", "second", "ep"]


async def test_what_waits_here_is_cancelled_at_once_and_leaves_no_history(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    async with engine(tmp_path, [endpoint], max_in_flight=2) as one:
        first, _, third, fourth = await running(one, runpod, 4)
        assert one.dispatcher.cancel(third)
        assert one.store.get(third).state is JobState.CANCELLED
        assert not one.dispatcher.cancel(third)
        assert not one.dispatcher.cancel("unknown")
        one.dispatcher.cancel_pending()
        assert one.store.get(fourth).state is JobState.CANCELLED
        assert (await one.ended(first)).state is JobState.CANCELLED  # it waited in RunPod's queue
        history = one.store.lists.places(Window())

    assert submitted(runpod) == ["job 0", "job 1"]
    assert history == []
    assert runpod.running == []


async def test_interrupt_stops_what_runs_and_not_what_waits(runpod: RunPod, endpoint: Endpoint, tmp_path: Path) -> None:
    async with engine(tmp_path, [endpoint], max_in_flight=2) as one:
        first, second = await running(one, runpod, 2)
        for prompt_id in (first, second):
            await one.becomes(prompt_id, JobState.QUEUED)
        one.store.move(first, JobState.RUNNING)
        one.dispatcher.cancel_running()
        await one.ended(first)
        still = one.store.get(second).state
        runpod.finish()
        await one.ended(second)

    assert still is JobState.QUEUED


async def test_run_again_is_a_new_job_with_the_same_prompt(runpod: RunPod, endpoint: Endpoint, tmp_path: Path) -> None:
    async with engine(tmp_path, [endpoint]) as one:
        first = await one.ended(one.submit())
        again = one.dispatcher.run_again(first.prompt_id, PromptId("again"))
        assert again is not None
        job = await one.ended("again")
        assert one.dispatcher.run_again("unknown", PromptId("never")) is None

    assert (job.state, job.prompt) == (JobState.COMPLETED, first.prompt)
    assert job.extra_data["create_time"] > 0
    assert len(runpod.jobs) == 2


async def test_an_ended_job_of_whose_result_runpod_has_more_is_fetched_by_one_click(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    async with engine(tmp_path, [endpoint]) as one:
        runpod.holds = True
        prompt_id = one.submit()
        await one.becomes(prompt_id, JobState.QUEUED)
    with JobStore(tmp_path / "jobs.sqlite") as store:
        store.end(prompt_id, JobState.FAILED, None, 9, error="lost", fetchable_until_ms=2**53)
    runpod.finish()
    async with engine(tmp_path, [endpoint]) as one:
        assert one.dispatcher.fetch(prompt_id)
        job = await one.ended(prompt_id)
        assert not one.dispatcher.fetch(prompt_id)
        assert not one.dispatcher.fetch("unknown")

    assert (job.state, job.error) == (JobState.COMPLETED, None)
    assert (len(runpod.jobs), one.saved()) == (1, CONTENT)


async def test_a_job_that_was_being_submitted_when_the_program_ended_is_not_submitted_again(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        prompt_id = added(store, "a")
        store.begin_submission(prompt_id, "ep", 1)
    async with engine(tmp_path, [endpoint]) as one:
        job = await one.ended(prompt_id)

    assert (job.state, runpod.calls["run"]) == (JobState.FAILED, 0)
    assert "may have been submitted" in (job.error or "")


async def test_parts_of_jobs_that_have_ended_are_swept_away_at_the_start(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    (tmp_path / "parts" / "ended").mkdir(parents=True)
    async with engine(tmp_path, [endpoint]):

        async def swept() -> bool:
            return not (tmp_path / "parts" / "ended").exists()

        await until(swept)


async def test_a_bug_of_ours_in_a_run_ends_no_job_that_runpod_has(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    """What was received of the job cannot be read again: nobody thought of that."""
    async with engine(tmp_path, [endpoint]) as one:
        runpod.holds = True
        prompt_id = one.submit()
        await one.becomes(prompt_id, JobState.QUEUED)
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite", isolation_level=None)) as database:
        database.execute("INSERT INTO events VALUES (?, 0, '{')", (prompt_id,))
    runpod.finish()
    async with engine(tmp_path, [endpoint]) as one:
        attention = await one.needs_attention(prompt_id)
        one.store.journal.forget(prompt_id)
        job = await one.ended(prompt_id)

    assert attention.startswith("The proxy itself failed: JSONDecodeError")
    assert (job.state, job.attention) == (JobState.COMPLETED, None)
    assert (len(runpod.jobs), one.saved()) == (1, CONTENT)


async def test_a_bug_of_ours_before_a_job_is_submitted_fails_it(endpoint: Endpoint, tmp_path: Path) -> None:
    files = LocalFolders(prompt={}, named={}, inputs=tmp_path, output=tmp_path / "output", comfyui=None)
    async with engine(tmp_path, [endpoint], files=files) as one:
        odd: dict[str, Any] = {"0": {"inputs": {}}}
        one.dispatcher.submit(Submission(PromptId("odd"), odd, {}, ("0",)))
        job = await one.ended("odd")

    assert job.state is JobState.FAILED
    assert (job.error or "").startswith("The proxy itself failed: KeyError")


@pytest.mark.parametrize("odd", [LOST, Answer(502, "<html>", works=True)], ids=str)
async def test_a_job_of_an_uncertain_submission_is_found_by_the_next_one_and_its_result_is_not_lost(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path, odd: Answer | str
) -> None:
    runpod.spoil("run", odd)
    runpod.script = pictures(contents={"first_00001_.png": b"first"})
    async with engine(tmp_path, [endpoint]) as one:
        first = await one.ended(one.submit())
        assert first.state is JobState.FAILED
        runpod.script = pictures(contents={"second_00001_.png": b"second"})
        second = await one.ended(one.submit())
        found = await one.becomes(first.prompt_id, JobState.COMPLETED)
        third = await one.ended(one.submit())

    assert [job.state for job in (second, third)] == [JobState.COMPLETED] * 2
    assert (found.error, found.runpod_id) == (None, "job-1")
    assert one.saved()["first_00001_.png"] == b"first"
    assert [job.request.find for job in runpod.prompts] == [(), (first.prompt_id,), ()]
    assert runpod.calls["run"] == 3


async def test_a_worker_finds_only_what_is_looked_for(runpod: RunPod, endpoint: Endpoint, tmp_path: Path) -> None:
    def lying(request: JobRequest) -> Sequence[Told]:
        jobs = {"done": "job-9", "unknown": "job-9", "odd": "../../evil"}
        return [JobsFound(jobs=jobs), *pictures()(request)]

    runpod.spoil("run", DROPPED)
    async with engine(tmp_path, [endpoint]) as one:
        await one.ended(one.submit("odd"))
        done = await one.ended(one.submit("done"))
        runpod.script = lying
        await one.ended(one.submit())
        job, odd = one.store.get("done"), one.store.get("odd")

    assert job == done
    assert (odd.state, odd.runpod_id) == (JobState.FAILED, None)


async def test_a_submission_under_way_may_finish_before_the_program_ends(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    async with engine(tmp_path, [endpoint]) as one:
        runpod.holds = True
        prompt_id = one.submit()
        await one.becomes(prompt_id, JobState.SUBMITTING, JobState.QUEUED)
    with JobStore(tmp_path / "jobs.sqlite") as store:
        job = store.get(prompt_id)

    assert (job.state, job.runpod_id) == (JobState.QUEUED, "job-1")
