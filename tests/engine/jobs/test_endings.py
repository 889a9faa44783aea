"""How a job ends, by the word of the worker."""

from typing import Any

import pytest

from engine.jobs import commands as do
from engine.model.job import LostFile
from engine.model.states import JobState
from tests.support.playbook import (
    A,
    finished,
    output,
    outputs,
    received,
    running,
    saved,
)
from wire.events import (
    HistoryEntry,
    NodeOutput,
    PromptFailed,
    PromptInterrupted,
    PromptRejected,
    WorkerFailed,
)
from wire.files import MissingFile


def test_a_failed_node_is_named_with_its_message() -> None:
    error = {"node_id": "4", "node_type": "KSampler", "exception_message": "no memory\n", "exception_type": "X"}
    history = HistoryEntry(outputs={}, status={"status_str": "error", "messages": [["execution_error", error]]})
    play = running() >> received(PromptFailed(error=error, history=history), first=1) << [do.RecordProgress, do.End]

    assert (play.end.state, play.end.error) == (JobState.FAILED, "KSampler #4: no memory")


def test_a_prompt_that_the_worker_refused_is_explained() -> None:
    errors = {"4": {"class_type": "KSampler", "errors": [{"message": "Value not in list", "details": "sampler"}]}}
    play = running() >> received(PromptRejected(error={}, node_errors=errors), first=1) << [do.RecordProgress, do.End]

    assert play.end.error == "KSampler #4: Value not in list: sampler"


def test_a_worker_that_failed_says_what_to_do() -> None:
    failed = WorkerFailed(error_type="bad_request", message="unreadable input")
    play = running() >> received(failed, first=1) << [do.RecordProgress, do.End]

    assert play.end.error is not None
    assert play.end.error.startswith("unreadable input\n\nCheck that the worker image")


def test_a_prompt_that_was_interrupted_over_there_is_cancelled() -> None:
    event = PromptInterrupted(details={"node_id": "4"}, history=HistoryEntry(outputs={}, status={"messages": []}))
    play = running() >> received(event, first=1) << [do.RecordProgress, do.End]

    assert (play.end.state, play.end.error) == (JobState.CANCELLED, None)


def test_a_part_of_the_prompt_that_was_refused_is_said_beside_the_success() -> None:
    refused = {"5": {"class_type": "SaveImage", "errors": [{"message": "Bad link", "details": "images"}]}}
    event = finished().model_copy(update={"node_errors": refused})
    play = running() >> received(event, first=1) << [do.RecordProgress, do.End]

    assert play.end.state is JobState.COMPLETED
    assert play.end.error == (
        "The endpoint ran only a part of the prompt. ComfyUI refused:\nSaveImage #5: Bad link: images"
    )


def test_a_result_with_a_missing_file_is_no_success_and_the_rest_of_it_is_shown() -> None:
    play = running() >> received(output(A, "b.png"), finished(A, "b.png"), first=1)
    play >> saved(play, A, lost=(LostFile(("output", "", "b.png"), "the worker has cleaned it up"),)) << do.End

    assert play.end.state is JobState.FAILED
    assert "b.png: the worker has cleaned it up" in (play.end.error or "")
    assert [item["filename"] for item in outputs(play.end)["9"]["images"]] == [f"local-{A}"]


def test_a_file_that_the_worker_says_it_lacks_is_dealt_with_as_an_output() -> None:
    missing = MissingFile(filename=A, type="output", reason="it was cleaned up")
    event = NodeOutput(node="9", output={}, missing=(missing,))
    running() >> received(event, first=1) << [do.RecordProgress, do.SaveOutput]


def test_a_file_that_only_the_history_names_is_missing() -> None:
    play = running() >> received(finished(A), first=1) << [do.RecordProgress, do.End]

    assert play.end.state is JobState.FAILED
    assert f"{A}: the worker did not send it" in (play.end.error or "")


@pytest.mark.parametrize(
    "output", [{"result": ["3d/of-the-prompt.glb"]}, {"options": {"filename": "not-a-file-item"}}], ids=str
)
def test_what_only_looks_like_a_file_is_not_missing(output: dict[str, Any]) -> None:
    history = finished().history.model_copy(update={"outputs": {"9": output}})
    play = running() >> received(finished().model_copy(update={"history": history}), first=1)

    assert play.end.state is JobState.COMPLETED


def test_a_file_without_a_subfolder_is_known_by_its_name() -> None:
    item = {"filename": A, "subfolder": None, "type": "output"}
    history = finished().history.model_copy(update={"outputs": {"9": {"images": [item]}}})
    play = running() >> received(output(A), first=1)
    play >> saved(play, A) >> received(finished().model_copy(update={"history": history}), first=2)

    assert play.end.state is JobState.COMPLETED
    assert outputs(play.end)["9"]["images"] == [{"filename": f"local-{A}", "subfolder": "", "type": "output"}]


def test_files_of_the_input_folder_are_not_results() -> None:
    history = finished().history.model_copy(
        update={"outputs": {"9": {"images": [{"filename": "in.png", "subfolder": "", "type": "input"}]}}}
    )
    play = running() >> received(finished().model_copy(update={"history": history}), first=1)

    assert play.end.state is JobState.COMPLETED
