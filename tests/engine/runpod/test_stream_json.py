"""An answer in pieces is read as one that came whole."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runpod.stream_json import ELEMENT_MAX, ElementRefused, NotJson, StreamJson

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


@pytest.mark.parametrize("body", [b"", b'{"stream": [', b'{"a": "', b'{"a": "\\', b'{"a": 1'])
def test_what_has_not_ended_is_never_whole(body: bytes) -> None:
    assert not read([body])[0].whole


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"<html>",
        b"5",
        b"{5: 6}",
        b'{"a" 5}',
        b'{"a": }',
        b'{"a": nul}',
        b'{"stream": [nul]}',
        b'{"stream": [{"a": 1}}',
        b'{"\xff": 1}',
    ],
)
def test_what_is_no_answer_is_said_at_once(body: bytes) -> None:
    with pytest.raises(NotJson):
        read([body])


@pytest.mark.parametrize(
    "element",
    [
        pytest.param('"' + "x" * ELEMENT_MAX + '"', id="long"),
        pytest.param("[" * 150 + "]" * 150, id="deep"),
        pytest.param("[" + "1," * 400_000 + "1]", id="many numbers"),
        pytest.param("[" + "[]," * 200_000 + "1]", id="many lists"),
    ],
)
def test_an_element_that_no_worker_sends_is_refused_and_a_member_is_left_out(element: str) -> None:
    with pytest.raises(ElementRefused):
        read([f'{{"stream": [{element}]}}'.encode()])
    with pytest.raises(ElementRefused):
        read([f'{{"stream": {element.replace("[", "{", 1) if element[0] == "[" else element}'.encode()])

    text, found = read([f'{{"odd": {element}, "stream": [1]}}'.encode()])

    assert text.whole
    assert text.members == {"odd": None}
    assert found == [1]


def test_another_list_can_be_read_and_none_at_all() -> None:
    body = b'{"stream": [1], "output": [2], "status": "DONE"}'
    output, nothing = StreamJson("output"), StreamJson("")

    assert list(output.feed(body)) == [2]
    assert output.members == {"stream": [1], "status": "DONE"}
    assert list(nothing.feed(body)) == []
    assert nothing.members == {"stream": [1], "output": [2], "status": "DONE"}


SHAPES = {
    "blanks": (b'{"stream": [', b" "),
    "blanks in an element": (b'{"stream": [{"a": ', b" "),
    "brackets in a text": (b'{"stream": ["', b"}"),
    "escapes": (b'{"stream": ["', b'\\"'),
    "numbers": (b'{"stream": [[', b"1,"),
    "objects": (b'{"stream": [[', b"{},"),
    "elements": (b'{"stream": [', b"{},"),
    "one long number": (b'{"stream": [', b"1"),
    "a key": (b'{"', b"a"),
    "a member": (b'{"a": "', b"a"),
}


@pytest.mark.parametrize(("head", "filling"), SHAPES.values(), ids=SHAPES)
def test_four_times_the_text_is_four_times_the_work(head: bytes, filling: bytes) -> None:
    def cost(count: int) -> float:
        pieces = [head, *[filling * 16] * count]
        text, began = StreamJson(), time.thread_time()
        for piece in pieces:
            for _ in text.feed(piece):
                pass
        return time.thread_time() - began

    few, many = (min(cost(count) for _ in range(3)) for count in (1_000, 4_000))

    assert many < 10 * few
