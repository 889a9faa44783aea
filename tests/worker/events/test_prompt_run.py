"""PromptRun against what real ComfyUIs said (tests/data: version and date are in the files)."""

import json
from pathlib import Path
from typing import Any

import pytest

from wire.comfy import CustomMessage, Message, PreviewFrame, ServerMessage, TextFrame, UnknownFrame, parse_binary
from wire.events import (
    NodeBlocked,
    NodeMessage,
    NodeOutput,
    NodesProgressed,
    NodeStarted,
    Preview,
    PromptFailed,
    PromptFinished,
    PromptInterrupted,
    WorkerEvent,
)
from wire.limits import PREVIEW_MAX
from worker.events.prompt_run import PromptRun

DATA = Path(__file__).parents[2] / "data"
VERSIONS = ("0.3.64", "0.8.0")


def recorded(version: str, case: str) -> tuple[str, list[ServerMessage], dict[str, Any] | None]:
    everything = json.loads((DATA / f"comfyui-{version}-messages.json").read_text(encoding="utf-8"))
    found = everything["cases"][case]
    messages: list[ServerMessage] = [
        parse_binary(bytes.fromhex(item["binary"])) if "binary" in item else Message(item["type"], item["data"])
        for item in found["messages"]
    ]
    return found["prompt_id"], messages, found["history"]


def told(run: PromptRun, messages: list[ServerMessage]) -> list[WorkerEvent]:
    return [event for message in messages for event in run.feed(message)]


def finished(run: PromptRun, entry: dict[str, Any]) -> list[WorkerEvent]:
    return [*run.unannounced(entry), run.ending(entry)]


def kinds(events: list[WorkerEvent]) -> list[str]:
    return [event.kind for event in events]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_prompt_that_succeeds_is_told_in_comfyuis_order(version: str) -> None:
    prompt_id, messages, history = recorded(version, "success")
    run = PromptRun(prompt_id)
    assert history is not None

    events = told(run, messages)
    end = finished(run, history)

    assert kinds(events)[:4] == ["prompt_started", "nodes_cached", "nodes_progressed", "node_started"]
    assert [event.node for event in events if isinstance(event, NodeStarted)] == ["1", "2", "3", "4"]
    assert [event.node for event in events if isinstance(event, NodeOutput)] == ["3", "4"]
    assert run.announced
    assert kinds(end) == ["prompt_finished"]
    assert isinstance(end[0], PromptFinished)
    assert end[0].history.outputs == history["outputs"]
    assert end[0].history.outputs_to_execute == tuple(history["prompt"][4])


@pytest.mark.parametrize("version", VERSIONS)
def test_cached_outputs_are_told_without_the_nodes_starting(version: str) -> None:
    prompt_id, messages, _ = recorded(version, "cached")

    events = told(PromptRun(prompt_id), messages)

    assert not any(isinstance(event, NodeStarted) for event in events)
    assert [event.node for event in events if isinstance(event, NodeOutput)] == ["3", "4"]


@pytest.mark.parametrize("version", VERSIONS)
def test_steps_previews_and_texts_are_told(version: str) -> None:
    prompt_id, messages, _ = recorded(version, "slow")

    events = told(PromptRun(prompt_id), messages)

    assert kinds(events).count("preview") == 3
    assert kinds(events).count("step_progress") == 3
    assert kinds(events).count("node_text") == 1
    (first, *_) = [event for event in events if isinstance(event, Preview)]
    assert (first.node, first.display_node, first.real_node, first.image_type) == ("2", "2", "2", "image/jpeg")


@pytest.mark.parametrize("version", VERSIONS)
def test_only_changed_progress_is_told(version: str) -> None:
    prompt_id, messages, _ = recorded(version, "slow")

    events = told(PromptRun(prompt_id), messages)

    before: dict[str, Any] = {}
    for event in [event for event in events if isinstance(event, NodesProgressed)]:
        assert event.nodes
        assert all(before.get(node) != entry for node, entry in event.nodes.items())
        before |= event.nodes


@pytest.mark.parametrize("version", VERSIONS)
def test_expanded_nodes_keep_their_names(version: str) -> None:
    prompt_id, messages, history = recorded(version, "expand")
    run = PromptRun(prompt_id)
    assert history is not None

    events = told(run, messages)
    missed = [event for event in finished(PromptRun(prompt_id), history) if isinstance(event, NodeOutput)]

    outputs = {event.node: event.display_node for event in events if isinstance(event, NodeOutput)}
    assert outputs["10.0.0.3"] == "10"
    assert {event.node: event.display_node for event in missed} == outputs


