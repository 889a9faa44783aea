"""The values of a node's widgets, from the page's bare list."""

from typing import Any

import pytest

from client.workflow.widgets import GraphUnconvertible, widget_values

SEED = ["INT", {"default": 0, "control_after_generate": True}]
KSAMPLER = {"input": {"required": {"model": ["MODEL"], "seed": SEED, "steps": ["INT", {"default": 20}],
                                   "sampler": [["euler", "lcm"], {}]}}}  # fmt: skip


def node(values: Any, *shown: str) -> dict[str, Any]:
    """A node whose inputs *shown* are widgets that were turned into slots."""
    return {"type": "Any", "widgets_values": values, "inputs": [{"name": name, "widget": {}} for name in shown]}


def info(**specs: Any) -> dict[str, Any]:
    return {"input": {"required": specs}}


def test_values_are_in_the_order_of_the_widgets_and_links_have_none() -> None:
    assert widget_values(node([7, 30, "lcm"]), KSAMPLER, "3") == {"seed": 7, "steps": 30, "sampler": "lcm"}


@pytest.mark.parametrize("after", ["fixed", "increment", "decrement", "randomize", "increment-wrap"])
def test_what_happens_to_a_seed_after_a_run_is_the_pages_own(after: str) -> None:
    assert widget_values(node([7, after, 30, "lcm"]), KSAMPLER, "3") == {"seed": 7, "steps": 30, "sampler": "lcm"}


def test_the_button_of_a_file_is_the_pages_own() -> None:
    loader = info(image=[["a.png"], {"image_upload": True}], mask=["BOOLEAN", {"default": False}])

    assert widget_values(node(["a.png", "image", True]), loader, "1") == {"image": "a.png", "mask": True}


def test_values_that_were_not_saved_are_the_nodes_defaults() -> None:
    assert widget_values(node([7]), KSAMPLER, "3") == {"seed": 7, "steps": 20, "sampler": "euler"}
    assert widget_values(node(None), KSAMPLER, "3") == {"seed": 0, "steps": 20, "sampler": "euler"}
    assert widget_values(node([None, None, "lcm"]), KSAMPLER, "3") == {"seed": 0, "steps": 20, "sampler": "lcm"}
    assert widget_values(node([]), info(text=["STRING", {}]), "3") == {}


def test_values_by_name_are_taken_by_name() -> None:
    saved = {"steps": 5, "sampler": "lcm", "videopreview": {"hidden": False}}

    assert widget_values(node(saved), KSAMPLER, "3") == {"steps": 5, "sampler": "lcm"}


def test_an_input_that_only_takes_links_has_no_value() -> None:
    forced = info(text=["STRING", {"forceInput": True}], more=["INT", {"default": 1}])

    assert widget_values(node([3]), forced, "1") == {"more": 3}
    assert widget_values(node(["typed", 3], "text"), forced, "1") == {"text": "typed", "more": 3}


def test_the_nodes_own_order_counts() -> None:
    ordered = {**info(b=["INT"], a=["INT"]), "input_order": {"required": ["a", "b"]}}

    assert widget_values(node([1, 2]), ordered, "1") == {"a": 1, "b": 2}


def test_optional_inputs_come_after_the_required_ones() -> None:
    both = {"input": {"optional": {"o": ["FLOAT"]}, "required": {"r": ["FLOAT"]}}}

    assert widget_values(node([1, 2.5]), both, "1") == {"r": 1, "o": 2.5}


def test_a_list_is_wrapped_so_that_it_does_not_read_as_a_link() -> None:
    assert widget_values(node([["a", 1]]), info(names=["COMBO", {}]), "1") == {"names": {"__value__": ["a", 1]}}
    assert widget_values(node({"names": ["a", 1]}), info(names=["COMBO", {}]), "1") == {
        "names": {"__value__": ["a", 1]}
    }


@pytest.mark.parametrize(
    ("value", "spec"),
    [("seven", ["INT"]), (True, ["INT"]), (True, ["FLOAT"]), (1, ["BOOLEAN"]), (3, ["STRING"]), ([], ["STRING"])],
)
def test_a_value_of_another_kind_is_refused_with_node_and_input(value: Any, spec: Any) -> None:
    with pytest.raises(GraphUnconvertible, match=r"Any #12:3: .* is saved where its width should be"):
        widget_values(node([value]), info(width=spec), "12:3")
