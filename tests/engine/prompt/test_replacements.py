"""Prompts with old names of node classes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prompt.replacements import replaced, replacements_of
from tests.support.strict_json import ANY_JSON

RESIZE = {
    "new_node_id": "ResizeNew",
    "old_node_id": "ResizeOld",
    "old_widget_ids": ["scale"],
    "input_mapping": [
        {"new_id": "image", "old_id": "pixels"},
        {"new_id": "mode", "set_value": "by factor"},
        {"new_id": "mode.factor", "old_id": "scale"},
        {"new_id": "seed", "old_id": "not there"},
    ],
    "output_mapping": [{"new_idx": 2, "old_idx": 0}],
}
PROMPT: dict[str, Any] = {
    "1": {"class_type": "Load", "inputs": {"name": "a"}},
    "2": {"class_type": "ResizeOld", "inputs": {"pixels": ["1", 0], "scale": 2, "extra": 3}, "_meta": {"title": "R"}},
    "3": {"class_type": "ResizeOld", "inputs": {"pixels": ["2", 0], "scale": 4}},
    "4": {"class_type": "Save", "inputs": {"images": ["3", 0], "mask": ["3", 1], "size": [1, 0]}},
    "5": {"class_type": "Bare"},
}


def test_classes_inputs_and_links_are_the_new_ones() -> None:
    factor = {"mode": "by factor"}

    assert replaced(PROMPT, {"ResizeOld": RESIZE}) == {
        "1": PROMPT["1"],
        "2": {
            "class_type": "ResizeNew",
            "inputs": {"image": ["1", 0], **factor, "mode.factor": 2},
            "_meta": {"title": "R"},
        },
        "3": {"class_type": "ResizeNew", "inputs": {"image": ["2", 2], **factor, "mode.factor": 4}},
        "4": {"class_type": "Save", "inputs": {"images": ["3", 2], "mask": ["3", 1], "size": [1, 0]}},
        "5": PROMPT["5"],
    }
    assert PROMPT["3"]["inputs"]["pixels"] == ["2", 0]


def test_without_old_names_a_prompt_stays_as_it_is() -> None:
    assert replaced(PROMPT, {}) == PROMPT


def test_a_replacement_without_mappings_has_no_inputs_and_the_same_outputs() -> None:
    bare = {"new_node_id": "New", "input_mapping": None, "output_mapping": None}
    found = replaced(PROMPT, {"ResizeOld": bare})

    assert found["3"] == {"class_type": "New", "inputs": {}}
    assert found["4"]["inputs"]["images"] == ["3", 0]


@pytest.mark.parametrize("entries", [None, [], "x", [None], [{}], [{"new_node_id": 3}], {"0": RESIZE}])
def test_what_is_no_replacement_is_none(entries: Any) -> None:
    assert replacements_of({"ResizeOld": entries}, ["ResizeOld"]) == {}


def test_the_first_replacement_of_a_class_counts() -> None:
    table = {"ResizeOld": [RESIZE, {"new_node_id": "Other"}], "Unused": [RESIZE]}

    assert replacements_of(table, ["ResizeOld", "Unknown"]) == {"ResizeOld": RESIZE}


@given(st.lists(ANY_JSON), st.lists(ANY_JSON))
def test_whatever_a_mapping_holds_the_prompt_stays_one(inputs: list[Any], outputs: list[Any]) -> None:
    found = replaced(PROMPT, {"ResizeOld": {**RESIZE, "input_mapping": inputs, "output_mapping": outputs}})

    assert [node["class_type"] for node in found.values()] == ["Load", "ResizeNew", "ResizeNew", "Save", "Bare"]
