"""Where the value of an input comes from: through reroutes, bypassed nodes and the sides of subgraphs.

Source: ComfyUI_frontend 1.49 src/lib/litegraph/src/subgraph/ExecutableNodeDTO.ts, ``isValidConnection`` of
LiteGraphGlobal.ts.
"""

from dataclasses import dataclass
from typing import Any

from client.workflow import virtual
from client.workflow.loading import PageGraph
from client.workflow.node import BYPASSED, MUTED, PageNode
from client.workflow.scope import INPUT_NODE, Link, Scope
from client.workflow.widgets import GraphUnconvertible

_LONGEST = 300
"""of a chain of links, each through a node that passes it on"""


@dataclass(frozen=True, slots=True)
class Source:
    """An output of a node that runs."""

    origin: str
    slot: int


@dataclass(frozen=True, slots=True)
class TypedIn:
    """A value of a widget, not of a link."""

    value: Any


@dataclass(frozen=True, slots=True)
class Place:
    """The root graph, or one use of a subgraph in it."""

    scope: Scope
    path: str = ""
    outer: "Place | None" = None
    host: PageNode | None = None

    def name(self, node: PageNode) -> str:
        return f"{self.path}{node.id}"

    def inside(self, node: PageNode, page: PageGraph) -> "Place":
        return Place(page.scopes[node.kind], f"{self.name(node)}:", self, node)


def resolved(page: PageGraph, place: Place, node: PageNode, at: int) -> Source | TypedIn | None:
    """What reaches the input number *at* of *node*; None if nothing does. Raises GraphUnconvertible for a circle."""
    return _Search(page).into(place, node, at, None)


class _Search:
    def __init__(self, page: PageGraph) -> None:
        self._page = page
        self._steps = 0

    def into(self, place: Place, node: PageNode, at: int, kind: str | None) -> Source | TypedIn | None:
        self._steps += 1
        if self._steps > _LONGEST:
            raise GraphUnconvertible("the links of the graph go round in a circle")
        slot = node.inputs[at] if at < len(node.inputs) else None
        link = place.scope.links.get(slot.link) if slot and slot.link is not None else None
        if slot is None or link is None:
            return None
        if link.origin == INPUT_NODE and place.outer is not None and place.host is not None:
            return self._from_outside(place.outer, place.host, link.origin_slot)
        return self._out_of(place, _origin(place, link), link.origin_slot, kind or slot.kind)

    def _from_outside(self, outer: Place, host: PageNode, number: int) -> Source | TypedIn | None:
        """What the node that uses the subgraph is given at its input *number*: a link, or a value of its widget."""
        slot = host.inputs[number] if number < len(host.inputs) else None
        if slot is None or slot.link is not None:
            return self.into(outer, host, number, None) if slot else None
        widget = host.widget(slot.widget) if slot.widget else None
        return TypedIn(widget.value) if widget else None

    def _out_of(self, place: Place, node: PageNode, at: int, kind: str) -> Source | TypedIn | None:
        if node.mode == MUTED:
            return None
        if node.mode == BYPASSED:
            passed = _passed_by(node, at, kind)
            return None if passed is None else self.into(place, node, passed, None)
        if self._page.uses_subgraph(node):
            return self._from_inside(place.inside(node, self._page), at, kind)
        if not virtual.is_virtual(node):
            return Source(place.name(node), at)
        setter = virtual.setter(node, place.scope)
        if setter is not None:
            return self.into(place, setter, 0, kind)
        return self.into(place, node, at, kind) if virtual.passes(node) else None

    def _from_inside(self, place: Place, number: int, kind: str) -> Source | TypedIn | None:
        sides = place.scope.outputs
        links = [place.scope.links[link] for link in sides[number].links if link in place.scope.links]
        if not links:
            return None
        if links[0].origin == INPUT_NODE and place.outer and place.host:
            return self._from_outside(place.outer, place.host, links[0].origin_slot)
        return self._out_of(place, _origin(place, links[0]), links[0].origin_slot, kind)


def _origin(place: Place, link: Link) -> PageNode:
    node = place.scope.nodes.get(link.origin)
    if node is None:
        raise GraphUnconvertible(
            f"the graph is broken: a link starts at node {place.path}{link.origin}, which is not there"
        )
    return node


def _passed_by(node: PageNode, at: int, kind: str) -> int | None:
    """The input that a bypassed node passes on at its output *at*, to an input of type *kind*."""
    inputs = node.inputs
    if kind in ("*", ""):
        return at if at < len(inputs) else 0
    out = node.outputs[at] if at < len(node.outputs) else "*"
    fitting = [i for i, slot in enumerate(inputs) if _may_link(slot.kind, out) and _may_link(slot.kind, kind)]
    exact = [i for i, slot in enumerate(inputs) if slot.kind == kind]
    if at in fitting:
        return at
    return next(iter([*exact, *fitting]), None)


def _may_link(one: str, other: str) -> bool:
    if "*" in (one, other) or "" in (one, other):
        return True
    return bool(set(one.lower().split(",")) & {*other.lower().split(","), *(("*",) if "*" in other else ())})
