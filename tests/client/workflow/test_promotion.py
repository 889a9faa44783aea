"""The widgets that a subgraph shows on the node that uses it."""

from typing import Any

import pytest

from client.workflow.node import PageNode, Slot
from client.workflow.promotion import define_host, migrate, restore_host
from client.workflow.scope import INPUT_NODE, Link, Scope, Side
from client.workflow.widgets import GraphUnconvertible, Widget


def scopes() -> dict[str, Scope]:
    """A subgraph with a sampler; its seed is an input already."""
    sampler = PageNode("5", "KSampler", outputs=["LATENT"])
    sampler.inputs = [Slot("model", "MODEL"), Slot("seed", "INT", 1, "seed"), Slot("steps", "INT", None, "steps")]
    sampler.widgets = [Widget("seed", "INT", 7), Widget("steps", "INT", 20)]
    links = {1: Link(INPUT_NODE, 0, "5", 1)}
    return {"s": Scope("s", {"5": sampler}, links, [Side("seed", "INT", [1])], [Side("LATENT", "LATENT", [])])}


def host(known: dict[str, Scope], values: Any = None, shown: Any = None, **properties: Any) -> PageNode:
    node = PageNode("9", "s", saved={"widgets_values": values}, properties=properties)
    if shown is not None:
        node.properties = {**properties, "proxyWidgets": shown}
    known["root"] = Scope("root", {"9": node})
    define_host(node, known)
    restore_host(node, known)
    migrate(node, known)
    return node


def values(node: PageNode) -> dict[str, Any]:
    return {widget.name: widget.value for widget in node.widgets}


def test_a_shown_widget_has_the_value_from_inside_until_the_file_has_another() -> None:
    assert values(host(scopes())) == {"seed": 7}
    assert values(host(scopes(), [8])) == {"seed": 8}


def test_the_value_inside_stays() -> None:
    known = scopes()
    host(known, [8])

    assert known["s"].nodes["5"].widgets[0].value == 7


def test_a_widget_that_an_older_page_showed_becomes_an_input() -> None:
    known = scopes()
    node = host(known, [8, 3], [["5", "seed"], ["5", "steps"]])

    assert values(node) == {"seed": 8, "steps": 3}
    assert [side.name for side in known["s"].inputs] == ["seed", "steps"]
    assert known["s"].nodes["5"].inputs[2].link is not None


def test_every_user_of_the_subgraph_gets_the_new_input() -> None:
    known = scopes()
    other = PageNode("8", "s")
    known["outer"] = Scope("outer", {"8": other})
    define_host(other, known)
    restore_host(other, known)
    host(known, [8, 3], [["5", "seed"], ["5", "steps"]])

    assert values(other) == {"seed": 7, "steps": 20}


def test_entries_that_lead_nowhere_change_nothing() -> None:
    shown = [["5", "gone"], ["6", "seed"], ["-1", "seed"], ["5", "$$preview"]]

    assert values(host(scopes(), [1, 2, 3, 4], shown)) == {"seed": 3}


def test_a_list_of_another_form_is_ignored() -> None:
    assert values(host(scopes(), [8], [["5"], "seed"])) == {"seed": 8}


def test_a_value_that_the_page_put_aside_goes_to_the_input_of_its_name() -> None:
    aside = [{"originalEntry": ["-1", "seed"], "hostValue": 4}]

    assert values(host(scopes(), [8], proxyWidgetErrorQuarantine=aside)) == {"seed": 4}


def with_primitive(target_slot: int) -> dict[str, Scope]:
    """The steps of the sampler come from a primitive; *target_slot* is the number of their input in the file."""
    known = scopes()
    scope = known["s"]
    scope.nodes["6"] = PageNode("6", "PrimitiveNode", title="how many", outputs=["INT"])
    scope.links[2] = Link("6", 0, "5", target_slot)
    scope.nodes["5"].inputs[2].link = 2
    return known


def test_a_primitive_that_was_shown_becomes_an_input_to_what_it_fed() -> None:
    node = host(with_primitive(2), [8, 3], [["5", "seed"], ["6", "value"]])

    assert values(node) == {"seed": 8, "how many": 3}


def test_a_shown_primitive_that_fed_inputs_which_have_moved_is_refused() -> None:
    with pytest.raises(GraphUnconvertible, match="PrimitiveNode #6: the inputs that it feeds have moved"):
        host(with_primitive(1), [8, 3], [["5", "seed"], ["6", "value"]])
