"""What frontend 1.58's strict schema gets to see."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.job import Entry, Job
from engine.model.states import JobState
from engine.views.job import clean_error, clean_view, job_view, shown_number
from wire.ids import PromptId

EXTRA = {"create_time": 10, "extra_pnginfo": {"workflow": {"id": "wf"}}}
PENDING = Job(PromptId("p"), 3.0, JobState.PENDING, {"1": {}}, EXTRA, ("1",), created_ms=10)
STORY = [
    ["execution_start", {"prompt_id": "d", "timestamp": 100}],
    ["execution_success", {"prompt_id": "d", "timestamp": 250}],
]
OUTPUTS = {
    "4": {"images": [{"filename": "t.png", "subfolder": "", "type": "temp"}]},
    "3": {"images": [{"filename": "a.png", "subfolder": "", "type": "output"}], "animated": [False]},
}
DONE = replace(
    PENDING,
    prompt_id=PromptId("d"),
    state=JobState.COMPLETED,
    completion=7,
    entry=Entry(OUTPUTS, {"status_str": "success", "completed": True, "messages": STORY}),
)
ERROR = {"node_id": "2", "node_type": "A", "exception_message": "m", "exception_type": "E", "traceback": ["t"]}
VIEW = {"id": "l", "status": "completed", "create_time": 11}
PREVIEW = {"filename": "a.png", "subfolder": "", "type": "output", "nodeId": "3", "mediaType": "images"}


def number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def is_strict(view: dict[str, Any]) -> bool:
    """zRawJobListItem of frontend 1.58, where null is refused too for the sake of older ones."""
    error, preview = view.get("execution_error", ERROR), view.get("preview_output", PREVIEW)
    return (
        isinstance(view["id"], str)
        and view["status"] in ("pending", "in_progress", "completed", "failed", "cancelled")
        and number(view["create_time"])
        and all(number(view.get(name, 0)) for name in ("execution_start_time", "execution_end_time", "priority"))
        and all(number(view.get(name, 0)) for name in ("outputs_count", "previewable_outputs_count"))
        and isinstance(view.get("workflow_id", ""), str)
        and preview.get("type", "output") in ("input", "output", "temp")
        and all(isinstance(preview[name], str) for name in ("nodeId", "mediaType"))
        and all(isinstance(preview.get(name, ""), str) for name in ("filename", "subfolder", "display_name"))
        and all(
            isinstance(error[name], str) for name in ("node_id", "node_type", "exception_message", "exception_type")
        )
        and texts(error["traceback"])
        and texts(error.get("executed", []))
        and isinstance(error.get("prompt_id", ""), str)
        and number(error.get("timestamp", 0))
    )


def test_a_finished_job_looks_as_comfyui_shows_it() -> None:
    assert job_view(DONE) == {
        "id": "d",
        "status": "completed",
        "priority": 3,
        "create_time": 10,
        "execution_start_time": 100,
        "execution_end_time": 250,
        "outputs_count": 2,
        "previewable_outputs_count": 2,
        "preview_output": PREVIEW,
        "workflow_id": "wf",
    }


def test_a_waiting_job_shows_no_times() -> None:
    expected = {"id": "p", "status": "pending", "priority": 3, "create_time": 10, "outputs_count": 0}
    expected["previewable_outputs_count"] = 0

    assert job_view(PENDING) == {**expected, "workflow_id": "wf"}


def test_the_detailed_view_has_the_prompt_and_the_outcome() -> None:
    view = job_view(DONE, detailed=True)

    assert view["workflow"] == {"prompt": {"1": {}}, "extra_data": EXTRA}
    assert view["outputs"] == OUTPUTS
    assert view["execution_status"]["messages"] == STORY


@pytest.mark.parametrize(
    "item",
    [
        {"filename": "b.png", "type": "elsewhere"},
        {"filename": "b.png", "type": None},
        {"filename": "b.png"},
        {"filename": None, "type": "output"},
        {"filename": "b.png", "type": "output", "subfolder": None},
        {"type": ["output"], "filename": "b.png"},
    ],
)
def test_only_a_file_of_a_known_folder_is_a_preview(item: dict[str, Any]) -> None:
    outputs = {"1": {"images": [item]}, **OUTPUTS}
    alone = replace(DONE, entry=Entry({"1": {"images": [item]}}))

    assert job_view(replace(DONE, entry=Entry(outputs)))["preview_output"] == PREVIEW
    assert "preview_output" not in job_view(alone)


def file(name: str, folder: str = "output") -> dict[str, Any]:
    return {"filename": name, "subfolder": "", "type": folder}


@pytest.mark.parametrize(
    ("outputs", "counts", "shown"),
    [
        ({"1": {"text": ["a", "b"]}}, (0, 0), {"content": "a", "nodeId": "1", "mediaType": "text"}),
        (
            {"1": {"text": ["x" * 2000]}},
            (0, 0),
            {"content": "x" * 1024, "truncated": True, "nodeId": "1", "mediaType": "text"},
        ),
        ({"1": {"text": ["a"]}, "3": {"images": [file("a.png")]}}, (1, 1), PREVIEW),
        (
            {"1": {"files": [file("a.txt")]}, "3": {"images": [file("a.png", "temp")]}},
            (2, 2),
            PREVIEW | {"type": "temp"},
        ),
        ({"1": {"files": [file("a.md")]}}, (1, 1), {**file("a.md"), "nodeId": "1", "mediaType": "files"}),
        ({"1": {"latents": [file("a.latent")]}, "3": {"images": [file("a.png")]}}, (2, 1), PREVIEW),
        ({"1": {"result": ["m.glb", "camera"]}}, (1, 1), {**file("m.glb"), "nodeId": "1", "mediaType": "3d"}),
        ({"1": {"3d": [file("m.splat")]}}, (1, 1), {**file("m.splat"), "nodeId": "1", "mediaType": "3d"}),
        ({"1": {"latents": [file("a.latent")]}}, (1, 0), None),
    ],
)
def test_what_is_seen_comes_before_what_is_read(outputs: Any, counts: tuple[int, int], shown: Any) -> None:
    view = job_view(replace(DONE, entry=Entry(outputs)))

    assert (view["outputs_count"], view["previewable_outputs_count"]) == counts
    assert view.get("preview_output") == shown
    assert is_strict(view)


def test_a_3d_model_is_a_file_in_the_detailed_view() -> None:
    entry = Entry({"1": {"result": ["s/m.glb", None, "camera"], "animated": [None]}, "2": None})

    assert job_view(replace(DONE, entry=entry), detailed=True)["outputs"] == {
        "1": {"result": [{**file("s/m.glb"), "mediaType": "3d"}, "camera"], "animated": [None]},
        "2": None,
    }


@pytest.mark.parametrize(
    "messages",
    [
        None,
        "rubbish",
        [None, 3, [], ["execution_error"], ["execution_error", None], [4, {}]],
        [["execution_error", {}]],
        [["execution_error", {**ERROR, "node_id": None, "traceback": None, "timestamp": "now", "executed": None}]],
        [["execution_error", {**ERROR, "node_id": 7, "exception_message": {"a": 1}, "traceback": "one\ntwo"}]],
        [["execution_start", {"timestamp": None}], ["execution_success", {"timestamp": "x"}]],
    ],
)
@pytest.mark.parametrize("outputs", [{}, {"1": None}, {"1": {"images": None}}, {"1": {"images": [None, "x", {}]}}])
def test_whatever_a_worker_reported_the_view_is_strict(messages: Any, outputs: dict[str, Any]) -> None:
    view = job_view(replace(DONE, state=JobState.FAILED, entry=Entry(outputs, {"messages": messages}), ended_ms=99))

    assert is_strict(view)
    assert view["execution_end_time"] == 99


@pytest.mark.parametrize(
    ("answered", "shown"),
    [
        (VIEW, VIEW),
        ({**VIEW, "new_member": [1]}, {**VIEW, "new_member": [1]}),
        ({**VIEW, "workflow_id": None, "priority": None}, VIEW),
        ({**VIEW, "create_time": None}, {**VIEW, "create_time": 0}),
        ({**VIEW, "create_time": "11"}, {**VIEW, "create_time": 0}),
        (
            {**VIEW, "create_time": None, "execution_start_time": 9},
            {**VIEW, "create_time": 9, "execution_start_time": 9},
        ),
        ({**VIEW, "id": 12}, {**VIEW, "id": "12"}),
        ({**VIEW, "outputs_count": 2.5, "previewable_outputs_count": "3"}, VIEW),
        ({**VIEW, "execution_start_time": "now", "execution_end_time": True}, VIEW),
        ({**VIEW, "preview_output": PREVIEW}, {**VIEW, "preview_output": PREVIEW}),
        ({**VIEW, "preview_output": {**PREVIEW, "type": "elsewhere"}}, VIEW),
        ({**VIEW, "preview_output": {**PREVIEW, "nodeId": 3}}, VIEW),
        ({**VIEW, "preview_output": {"filename": "a.png", "type": "output"}}, VIEW),
        ({**VIEW, "preview_output": "a.png"}, VIEW),
        ({**VIEW, "execution_error": None}, VIEW),
        ({**VIEW, "execution_error": "bad"}, VIEW),
        ({**VIEW, "status": "running"}, None),
        ({**VIEW, "status": ["completed"]}, None),
        ({**VIEW, "id": None}, None),
        ({"status": "completed"}, None),
        ("rubbish", None),
        (None, None),
    ],
)
def test_a_malformed_job_of_comfyui_is_repaired_or_left_out(answered: Any, shown: dict[str, Any] | None) -> None:
    assert clean_view(answered) == shown


def test_an_error_keeps_what_is_right_and_gets_what_is_missing() -> None:
    error = {"node_id": None, "exception_message": "m", "traceback": [1, "b"], "current_inputs": {"a": [None]}}

    assert clean_error(error) == {
        "node_id": "",
        "node_type": "",
        "exception_message": "m",
        "exception_type": "",
        "traceback": ["1", "b"],
        "executed": [],
        "current_inputs": {"a": [None]},
    }


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = (
    *("id", "create_time", "execution_start_time", "execution_end_time", "priority", "outputs_count", "workflow_id"),
    *("previewable_outputs_count", "preview_output", "execution_error"),
)


@given(
    status=st.sampled_from(["completed", "failed", "pending"]),
    rest=st.fixed_dictionaries({}, optional=dict.fromkeys(MEMBERS, ANYTHING)),
    error=st.fixed_dictionaries({}, optional=dict.fromkeys([*ERROR, "executed", "timestamp", "prompt_id"], ANYTHING)),
)
def test_whatever_comfyui_answers_the_list_stays_strict(
    status: str, rest: dict[str, Any], error: dict[str, Any]
) -> None:
    cleaned = clean_view({"id": "x", "execution_error": error, **rest, "status": status})

    assert cleaned is None or is_strict(cleaned)


@pytest.mark.parametrize(("number", "shown"), [(3.0, "3"), (-2.0, "-2"), (2.5, "2.5"), (1e308, "1e+308")])
def test_a_queue_number_is_written_as_comfyui_writes_it(number: float, shown: str) -> None:
    assert json.dumps(shown_number(number)) == shown
