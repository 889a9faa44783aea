"""Each failure says what happened and what to do."""

import json

import pytest

from engine.messages.failures import (
    advised,
    advised_status,
    error_sentence,
    execution_error,
    explain_lost,
    explain_platform,
    explain_rejection,
    explain_worker,
    refused_part,
)
from wire.events import PromptRejected, WorkerFailed
from wire.ids import PromptId

RAISED = json.dumps({"error_type": "<class 'ValueError'>", "error_message": "boom", "error_traceback": "Traceback: x"})


@pytest.mark.parametrize(
    ("status", "error", "kind", "advice"),
    [
        ("FAILED", "executionTimeout exceeded", "ExecutionTimeout", "Raise it"),
        ("FAILED", "job timed out after 1 retries", "WorkerLost", "worker logs"),
        ("TIMED_OUT", None, "TimedOut", "maximum number of workers"),
        ("COMPLETED", None, "ResultLost", "did not arrive"),
        ("CANCELLED", None, "Cancelled", "not from here"),
        ("FAILED", "something else", "EndpointFailed", "something else"),
        ("FAILED", RAISED, "EndpointFailed", "boom\nTraceback: x"),
        ("FAILED", "{}", "EndpointFailed", "{}"),
        ("FAILED", None, "EndpointFailed", "worker logs"),
    ],
)
def test_an_end_without_the_workers_word_is_explained(status: str, error: str | None, kind: str, advice: str) -> None:
    error_type, text = explain_platform(status, error)

    assert error_type == kind
    assert advice in text


@pytest.mark.parametrize("kind", ["comfyui_died", "comfyui_unreachable", "prompt_vanished"])
def test_a_worker_that_failed_says_what_happened_what_to_do_and_its_log(kind: str) -> None:
    lines = [f"line {n}" for n in range(40)]
    error_type, text = explain_worker(
        WorkerFailed(error_type=kind, message="It died.", diagnostics={"log_tail": lines})
    )

    assert error_type == kind
    assert text.startswith("It died.")
    assert "Run" in text
    assert text.endswith("line 39")
    assert "line 19\n" not in text


def test_a_rejection_marks_the_first_node_and_tells_of_all() -> None:
    node_errors = {
        "4": {"errors": [{"message": "Value not in list", "details": "ckpt_name: 'x'"}], "class_type": "Loader"},
        "7": {"errors": [{"message": "Required input is missing", "details": "seed"}], "class_type": "Sampler"},
    }
    node_id, node_type, kind, text = explain_rejection(PromptRejected(error={}, node_errors=node_errors))

    assert (node_id, node_type, kind) == ("4", "Loader", "PromptRejected")
    assert text == "Loader #4: Value not in list: ckpt_name: 'x'\nSampler #7: Required input is missing: seed"


def test_a_refused_part_marks_its_first_node_and_names_all() -> None:
    problem = {"errors": [{"message": "Required input is missing", "details": "images"}], "class_type": "SaveImage"}

    payload = refused_part({"9": problem, "12": problem}, ["1", "2"])

    assert (payload["node_id"], payload["node_type"], payload["executed"]) == ("9", "SaveImage", ["1", "2"])
    assert payload["exception_message"].count("Required input is missing: images") == 2
    assert "timestamp" not in payload


@pytest.mark.parametrize("kind", ["torch.OutOfMemoryError", "torch.cuda.OutOfMemoryError"])
def test_out_of_memory_names_the_endpoints_gpu(kind: str) -> None:
    error = {"exception_type": kind, "exception_message": "Allocation failed\n", "node_id": "3"}
    status = {"status_str": "error", "messages": [["execution_start", {}], ["execution_error", error]]}

    assert "endpoint's GPU" in advised(error)["exception_message"]
    assert advised_status(status)["messages"] == [["execution_start", {}], ["execution_error", advised(error)]]


def test_an_error_of_the_graph_stays_as_comfyui_put_it() -> None:
    error = {"exception_type": "ValueError", "exception_message": "boom\n"}

    assert advised(error) == error


LONG = "x" * 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        explain_platform("FAILED", LONG)[1],
        explain_platform("FAILED", json.dumps({"error_message": LONG, "error_traceback": LONG}))[1],
        explain_platform("FAILED", "[" * 100_000)[1],
        explain_worker(WorkerFailed(error_type=LONG, message=LONG, diagnostics={"log_tail": [LONG] * 20}))[1],
        explain_rejection(PromptRejected(error={"message": LONG, "details": LONG}))[3],
        explain_rejection(PromptRejected(error={}, node_errors={LONG: {"errors": []}}))[3],
        explain_lost([(("output", LONG, LONG), LONG)] * 1000),
        error_sentence({"exception_message": LONG}),
        execution_error(PromptId("p"), "x", LONG, now_ms=1)["exception_message"],
    ],
    ids=range(9),
)
def test_no_text_is_longer_than_somebody_reads(text: str) -> None:
    assert len(text) < 10_000_000
    assert "more characters" in text