@pytest.mark.parametrize("version", VERSIONS)
def test_an_error_ends_the_prompt_with_comfyuis_payload(version: str) -> None:
    prompt_id, messages, _ = recorded(version, "error")
    payload = next(m.data for m in messages if isinstance(m, Message) and m.type == "execution_error")
    status = {"status_str": "error", "completed": False, "messages": [["execution_error", payload]]}
    run = PromptRun(prompt_id)

    told(run, messages)
    (*_, end) = finished(run, {"outputs": {}, "status": status})

    assert run.announced
    assert isinstance(end, PromptFailed)
    assert end.error["node_id"] == "2"
    assert end.error["exception_message"] == "boom\n"
    assert "prompt_id" not in end.error


@pytest.mark.parametrize("version", VERSIONS)
def test_an_interrupted_prompt_ends_interrupted(version: str) -> None:
    prompt_id, messages, history = recorded(version, "interrupted")
    run = PromptRun(prompt_id)
    assert history is not None

    events = told(run, messages)
    (*_, end) = finished(run, history)

    assert run.announced
    assert "node_output" not in kinds(events)  # those of the prompt that ran after it are passed over
    assert isinstance(end, PromptInterrupted)
    assert end.details["node_id"] == "2"


@pytest.mark.parametrize("case", ["success", "cached", "slow", "expand", "error", "interrupted"])
def test_other_prompts_are_passed_over(case: str) -> None:
    _, messages, _ = recorded("0.8.0", case)
    run = PromptRun("another")

    assert told(run, messages) == []
    assert not run.announced


@pytest.mark.parametrize(
    ("message", "concerns"),
    [
        (Message("progress", {"prompt_id": "p", "node": "1"}), True),
        (CustomMessage("a custom node's", {"prompt_id": "p"}), True),
        (Message("progress", {"prompt_id": "another"}), False),
        (Message("progress", {"prompt_id": ""}), False),
        (CustomMessage("crystools.monitor", {"cpu_utilization": 3}), False),
        (Message("status", {"status": {}}), False),
        (PreviewFrame(image=b"x", image_type="image/jpeg", node_id="1", prompt_id="p"), True),
        (PreviewFrame(image=b"x", image_type="image/jpeg", node_id="1", prompt_id="another"), False),
        (PreviewFrame(image=b"x", image_type="image/jpeg"), False),
        (TextFrame(node_id="1", text="x", prompt_id="p"), True),
        (TextFrame(node_id="1", text="x"), False),
        (UnknownFrame(b"9"), False),
    ],
)
def test_only_messages_that_name_the_prompt_concern_it(message: ServerMessage, *, concerns: bool) -> None:
    run = PromptRun("p")
    list(run.feed(Message("executing", {"prompt_id": "p", "node": "1"})))

    assert run.concerns(message) is concerns


def test_an_errors_tensors_are_cut() -> None:
    error = {
        "node_id": "1",
        "exception_message": "boom",
        "traceback": ["line"] * 10,
        "current_inputs": {"small": ["1"], "tensor": ["0.0, " * 200_000], "last": ["x" * 3000]},
        "timestamp": 5,
    }
    entry = {"outputs": {}, "status": {"status_str": "error", "messages": [["execution_error", error]]}}

    (end,) = finished(PromptRun("p"), entry)

    assert isinstance(end, PromptFailed)
    assert end.error["current_inputs"]["small"] == ["1"]
    assert len(end.model_dump_json()) < 20_000


def test_a_blocked_execution_does_not_end_the_prompt() -> None:
    data = {"prompt_id": "p", "node_id": "4", "exception_message": "Execution Blocked: no"}

    events = list(PromptRun("p").feed(Message("execution_error", data)))

    assert events == [NodeBlocked(error={key: value for key, value in data.items() if key != "prompt_id"})]


def test_a_preview_without_a_node_belongs_to_the_node_that_runs() -> None:
    run = PromptRun("p")
    frame = PreviewFrame(image=b"x", image_type="image/png")
    before = list(run.feed(frame))
    list(run.feed(Message("executing", {"prompt_id": "p", "node": "9", "display_node": "9"})))

    (event,) = run.feed(frame)

    assert before == []
    assert isinstance(event, Preview)
    assert event.node == "9"


