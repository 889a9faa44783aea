"""How long a job waited and ran: known a moment after its end, worth no retry."""

from pathlib import Path

import pytest

from engine.jobs.run_times import RunTimes
from engine.model.states import JobState
from engine.runpod.endpoint import Endpoint
from engine.store.jobs import JobStore
from tests.support.engine import engine
from tests.support.jobs import added
from tests.support.runpod import Answer, RunPod
from wire.ids import RunPodJobId

JSON = {"Content-Type": "application/json"}


async def no_sleep(seconds: float) -> None:
    """Of a test that waits for nothing."""


async def test_the_times_are_asked_for_until_runpod_knows_them(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    not_yet = Answer(200, '{"status": "IN_PROGRESS", "delayTime": 5}', JSON)
    runpod.spoil("status", not_yet, Answer(200, '{"status": "COMPLETED", "delayTime": 7, "executionTime": 9}', JSON))
    with JobStore(tmp_path / "jobs.sqlite") as store:
        times = RunTimes(added(store, "a"), store, no_sleep)
        await times.ask(endpoint, RunPodJobId("job-1"))
        job = store.get("a")

    assert (job.delay_ms, job.execution_ms) == (7, 9)


@pytest.mark.parametrize(
    "odd", [Answer(500), Answer(404, '{"error": "job not found"}', JSON), Answer(401), Answer(200, "[]")]
)
async def test_times_that_cannot_be_had_do_not_keep_a_job(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path, odd: Answer
) -> None:
    runpod.spoil("status", odd)
    async with engine(tmp_path, [endpoint]) as one:
        job = await one.ended(one.submit())

    assert (job.state, job.execution_ms) == (JobState.COMPLETED, None)
