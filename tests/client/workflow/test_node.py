"""A node as the page holds it."""

from client.workflow.definition import input_spec
from client.workflow.node import PageNode, Slot, drop_widgetless_inputs, fill_empty_combos, merge_inputs
from client.workflow.widgets import Widget


def test_a_saved_link_goes_to_the_input_of_its_name() -> None:
    saved = {"inputs": [{"name": "b", "type": "IMAGE", "link": 4}, {"name": "a", "type": "INT", "link": None}]}
    node = PageNode("1", "X", inputs=[Slot("a", "INT"), Slot("b", "IMAGE")], saved=saved)
    merge_inputs(node)

    assert [(slot.name, slot.link) for slot in node.inputs] == [("a", None), ("b", 4)]


def test_a_saved_input_that_the_definition_does_not_know_follows() -> None:
    node = PageNode("1", "X", inputs=[Slot("a", "INT")], saved={"inputs": [{"name": "new", "type": "MASK", "link": 7}]})
    merge_inputs(node)

    assert node.inputs[1] == Slot("new", "MASK", 7)


def test_an_input_of_a_widget_that_is_gone_goes_as_well() -> None:
    node = PageNode("1", "X", inputs=[Slot("a", "INT", 1, "a"), Slot("b", "INT", 2, "b"), Slot("c", "MASK", 3)])
    node.widgets = [Widget("a", "INT", 0)]
    drop_widgetless_inputs(node)

    assert [slot.name for slot in node.inputs] == ["a", "c"]


def test_a_combo_without_a_value_takes_its_first_choice() -> None:
    combo = Widget("x", "COMBO", None, spec=input_spec("x", [["a", "b"]]))
    number = Widget("n", "INT", None, spec=input_spec("n", ["INT"]))
    fill_empty_combos(PageNode("1", "X", widgets=[combo, number]))

    assert (combo.value, number.value) == ("a", None)


def test_widgets_that_are_not_saved_are_passed_over() -> None:
    shown, own = Widget("shown", "button", "", saved=False), Widget("own", "INT", 0)

    assert list(PageNode("1", "X", widgets=[shown, own]).in_order([5, 6])) == [(own, 5)]
