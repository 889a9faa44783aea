"""One job from the engine's door to the files, at a RunPod whose answers are spoilt and with files that stumble."""

import asyncio
from pathlib import Path

import pytest

from client.send.folders import LocalFolders
from engine.comfyui import ComfyUIRejected
from engine.jobs.setbacks import RETENTION_MS
from engine.model.states import JobState
from engine.runpod.endpoint import Endpoint
from engine.store.runpod_jobs import Kind, SentState
from tests.support.engine import PROMPT, engine
from tests.support.runpod import CONTENT, LOST, Answer, RunPod, endpoint_of, pictures
from wire.files import Folder

JSON = {"Content-Type": "application/json"}
NOT_FOUND = Answer(404, '{"error": "job not found"}', JSON)


async def test_a_job_runs_and_its_results_are_stored(runpod: RunPod, endpoint: Endpoint, tmp_path: Path) -> None:
    async with engine(tmp_path, [endpoint]) as one:
        job = await one.ended(one.submit())

    assert (job.state, job.error) == (JobState.COMPLETED, None)
    assert one.saved() == CONTENT
    assert len(runpod.jobs) == 1
    told = [message.type for message in one.heard.messages]
    assert told[-4:] == ["executed", "executed", "execution_success", "executing"]


@pytest.mark.parametrize(
    "odd",
    [
        Answer(200, "<html>all is well</html>", works=True),
        Answer(200, works=True),
        Answer(200, '{"id": "job-', JSON, works=True),
        Answer(200, "[1]", JSON, works=True),
        Answer(200, "null", JSON, works=True),
        *(Answer(status, "error code", works=True) for status in (503, 520, 522, 524, 530)),
        LOST,
    ],
    ids=str,
)
async def test_one_click_is_submitted_once_however_odd_the_answer_is(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path, odd: Answer | str
) -> None:
    runpod.spoil("run", odd)
    async with engine(tmp_path, [endpoint]) as one:
        job = await one.ended(one.submit())
        sent = one.store.runpod_jobs.of(job.prompt_id)

    assert runpod.calls["run"] == 1
    assert job.state is JobState.FAILED
    assert "may have been submitted" in (job.error or "")
    assert [(item.kind, item.state) for item in sent] == [(Kind.RUN, SentState.UNCERTAIN)]


