"""The widgets that a subgraph shows on the node that uses it, and what a file has saved for them.

Source: ComfyUI_frontend 1.49 src/lib/litegraph/src/subgraph/SubgraphNode.ts,
src/core/graph/subgraph/migration/proxyWidgetMigration.ts (for files older than 1.45) and promotionUtils.ts.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from client.workflow.node import PageNode, Slot
from client.workflow.scope import Scope, Side
from client.workflow.widgets import GraphUnconvertible, Widget

_PREFIX = re.compile(r"\s*(\d+)\s*:\s*(.+)", re.DOTALL)
_DEEPEST = 100

Definitions = Mapping[str, Scope]


@dataclass(slots=True)
class _Shown:
    """An entry of ``proxyWidgets``: a widget inside the subgraph, and the value that was saved for it."""

    source: str
    name: str
    saved: bool
    value: Any


def define_host(node: PageNode, definitions: Definitions) -> None:
    """Give *node*, which uses a subgraph, the inputs and outputs of the definition, with their saved links."""
    scope = definitions[node.kind]
    saved = {str(slot.get("name")): slot for slot in node.saved.get("inputs") or ()}
    node.inputs = [Slot(side.name, side.kind, saved.get(side.name, {}).get("link")) for side in scope.inputs]
    node.outputs = [side.kind for side in scope.outputs]


def restore_host(node: PageNode, definitions: Definitions) -> None:
    """Show the widgets of the subgraph on *node* with the values that the file has for them."""
    for side in definitions[node.kind].inputs:
        _show(node, side, definitions)
    values = node.saved.get("widgets_values")
    held = _quarantined(node)
    for at, widget in enumerate(node.widgets):
        if widget.name in held:
            widget.value = held[widget.name]
        elif isinstance(values, list) and at < len(values):
            widget.value = values[at]


def migrate(node: PageNode, definitions: Definitions) -> None:
    """What an older page kept in ``properties.proxyWidgets``: shown widgets become inputs of the subgraph."""
    entries = list(_entries(node, definitions))
    primitives: dict[str, list[_Shown]] = {}
    for entry in entries:
        if (side := _side_of(node, entry, definitions)) is not None:
            _set(node, side.name, entry)
        elif _is_primitive(node, entry.source, definitions):
            primitives.setdefault(entry.source, []).append(entry)
        elif not _add_side(node, entry, definitions) and entry.source == "-1":
            _set(node, entry.name, entry)
    for source, found in primitives.items():
        _replace_primitive(node, source, found, definitions)


# -- widgets of the node that uses a subgraph


def _show(node: PageNode, side: Side, definitions: Definitions) -> Widget | None:
    """The first widget that the input *side* leads to is shown on *node*, with its value of now."""
    scope = definitions[node.kind]
    for link_id in side.links:
        target = scope.target(link_id)
        inner = _widget_behind(*target, definitions) if target else None
        slot = node.slot(side.name)
        if inner is not None and slot is not None:
            slot.widget = side.name
            shown = replace(inner, name=side.name, saved=True)
            node.widgets.append(shown)
            return shown
    return None


def _widget_behind(node: PageNode, slot: Slot, definitions: Definitions) -> Widget | None:
    found = node.widget(slot.widget) if slot.widget else None
    if found is not None or node.kind not in definitions:
        return found
    target = _inner_target(node, slot.name, definitions)
    resolved = _concrete(node, *target, definitions) if target else None
    return resolved[1] if resolved else None


def _inner_target(host: PageNode, name: str, definitions: Definitions) -> tuple[str, str] | None:
    """The node inside the subgraph of *host* that its input *name* leads to, and the name of what it leads to there."""
    side = next((side for side in definitions[host.kind].inputs if side.name == name), None)
    return _leads_to(host, side, definitions) if side else None


def _leads_to(host: PageNode, side: Side, definitions: Definitions) -> tuple[str, str] | None:
    scope = definitions[host.kind]
    for link_id in side.links:
        target = scope.target(link_id)
        if target is None:
            continue
        node, slot = target
        if node.kind in definitions:
            return node.id, slot.name
        if slot.widget and node.widget(slot.widget):
            return node.id, slot.widget
    return None


def _concrete(host: PageNode, source: str, name: str, definitions: Definitions) -> tuple[PageNode, Widget] | None:
    """The node and widget that *name* of the node *source* stands for, however deep in nested subgraphs."""
    for _ in range(_DEEPEST):
        node = definitions[host.kind].nodes.get(source)
        if node is None:
            return None
        if node.kind not in definitions:
            widget = node.widget(name)
            return (node, widget) if widget else None
        target = _inner_target(node, name, definitions)
        if target is None:
            return None
        host, (source, name) = node, target
    return None


def _quarantined(node: PageNode) -> dict[str, Any]:
    """Values of inputs that the page could not place: ``proxyWidgetErrorQuarantine``."""
    held = node.properties.get("proxyWidgetErrorQuarantine")
    found: dict[str, Any] = {}
    for entry in reversed(held if isinstance(held, list) else []):
        match entry:
            case {"originalEntry": ["-1", str(name), *_], "hostValue": value} if value is not None:
                found[name] = value
    return found


# -- files of older pages


def _entries(node: PageNode, definitions: Definitions) -> Iterator[_Shown]:
    listed = node.properties.get("proxyWidgets")
    if not isinstance(listed, list) or not all(_is_entry(entry) for entry in listed):
        return
    values = node.saved.get("widgets_values")
    values = values if isinstance(values, list) else []
    for at, (source, name, *_) in enumerate(listed):
        value = values[at] if at < len(values) else None
        shown = _Shown(source, name, value is not None, value)
        if _concrete(node, source, name, definitions) is None:
            shown.name = _without_prefixes(name)
        yield shown


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, list) and len(entry) in (2, 3) and all(isinstance(part, str) for part in entry)


def _without_prefixes(name: str) -> str:
    while found := _PREFIX.fullmatch(name):
        name = found[2]
    return name


def _side_of(node: PageNode, entry: _Shown, definitions: Definitions) -> Side | None:
    """The input of the subgraph that leads to the widget already."""
    wanted = (entry.source, entry.name)
    return next((s for s in definitions[node.kind].inputs if _leads_to(node, s, definitions) == wanted), None)


def _set(node: PageNode, name: str, entry: _Shown) -> None:
    widget = node.widget(name)
    if widget is not None and entry.saved:
        widget.value = entry.value


def _is_primitive(node: PageNode, source: str, definitions: Definitions) -> bool:
    inner = definitions[node.kind].nodes.get(source)
    return inner is not None and inner.kind == "PrimitiveNode"


def _source_slot(inner: PageNode, name: str, definitions: Definitions) -> Slot | None:
    """The input of *inner* whose widget is called *name*."""
    if inner.kind in definitions:
        for slot in inner.inputs:
            target = _inner_target(inner, slot.name, definitions)
            if slot.widget and (slot.name == name or (target and target[1] == name)):
                return slot
    return next((slot for slot in inner.inputs if slot.widget == name and inner.widget(name)), None)


def _add_side(node: PageNode, entry: _Shown, definitions: Definitions) -> bool:
    """A new input of the subgraph leads to the widget, for every node that uses the subgraph."""
    scope = definitions[node.kind]
    inner = scope.nodes.get(entry.source)
    slot = _source_slot(inner, entry.name, definitions) if inner and not entry.name.startswith("$$") else None
    if inner is None or slot is None:
        return False
    side = _new_side(scope, entry.name, slot.kind)
    scope.add_link(side, inner, slot)
    _show_everywhere(node, side, definitions)
    _set(node, side.name, entry)
    return True


def _new_side(scope: Scope, name: str, kind: str) -> Side:
    taken = {side.name for side in scope.inputs}
    number, unique = 1, name
    while unique in taken:
        unique = f"{name}_{number}"
        number += 1
    side = Side(unique, kind, [])
    scope.inputs.append(side)
    return side


def _show_everywhere(node: PageNode, side: Side, definitions: Definitions) -> None:
    """Every node that uses the subgraph gets the new input."""
    users = [each for scope in definitions.values() for each in scope.nodes.values() if each.kind == node.kind]
    for user in {id(user): user for user in [*users, node]}.values():
        if user.slot(side.name) is None:
            user.inputs.append(Slot(side.name, side.kind))
            _show(user, side, definitions)


def _replace_primitive(node: PageNode, source: str, entries: list[_Shown], definitions: Definitions) -> None:
    """A primitive of the subgraph that is shown outside becomes an input that leads to whatever it fed."""
    scope = definitions[node.kind]
    primitive = scope.nodes[source]
    fed = [(number, target) for number in _links_from(scope, source) if (target := scope.target(number))]
    if not fed or any(not _may_feed(primitive, slot) for _, (_, slot) in fed):
        return
    if any(inner.inputs.index(slot) != scope.links[number].target_slot for number, (inner, slot) in fed):
        # the page goes by the numbers of the file here, and links other inputs of these nodes
        raise GraphUnconvertible(f"{primitive.kind} #{source}: the inputs that it feeds have moved in their nodes")
    title = primitive.title if primitive.title not in ("", "PrimitiveNode", "Primitive") else entries[0].name
    side = _new_side(scope, title, primitive.outputs[0] if primitive.outputs else "*")
    for number, (inner, slot) in fed:
        del scope.links[number]
        scope.add_link(side, inner, slot)
    _show_everywhere(node, side, definitions)
    saved = next((entry for entry in entries if entry.saved), None)
    if saved is not None:
        _set(node, side.name, saved)


def _links_from(scope: Scope, node_id: str) -> list[int]:
    return [number for number, link in scope.links.items() if link.origin == node_id]


def _may_feed(primitive: PageNode, slot: Slot) -> bool:
    kind = primitive.outputs[0] if primitive.outputs else "*"
    return slot.kind == kind or "*" in (slot.kind, kind)
