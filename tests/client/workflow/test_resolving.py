"""Where the value of an input comes from."""

import pytest

from client.workflow.loading import ROOT, PageGraph
from client.workflow.node import BYPASSED, MUTED, PageNode, Slot
from client.workflow.resolving import Place, Source, resolved
from client.workflow.scope import Link, Scope
from client.workflow.widgets import GraphUnconvertible


def found(middle: PageNode, kind: str = "IMAGE") -> object:
    """What reaches node 9 from node 1 through *middle*, whose first output it is linked to."""
    start = PageNode("1", "Start", outputs=["IMAGE"])
    end = PageNode("9", "End", inputs=[Slot("in", kind, 90)])
    links = {90: Link(middle.id, 0, "9", 0)} | {
        slot.link: Link("1", 0, middle.id, at) for at, slot in enumerate(middle.inputs) if slot.link is not None
    }
    page = PageGraph({ROOT: Scope(ROOT, {node.id: node for node in (start, middle, end)}, links)})
    return resolved(page, Place(page.root), end, 0)


def middle(kind: str = "Filter", mode: int = 0, *inputs: Slot) -> PageNode:
    return PageNode("5", kind, mode, inputs=list(inputs), outputs=["IMAGE"])


def test_a_node_that_runs_is_a_source() -> None:
    assert found(middle()) == Source("5", 0)


def test_a_muted_node_gives_nothing() -> None:
    assert found(middle("Filter", MUTED, Slot("image", "IMAGE", 10))) is None


def test_a_bypassed_node_passes_on_the_input_opposite_that_fits() -> None:
    assert found(middle("Filter", BYPASSED, Slot("image", "IMAGE", 10))) == Source("1", 0)


def test_a_bypassed_node_passes_on_the_first_input_of_the_type() -> None:
    mask, image = Slot("mask", "MASK", None), Slot("image", "IMAGE", 11)

    assert found(middle("Filter", BYPASSED, mask, image)) == Source("1", 0)


def test_a_bypassed_node_without_an_input_of_the_type_gives_nothing() -> None:
    assert found(middle("Filter", BYPASSED, Slot("mask", "MASK", 10))) is None


def test_one_of_several_types_is_enough() -> None:
    assert found(middle("Filter", BYPASSED, Slot("any", "image,mask", 10)), "IMAGE,LATENT") == Source("1", 0)


def test_a_bend_passes_on_what_comes_in() -> None:
    assert found(middle("Reroute", 0, Slot("", "*", 10))) == Source("1", 0)


def test_a_note_gives_nothing() -> None:
    assert found(middle("Note")) is None


def test_links_in_a_circle_are_refused() -> None:
    one = PageNode("1", "Reroute", inputs=[Slot("", "*", 2)], outputs=["*"])
    two = PageNode("2", "Reroute", inputs=[Slot("", "*", 1)], outputs=["*"])
    page = PageGraph({ROOT: Scope(ROOT, {"1": one, "2": two}, {1: Link("1", 0, "2", 0), 2: Link("2", 0, "1", 0)})})

    with pytest.raises(GraphUnconvertible, match="in a circle"):
        resolved(page, Place(page.root), one, 0)