def test_a_preview_that_is_too_large_is_dropped() -> None:
    frame = PreviewFrame(image=bytes(PREVIEW_MAX + 1), image_type="image/jpeg", node_id="1", prompt_id="p")

    assert list(PromptRun("p").feed(frame)) == []


def test_cached_outputs_of_nodes_that_were_not_asked_for_are_left_out() -> None:
    # ComfyUI 0.3.64 lists them in the history of a run of selected nodes
    graph = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}},
        "4": {"class_type": "SaveAndPass", "inputs": {"images": ["1", 0]}},
    }
    outputs: dict[str, Any] = {node: {"images": []} for node in ("2", "3", "4", "4.0.0.1")}
    meta = {"4.0.0.1": {"node_id": "4.0.0.1", "display_node": "4"}}
    status = {"status_str": "success", "messages": [["execution_success", {}]]}
    entry = {"prompt": [0, "p", graph, {}, ["3"]], "outputs": outputs, "meta": meta, "status": status}

    *events, end = finished(PromptRun("p"), entry)

    assert isinstance(end, PromptFinished)
    assert [event.node for event in events if isinstance(event, NodeOutput)] == ["3", "4", "4.0.0.1"]
    assert set(end.history.outputs) == {"3", "4", "4.0.0.1"}


def history(*messages: tuple[str, dict[str, Any]], status_str: str = "success") -> dict[str, Any]:
    status = {"status_str": status_str, "completed": status_str == "success", "messages": [list(m) for m in messages]}
    return {"prompt": [], "outputs": {"2": {"images": []}}, "status": status}


START, SUCCESS = ("execution_start", {"timestamp": 1}), ("execution_success", {"timestamp": 9})
CIRCLE = ("execution_error", {"node_id": "4", "exception_message": "Dependency cycle detected", "timestamp": 8})


def test_a_prompt_that_failed_in_a_circle_has_failed_although_its_status_is_success() -> None:
    # ComfyUI 0.33.0: the error is found while a node is staged, and nothing takes "success" back
    *events, end = finished(PromptRun("p"), history(START, CIRCLE))

    assert isinstance(end, PromptFailed)
    assert end.error["exception_message"] == "Dependency cycle detected"
    assert [event.node for event in events if isinstance(event, NodeOutput)] == ["2"]


def test_a_prompt_without_a_message_of_success_has_not_succeeded() -> None:
    (*_, end) = finished(PromptRun("p"), history(START))

    assert isinstance(end, PromptFailed)


def test_a_prompt_that_comfyui_calls_a_success_has_succeeded_whatever_its_status_is() -> None:
    (*_, end) = finished(PromptRun("p"), history(START, SUCCESS, status_str="error"))

    assert isinstance(end, PromptFinished)
    assert end.timestamp == 9
    assert end.node_errors == {}


def test_the_ending_carries_what_comfyui_refused_of_the_prompt() -> None:
    run = PromptRun("p")
    run.node_errors = {"7": {"errors": []}}

    (*_, end) = finished(run, history(START, SUCCESS))

    assert isinstance(end, PromptFinished)
    assert end.node_errors == {"7": {"errors": []}}


def test_a_history_without_a_status_is_a_failure_without_a_reason() -> None:
    (end,) = finished(PromptRun("p"), {"outputs": {}, "status": None})

    assert isinstance(end, PromptFailed)
    assert end.error["exception_message"] == "ComfyUI gave no reason"


def test_a_picture_that_a_node_delivers_as_a_preview_is_never_too_large() -> None:
    frame = PreviewFrame(image=bytes(PREVIEW_MAX + 1), image_type="image/png", node_id="1", prompt_id="p")

    assert [type(event) for event in PromptRun("p").feed(frame)] == [Preview]


def test_a_prompt_that_a_node_queued_speaks_under_the_id_of_the_job() -> None:
    first = PromptRun("p")
    first.node_errors = {"9": {}}
    following = first.followed_by("q").followed_by("r")
    messages: list[ServerMessage] = [
        Message("executing", {"node": "1", "prompt_id": "p"}),
        Message("executing", {"node": "2", "prompt_id": "r"}),
        CustomMessage("progress-of-mine", {"prompt_id": "r", "of": "q"}),
    ]

    events = told(following, messages)
    end = finished(following, history(START, SUCCESS))[-1]

    assert events == [NodeStarted(node="2"), NodeMessage(type="progress-of-mine", data={"prompt_id": "p", "of": "q"})]
    assert isinstance(end, PromptFinished)
    assert end.node_errors == {"9": {}}
