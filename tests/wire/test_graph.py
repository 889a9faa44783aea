"""Which nodes an output needs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.graph import is_class_name, is_link, is_page_format, needed, sources, unwrapped, wrapped


def prompt_of(**links: list[Any]) -> dict[str, dict[str, Any]]:
    """Nodes by their id, each with the values of its inputs."""
    return {
        node: {"class_type": "Any", "inputs": {f"in{number}": value for number, value in enumerate(values)}}
        for node, values in links.items()
    }


def test_sources_come_before_what_needs_them_and_each_comes_once() -> None:
    prompt = prompt_of(save=[["b", 0], ["a", 1]], b=[["a", 0], 7], a=[], other=[["a", 0]])

    assert needed(prompt, ["save"]) == ["a", "b", "save"]
    assert needed(prompt, ["save", "other"]) == ["a", "b", "save", "other"]
    assert needed(prompt, []) == []


@pytest.mark.parametrize(
    "value", [[1, 0], [None, 0], [["a"], 0], [{}, 0], ["a"], ["a", 0, 1], ["a", "b"], "a", None, {}]
)
def test_a_value_that_only_resembles_a_link_leads_nowhere(value: Any) -> None:
    assert not is_link(value)
    assert needed(prompt_of(a=[value], **{"1": []}), ["a"]) == ["a"]


def test_links_to_nodes_that_are_missing_are_passed_over() -> None:
    assert needed(prompt_of(a=[["gone", 0]]), ["a", "gone"]) == ["a"]


def test_a_node_without_inputs_has_no_sources() -> None:
    assert list(sources({"class_type": "Any"})) == []
    assert list(sources({"class_type": "Any", "inputs": None})) == []


def test_circles_end() -> None:
    prompt = prompt_of(a=[["b", 0]], b=[["c", 0], ["b", 0]], c=[["a", 0]])

    assert sorted(needed(prompt, ["a"])) == ["a", "b", "c"]


def test_a_chain_of_ten_thousand_nodes_is_followed() -> None:
    chain = prompt_of(**{str(number): [[str(number + 1), 0]] for number in range(9_999)}, **{"9999": []})

    assert needed(chain, ["0"]) == [str(number) for number in range(9_999, -1, -1)]


IDS = st.integers(0, 12).map(str)


@given(st.dictionaries(IDS, st.lists(st.tuples(IDS, st.just(0)).map(list), max_size=4)), st.lists(IDS, max_size=3))
def test_exactly_what_can_be_reached_is_needed(links: dict[str, list[Any]], outputs: list[str]) -> None:
    prompt = prompt_of(**links)
    reached = {output for output in outputs if output in prompt}
    for _ in prompt:
        reached |= {source for node in reached for source in sources(prompt[node]) if source in prompt}
    found = needed(prompt, outputs)

    assert len(found) == len(set(found))
    assert set(found) == reached


@given(st.dictionaries(st.integers(0, 30), st.lists(st.integers(0, 30), max_size=4)))
def test_without_circles_every_source_comes_first(links: dict[int, list[int]]) -> None:
    prompt = prompt_of(**{str(node): [[str(node + 1 + step), 0] for step in steps] for node, steps in links.items()})
    found = needed(prompt, list(prompt))

    for node in found:
        assert all(found.index(source) < found.index(node) for source in sources(prompt[node]) if source in prompt)


@pytest.mark.parametrize(
    ("name", "can_be"),
    [("LoadImage", True), ("Wildcard / Encode 💬", True), ("n" * 200, True), ("...", True), ("n" * 201, False),
     ("", False), (".", False), ("..", False), ("a\nb", False), ("\ud800", False), (5, False), (None, False)],
    ids=lambda value: ascii(value)[:20],
)  # fmt: skip
def test_a_class_has_a_name_that_can_be_asked_for(name: object, can_be: bool) -> None:
    assert is_class_name(name) is can_be


@pytest.mark.parametrize("value", ["a.png", 5, None, {"image": "a.png"}, [], ["a", 0], [["a"]]], ids=str)
def test_a_value_comes_out_of_its_wrapper_as_it_went_in(value: Any) -> None:
    assert unwrapped(wrapped(value)) == value
    assert unwrapped({"__value__": value}) == value
    assert not is_link(wrapped(value))


def test_a_wrapper_is_taken_off_once() -> None:
    assert unwrapped({"__value__": {"__value__": 1}, "other": 2}) == {"__value__": 1}


@pytest.mark.parametrize(
    ("value", "is_it"),
    [
        ({"nodes": [], "links": []}, True),
        ({"nodes": {"class_type": "X"}, "links": {"class_type": "X"}}, False),
        ([], False),
    ],
)
def test_a_workflow_of_the_page_has_a_list_of_nodes(value: object, is_it: bool) -> None:
    assert is_page_format(value) is is_it
