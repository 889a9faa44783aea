"""JSON is made to fit, and says where it was cut."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strict_json import ANY_JSON
from worker.events.truncate import encode_json, is_small, truncate

TEXTS = st.text(max_size=400)
NESTED = st.recursive(
    TEXTS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=5)
)


@given(NESTED)
def test_json_that_fits_stays_as_it_is(value: Any) -> None:
    assert truncate(value, len(encode_json(value))) == value


@given(ANY_JSON)
def test_any_json_becomes_json_that_everybody_reads(value: Any) -> None:
    json.loads(encode_json(truncate(value, 10)))


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5000), min_size=1, max_size=5))
def test_long_texts_are_cut_until_they_fit(value: dict[str, str]) -> None:
    short = truncate(value, 1000)

    assert len(encode_json(short)) <= 1000 or all(len(text) < 120 for text in short.values())
    assert short.keys() == value.keys()


def test_a_text_that_was_cut_says_how_much_is_missing() -> None:
    assert truncate({"log": "x" * 100_000}, 5000) == {"log": "x" * 4096 + "… [95904 more characters were cut]"}


def test_texts_are_cut_before_lists() -> None:
    short = truncate({"numbers": list(range(50)), "text": "x" * 10_000}, 1500)

    assert short["numbers"] == list(range(50))
    assert short["text"].endswith("were cut]")


def test_long_lists_are_cut_from_their_end() -> None:
    assert truncate({"numbers": list(range(10_000))}, 2000)["numbers"] == list(range(256))


@pytest.mark.parametrize("value", [{}, {"a": {}}, {"a": []}, {"a": 1}])
def test_what_cannot_be_cut_is_returned_as_it_is(value: Any) -> None:
    assert truncate(value, 1) == value


def test_encoded_json_is_what_the_sdk_posts() -> None:
    assert encode_json({"a": ["é", 1.5, None]}) == '{"a": ["é", 1.5, null]}'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_json_does_not_have_is_not_encoded(value: object) -> None:
    with pytest.raises(ValueError, match=r"JSON|surrogates"):
        encode_json({"a": value})


def nested(depth: int) -> Any:
    return [] if depth == 0 else [nested(depth - 1)]


@pytest.mark.parametrize(
    "value",
    [
        {"a": list(range(1000))},
        {"a": [[1] * 100] * 100},
        {str(number): 1 for number in range(1000)},
        {"a": nested(100)},
        {"a": {"b": nested(100)}},
    ],
    ids=str,
)
def test_no_more_values_are_left_than_may_be_sent(value: Any) -> None:
    short = truncate(value, 1_000_000, 500)

    assert isinstance(short, dict)
    assert is_small(short, 500)


def test_an_object_that_is_small_is_not_touched() -> None:
    assert truncate({"a": [1, 2, 3]}, 1000, 10) == {"a": [1, 2, 3]}
