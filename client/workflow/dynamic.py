"""Inputs that make inputs: dynamic combos, groups that grow, types that match, and the combo of a person's own choices.

Source: ComfyUI_frontend 1.49 src/core/graph/widgets/dynamicWidgets.ts, src/extensions/core/customWidgets.ts.
"""

import re
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from client.workflow.definition import Info, InputSpec, input_specs, output_types, page_inputs
from client.workflow.node import PageNode, Slot, add_socket, add_widgets
from client.workflow.widgets import Widget

_GROWN_MAX = 200
_ORDINAL = re.compile(r"\d+$")


@dataclass(frozen=True, slots=True)
class _Group:
    """A group of inputs that grows: another one appears when the last is linked."""

    name: str
    specs: list[InputSpec]
    names: list[str] | None
    prefix: str
    fewest: int
    most: int

    def input_name(self, ordinal: int, key: str) -> str:
        if self.names is not None:
            return f"{self.name}.{self.names[ordinal]}"
        return f"{self.name}.{self.prefix if len(self.specs) == 1 else key}{ordinal}"

    def ordinal(self, input_name: str) -> int | None:
        own = input_name[len(self.name) + 1 :]
        if self.names is not None:
            return self.names.index(own) if own in self.names else None
        found = _ORDINAL.search(own)
        return int(found[0]) if found else None


@dataclass(slots=True)
class DynamicInputs:
    """The dynamic inputs of one node."""

    groups: dict[str, _Group] = field(default_factory=dict)

    def add(self, node: PageNode, spec: InputSpec) -> bool:
        """Whether *spec* is one of these kinds; its inputs are then in *node*."""
        match spec.kind:
            case "COMFY_AUTOGROW_V3":
                self._add_group(node, spec)
            case "COMFY_MATCHTYPE_V3":
                template = spec.options.get("template") or {}
                kind = str(template.get("allowed_types", "*"))
                self._add_input(node, InputSpec(spec.name, kind, spec.options, spec.optional))
            case _:
                return False
        return True

    def give(self, node: PageNode, widget: Widget, value: Any) -> None:
        """Set *widget*; a dynamic combo then has the inputs of its choice, a custom combo a place for one more."""
        if widget.kind == "index":
            return
        widget.value = value
        if widget.kind == "COMFY_DYNAMICCOMBO_V3":
            self._choose(node, widget)
        elif widget.kind == "option":
            _change_options(node, widget)

    def settle(self, node: PageNode) -> None:
        """A new node is complete: its dynamic combos have their first choice."""
        for widget in [widget for widget in node.widgets if widget.kind == "COMFY_DYNAMICCOMBO_V3"]:
            self._choose(node, widget)
        if node.kind == "CustomCombo" and node.widgets:
            node.widgets.append(Widget("index", "index", 0))
            _add_option(node)

    def grow(self, node: PageNode) -> None:
        """The links of *node* are known: every linked member of a group is followed by a place for the next."""
        for slot in list(node.inputs):
            self._grow_behind(node, slot)
        for group in self.groups.values():
            if [spec.kind for spec in group.specs] == ["COMFY_MATCHTYPE_V3"]:
                _close_gaps(node, group)

    def _grow_behind(self, node: PageNode, slot: Slot) -> None:
        group = self.groups.get(slot.name.rpartition(".")[0])
        ordinal = group.ordinal(slot.name) if group else None
        if group and ordinal is not None and slot.link is not None:
            self._add_member(node, group, ordinal + 1)

    def _add_input(self, node: PageNode, spec: InputSpec) -> None:
        if not self.add(node, spec):
            add_socket(node, spec)
        before = len(node.widgets)
        add_widgets(node, spec)
        for widget in node.widgets[before:]:
            if widget.kind == "COMFY_DYNAMICCOMBO_V3":
                self._choose(node, widget)

    def _choose(self, node: PageNode, widget: Widget) -> None:
        """The inputs that follow *widget* become those of its value; links stay where the names are the same."""
        group = f"{widget.name}."
        old = {slot.name: slot for slot in node.inputs if slot.name.startswith(group)}
        node.inputs = [slot for slot in node.inputs if slot.name not in old]
        node.widgets = _without(node.widgets, group)
        chosen = (
            next((option for option in widget.spec.choices if option["key"] == widget.value), None)
            if widget.spec
            else None
        )
        if chosen is None:
            return
        inputs, widgets = node.inputs, node.widgets
        node.inputs, node.widgets = [], []
        for spec in input_specs(chosen.get("inputs")):
            self._add_input(node, spec.named(f"{widget.name}.{spec.name}", optional=spec.optional))
        at = next(index for index, each in enumerate(widgets) if each is widget) + 1
        after = next((index for index, slot in enumerate(inputs) if slot.name == widget.name), len(inputs) - 1) + 1
        node.widgets = [*widgets[:at], *node.widgets, *widgets[at:]]
        node.inputs = [*inputs[:after], *node.inputs, *inputs[after:]]
        for name, slot in old.items():
            if (new := node.slot(name)) is not None:
                new.link = slot.link
                self._grow_behind(node, new)

    def _add_group(self, node: PageNode, spec: InputSpec) -> None:
        template = spec.options.get("template") or {}
        names = template.get("names")
        fewest = template.get("min", 1)
        most = len(names) if names is not None else min(template.get("max", 100), _GROWN_MAX)
        specs = input_specs(template.get("input"))
        self.groups[spec.name] = group = _Group(spec.name, specs, names, template.get("prefix") or "", fewest, most)
        for ordinal in range(max(1, fewest + 1)):
            self._add_member(node, group, ordinal)

    def _add_member(self, node: PageNode, group: _Group, ordinal: int) -> None:
        if ordinal >= group.most:
            return
        for spec in group.specs:
            name = group.input_name(ordinal, spec.name)
            old = node.slot(name)
            if old is not None and (old.widget is None or node.widget(old.widget)):
                continue
            self._add_input(node, spec.named(name, optional=True))
            if old is not None:
                node.inputs.remove(old)
                node.inputs[-1].link = old.link


