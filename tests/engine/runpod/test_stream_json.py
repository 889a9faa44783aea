"""An answer in pieces is read as one that came whole."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runpod.stream_json import StreamJson

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
ELEMENTS = st.lists(st.dictionaries(st.text(max_size=3), JSON, max_size=2), max_size=4)
MEMBERS = st.dictionaries(st.text(max_size=4).filter(lambda key: key != "stream"), JSON, max_size=3)


def read(pieces: list[bytes]) -> tuple[StreamJson, list[Any]]:
    text = StreamJson()
    return text, [element for piece in pieces for element in text.feed(piece)]


@given(ELEMENTS, MEMBERS, MEMBERS, st.integers(1, 9), st.sampled_from([None, 1]), st.booleans())
def test_it_does_not_matter_where_it_is_cut(
    elements: list[Any], before: dict[str, Any], after: dict[str, Any], size: int, indent: int | None, ascii_only: bool
) -> None:
    after = {key: value for key, value in after.items() if key not in before}
    body = json.dumps({**before, "stream": elements, **after}, indent=indent, ensure_ascii=ascii_only).encode()
    text, found = read([body[at : at + size] for at in range(0, len(body), size)])

    assert text.whole
    assert found == elements
    assert text.members == {**before, **after}


@pytest.mark.parametrize("stream", [None, [], "x"])
def test_a_stream_may_be_none(stream: Any) -> None:
    text, found = read([json.dumps({"status": "IN_QUEUE", "stream": stream}).encode()])

    assert text.whole
    assert found == []


def test_elements_come_before_the_answer_has_ended() -> None:
    text, found = read([b'{"status": "IN_PROGRESS", "stream": [{"output": 1}, {"outp'])

    assert found == [{"output": 1}]
    assert text.members == {"status": "IN_PROGRESS"}
    assert not text.whole


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"stream": [', b'{"stream": [{"a": 1}}', b"5"])
def test_what_is_no_answer_is_never_whole(body: bytes) -> None:
    assert not read([body])[0].whole
