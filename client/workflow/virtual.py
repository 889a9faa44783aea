"""Nodes that only the page knows: they vanish from a prompt, and what passes through them does not.

Source: ComfyUI_frontend 1.49 src/extensions/core (noteNode.ts, rerouteNode.ts, widgetInputs.ts,
widgetValuePropagation.ts); ComfyUI-KJNodes web/js/setgetnodes.js; ComfyUI-Easy-Use web_version/v2; rgthree-comfy web.
"""

from typing import Any

from client.workflow.node import PageNode
from client.workflow.scope import Scope
from client.workflow.texts import as_text
from client.workflow.widgets import UNSET, GraphUnconvertible

PRIMITIVE = "PrimitiveNode"
_SETTERS = {"GetNode": "SetNode", "easy getNode": "easy setNode"}
_PASSING = frozenset({"Reroute", "Reroute (rgthree)", *_SETTERS.values()})
_GONE = frozenset({
    "Note", "MarkdownNote", PRIMITIVE, "Bookmark (rgthree)", "Label (rgthree)", "Fast Muter (rgthree)",
    "Fast Bypasser (rgthree)", "Fast Groups Muter (rgthree)", "Fast Groups Bypasser (rgthree)",
    "Fast Actions Button (rgthree)", "Mute / Bypass Repeater (rgthree)", "Mute / Bypass Relay (rgthree)",
    "Node Collector (rgthree)",
})  # fmt: skip
KINDS = frozenset({*_GONE, *_PASSING, *_SETTERS})

ONLY_IN_THE_PAGE = frozenset({
    "Anything Everywhere", "Anything Everywhere?", "Anything Everywhere3", "Prompts Everywhere", "Seed Everywhere",
    "Simple String (cg-use-everywhere)", "Random Unmuter (rgthree)",
})  # fmt: skip
"""classes that change other nodes when Run is pressed"""


def is_virtual(node: PageNode) -> bool:
    return node.kind in KINDS


def passes(node: PageNode) -> bool:
    """Whether what comes in at an input of *node* goes out at the output opposite."""
    return node.kind in _PASSING


def setter(node: PageNode, scope: Scope) -> PageNode | None:
    """The node that set what *node* gets, which has the same name. Raises GraphUnconvertible if nobody sets it."""
    kind = _SETTERS.get(node.kind)
    if kind is None:
        return None
    name = _first_value(node)
    found = next((each for each in scope.nodes.values() if each.kind == kind and _first_value(each) == name), None)
    if found is None:
        raise GraphUnconvertible(f"{node.kind} #{node.id} gets {name!r}, which no {kind} of this graph sets")
    return found


def _first_value(node: PageNode) -> Any:
    values = node.saved.get("widgets_values")
    return values[0] if isinstance(values, list) and values else None


def spread_primitive(node: PageNode, scope: Scope) -> None:
    """Give the widgets that a primitive is linked to its value."""
    values = node.saved.get("widgets_values")
    if node.properties.get("Run widget replace on values") and "%" in as_text(_first_value(node)):
        raise GraphUnconvertible(f"{node.kind} #{node.id}: only the page can replace the names in its value")
    targets = [scope.target(number) for number, link in scope.links.items() if link.origin == node.id]
    widgets = [inner.widget(slot.widget) for inner, slot in filter(None, targets) if slot.widget]
    value = values[0] if isinstance(values, list) and values else next((w.value for w in widgets if w), UNSET)
    for inner, slot in filter(None, targets):
        widget = inner.widget(slot.widget) if slot.widget else None
        if widget is not None and value is not UNSET:
            inner.give(widget, value)
