"""Custom nodes and other versions put anything into what ComfyUI reports. None of it keeps a job from its end."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.states import ENDED
from tests.support.playbook import output, received, running, saved
from wire.events import (
    Ending,
    HistoryEntry,
    NodeBlocked,
    NodeOutput,
    NodesCached,
    NodesProgressed,
    NodeStarted,
    NodeText,
    PromptFailed,
    PromptFinished,
    PromptInterrupted,
    PromptRejected,
    WorkerEvent,
    WorkerFailed,
)

_KEYS = st.sampled_from(
    ["messages", "status_str", "completed", "images", "filename", "subfolder", "type", "result", "errors", "node_id",
     "node_type", "class_type", "exception_message", "exception_type", "traceback", "message", "details", "executed"]
) | st.text(max_size=4)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**64) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6) | st.sampled_from(["output", "temp", "a_00001_.png", "m.glb", "execution_error"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
OBJECTS = st.dictionaries(_KEYS, JSON, max_size=5)
MESSAGES = st.lists(
    JSON | st.tuples(st.sampled_from(["execution_error", "execution_start"]), JSON).map(list), max_size=3
)
HISTORY = st.builds(
    HistoryEntry,
    outputs=st.dictionaries(st.text(max_size=3), OBJECTS, max_size=3),
    status=st.fixed_dictionaries({"messages": MESSAGES | JSON}) | OBJECTS,
    meta=OBJECTS,
)
ENDINGS: st.SearchStrategy[Ending] = st.one_of(
    st.builds(PromptFinished, timestamp=st.integers(0, 9), history=HISTORY, node_errors=OBJECTS),
    st.builds(PromptFailed, error=OBJECTS, history=HISTORY, diagnostics=OBJECTS),
    st.builds(PromptInterrupted, details=OBJECTS, history=HISTORY),
    st.builds(PromptRejected, error=OBJECTS, node_errors=OBJECTS, diagnostics=OBJECTS),
    st.builds(WorkerFailed, error_type=st.text(max_size=9), message=st.text(max_size=9), diagnostics=OBJECTS),
)
SHOWN: st.SearchStrategy[WorkerEvent] = st.one_of(
    st.builds(NodeOutput, node=st.text(max_size=3), output=st.none() | OBJECTS),
    st.builds(NodeBlocked, error=OBJECTS),
    st.builds(NodeStarted, node=st.text(max_size=3)),
    st.builds(NodeText, node=st.text(max_size=3), text=st.text(max_size=3)),
    st.builds(NodesCached, nodes=st.tuples(st.text(max_size=3)), timestamp=st.just(1)),
    st.just(NodesProgressed(nodes={})),
)


@given(st.lists(SHOWN, max_size=4), ENDINGS)
def test_a_job_ends_whatever_is_in_its_last_event_and_what_it_has_stored_stays(
    shown: list[WorkerEvent], ending: Ending
) -> None:
    play = running() >> received(output("a.png"), *shown, ending, first=1)
    play >> saved(play, "a.png")

    assert play.machine.ended
    assert play.end.state in ENDED
    assert play.end.entry is not None


@pytest.mark.parametrize("messages", [None, 7, "x", {}, [7], [["execution_error"]], [["execution_error", 7]], [[]]])
def test_messages_of_another_shape_are_passed_on(messages: Any) -> None:
    history = HistoryEntry(outputs={}, status={"status_str": "success", "messages": messages})
    play = running() >> received(PromptFinished(timestamp=1, history=history), first=1)

    assert play.end.entry is not None
    assert play.end.entry.status["messages"] == messages
