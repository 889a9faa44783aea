"""Worker events as browser messages."""

import re

import pytest

from engine.messages.translate import NODES_MAX, MessageTranslator, StatusDue
from wire.comfy import Message, PreviewFrame, TextFrame
from wire.events import (
    HistoryEntry,
    NodeBlocked,
    NodeOutput,
    NodesCached,
    NodesProgressed,
    NodeStarted,
    NodeText,
    Preview,
    PromptChanged,
    PromptFailed,
    PromptFinished,
    PromptRejected,
    PromptStarted,
    WorkerEvent,
    WorkerFailed,
    WorkerState,
)
from wire.files import encode_bytes
from wire.ids import PromptId
from wire.progress import NodeProgress

P = PromptId("11111111-1111-4111-8111-111111111111")
HISTORY = HistoryEntry(outputs={}, status={})


def told(*events: WorkerEvent) -> list[object]:
    display = MessageTranslator(P)
    return [message for event in events for message in display.messages(event, 99)]


def running(node: str, state: str = "running") -> NodesProgressed:
    entry = NodeProgress(value=0, max=1, state=state, node_id=node, display_node_id=node, real_node_id=node)
    return NodesProgressed(nodes={node: entry})


def test_a_success_ends_as_comfyui_ends_it() -> None:
    ending = told(PromptFinished(timestamp=5, history=HISTORY))

    assert ending == [
        Message("execution_success", {"prompt_id": P, "timestamp": 5}),
        StatusDue(),
        Message("executing", {"node": None, "prompt_id": P}),
    ]


def test_progress_state_carries_all_nodes_so_far() -> None:
    messages = told(running("1", "finished"), running("2"))
    last = messages[-1]

    assert isinstance(last, Message)
    assert list(last.data["nodes"]) == ["1", "2"]
    assert last.data["nodes"]["2"]["prompt_id"] == P


def test_an_earlier_progress_state_is_not_changed_by_a_later_one() -> None:
    first, _ = told(running("1"), running("2"))

    assert isinstance(first, Message)
    assert list(first.data["nodes"]) == ["1"]


def test_the_story_becomes_the_history_status() -> None:
    display = MessageTranslator(P)
    for event in (PromptStarted(timestamp=1), NodesCached(nodes=("4",), timestamp=2), NodeStarted(node="1")):
        list(display.messages(event, 0))
    list(display.messages(NodeOutput(node="1", output={"text": ["x"]}), 0))
    list(display.interrupted({"1": {"class_type": "KSampler"}}, 7))
    entry = display.entry(completed=False)

    assert [kind for kind, _ in entry.status["messages"]] == [
        "execution_start",
        "execution_cached",
        "execution_interrupted",
    ]
    assert entry.status["messages"][-1][1]["node_type"] == "KSampler"
    assert entry.outputs == {"1": {"text": ["x"]}}


def test_a_preview_names_its_node_and_the_browsers_prompt() -> None:
    (frame,) = told(Preview(node="3", image_type="image/jpeg", data=encode_bytes(b"jpeg")))

    assert isinstance(frame, PreviewFrame)
    assert (frame.image, frame.node_id, frame.prompt_id) == (b"jpeg", "3", P)


def test_an_error_keeps_comfyuis_payload() -> None:
    error, _, _ = told(PromptFailed(error={"node_id": "2", "traceback": ["x"]}, history=HISTORY))

    assert error == Message("execution_error", {"node_id": "2", "traceback": ["x"], "prompt_id": P})


def test_a_rejection_lands_on_the_node_that_is_wrong() -> None:
    problem = {"7": {"class_type": "KSampler", "errors": [{"message": "Value not in list", "details": "sampler"}]}}
    error, _, _ = told(PromptRejected(error={"message": "no"}, node_errors=problem))

    assert isinstance(error, Message)
    assert (error.data["node_id"], error.data["node_type"]) == ("7", "KSampler")
    assert error.data["exception_message"] == "KSampler #7: Value not in list: sampler"


def test_a_failing_worker_has_no_node_but_a_log() -> None:
    event = WorkerFailed(error_type="ComfyUIDied", message="died", diagnostics={"log_tail": ["CUDA out of memory"]})
    error, _, _ = told(event)

    assert isinstance(error, Message)
    assert error.data["node_id"] == ""
    assert "CUDA out of memory" in error.data["exception_message"]


def test_what_a_blocked_node_says_is_no_ending() -> None:
    error = {"node_id": "4", "exception_message": "Execution Blocked: no"}
    display = MessageTranslator(P)
    said = list(display.messages(NodeBlocked(error=error), 0))

    assert said == [Message("execution_error", {**error, "prompt_id": P})]
    assert display.story == []


def test_a_part_that_comfyui_refused_is_shown_on_its_node_before_the_success_of_the_rest() -> None:
    problem = {"errors": [{"message": "Value not in list", "details": "vae"}], "class_type": "VAELoader"}
    display = MessageTranslator(P)
    refused, success, *_ = display.messages(
        PromptFinished(timestamp=5, history=HISTORY, node_errors={"7": problem, "8": problem}), 0
    )

    assert isinstance(refused, Message)
    assert isinstance(success, Message)
    assert (refused.type, success.type) == ("execution_error", "execution_success")
    assert refused.data["node_id"] == "7"
    assert refused.data["node_type"] == "VAELoader"
    assert "VAELoader #7: Value not in list: vae\nVAELoader #8" in refused.data["exception_message"]
    assert "timestamp" not in refused.data
    assert [kind for kind, _ in display.story] == ["execution_success"]


def inside(node: str, state: str) -> NodesProgressed:
    progress = NodeProgress(value=0, max=1, state=state, node_id=node, parent_node_id="10", real_node_id="10")
    return NodesProgressed(nodes={node: progress})


