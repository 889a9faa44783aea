"""The values that a file has saved for a node, given to its widgets by their place; what does not fit is refused.

Source: ComfyUI_frontend 1.49 src/lib/litegraph/src/LGraphNode.ts ``configure``, src/utils/litegraphUtil.ts
``migrateWidgetsValues``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from client.workflow.definition import Info, InputSpec, page_inputs
from client.workflow.node import PageNode
from client.workflow.packs import POWER_LORAS, is_of_a_pack, names_of_format, power_loras
from client.workflow.widgets import AFTER_A_RUN, MADE_IN_THE_PAGE, UNSET, GraphUnconvertible, Widget

_SHOWN = 80
_SHOWING = frozenset({"PreviewAny", "SaveText", "ImageCompare", "GetImageSize", "Painter"})
"""classes whose older pages saved behind their values what they had shown"""
_PROGRESS = "Status: "
"""how a partner node begins what it shows while it waits: comfy_api_nodes/util/client.py"""
_OF_THE_PAGE = frozenset({"", "image", "upload", "video", "audio", *AFTER_A_RUN})
"""what older pages have saved behind the values of a node: a button, a player, what happens after a run"""


def restore(node: PageNode, info: Info) -> None:
    """Give the widgets of *node* the values of the file. Raises GraphUnconvertible for a value without a place."""
    if any(widget.kind in MADE_IN_THE_PAGE for widget in node.widgets):
        return  # its buttons are saved with it, and it cannot be sent
    named = node.saved.get("widgets_values_named")
    match node.saved.get("widgets_values"):
        case list(values) if node.kind == POWER_LORAS:
            node.widgets += power_loras(node, values)
        case list(values) if misplaced := _by_place(node, _without_forced(node, info, values)):
            if not isinstance(named, dict):
                raise misplaced
            _by_name(node, named)
        case dict(values):
            _by_name(node, values)


def _by_place(node: PageNode, values: Sequence[Any]) -> GraphUnconvertible | None:
    """Give each widget the value of its place; what does not fit is the answer."""
    for widget, value in node.in_order(list(values)):
        if not fits(widget, value):
            return _misplaced(node, value, f"where its {widget.name} should be")
        node.give(widget, value)
    surplus = values[sum(widget.saved for widget in node.widgets) :]
    lost = [value for value in surplus if node.kind not in _SHOWING and not _is_of_the_page(value)]
    return _misplaced(node, lost[0], "and none of its widgets takes it") if lost else None


def _by_name(node: PageNode, values: Mapping[str, Any]) -> None:
    """Give each widget the value of its name. A page that saves names may have made widgets of its own."""
    for widget in node.widgets:
        if widget.sent and widget.name in values:
            node.give(widget, values[widget.name])
    shown = {slot.widget for slot in node.inputs} | set(names_of_format(node))
    known = {widget.name for widget in node.widgets}
    for name, value in values.items():
        if name in known or is_of_a_pack(name) or _is_of_the_page(value):
            continue
        if name not in shown:
            raise _misplaced(node, value, f"as {name}, which its definition does not have")
        node.widgets.append(Widget(name, "named", value))


def _misplaced(node: PageNode, value: Any, where: str) -> GraphUnconvertible:
    return GraphUnconvertible(f"{node.kind} #{node.id}: {_short(value)} is saved {where}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def fits(widget: Widget, value: Any) -> bool:
    """Whether *value* can be one of this widget. What is only unusual is sent as the page sends it."""
    can_be = _FITS.get(widget.kind)
    return value is None or value is UNSET or can_be is None or can_be(value)


def check_host(node: PageNode) -> None:
    """Every value that is saved for a node with a subgraph belongs to a widget of it. Raises GraphUnconvertible."""
    values, shown = node.saved.get("widgets_values"), node.properties.get("proxyWidgets")
    places = max(len(node.widgets), len(shown) if isinstance(shown, list) else 0)
    for value in values[places:] if isinstance(values, list) else ():
        if not _is_of_the_page(value):
            raise _misplaced(node, value, "and none of its widgets takes it")
    for widget in node.widgets:
        if not fits(widget, widget.value):
            raise _misplaced(node, widget.value, f"where its {widget.name} should be")


def _is_text(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return isinstance(value, int | float | str)


_FITS: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("INT", "FLOAT"), _is_number),
    **dict.fromkeys(("STRING", "MARKDOWN", "TEXTAREA", "COLOR", "COMBO", "COMFY_DYNAMICCOMBO_V3"), _is_text),
    "BOOLEAN": lambda value: isinstance(value, bool | int) or value in ("true", "false"),
    "control": lambda value: isinstance(value, bool) or (isinstance(value, str) and value in AFTER_A_RUN),
}
"""what a widget's value can be, by its kind; anything where nothing is said"""


def _is_of_the_page(value: Any) -> bool:
    return value is None or (isinstance(value, str) and (value in _OF_THE_PAGE or value.startswith(_PROGRESS)))


def _without_forced(node: PageNode, info: Info, values: list[Any]) -> list[Any]:
    """Older pages saved a value for an input that has only a socket."""
    flags: list[bool] = []
    for spec in page_inputs(node.kind, info):
        if node.widget(spec.name) is not None or _forced(spec):
            flags += [_forced(spec), False] if spec.options.get("control_after_generate") else [_forced(spec)]
    if len(flags) != len(values):
        return values
    return [value for value, forced in zip(values, flags, strict=True) if not forced]


def _forced(spec: InputSpec) -> bool:
    return bool(spec.options.get("forceInput"))
