"""What nobody needs any more at RunPod is cancelled until RunPod says that it has ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from engine.jobs.stopper import Stopper
from engine.jobs.troubles import Troubles
from engine.model.states import JobState
from engine.runpod.endpoint import Endpoint
from engine.store.jobs import JobStore
from engine.store.runpod_jobs import SentState
from tests.support.jobs import added
from tests.support.runpod import LOST, Answer, RunPod
from tests.support.until import until
from wire.ids import PromptId

WEEK_MS = 7 * 24 * 3600 * 1000
JSON = {"Content-Type": "application/json"}


@asynccontextmanager
async def stopping(store: JobStore, endpoint: Endpoint, *, now_ms: int = 10) -> AsyncIterator[Stopper]:
    troubles = Troubles(lambda *_: None)
    stopper = Stopper(
        {endpoint.id: endpoint}, store.runpod_jobs, troubles, lambda s: asyncio.sleep(s / 50), lambda: now_ms
    )
    task = asyncio.create_task(stopper.run())
    try:
        yield stopper
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def given_up(store: JobStore, endpoint: Endpoint) -> PromptId:
    """A job that runs at RunPod, and that nobody needs any more."""
    prompt_id = added(store, "a")
    number = store.begin_submission(prompt_id, endpoint.id, 6)
    store.accepted(prompt_id, number, await endpoint.run({"workflow": {"1": {}}}), 7)
    store.end(prompt_id, JobState.FAILED, None, 9, stop=True)
    return prompt_id


async def stopped(store: JobStore) -> None:
    async def nothing_left() -> bool:
        return store.runpod_jobs.to_stop() == []

    await until(nothing_left)


@pytest.mark.parametrize(
    "faults", [(), (Answer(500), LOST), (Answer(401), Answer(200, "<html>")), (Answer(429, "{}", JSON),)], ids=str
)
async def test_a_job_is_stopped_however_often_that_fails(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path, faults: tuple[Answer | str, ...]
) -> None:
    runpod.holds = True
    with JobStore(tmp_path / "jobs.sqlite") as store:
        prompt_id = await given_up(store, endpoint)
        runpod.spoil("cancel", *faults)
        runpod.spoil("status", *faults)
        async with stopping(store, endpoint):
            await stopped(store)
        states = [job.state for job in store.runpod_jobs.of(prompt_id)]

    assert runpod.running == []
    assert states == [SentState.ENDED]


async def test_it_is_stopped_when_it_is_wanted_later(runpod: RunPod, endpoint: Endpoint, tmp_path: Path) -> None:
    runpod.holds = True
    with JobStore(tmp_path / "jobs.sqlite") as store:
        async with stopping(store, endpoint) as stopper:
            await given_up(store, endpoint)
            stopper.wake()
            await stopped(store)

    assert runpod.running == []


async def test_a_job_that_runpod_does_not_know_is_over_when_it_says_so_repeatedly(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        await given_up(store, endpoint)
        runpod.known = False
        async with stopping(store, endpoint):
            await stopped(store)

    assert runpod.calls["cancel"] == 3


async def test_a_job_of_an_endpoint_that_the_settings_lack_waits_for_it_for_as_long_as_a_job_can_run(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        prompt_id = added(store, "a")
        number = store.begin_submission(prompt_id, "another", 6)
        store.accepted(prompt_id, number, await endpoint.run({"workflow": {"1": {}}}), 7)
        store.end(prompt_id, JobState.FAILED, None, 9, stop=True)
        async with stopping(store, endpoint, now_ms=WEEK_MS):
            await given_up_is_still_wanted(store)
        async with stopping(store, endpoint, now_ms=2 * WEEK_MS):
            await stopped(store)

    assert runpod.calls["cancel"] == 0


async def given_up_is_still_wanted(store: JobStore) -> None:
    for _ in range(3):
        await asyncio.sleep(0.02)  # rounds go by
        assert len(store.runpod_jobs.to_stop()) == 1