def define(node: PageNode, info: Info) -> DynamicInputs:
    """Give *node* the inputs, widgets and outputs of its class."""
    specs = page_inputs(node.kind, info)
    dynamic = DynamicInputs()
    for spec in specs:
        if not dynamic.add(node, spec):
            add_socket(node, spec)
    for spec in specs:
        add_widgets(node, spec)
    node.outputs = output_types(info)
    node.set_value = dynamic.give
    dynamic.settle(node)
    return dynamic


def _close_gaps(node: PageNode, group: _Group) -> None:
    """The page moves links up to the first free member as soon as the types are known."""
    members = [slot for slot in node.inputs if slot.name.rpartition(".")[0] == group.name][max(group.fewest - 1, 0) :]
    links = [slot.link for slot in members if slot.link is not None]
    for slot, link in zip_longest(members, links):
        slot.link = link


def _without(widgets: list[Widget], group: str) -> list[Widget]:
    return [widget for widget in widgets if not widget.name.startswith(group)]


def _add_option(node: PageNode) -> None:
    node.widgets.append(Widget(f"option{len(node.widgets) - 1}", "option", ""))


def _change_options(node: PageNode, widget: Widget) -> None:
    """There is always one empty option at the end."""
    if widget is node.widgets[-1]:
        if widget.value:
            _add_option(node)
    elif not widget.value and widget is node.widgets[-2] and not node.widgets[-1].value:
        node.widgets.pop()


def chosen_index(node: PageNode) -> int:
    """Which of its options a custom combo has chosen, from 0; -1 for none."""
    options = [widget.value for widget in node.widgets[2:]]
    return options.index(node.widgets[0].value) if node.widgets[0].value in options else -1
