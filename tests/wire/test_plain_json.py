"""JSON as a browser reads it."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strict_json import ANY_JSON, strictly_parsed
from wire.plain_json import count_values, dumps, finite, is_deeper, loads, portable

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_browsers_do_not_know_is_null(text: str) -> None:
    assert loads(f'{{"a": [1.5, {text}]}}') == {"a": [1.5, None]}


@pytest.mark.parametrize("text", ["1e308", "-0.0", "5e-324", str(2**64 - 1), "1.7976931348623157e308"])
def test_every_other_number_stays_exact(text: str) -> None:
    assert loads(text) == json.loads(text)
    assert type(loads(text)) is type(json.loads(text))


@pytest.mark.parametrize("text", ["{", "", b"\xff\xfe\xff", "[" * 100_000])
def test_what_is_not_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        loads(text)


@given(VALUES)
def test_what_is_written_parses_in_a_browser_and_reads_back_the_same(value: Any) -> None:
    assert strictly_parsed(dumps(value)) == finite(value)
    assert loads(json.dumps(value)) == finite(value)


@given(VALUES)
def test_only_numbers_that_are_not_finite_are_changed(value: Any) -> None:
    def leaves(item: Any) -> list[Any]:
        if isinstance(item, dict | list):
            return [leaf for inner in (item.values() if isinstance(item, dict) else item) for leaf in leaves(inner)]
        return [item]

    pairs = zip(leaves(value), leaves(finite(value)), strict=True)

    assert all(new is None if isinstance(old, float) and not math.isfinite(old) else new == old for old, new in pairs)


@given(ANY_JSON)
def test_any_json_becomes_portable(value: Any) -> None:
    text = json.dumps(portable(value), allow_nan=False, ensure_ascii=False)

    assert json.loads(text.encode()) == portable(value)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text("aé🙂"), st.lists))
def test_json_that_is_strict_stays_as_it_is(value: Any) -> None:
    assert portable(value) == value


@pytest.mark.parametrize(
    ("value", "strict"),
    [
        (float("nan"), None),
        ([float("inf"), -float("inf"), 1.5], [None, None, 1.5]),
        ({"a": {"b": float("nan")}}, {"a": {"b": None}}),
        ("lone \ud800 surrogate", "lone ? surrogate"),
        ({"\udfff": 1}, {"?": 1}),
        ((1, "é"), [1, "é"]),
        ({3: True}, {"3": True}),
    ],
)
def test_what_json_does_not_have_is_replaced(value: Any, strict: Any) -> None:
    assert portable(value) == strict


@pytest.mark.parametrize(
    ("value", "levels"), [(1, 0), ("x", 0), ([], 1), ({}, 1), ([1, [2]], 2), ({"a": [{"b": 1}], "c": 2}, 3)], ids=str
)
def test_levels_of_lists_and_objects_are_counted(value: Any, levels: int) -> None:
    assert [limit for limit in range(5) if not is_deeper(value, limit)] == list(range(levels, 5))


@pytest.mark.parametrize(
    ("value", "count"),
    [(1, 1), ([], 1), ([1, 2], 3), ({"a": [1, {"b": 2}]}, 5), ([0] * 100, 51), ([[[[[[]]]]]], 51), ("[" * 1000, 1)],
)
def test_values_are_counted_up_to_a_limit(value: Any, count: int) -> None:
    assert count_values(value, 50, 5) == count
