"""Batches: read in pieces, and no more than a worker sends."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given

from tests.support.strict_json import ANY_JSON
from wire.batch import Batch, decode_batch, decode_pieces, encode_batch, encode_event
from wire.errors import WireError
from wire.events import NodeStarted
from wire.limits import BATCH_EVENTS_MAX, EVENT_VALUES_MAX


@given(ANY_JSON)
def test_any_json_is_a_batch_or_is_refused(value: Any) -> None:
    for chunk in (value, {"protocol": 1, "run": "r", "started": 1, "events": [value]}):
        with suppress(WireError):
            json.dumps(decode_batch(chunk).model_dump(mode="json"), allow_nan=False)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "text",
        {"events": 3},
        {"events": []},
        {"protocol": 2, "run": "r", "started": 1, "events": []},
        {"protocol": 1, "started": 1, "events": []},
        {"protocol": 1, "run": "r", "started": 1, "events": [{"seq": 0}]},
        {"protocol": 1, "run": "r", "started": 1, "events": [3]},
        {"protocol": 1, "run": "r", "started": 1, "events": [{"seq": 0, "kind": "file_chunk", "transfer": -1}]},
    ],
)
def test_what_is_no_batch_is_refused(value: object) -> None:
    with pytest.raises(WireError):
        decode_batch(value)


def test_a_long_batch_is_read_in_pieces() -> None:
    items = [encode_event(at, NodeStarted(node="1")) for at in range(1050)]
    pieces = list(decode_pieces(encode_batch("run", 7, items)))

    assert max(len(piece.events) for piece in pieces) <= 100
    assert [item.seq for piece in pieces for item in piece.events] == list(range(1050))
    assert {(piece.run, piece.started) for piece in pieces} == {("run", 7)}


def test_a_batch_without_events_is_one_piece() -> None:
    assert list(decode_pieces(encode_batch("run", 7, []))) == [Batch(run="run", started=7, events=())]


def test_a_piece_is_read_before_the_next_one_is_looked_at() -> None:
    items = [encode_event(at, NodeStarted(node="1")) for at in range(150)]
    pieces = decode_pieces(encode_batch("run", 7, [*items, {"seq": 150}]))

    assert len(next(pieces).events) == 100
    with pytest.raises(WireError):
        next(pieces)


@pytest.mark.parametrize(
    "events",
    [
        [{"kind": "omitted", "seq": 0}] * (BATCH_EVENTS_MAX + 1),
        [{"kind": "node_output", "seq": 0, "node": "1", "output": {"a": [0] * EVENT_VALUES_MAX}}],
        [{"kind": "node_output", "seq": 0, "node": "1", "output": {"a": json.loads("[" * 100 + "]" * 100)}}],
    ],
    ids=["events", "values", "depth"],
)
def test_more_than_a_worker_sends_is_refused(events: list[Any]) -> None:
    with pytest.raises(WireError):
        decode_batch(encode_batch("run", 7, events))
