"""A node as the page holds it: built from its definition, then given what the file has saved for it.

Source: ComfyUI_frontend 1.49 src/services/litegraphService.ts ``addInputs`` and ``configure``,
src/lib/litegraph/src/LGraphNode.ts ``configure``.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from client.workflow.definition import InputSpec
from client.workflow.widgets import UNSET, Widget, made_for

MUTED, BYPASSED = 2, 4


@dataclass(slots=True)
class Slot:
    """An input that a link can end at."""

    name: str
    kind: str
    link: int | None = None
    widget: str | None = None
    """the name of the widget whose value the link replaces"""


@dataclass(slots=True)
class PageNode:
    """A node of the root graph or of a subgraph's definition."""

    id: str
    kind: str
    mode: int = 0
    title: str = ""
    known: bool = True
    """whether its class is defined, or one that the page itself makes"""
    properties: Mapping[str, Any] = field(default_factory=dict)
    inputs: list[Slot] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    """the types of its outputs"""
    widgets: list[Widget] = field(default_factory=list)
    saved: Mapping[str, Any] = field(default_factory=dict)
    """what the file says of it"""
    set_value: Callable[["PageNode", Widget, Any], None] | None = None
    """how a class answers when one of its widgets is given a value"""

    @property
    def is_active(self) -> bool:
        return self.mode not in (MUTED, BYPASSED)

    def widget(self, name: str | None) -> Widget | None:
        return next((widget for widget in self.widgets if widget.name == name), None)

    def slot(self, name: str) -> Slot | None:
        return next((slot for slot in self.inputs if slot.name == name), None)

    def give(self, widget: Widget, value: Any) -> None:
        """Set the *widget* to *value*, and change the node as that value asks for."""
        if self.set_value is not None:
            self.set_value(self, widget, value)
        else:
            widget.value = value

    def in_order(self, values: list[Any]) -> Iterator[tuple[Widget, Any]]:
        """Each widget with its value of *values*. What is done with one may change which widgets follow it."""
        at = position = 0
        while position < len(self.widgets) and at < len(values):
            widget = self.widgets[position]
            position += 1
            if widget.saved:
                yield widget, values[at]
                at += 1


def add_socket(node: PageNode, spec: InputSpec) -> None:
    if not made_for(spec):
        node.inputs.append(Slot(spec.name, spec.kind))


def add_widgets(node: PageNode, spec: InputSpec) -> None:
    """Every widget comes with an input of its name, so that a link can give its value."""
    made = made_for(spec)
    if made:
        node.widgets += made
        node.inputs.append(Slot(spec.name, spec.kind, widget=spec.name))


def merge_inputs(node: PageNode) -> None:
    """The inputs of the definition take the saved links by their names; saved ones that it does not know follow."""
    saved = {str(slot.get("name")): slot for slot in node.saved.get("inputs") or ()}
    known = {slot.name for slot in node.inputs}
    for slot in node.inputs:
        slot.link = saved.get(slot.name, {}).get("link")
    node.inputs += [saved_slot(slot) for name, slot in saved.items() if name not in known]


def saved_slot(slot: Mapping[str, Any]) -> Slot:
    widget = slot.get("widget")
    return Slot(
        str(slot.get("name")),
        str(slot.get("type", "*")),
        slot.get("link"),
        widget.get("name") if isinstance(widget, dict) else None,
    )


def drop_widgetless_inputs(node: PageNode) -> None:
    """Saved inputs of widgets that the node no longer has go: widgetInputs.ts ``onGraphConfigured``."""
    node.inputs = [slot for slot in node.inputs if slot.widget is None or node.widget(slot.widget)]


def fill_empty_combos(node: PageNode) -> None:
    """A combo without a value takes its first choice: app.ts ``loadGraphData``."""
    for widget in node.widgets:
        choices = widget.spec.choices if widget.spec and widget.kind == "COMBO" else []
        if choices and (widget.value is None or widget.value is UNSET):
            node.give(widget, choices[0])