async def test_what_runpod_certainly_did_not_accept_is_submitted_again(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    busy = Answer(429, '{"error": "too many requests"}', {**JSON, "Retry-After": "1"})
    runpod.spoil("run", busy, busy)
    async with engine(tmp_path, [endpoint]) as one:
        job = await one.ended(one.submit())
        sent = [item.state for item in one.store.runpod_jobs.of(job.prompt_id)]

    assert job.state is JobState.COMPLETED
    assert (runpod.calls["run"], len(runpod.jobs)) == (3, 1)
    assert sent == [SentState.NOT_ACCEPTED, SentState.NOT_ACCEPTED, SentState.ENDED]


@pytest.mark.parametrize(
    "odd",
    [
        Answer(401, '{"error": "unauthorized"}', JSON),
        Answer(403, "<html>forbidden</html>"),
        NOT_FOUND,
        Answer(404, '{"error": "endpoint not found"}', JSON),
        Answer(404, "<html>nginx</html>"),
        Answer(500),
        Answer(200, "<html>maintenance</html>"),
        Answer(200, "[1]", JSON),
    ],
    ids=str,
)
async def test_a_job_that_runpod_has_outlives_every_answer_about_it(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path, odd: Answer
) -> None:
    for operation in ("stream", "status", "health"):
        runpod.spoil(operation, *[odd] * 12)
    async with engine(tmp_path, [endpoint]) as one:
        prompt_id = one.submit()
        attention = await one.needs_attention(prompt_id)
        job = await one.ended(prompt_id)

    assert attention.startswith("Cannot follow the job: ")
    assert (job.state, job.attention) == (JobState.COMPLETED, None)
    assert one.saved() == CONTENT
    assert (len(runpod.jobs), runpod.calls["cancel"]) == (1, 0)
    assert len([summary for _, summary, _ in one.heard.notices if "follow the job" in summary]) == 1


async def test_a_job_is_given_up_when_runpod_cannot_have_it_any_more(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    runpod.known = False
    async with engine(tmp_path, [endpoint]) as one:
        prompt_id = one.submit()
        assert "does not know the job" in await one.needs_attention(prompt_id)
        one.clock.ahead_ms = RETENTION_MS
        job = await one.ended(prompt_id)

    assert job.state is JobState.FAILED
    assert "no longer knows the job" in (job.error or "")


async def test_a_result_whose_stream_was_lost_comes_from_the_output(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    runpod.spoil("stream", LOST)
    async with engine(tmp_path, [endpoint]) as one:
        job = await one.ended(one.submit())

    assert job.state is JobState.COMPLETED
    assert one.saved() == CONTENT
    assert len(runpod.jobs) == 1


async def test_a_result_that_the_local_side_does_not_take_waits_and_the_next_jobs_do_not(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    files = Stumbling(tmp_path / "output", ComfyUIRejected(500, "Internal Server Error"))
    async with engine(tmp_path, [endpoint], files=files, max_in_flight=1) as one:
        first = one.submit()
        attention = await one.needs_attention(first)
        files.problem = None
        runpod.script = pictures(contents={"c_00001_.png": b"third picture"})
        second = await one.ended(one.submit())
        job = await one.ended(first)

    assert attention == "Cannot save the results: ComfyUI answered 500: Internal Server Error"
    assert [job.state, second.state] == [JobState.COMPLETED, JobState.COMPLETED]
    assert one.saved().keys() == {*CONTENT, "c_00001_.png"}
    assert len(runpod.jobs) == 2


async def test_one_click_tries_at_once_what_would_be_tried_much_later(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    files = Stumbling(tmp_path / "output", ComfyUIRejected(500, "Internal Server Error"))
    async with engine(tmp_path, [endpoint], files=files, sleep=sleeping_for_ever) as one:
        prompt_id = one.submit()
        await one.needs_attention(prompt_id)
        files.problem = None
        assert one.dispatcher.fetch(prompt_id)
        job = await one.ended(prompt_id)

    assert job.state is JobState.COMPLETED


async def sleeping_for_ever(seconds: float) -> None:
    await asyncio.Event().wait()


async def test_a_bug_of_ours_loses_no_paid_result(runpod: RunPod, endpoint: Endpoint, tmp_path: Path) -> None:
    files = Stumbling(tmp_path / "output", KeyError("our own bug"))
    async with engine(tmp_path, [endpoint], files=files) as one:
        prompt_id = one.submit()
        attention = await one.needs_attention(prompt_id)
        files.problem = None
        job = await one.ended(prompt_id)

    assert attention == "Cannot save the results: KeyError: 'our own bug'"
    assert job.state is JobState.COMPLETED
    assert one.saved() == CONTENT


class Stumbling(LocalFolders):
    """Folders that raise *problem* when a result comes, as a broken ComfyUI or disk does."""

    def __init__(self, output: Path, problem: Exception | None) -> None:
        super().__init__(prompt=PROMPT, named={}, inputs=output / "none", output=output, comfyui=None)
        self.problem = problem

    async def output_folder(self) -> Path | None:
        if self.problem is not None:
            raise self.problem
        return await super().output_folder()

    async def upload(self, source: Path, subfolder: str, filename: str, folder: Folder) -> tuple[str, str]:
        raise AssertionError("results are placed, not uploaded")


async def test_a_job_waits_for_its_endpoint_when_the_settings_lack_it_or_refuse_the_key(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    runpod.holds = True
    async with engine(tmp_path, [endpoint]) as one:
        prompt_id = one.submit("p")
        await one.becomes(prompt_id, JobState.QUEUED)
    async with endpoint_of(runpod, "another") as other, engine(tmp_path, [other]) as one:
        attention = await one.needs_attention(prompt_id)
        assert runpod.calls["cancel"] == 0
    runpod.finish()
    async with engine(tmp_path, [endpoint]) as one:
        job = await one.ended(prompt_id)

    assert "The job runs at the endpoint ep, which is not in RUNPOD_ENDPOINT_ID" in attention
    assert (job.state, job.attention) == (JobState.COMPLETED, None)
    assert (len(runpod.jobs), one.saved()) == (1, CONTENT)


@pytest.mark.parametrize("faults", [(), (Answer(500), Answer(401), LOST)], ids=str)
async def test_cancel_really_stops_the_job(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path, faults: tuple[Answer | str, ...]
) -> None:
    runpod.holds = True
    runpod.spoil("cancel", *faults)
    async with engine(tmp_path, [endpoint]) as one:
        prompt_id = one.submit()
        await one.becomes(prompt_id, JobState.QUEUED)
        assert one.dispatcher.cancel(prompt_id)
        job = await one.ended(prompt_id)

    assert job.state is JobState.CANCELLED
    assert runpod.running == []


async def test_a_job_that_the_proxy_ends_by_itself_is_stopped_until_runpod_says_so(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    runpod.holds = True
    unreadable = '{"status": "IN_PROGRESS", "stream": [{"output": {"protocol": 99, "events": []}}]}'
    runpod.spoil("stream", Answer(200, unreadable, JSON))
    runpod.spoil("cancel", Answer(500), Answer(401), LOST)
    async with engine(tmp_path, [endpoint]) as one:
        job = await one.ended(one.submit())
        await one.stopped_everything()

    assert job.state is JobState.FAILED
    assert "protocol 99" in (job.error or "")
    assert runpod.running == []


async def test_an_answer_about_the_workers_in_another_shape_is_not_missed(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    runpod.spoil("stream", Answer(200, '{"status": "IN_QUEUE", "stream": []}', JSON))
    runpod.spoil("health", Answer(200, '{"workers": [1], "jobs": null}', JSON))
    async with engine(tmp_path, [endpoint]) as one:
        job = await one.ended(one.submit())

    assert job.state is JobState.COMPLETED
    assert runpod.calls["health"] == 1
