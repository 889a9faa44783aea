"""Saved values go to the widgets of their places, and what has no place is refused."""

from typing import Any

import pytest

from client.workflow.dynamic import define
from client.workflow.node import PageNode, merge_inputs
from client.workflow.restoring import restore
from client.workflow.widgets import UNSET, GraphUnconvertible

SAMPLER = {"model": ["MODEL"], "seed": ["INT", {"control_after_generate": True}], "steps": ["INT", {"default": 20}],
           "sampler": [["euler", "lcm"]]}  # fmt: skip


def restored(values: Any, inputs: Any = None, named: Any = None, kind: str = "Any", **required: Any) -> dict[str, Any]:
    saved = {"widgets_values": values, "widgets_values_named": named, "inputs": inputs or []}
    node = PageNode("12", kind, saved=saved)
    info = {"input": {"required": required or SAMPLER}}
    define(node, info)
    merge_inputs(node)
    restore(node, info)
    return {each.name: each.value for each in node.widgets if each.sent and each.value is not UNSET}


@pytest.mark.parametrize("after", ["fixed", "increment", "decrement", "randomize", "increment-wrap", True, False])
def test_what_happens_to_a_seed_after_a_run_is_the_pages_own(after: Any) -> None:
    assert restored([7, after, 30, "lcm"]) == {"seed": 7, "steps": 30, "sampler": "lcm"}


@pytest.mark.parametrize("values", [[7], [7, "fixed"], None, []])
def test_values_that_were_not_saved_are_the_nodes_defaults(values: Any) -> None:
    assert restored(values) == {"seed": 7 if values else 0, "steps": 20, "sampler": "euler"}


@pytest.mark.parametrize(
    ("value", "spec"),
    [("seven", ["INT"]), (True, ["INT"]), ({}, ["FLOAT"]), ("maybe", ["BOOLEAN"]), ([], ["STRING"]), ({}, [["a"]])],
)
def test_a_value_of_another_kind_is_refused_with_node_and_input(value: Any, spec: Any) -> None:
    with pytest.raises(GraphUnconvertible, match=r"Any #12: .* is saved where its width should be"):
        restored([value], width=spec)


def test_a_value_that_no_widget_takes_is_refused() -> None:
    with pytest.raises(GraphUnconvertible, match=r"Any #12: 'a.safetensors' is saved and none of its widgets takes it"):
        restored([7, "fixed", 30, "lcm", "a.safetensors"])


def test_a_long_value_is_shown_in_part() -> None:
    with pytest.raises(GraphUnconvertible, match="…") as refusal:
        restored([7, "fixed", 30, "lcm", "x" * 5000])

    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("left", ["image", "randomize", "", None, "Status: Ready\nPrice: $0.16"])
def test_what_older_pages_saved_of_their_own_is_passed_over(left: Any) -> None:
    assert restored([7, "fixed", 30, "lcm", left]) == {"seed": 7, "steps": 30, "sampler": "lcm"}


def test_what_a_node_had_shown_is_passed_over() -> None:
    assert restored(["a long text"], kind="PreviewAny", source=["*"]) == {}


def test_a_value_for_an_input_that_is_only_a_socket_is_passed_over() -> None:
    assert restored(["typed", 3], text=["STRING", {"forceInput": True}], more=["INT"]) == {"more": 3}


def test_names_help_where_the_places_do_not() -> None:
    named = {"seed": 7, "steps": 30, "sampler": "lcm", "control_after_generate": "fixed"}

    assert restored(["lcm", 7, 30], named=named) == {"seed": 7, "steps": 30, "sampler": "lcm"}


def test_values_by_name_are_taken_by_name() -> None:
    saved = {"steps": 5, "sampler": "lcm", "videopreview": {"hidden": False}, "choose video to upload": "image"}

    assert restored(saved) == {"seed": 0, "steps": 5, "sampler": "lcm"}


def test_a_name_with_an_input_is_sent_although_the_definition_does_not_have_it() -> None:
    shown = [{"name": "crf", "type": "INT", "widget": {"name": "crf"}, "link": None}]

    assert restored({"crf": 8}, inputs=shown)["crf"] == 8


def test_a_name_that_nothing_has_is_refused() -> None:
    with pytest.raises(GraphUnconvertible, match="8 is saved as crf, which its definition does not have"):
        restored({"crf": 8})
