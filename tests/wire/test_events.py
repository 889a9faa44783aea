"""Every event survives the way through JSON; newer workers are read as far as possible."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strict_json import ANY_JSON
from wire.batch import Batch, NumberedEvent, decode_batch, encode_batch, encode_event
from wire.changes import Change
from wire.errors import WireError
from wire.events import (
    CatalogPiece,
    CatalogTold,
    FileChunk,
    FilesCollected,
    FilesKept,
    FilesMissing,
    FilesSaved,
    HistoryEntry,
    JobsFound,
    MessagesSkipped,
    NodeBlocked,
    NodeFrame,
    NodeMessage,
    NodeOutput,
    NodesCached,
    NodesProgressed,
    NodeStarted,
    NodeText,
    NodeWaits,
    Omitted,
    PackFilesDiffer,
    Preview,
    PromptChanged,
    PromptFailed,
    PromptFinished,
    PromptInterrupted,
    PromptRejected,
    PromptStarted,
    StepProgress,
    Unknown,
    WorkerEvent,
    WorkerFailed,
    WorkerState,
)
from wire.files import Cached, FileRef, Inline, MissingFile, Streamed, Url, Volume, encode_bytes
from wire.progress import NodeProgress

HISTORY = HistoryEntry(
    outputs={"3": {"images": [{"filename": "a.png", "subfolder": "", "type": "output"}], "animated": [False]}},
    status={"status_str": "success", "completed": True, "messages": [["execution_start", {"timestamp": 1}]]},
    meta={"3": {"node_id": "3", "parent_node": None}},
    outputs_to_execute=("3",),
)
FILES = tuple(
    FileRef(filename="ä.png", subfolder="s", type="output", sha256="0" * 64, size=3, source=source)
    for source in (
        Inline.of(b"abc"),
        Streamed(transfer=2),
        Url(url="https://example.org/x"),
        Volume(path="a/b"),
        Cached(),
    )
)
EVERY: list[WorkerEvent] = [
    WorkerState(phase="starting", message="m"),
    PromptChanged(
        prompt=(
            Change(path=("1", "inputs", "seed"), value=7),
            Change(path=("2",), is_removed=True),
            Change(path=("3", "inputs", "of", 0), value={"none": None, "deep": [None, {"x": None}]}),
        ),
        extra_pnginfo=(Change(path=("workflow", "nodes", 3, "widgets_values", 0), value=None),),
    ),
    NodeWaits(node="5", title="Chooser", answerable=False, seconds=31.5),
    PromptStarted(timestamp=1795438891497),
    NodesCached(nodes=("1", "12:34"), timestamp=2),
    NodeStarted(node="10.0.0.3", display_node="10"),
    NodesProgressed(
        nodes={"1": NodeProgress.model_validate({"value": 1.5, "max": 2, "state": "running", "node_id": "1", "new": 3})}
    ),
    StepProgress(node="1", value=1, max=20),
    Preview(node="1", display_node="1", parent_node="0", real_node="1", image_type="image/jpeg", data="YWJj"),
    NodeMessage(type="kinds-images", data={"images": [{"filename": "ä.png"}], "n": [1.5, None]}, files=FILES),
    NodeMessage(type="a word", data="just a text"),
    MessagesSkipped(type="kinds-images"),
    PackFilesDiffer(files=("pack/wildcards/a.txt",)),
    CatalogTold(sha256="a" * 64),
    CatalogPiece(sha256="a" * 64, number=0, count=2, data="AAAA"),
    NodeFrame(data="AAAACWFiYw=="),
    NodeText(node="1", text="héllo 🙂"),
    NodeOutput(node="3", display_node="3", output={"text": ["x"], "none": [None]}, files=FILES),
    NodeOutput(node="3", output=None),
    NodeOutput(node="3", output={}, missing=(MissingFile(filename="b.png", type="temp", reason="It is gone."),)),
    FilesSaved(files=FILES, left_out=3, elsewhere=("/tmp/foo",)),
    FileChunk(transfer=0, offset=480, data="YWJj"),
    FilesKept(sha256=("0" * 64,)),
    FilesMissing(sha256=("0" * 64, "1" * 64)),
    FilesCollected(sha256=("0" * 64,), missing=("1" * 64,)),
    JobsFound(jobs={"11111111-2222-4333-8444-555555555555": "abc-e1"}),
    Omitted(),
    NodeBlocked(error={"node_id": "4", "exception_message": "Execution Blocked: no"}),
    PromptFinished(timestamp=3, history=HISTORY),
    PromptFinished(timestamp=3, history=HISTORY, node_errors={"7": {"errors": [], "class_type": "SaveImage"}}),
    PromptFailed(error={"node_id": "2", "traceback": ["t"]}, history=HISTORY),
    PromptInterrupted(details={"node_id": "2"}, history=HISTORY),
    PromptRejected(error={"type": "no_prompt"}, node_errors={"1": {"errors": []}}),
    WorkerFailed(error_type="comfyui_died", message="m", diagnostics={"log_tail": ["l"], "comfyui_version": "0.8.0"}),
]


def through_json(value: object) -> Any:
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("event", EVERY, ids=lambda event: event.kind)
def test_an_event_survives_the_wire(event: WorkerEvent) -> None:
    batch = encode_batch("run", 7, [encode_event(4, event)])

    assert decode_batch(through_json(batch)) == Batch(run="run", started=7, events=(NumberedEvent(seq=4, event=event),))


def test_every_kind_is_tested() -> None:
    kinds = {model.model_fields["kind"].default for model in WorkerEvent.__args__ if model is not Unknown}

    assert {event.kind for event in EVERY} == kinds


def test_fields_of_a_newer_worker_are_passed_over_and_unknown_kinds_are_named() -> None:
    items = [
        {"seq": 0, "kind": "node_started", "node": "x", "colour": "red"},
        {"seq": 1, "kind": "smell", "of": "smoke"},
    ]
    batch = decode_batch({**encode_batch("run", 7, items), "mood": "good"})

    assert [numbered.event for numbered in batch.events] == [NodeStarted(node="x"), Unknown(name="smell")]


OBJECTS = st.dictionaries(st.text(st.characters(), max_size=5), ANY_JSON, max_size=3)
HISTORIES = st.fixed_dictionaries(
    {"outputs": st.dictionaries(st.text(max_size=3), OBJECTS, max_size=2), "status": OBJECTS}
)
PROGRESS = st.fixed_dictionaries(
    {"value": st.floats() | st.none(), "max": st.floats() | st.just("nan"), "state": st.text(), "node_id": st.text()},
    optional={"of a newer ComfyUI": ANY_JSON},
)
ITEMS = st.one_of(
    st.fixed_dictionaries({"kind": st.just("node_output"), "node": st.text(st.characters()), "output": OBJECTS}),
    st.fixed_dictionaries({"kind": st.just("node_blocked"), "error": OBJECTS}),
    st.fixed_dictionaries({"kind": st.just("prompt_failed"), "error": OBJECTS, "history": HISTORIES}),
    st.fixed_dictionaries(
        {"kind": st.just("prompt_finished"), "timestamp": st.integers(), "history": HISTORIES, "node_errors": OBJECTS}
    ),
    st.fixed_dictionaries({"kind": st.just("worker_failed"), "error_type": st.text(), "message": st.text()}),
    st.fixed_dictionaries(
        {"kind": st.just("step_progress"), "node": st.text(), "value": st.floats(), "max": st.floats()}
    ),
    st.fixed_dictionaries(
        {"kind": st.just("nodes_progressed"), "nodes": st.dictionaries(st.text(), PROGRESS, max_size=2)}
    ),
)


@given(ITEMS)
def test_whatever_numbers_and_texts_a_worker_sends_the_event_is_read_and_is_json_for_everybody(item: Any) -> None:
    batch = decode_batch(encode_batch("run", 7, [{"seq": 0, **item}]))

    assert json.dumps(batch.model_dump(mode="json"), allow_nan=False, ensure_ascii=False).encode()


def test_a_number_that_is_none_counts_as_zero_and_nan_in_an_output_is_null() -> None:
    items = json.loads(
        '[{"seq": 0, "kind": "step_progress", "node": "1", "value": NaN, "max": Infinity},'
        ' {"seq": 1, "kind": "node_output", "node": "1", "output": {"score": [NaN, -Infinity, 2.5]}}]'
    )

    step, output = (numbered.event for numbered in decode_batch(encode_batch("run", 7, items)).events)

    assert step == StepProgress(node="1", value=0, max=0)
    assert output == NodeOutput(node="1", output={"score": [None, None, 2.5]})


@pytest.mark.parametrize(
    "item",
    [
        {"kind": "node_text", "node": "1", "text": 7},
        {"kind": "node_started", "node": ["1"]},
        {"kind": "worker_state"},
        {"kind": "preview", "node": "1", "image_type": "image/png", "transfer": -1},
        {"kind": "nodes_progressed", "nodes": {"1": 3}},
        {"kind": "node_blocked", "error": "no"},
        {"kind": "jobs_found", "jobs": [1]},
        {"kind": "files_kept", "sha256": ["short"]},
        {"kind": "prompt_started", "timestamp": "noon"},
    ],
    ids=lambda item: str(item["kind"]),
)
def test_what_is_only_shown_and_cannot_be_read_costs_no_result(item: dict[str, Any]) -> None:
    batch = decode_batch(encode_batch("run", 7, [{"seq": 0, **item}, encode_event(1, NodeStarted(node="x"))]))

    assert [numbered.event for numbered in batch.events] == [Unknown(name=item["kind"]), NodeStarted(node="x")]


@pytest.mark.parametrize("kind", ["node_output", "file_chunk", "prompt_finished", "prompt_failed", "files_missing"])
def test_a_result_that_cannot_be_read_is_refused(kind: str) -> None:
    with pytest.raises(WireError):
        decode_batch(encode_batch("run", 7, [{"seq": 0, "kind": kind}]))


def test_what_cannot_be_read_is_not_repeated_where_it_may_be_kept() -> None:
    file = {**FILES[2].model_dump(mode="json"), "size": -1, "source": {"kind": "url", "url": "https://x/?secret"}}
    item = {"seq": 0, "kind": "node_output", "node": "1", "files": [file]}
    with pytest.raises(WireError) as caught:
        decode_batch(encode_batch("run", 7, [item]))

    assert "secret" not in str(caught.value)
    assert "size" in str(caught.value)


@pytest.mark.parametrize(
    "forged",
    [
        *({"kind": "node_message", "type": kind, "data": {}} for kind in ("status", "executed", "runpod.notice")),
        {"kind": "node_frame", "data": encode_bytes(bytes.fromhex("0000000100000001") + b"\xff\xd8picture")},
        {"kind": "node_frame", "data": encode_bytes(bytes.fromhex("0000000300000001") + b"1<img src=x>")},
        {"kind": "node_frame", "data": encode_bytes(bytes.fromhex("0000000400000002") + b"{}picture")},
        {"kind": "node_frame", "data": encode_bytes(bytes.fromhex("0000000300000009") + b"1")},
        {"kind": "node_frame", "data": "no base64"},
    ],
    ids=str,
)
def test_a_custom_node_speaks_for_nobody_else(forged: dict[str, Any]) -> None:
    (numbered,) = decode_batch(encode_batch("run", 7, [{"seq": 0, **forged}])).events

    assert isinstance(numbered.event, Unknown)