def test_what_is_stopped_inside_a_node_that_became_several_is_told_of_the_posted_node() -> None:
    display = MessageTranslator(P)
    for event in (PromptStarted(timestamp=1), inside("10.0.0.1", "running"), NodeStarted(node="10.0.0.1")):
        list(display.messages(event, 0))
    interrupted = next(m for m in display.interrupted({"10": {"class_type": "Loop"}}, 7) if isinstance(m, Message))

    assert (interrupted.data["node_id"], interrupted.data["node_type"]) == ("10", "Loop")


def test_what_was_kept_does_not_count_as_executed() -> None:
    display = MessageTranslator(P)
    for event in (NodesCached(nodes=("1",), timestamp=1), running("1", "finished"), running("2", "finished")):
        list(display.messages(event, 0))

    assert list(display.executed) == ["2"]


def test_what_a_prompt_waits_for_is_said_once_and_taken_back_when_it_moves() -> None:
    loading = WorkerState(phase="loading", message="Loading SDXL")
    said = told(loading, loading, NodeStarted(node="1"), NodeStarted(node="2"))

    assert said[:2] == [
        Message("notification", {"value": "Loading SDXL", "id": P}),
        Message("notification", {"value": "", "id": P}),
    ]
    assert [type(message) for message in said[2:]] == [Message, Message]
    assert all(isinstance(message, Message) and message.type == "executing" for message in said[2:])


@pytest.mark.parametrize("text", ["<b>bold</b>", "<img src=x onerror=alert()>", "</a>", "<!--", "<?x", "<<script>"])
def test_progress_text_is_no_html_whoever_reads_it(text: str) -> None:
    (frame,) = told(NodeText(node="2", text=text))

    assert isinstance(frame, TextFrame)
    assert frame.text.replace("\u2060", "") == text
    assert not re.search("<[A-Za-z/!?]", frame.text)


@pytest.mark.parametrize("text", ["a < b", "1<2", "[[label|https://a.example/?b=1&c=2]]", "5 %", "<3"])
def test_progress_text_without_a_tag_is_as_it_was(text: str) -> None:
    (frame,) = told(NodeText(node="2", text=text))

    assert isinstance(frame, TextFrame)
    assert frame.text == text


def test_no_more_nodes_are_shown_than_a_prompt_has() -> None:
    display = MessageTranslator(PromptId("p"))
    for turn in range(3):
        nodes = {f"{turn}-{at}": progress(f"{turn}-{at}") for at in range(NODES_MAX // 2)}
        (message,) = display.fenced(NodesProgressed(nodes=nodes), 1)
    (again,) = display.fenced(NodesProgressed(nodes={"0-0": progress("0-0", "running")}), 1)

    assert isinstance(message, Message)
    assert isinstance(again, Message)
    assert len(message.data["nodes"]) == NODES_MAX
    assert again.data["nodes"]["0-0"]["state"] == "running"


def progress(node: str, state: str = "finished") -> NodeProgress:
    return NodeProgress(value=1, max=1, state=state, node_id=node)


def test_what_a_prompt_waits_for_is_a_sentence() -> None:
    (message,) = MessageTranslator(PromptId("p")).waiting("x" * 100_000)

    assert len(message.data["value"]) == 1000


def test_a_prompt_that_a_node_queued_begins_anew_under_the_id_of_the_job() -> None:
    messages = told(
        *(PromptStarted(timestamp=1), NodesCached(nodes=("9",), timestamp=1), running("1", "finished")),
        *(PromptStarted(timestamp=5), NodesCached(nodes=(), timestamp=5), running("2")),
    )
    again = messages[3:]

    assert again[0] == Message("execution_start", {"prompt_id": P, "timestamp": 5})
    assert again[1] == Message("execution_cached", {"nodes": [], "prompt_id": P, "timestamp": 5})
    assert isinstance(again[2], Message)
    assert list(again[2].data["nodes"]) == ["2"]


def test_a_job_that_fails_after_a_node_queued_a_prompt_keeps_the_outputs_of_both() -> None:
    display = MessageTranslator(P)
    for event in (
        *(PromptStarted(timestamp=1), NodesCached(nodes=(), timestamp=1)),
        *(NodeOutput(node="3", output={"images": ["a"]}), NodeOutput(node="4", output={"images": ["x"]})),
        *(PromptStarted(timestamp=5), NodesCached(nodes=("4",), timestamp=5)),
        *(NodeOutput(node="3", output={"images": ["b"]}), NodeOutput(node="4", output={"images": ["x"]})),
        WorkerFailed(error_type="comfyui_died", message="ComfyUI ended"),
    ):
        list(display.messages(event, 99))

    entry = display.entry(completed=False)

    assert entry.outputs == {"3": {"images": ["a", "b"]}, "4": {"images": ["x"]}}
    assert [kind for kind, _ in entry.status["messages"]] == ["execution_start", "execution_cached", "execution_error"]


def test_each_output_is_told_as_the_node_had_it() -> None:
    messages = told(
        PromptStarted(timestamp=1),
        NodeOutput(node="3", output={"images": ["a"]}),
        PromptStarted(timestamp=5),
        NodeOutput(node="3", output={"images": ["b"]}),
    )

    shown = [
        message.data["output"] for message in messages if isinstance(message, Message) and "output" in message.data
    ]
    assert shown == [{"images": ["a"]}, {"images": ["b"]}]


def test_what_custom_nodes_changed_is_not_told_to_the_page_a_second_time() -> None:
    assert told(WorkerState(phase="loading", message="Loading"), PromptChanged()) == told(
        WorkerState(phase="loading", message="Loading")
    )
