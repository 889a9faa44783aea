"""The token of a Comfy account goes to RunPod with the job that needs it, and nowhere else."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from client.send.folders import LocalFolders
from engine.model.job import Submission
from engine.model.states import JobState
from engine.prompt.partner_nodes import Account
from tests.support.engine import PROMPT, Engine, engine
from tests.support.runpod import Answer, RunPod, endpoint_of, pictures, serving
from tests.worker.conftest import FAKE, Reader, make_app
from wire.batch import encode_event
from wire.ids import PromptId
from wire.job import ACCOUNT_KEYS

TOKEN = "the-token-of-a-comfy-account"
JOB = PromptId("22222222-2222-4222-8222-222222222222")
BUSY = Answer(429, '{"error": "too many requests"}', {"Content-Type": "application/json"})


class Partners(LocalFolders):
    """A ComfyUI in which every class is a partner node."""

    async def node_info(self, class_type: str) -> dict[str, Any]:
        return {"input": {}, "api_node": True, "output_node": True}


def files(home: Path) -> Partners:
    return Partners(prompt=PROMPT, named={}, inputs=home / "input", output=home / "output", comfyui=None)


def submit(one: Engine, name: str) -> PromptId:
    submission = Submission(JOB, PROMPT, {"create_time": 7}, ("0", "1"))
    return one.dispatcher.submit(submission, Account({name: TOKEN})).prompt_id


def kept(home: Path) -> list[str]:
    """The files that hold the token."""
    return [path.name for path in home.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


@pytest.mark.parametrize("name", ACCOUNT_KEYS)
async def test_the_job_has_the_token_and_nothing_here_keeps_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        serving(RunPod(pictures())) as runpod,
        endpoint_of(runpod) as endpoint,
        engine(tmp_path, [endpoint], files=files(tmp_path)) as one,
    ):
        prompt_id = submit(one, name)
        before = kept(tmp_path)
        job = await one.ended(prompt_id)
        told = str(one.heard)
    (sent,) = runpod.prompts

    assert job.state is JobState.COMPLETED
    assert sent.request.extra_data == {"create_time": 7, name: TOKEN}
    assert [*before, *kept(tmp_path)] == []
    assert TOKEN not in told + caplog.text + repr(job)


async def test_a_job_that_waited_over_a_restart_is_told_to_be_run_again(tmp_path: Path) -> None:
    async with serving(RunPod(pictures())) as runpod, endpoint_of(runpod) as endpoint:
        runpod.spoil("run", *[BUSY] * 100)
        async with engine(tmp_path, [endpoint], files=files(tmp_path)) as one:
            await one.becomes(submit(one, ACCOUNT_KEYS[0]), JobState.SUBMITTING, JobState.PENDING)
        runpod.faults.clear()
        async with engine(tmp_path, [endpoint], files=files(tmp_path)) as again:
            job = await again.ended(JOB)

    assert job.state is JobState.FAILED
    assert "press Run again; this job cost nothing" in (job.error or "")
    assert runpod.jobs == {}


async def test_a_job_that_is_run_again_from_the_list_does_not_run_without_its_token(
    tmp_path: Path,
) -> None:
    async with (
        serving(RunPod(pictures())) as runpod,
        endpoint_of(runpod) as endpoint,
        engine(tmp_path, [endpoint], files=files(tmp_path)) as one,
    ):
        await one.ended(submit(one, ACCOUNT_KEYS[0]))
        again = one.dispatcher.run_again(JOB, PromptId("33333333-3333-4333-8333-333333333333"))
        job = await one.ended(again.prompt_id if again else "")

    assert "this job cost nothing" in (job.error or "")
    assert len(runpod.prompts) == 1


@pytest.mark.parametrize("spelling", [*ACCOUNT_KEYS, "comfy_org_api_key"])
async def test_a_worker_says_the_token_to_its_comfyui_only(tmp_path: Path, spelling: str) -> None:
    """Also in an error, which names all that the node was given, and in the log that comes with it."""
    more = {"comfy_org_api_key": TOKEN} if spelling == "comfy_org_api_key" else {"extra_data": {spelling: TOKEN}}
    app = make_app(FAKE, tmp_path)
    app.start()
    try:
        reader = Reader(app, {"1": {"class_type": "Leak", "inputs": {}}}, **more)
        await reader.task
    finally:
        app.stop()
    told = json.dumps([encode_event(0, event) for event in reader.events])

    assert reader.kinds()[-1] == "prompt_failed"
    assert "[secret]" in told
    assert TOKEN not in told
