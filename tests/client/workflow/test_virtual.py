"""Nodes that only the page knows."""

from typing import Any

import pytest

from client.workflow.node import PageNode, Slot
from client.workflow.scope import Link, Scope
from client.workflow.virtual import PRIMITIVE, is_virtual, passes, setter, spread_primitive
from client.workflow.widgets import GraphUnconvertible, Widget


def named(node_id: str, kind: str, value: Any) -> PageNode:
    return PageNode(node_id, kind, saved={"widgets_values": [value]})


def test_notes_and_bends_are_virtual_and_only_bends_pass_on() -> None:
    kinds = ("Note", "Reroute", "Fast Groups Muter (rgthree)", "KSampler")

    assert [is_virtual(PageNode("1", kind)) for kind in kinds] == [True, True, True, False]
    assert [passes(PageNode("1", kind)) for kind in kinds] == [False, True, False, False]


@pytest.mark.parametrize(("get", "put"), [("GetNode", "SetNode"), ("easy getNode", "easy setNode")])
def test_a_getter_finds_the_setter_of_its_name(get: str, put: str) -> None:
    wanted, other = named("2", put, "a"), named("3", put, "b")
    scope = Scope("s", {"2": wanted, "3": other})

    assert setter(named("1", get, "a"), scope) is wanted
    assert setter(wanted, scope) is None


def test_a_getter_without_a_setter_is_refused() -> None:
    with pytest.raises(GraphUnconvertible, match="GetNode #1 gets 'a', which no SetNode of this graph sets"):
        setter(named("1", "GetNode", "a"), Scope("s"))


def fed(values: list[Any]) -> Widget:
    widget = Widget("steps", "INT", 20)
    target = PageNode("2", "KSampler", inputs=[Slot("steps", "INT", 9, "steps")], widgets=[widget])
    primitive = PageNode("1", PRIMITIVE, saved={"widgets_values": values})
    spread_primitive(primitive, Scope("s", {"1": primitive, "2": target}, {9: Link("1", 0, "2", 0)}))
    return widget


def test_a_primitive_gives_the_widgets_that_it_feeds_its_value() -> None:
    assert fed([5, "fixed"]).value == 5


def test_a_primitive_without_a_value_takes_that_of_the_widget() -> None:
    assert fed([]).value == 20


def test_a_primitive_that_replaces_names_in_its_value_is_refused() -> None:
    properties = {"Run widget replace on values": True}
    primitive = PageNode("1", PRIMITIVE, properties=properties, saved={"widgets_values": ["%KSampler.seed%"]})

    with pytest.raises(GraphUnconvertible, match="only the page can replace the names in its value"):
        spread_primitive(primitive, Scope("s", {"1": primitive}))
