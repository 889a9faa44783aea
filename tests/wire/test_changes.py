"""Differences of JSON values, and what is made of them."""

from typing import Any

import pytest
from hypothesis import given

from tests.support.strict_json import ANY_JSON
from wire.changes import Change, applied, difference
from wire.plain_json import finite

JSON = ANY_JSON.map(finite)
GRAPH: dict[str, Any] = {"1": {"inputs": {"seed": 1, "of": ["2", 0], "many": [1, 2]}}, "2": {"inputs": {}}}


@given(JSON, JSON)
def test_a_value_with_its_differences_is_the_other_value(before: Any, after: Any) -> None:
    assert applied(before, difference(before, after)) == after


@given(JSON)
def test_a_value_is_not_different_from_itself(value: Any) -> None:
    assert list(difference(value, value)) == []


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({**GRAPH, "1": {"inputs": {**GRAPH["1"]["inputs"], "seed": 2}}}, [(("1", "inputs", "seed"), 2, False)]),
        ({"1": GRAPH["1"]}, [(("2",), None, True)]),
        ({**GRAPH, "3": {}}, [(("3",), {}, False)]),
        (
            {**GRAPH, "1": {"inputs": {**GRAPH["1"]["inputs"], "of": ["3", 0]}}},
            [(("1", "inputs", "of", 0), "3", False)],
        ),
        ({**GRAPH, "1": {"inputs": {**GRAPH["1"]["inputs"], "many": [1]}}}, [(("1", "inputs", "many"), [1], False)]),
        ({**GRAPH, "1": {"inputs": {**GRAPH["1"]["inputs"], "seed": 1.0}}}, []),
        ({**GRAPH, "1": {"inputs": {**GRAPH["1"]["inputs"], "seed": True}}}, [(("1", "inputs", "seed"), True, False)]),
    ],
)
def test_the_places_are_named(after: Any, expected: list[tuple[tuple[str | int, ...], Any, bool]]) -> None:
    found = [(change.path, change.value, change.is_removed) for change in difference(GRAPH, after)]

    assert found == expected


@pytest.mark.parametrize(
    "path",
    [("9", "inputs"), ("1", 0), ("1", "inputs", "many", 2), ("1", "inputs", "many", -1), ("1", "inputs", "seed", "x")],
)
def test_a_place_that_does_not_exist_is_left_out(path: tuple[str | int, ...]) -> None:
    assert applied(GRAPH, [Change(path=path, value=7)]) == GRAPH


def test_what_it_is_made_of_stays_as_it_is() -> None:
    before: dict[str, Any] = {"a": {"b": 1}}

    applied(before, [Change(path=("a", "b"), value=2)])

    assert before == {"a": {"b": 1}}
