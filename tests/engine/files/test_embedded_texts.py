"""Long texts of a job that is too large for RunPod."""

import json
from typing import Any

import pytest

from engine.files.embedded_texts import TAKEN_OUT_FROM, weight, without_long_texts
from engine.model.job import Submission
from engine.prompt.inputs import WorkflowError
from tests.support.file_bed import Bed
from tests.support.prompts import Prompt
from wire.files import Inline
from wire.ids import PromptId
from wire.job import JobRequest, encode_request
from wire.limits import MIB, RUN_BODY_MAX
from wire.texts import with_texts

JOB = PromptId("7b2c1d0e-0000-4000-8000-000000000001")


def painted(picture: str) -> tuple[Prompt, dict[str, Any]]:
    """A prompt with an embedded picture, and its workflow with the same one."""
    prompt: Prompt = {"5": {"class_type": "SandboxShowText", "inputs": {"text": picture}}}
    return prompt, {"extra_pnginfo": {"workflow": {"nodes": [{"id": 5, "widgets_values": [picture]}]}}}


def request(picture: str) -> JobRequest:
    prompt, extra_data = painted(picture)
    return JobRequest(workflow=prompt, extra_data=extra_data)


def test_a_job_that_is_small_enough_is_left_as_it_is() -> None:
    small = request("A" * (TAKEN_OUT_FROM // 2 - 1000))

    assert without_long_texts(small) == (small, ())


def test_a_picture_in_the_prompt_and_in_the_workflow_is_taken_out_once() -> None:
    large = request("A" * (5 * MIB))
    left, (text,) = without_long_texts(large)

    assert weight(left) < 1000
    assert (text.source.node_id, text.source.input_name) == ("5", "text")
    assert text.source.value == "the text in 'text' of node 5"
    fields = with_texts(left.model_dump(include={"workflow", "extra_data"}), [(text.places, text.text)])
    assert fields == {"workflow": large.workflow, "extra_data": large.extra_data}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_picture_that_fits_once_travels_inside_the_job(bed: Bed) -> None:
    prompt, extra_data = painted("A" * (5 * MIB))
    staged = await bed.inputs.stage(bed.store.add(Submission(JOB, prompt, extra_data, ()), 0), "endpoint")

    (text,) = staged.texts
    assert isinstance(text.source, Inline)
    assert len(json.dumps({"input": encode_request(staged)})) <= RUN_BODY_MAX


@pytest.mark.asyncio(loop_scope="module")
async def test_without_a_store_a_picture_that_does_not_fit_is_refused_on_its_node_with_the_way_out(bed: Bed) -> None:
    prompt, extra_data = painted("A" * (9 * MIB))
    with pytest.raises(WorkflowError) as caught:
        await bed.inputs.stage(bed.store.add(Submission(JOB, prompt, extra_data, ()), 0), "endpoint")

    assert caught.value.node_id == "5"
    for part in ("'text' of node 5", "9,437,184", "BUCKET_", "RUNPOD_VOLUME_ID", "Load Image"):
        assert part in caught.value.message
