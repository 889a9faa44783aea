"""What was lost of a result on its way is fetched again, by jobs that are recorded and bounded."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.jobs.results import REFETCHES_MAX
from engine.model.states import JobState
from engine.store.runpod_jobs import Kind, SentState
from tests.support.engine import Engine, engine
from tests.support.runpod import CONTENT, LOST, Answer, RunPod, Script, Told, endpoint_of, pictures, serving
from tests.support.until import until
from wire.events import FilesCollected
from wire.job import JobRequest

STREAMED = pictures(streamed=True)


class Workers:
    """Two of them: the first *lacking* jobs that fetch files reach the one that has none."""

    def __init__(self, lacking: int) -> None:
        self._lacking = lacking

    def __call__(self, request: JobRequest) -> Sequence[Told]:
        if request.collect and self._lacking:
            self._lacking -= 1
            return [FilesCollected(sha256=(), missing=tuple(file.sha256 for file in request.collect))]
        return STREAMED(request)


def sent(one: Engine, prompt_id: str) -> list[tuple[Kind, SentState]]:
    return [(job.kind, job.state) for job in one.store.runpod_jobs.of(one.store.get(prompt_id).prompt_id)]


async def asked_again(runpod: RunPod) -> None:
    async def asked() -> bool:
        return len(runpod.refetches) == 1

    await until(asked)


@pytest.mark.parametrize("lacking", [0, 1, 3])
async def test_it_is_asked_for_again_while_a_worker_may_have_it(tmp_path: Path, lacking: int) -> None:
    async with serving(RunPod(Workers(lacking))) as runpod, endpoint_of(runpod) as endpoint:
        runpod.spoil("stream", LOST)
        async with engine(tmp_path, [endpoint]) as one:
            job = await one.ended(one.submit())
            jobs = sent(one, job.prompt_id)

    assert job.state is JobState.COMPLETED
    assert one.saved() == CONTENT
    # a refetch for each of the two outputs, and one for each time that it reached the wrong worker
    assert jobs == [(Kind.RUN, SentState.ENDED), *[(Kind.REFETCH, SentState.ENDED)] * (2 + lacking)]
    assert len(runpod.prompts) == 1
    assert any("at most 8 short jobs of about a second each" in detail for _, _, detail in one.heard.notices)


async def test_the_limit_is_for_prompts_and_not_for_what_they_made(tmp_path: Path) -> None:
    async with serving(RunPod(Workers(0))) as runpod, endpoint_of(runpod) as endpoint:
        endpoint.job_max_s = 600
        runpod.spoil("stream", LOST)
        async with engine(tmp_path, [endpoint]) as one:
            await one.ended(one.submit())

    assert runpod.policies == [{"executionTimeout": 600_000}, None, None]


async def test_in_the_end_the_job_names_what_is_missing_and_keeps_the_rest(tmp_path: Path) -> None:
    async with serving(RunPod(Workers(REFETCHES_MAX))) as runpod, endpoint_of(runpod) as endpoint:
        runpod.spoil("stream", LOST)
        async with engine(tmp_path, [endpoint]) as one:
            job = await one.ended(one.submit())

    assert job.state is JobState.FAILED
    assert "a_00001_.png" in (job.error or "")
    assert "b_00001_.png" not in (job.error or "")
    assert one.saved() == {"b_00001_.png": CONTENT["b_00001_.png"]}
    assert job.entry is not None
    assert job.entry.outputs["1"]["images"][0]["filename"] == "b_00001_.png"
    assert runpod.running == []


async def test_it_is_found_again_after_a_restart_and_not_sent_twice(tmp_path: Path) -> None:
    async with serving(RunPod(STREAMED)) as runpod, endpoint_of(runpod) as endpoint:
        runpod.spoil("stream", LOST)
        runpod.holds_refetches = True
        async with engine(tmp_path, [endpoint]) as one:
            prompt_id = one.submit()
            await asked_again(runpod)
        runpod.finish()
        async with engine(tmp_path, [endpoint]) as one:
            job = await one.ended(prompt_id)

    assert job.state is JobState.COMPLETED
    assert one.saved() == CONTENT
    assert len(runpod.refetches) == 2  # one for each output


async def test_cancel_ends_it_too(tmp_path: Path) -> None:
    async with serving(RunPod(STREAMED)) as runpod, endpoint_of(runpod) as endpoint:
        runpod.spoil("stream", LOST)
        runpod.holds_refetches = True
        async with engine(tmp_path, [endpoint]) as one:
            prompt_id = one.submit()
            await asked_again(runpod)
            one.dispatcher.cancel(prompt_id)
            await one.ended(prompt_id)
            await one.stopped_everything()
            jobs = sent(one, prompt_id)

    assert runpod.running == []
    assert jobs == [(Kind.RUN, SentState.ENDED), (Kind.REFETCH, SentState.ENDED)]


@pytest.mark.parametrize("odd", [LOST, Answer(502, "bad gateway", works=True)], ids=str)
async def test_one_whose_sending_is_uncertain_counts_and_is_followed_by_another(
    tmp_path: Path, odd: Answer | str
) -> None:
    async with serving(RunPod(STREAMED)) as runpod, endpoint_of(runpod) as endpoint:
        runpod.spoil("stream", LOST)
        async with engine(tmp_path, [endpoint]) as one:
            runpod.script = _spoiling(runpod, odd)
            job = await one.ended(one.submit())
            jobs = sent(one, job.prompt_id)

    assert job.state is JobState.COMPLETED
    assert jobs.count((Kind.REFETCH, SentState.UNCERTAIN)) == 1
    assert one.saved() == CONTENT


def _spoiling(runpod: RunPod, odd: Answer | str) -> Script:
    """A worker whose first run is followed by an odd answer to the next submission."""

    def play(request: JobRequest) -> Sequence[Told]:
        if not request.collect:
            runpod.spoil("run", odd)
        return STREAMED(request)

    return play
