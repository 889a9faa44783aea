"""The events of a run as one answer, for endpoints that do not stream."""

import json
from typing import Any

import pytest

from wire.batch import encode_batch, encode_event
from wire.events import (
    FileChunk,
    FilesSaved,
    HistoryEntry,
    NodeOutput,
    PromptFailed,
    PromptFinished,
    PromptInterrupted,
    PromptRejected,
    WorkerEvent,
    WorkerFailed,
    WorkerState,
)
from wire.files import FileRef, Inline, MissingFile, Streamed, encode_bytes
from wire.limits import RUN_BODY_MAX
from worker.single_answer import SingleAnswer

HISTORY = HistoryEntry(outputs={}, status={})
FINISHED = PromptFinished(timestamp=1, history=HISTORY)
PROBLEM = {"errors": [{"message": "Value not in list"}], "class_type": "VAELoader"}


def answer(*events: WorkerEvent) -> dict[str, Any]:
    single = SingleAnswer()
    for seq, event in enumerate(events):
        single.add(encode_batch("run", 1, [encode_event(seq, event)]))
    whole = single.whole()
    json.dumps(whole, allow_nan=False)
    return whole


def saved(filename: str, source: Inline | Streamed, folder: Any = "output") -> NodeOutput:
    file = FileRef(filename=filename, type=folder, sha256="0" * 64, size=3, source=source)
    return NodeOutput(node="9", output={}, files=(file,))


def test_a_picture_is_under_images_and_other_files_are_under_files() -> None:
    whole = answer(saved("a.PNG", Inline.of(b"abc")), saved("film.mp4", Inline.of(b"def")), FINISHED)

    assert whole["status"] == "success"
    assert whole["images"] == [{"filename": "a.PNG", "type": "base64", "data": encode_bytes(b"abc")}]
    assert [(file["node"], file["filename"], file["data"]) for file in whole["files"]] == [
        ("9", "a.PNG", None),
        ("9", "film.mp4", encode_bytes(b"def")),
    ]


def test_the_chunks_of_a_large_file_are_put_together() -> None:
    chunks = [FileChunk(transfer=4, offset=at, data=encode_bytes(part)) for at, part in ((0, b"abc"), (3, b"def"))]

    whole = answer(*chunks, saved("a.bin", Streamed(transfer=4)), FINISHED)

    assert whole["files"][0]["data"] == encode_bytes(b"abcdef")


def test_what_no_node_announced_is_among_the_files() -> None:
    quiet = FilesSaved(files=saved("quiet.txt", Inline.of(b"abc")).files)

    whole = answer(quiet, FINISHED)

    assert [(file["node"], file["filename"]) for file in whole["files"]] == [("", "quiet.txt")]
    assert whole["status"] == "success"


def test_a_preview_is_not_among_the_images() -> None:
    whole = answer(saved("a.png", Inline.of(b"abc"), "temp"), FINISHED)

    assert whole["images"] == []
    assert whole["files"][0]["kind"] == "temp"


def test_an_answer_that_lacks_a_part_of_the_prompt_is_incomplete_and_names_it() -> None:
    finished = PromptFinished(timestamp=1, history=HISTORY, node_errors={"7": PROBLEM})

    whole = answer(saved("a.png", Inline.of(b"abc")), finished)

    assert whole["status"] == "incomplete"
    assert whole["node_errors"] == {"7": PROBLEM}
    assert len(whole["images"]) == 1


def test_a_missing_file_is_an_error_beside_the_files_that_there_are() -> None:
    gone = MissingFile(filename="b.png", type="output", reason="It is gone.")
    whole = answer(saved("a.png", Inline.of(b"abc")), NodeOutput(node="9", output={}, missing=(gone,)), FINISHED)

    assert whole["error"] == "Results are missing: b.png (It is gone.)"
    assert whole["error_type"] == "output_missing"
    assert "status" not in whole
    assert [image["filename"] for image in whole["images"]] == ["a.png"]
    assert whole["missing"] == [{"filename": "b.png", "subfolder": "", "type": "output", "reason": "It is gone."}]


@pytest.mark.parametrize(
    ("ending", "error", "error_type"),
    [
        (
            PromptFailed(error={"exception_message": "boom\n", "exception_type": "ValueError"}, history=HISTORY),
            "boom",
            "ValueError",
        ),
        (PromptInterrupted(details={}, history=HISTORY), "the prompt was interrupted", "interrupted"),
        (PromptRejected(error={"message": "no"}, diagnostics={"vram": float("nan")}), "no", "prompt_rejected"),
        (WorkerFailed(error_type="comfyui_died", message="It died."), "It died.", "comfyui_died"),
    ],
)
def test_a_failure_says_what_happened(ending: WorkerEvent, error: str, error_type: str) -> None:
    whole = answer(WorkerState(phase="starting"), ending)

    assert (whole["error"], whole["error_type"]) == (error, error_type)
    assert set(whole) == {"error", "error_type", "node_id", "node_errors", "diagnostics"}


def test_a_rejected_prompt_names_its_nodes() -> None:
    whole = answer(PromptRejected(error={"message": "no"}, node_errors={"7": PROBLEM}, diagnostics={"disk": {}}))

    assert whole["node_errors"] == {"7": PROBLEM}
    assert whole["diagnostics"] == {"disk": {}}


def test_a_run_without_an_ending_is_a_failure() -> None:
    whole = answer(saved("a.png", Inline.of(b"abc")))

    assert whole["error_type"] == "worker_bug"


def test_results_that_are_too_large_for_one_answer_are_refused_with_the_setting_to_change() -> None:
    whole = answer(saved("a.bin", Inline.of(b"x" * RUN_BODY_MAX)), FINISHED)

    assert whole["error_type"] == "result_too_large"
    assert "WORKER_STREAM=1" in whole["error"]
