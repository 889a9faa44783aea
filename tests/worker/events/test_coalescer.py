"""What waits, what is replaced, and what a batch may hold."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.batch import decode_batch, encode_batch
from wire.events import (
    FileChunk,
    FilesSaved,
    HistoryEntry,
    NodeOutput,
    NodesProgressed,
    NodeStarted,
    Preview,
    PromptFailed,
    PromptFinished,
    StepProgress,
    WorkerEvent,
    WorkerFailed,
)
from wire.files import Cached, FileRef, Inline
from wire.limits import BATCH_TARGET, FILE_CHUNK
from wire.progress import NodeProgress
from worker.events.coalescer import PREVIEW_INTERVAL_S, Coalescer, replaceable
from worker.events.truncate import encode_json


def progress(node: str, value: float) -> NodesProgressed:
    return NodesProgressed(nodes={node: NodeProgress(value=value, max=9, state="running", node_id=node)})


def state(node: str, name: str, value: float, most: float) -> NodesProgressed:
    return NodesProgressed(nodes={node: NodeProgress(value=value, max=most, state=name, node_id=node)})


def preview(node: str, data: str = "YQ==") -> Preview:
    return Preview(node=node, image_type="image/jpeg", data=data)


def drained(pending: Coalescer) -> list[WorkerEvent]:
    events: list[WorkerEvent] = []
    while batch := pending.take(float("inf")):
        assert len(encode_json(encode_batch("r" * 32, 1, batch))) <= BATCH_TARGET
        events += [numbered.event for numbered in decode_batch(encode_batch("r", 1, batch)).events]
    return events


def filled(*events: WorkerEvent) -> Coalescer:
    pending = Coalescer()
    for event in events:
        pending.add(event)
    return pending


NAN = float("nan")


@pytest.mark.parametrize(
    "event",
    [
        NodeOutput(node="1", output={"score": [NAN, float("inf")], "text": ["\ud800"]}),
        NodesProgressed(
            nodes={
                "1": NodeProgress.model_validate({"value": NAN, "max": 1, "state": "running", "node_id": "1", "x": NAN})
            }
        ),
        StepProgress(node="1", value=NAN, max=float("inf")),
        WorkerFailed(error_type="x", message="m", diagnostics={"vram": NAN}),
        PromptFailed(
            error={"current_inputs": {"a": [NAN]}}, history=HistoryEntry(outputs={"1": {"a": NAN}}, status={})
        ),
    ],
    ids=lambda event: event.kind,
)
def test_an_event_leaves_as_json_for_everybody_and_can_be_read(event: WorkerEvent) -> None:
    batch = encode_batch("r", 1, filled(event).take(float("inf")))

    (numbered,) = decode_batch(json.loads(json.dumps(batch, allow_nan=False, ensure_ascii=False).encode())).events
    assert numbered.event.kind == event.kind


def test_of_progress_the_latest_wins() -> None:
    pending = filled(
        StepProgress(node="1", value=1, max=9),
        progress("1", 1),
        StepProgress(node="1", value=2, max=9),
        progress("2", 5),
    )

    events = drained(pending)

    assert isinstance(events[0], NodesProgressed)
    assert set(events[0].nodes) == {"1", "2"}
    assert events[1] == StepProgress(node="1", value=2, max=9)
    assert len(events) == 2


def test_nothing_overtakes_what_must_be_told() -> None:
    story: list[WorkerEvent] = [
        progress("1", 1),
        NodeStarted(node="1"),
        progress("1", 2),
        NodeOutput(node="1", output={}),
        progress("1", 9),
    ]

    assert drained(filled(*story)) == story


def test_previews_of_a_node_keep_a_distance_and_the_last_one_is_told() -> None:
    pending = filled(preview("1", "YQ=="))
    first = pending.take(10.0)
    pending.add(preview("1", "Yg=="))
    soon = pending.take(10.0 + PREVIEW_INTERVAL_S / 2)
    pending.add(preview("1", "Yw=="))
    due = pending.due_at(10.2)
    later = pending.take(10.0 + PREVIEW_INTERVAL_S)

    assert [item["data"] for item in first] == ["YQ=="]
    assert soon == []
    assert due == 10.0 + PREVIEW_INTERVAL_S
    assert [item["data"] for item in later] == ["Yw=="]


def test_a_held_preview_goes_before_what_follows_it() -> None:
    pending = filled(preview("1", "YQ=="))
    pending.take(10.0)
    pending.add(preview("1", "Yg=="))
    pending.add(NodeOutput(node="1", output={}))

    assert [item["kind"] for item in pending.take(10.01)] == ["preview", "node_output"]


def test_starts_are_urgent_and_progress_is_paced() -> None:
    assert filled(NodeStarted(node="1")).due_at(5.0) == 0.0
    assert filled(progress("1", 1)).due_at(5.0) == 5.0
    assert Coalescer().due_at(5.0) is None


def test_files_that_nothing_names_weigh_what_they_hold() -> None:
    content = bytes(100_000)
    file = FileRef(filename="a", type="output", sha256="0" * 64, size=len(content), source=Inline.of(content))
    pending = filled(FilesSaved(files=(file, file)))

    assert pending.weight > 2 * len(content)
    assert [item["kind"] for item in pending.take(1.0)] == ["files_saved"]
    assert pending.weight == 0


def test_chunks_fill_a_batch_each() -> None:
    chunk = FileChunk(transfer=0, offset=0, data="A" * (FILE_CHUNK * 4 // 3))
    pending = filled(chunk, chunk)

    assert [len(pending.take(1.0)), len(pending.take(1.0)), len(pending.take(1.0))] == [1, 1, 0]
    assert pending.weight == 0


@pytest.mark.parametrize(
    "event",
    [
        NodeOutput(node="1", output={"text": ["é" * 900_000]}),
        NodeOutput(node="1", output={"numbers": list(range(400_000))}),
        WorkerFailed(error_type="x", message="m" * 2_000_000),
        PromptFinished(timestamp=1, history=HistoryEntry(outputs={"1": {"text": ["x" * 2_000_000]}}, status={})),
        PromptFailed(
            error={"m": "y" * 900_000}, history=HistoryEntry(outputs={"1": {"t": ["x" * 900_000]}}, status={})
        ),
    ],
    ids=lambda event: event.kind,
)
def test_an_event_larger_than_a_batch_is_made_to_fit(event: WorkerEvent) -> None:
    (told,) = drained(filled(event))

    assert told.kind == event.kind


def test_what_json_cannot_say_is_replaced() -> None:
    (told,) = drained(filled(NodeOutput(node="1", output={"x": [float("nan"), "\ud800", 2.5]})))

    assert isinstance(told, NodeOutput)
    assert told.output == {"x": [None, "?", 2.5]}


names = st.sampled_from("123")
texts = st.text(max_size=40)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | texts, lambda inner: st.lists(inner, max_size=3)
)
events = st.one_of(
    st.builds(NodeStarted, node=names),
    st.builds(StepProgress, node=names, value=st.integers(0, 9), max=st.just(9)),
    st.builds(progress, names, st.integers(0, 9)),
    st.builds(preview, names),
    st.builds(NodeOutput, node=names, output=st.dictionaries(texts, values, max_size=3)),
    st.builds(FileChunk, transfer=st.integers(0, 3), offset=st.just(0), data=st.just("A" * 300_000)),
)


@given(st.lists(st.tuples(events, st.floats(0, 0.4), st.booleans()), max_size=30))
def test_whatever_comes_the_story_stays_whole(steps: list[tuple[WorkerEvent, float, bool]]) -> None:
    pending, now = Coalescer(), 100.0
    sent: list[dict[str, Any]] = []
    for event, pause, taken in steps:
        pending.add(event)
        now += pause
        if taken:
            batch = pending.take(now)
            assert len(encode_json(encode_batch("r" * 32, 1, batch))) <= BATCH_TARGET
            sent += batch
    while batch := pending.take(float("inf")):
        assert len(encode_json(encode_batch("r" * 32, 1, batch))) <= BATCH_TARGET
        sent += batch

    must = [event.kind for event, _, _ in steps if replaceable(event) is None]
    told = [numbered.event for numbered in decode_batch(encode_batch("r", 1, sent)).events]
    assert [item["seq"] for item in sent] == list(range(len(sent)))
    assert [event.kind for event in told if replaceable(event) is None] == must
    assert pending.weight == 0
    assert not pending
    for key in {replaceable(event) for event, _, _ in steps} - {None, ("nodes_progressed", "")}:
        last = [event for event, _, _ in steps if replaceable(event) == key][-1]
        assert [event for event in told if replaceable(event) == key][-1] == last


def test_the_start_and_the_end_of_a_node_are_told_each_by_itself() -> None:
    story: list[WorkerEvent] = [
        state("1", "running", 0, 1),
        progress("1", 9),
        state("1", "finished", 9, 9),
        state("2", "running", 0, 1),
    ]

    assert drained(filled(*story)) == story


@pytest.mark.parametrize("taken", range(6))
def test_progress_is_never_ahead_of_its_state_whenever_a_batch_leaves(taken: int) -> None:
    steps: list[WorkerEvent] = []
    for value in (1, 2, 3):
        steps += [progress("1", value), preview("1"), StepProgress(node="1", value=value, max=9)]
    pending = filled(*steps[:taken])
    told = drained(pending)
    for event in steps[taken:]:
        pending.add(event)
    told += drained(pending)
    state = 0.0
    for event in told:
        state = event.nodes["1"].value if isinstance(event, NodesProgressed) else state

        assert not isinstance(event, StepProgress) or event.value <= state
    assert told[-1] == steps[-1]


def test_a_last_step_is_not_overtaken_by_the_end() -> None:
    steps: list[WorkerEvent] = [progress("1", 9), StepProgress(node="1", value=9, max=9)]
    end = state("1", "finished", 9, 9)

    assert drained(filled(*steps, end)) == [*steps, end]


def test_pictures_that_a_node_delivers_as_previews_are_all_told() -> None:
    pictures = [Preview(node="1", image_type="image/png", data=data) for data in ("YQ==", "Yg==")]

    assert drained(filled(*pictures)) == pictures


MANY = {
    "a list": {"a": [0] * 200_000},
    "names": dict.fromkeys(map(str, range(60_000)), 0),
    "deep": {"a": [[{}] * 99] * 999},
}


@pytest.mark.parametrize("output", MANY.values(), ids=MANY)
def test_an_output_of_very_many_values_is_cut_and_its_files_are_kept(output: dict[str, Any]) -> None:
    ending = PromptFinished(timestamp=1, history=HistoryEntry(outputs={"1": output}, status={"messages": []}))
    file = FileRef(filename="a.png", type="output", sha256="0" * 64, size=0, source=Cached())
    told = drained(filled(NodeOutput(node="1", output=output, files=(file,)), ending))

    assert isinstance(told[0], NodeOutput)
    assert told[0].files == (file,)
    assert isinstance(told[1], PromptFinished)
    assert told[1].history.status == {"messages": []}


@pytest.mark.parametrize("output", MANY.values(), ids=MANY)
def test_an_error_of_very_many_values_is_cut(output: dict[str, Any]) -> None:
    history = HistoryEntry(outputs={"1": output}, status={"messages": []}, meta=output)
    (failed,) = drained(filled(PromptFailed(error=output, history=history, diagnostics=output)))

    assert isinstance(failed, PromptFailed)
    assert failed.history.status == {"messages": []}
