"""The values of a node in page format: a bare list in the order of the node's widgets, and the page's own between.

Source: ComfyUI_frontend src/scripts/app.ts and widgets.ts: a seed is followed by what happens to it after a run, a
file that can be uploaded by its button.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from wire.graph import wrapped

_TYPED = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"})
_AFTER_A_RUN = frozenset({"fixed", "increment", "decrement", "randomize", "increment-wrap"})
_SEEDS = frozenset({"seed", "noise_seed"})


class GraphUnconvertible(ValueError):
    """The graph cannot become a prompt; the text names the node."""


def widget_values(node: Mapping[str, Any], info: Mapping[str, Any], node_id: str) -> dict[str, Any]:
    """The inputs of *node* that its widgets hold, by name; a value that is missing is the node's default.

    Raises GraphUnconvertible when the values do not fit the node.
    """
    saved = node.get("widgets_values")
    widgets = list(_widgets(node, info))
    if isinstance(saved, dict):
        return {name: wrapped(saved[name]) for name, _ in widgets if name in saved}
    return _in_order(list(saved or ()), widgets, f"{node['type']} #{node_id}")


def _in_order(values: list[Any], widgets: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    surplus = len(values) - len(widgets)
    for name, spec in widgets:
        if not values:
            found |= _default(name, spec)
            continue
        value = values.pop(0)
        if value is None:
            found |= _default(name, spec)
            continue
        if not _fits(value, spec):
            raise GraphUnconvertible(f"{where}: {value!r} is saved where its {name} should be")
        found[name] = wrapped(value)
        if surplus > 0 and values and _is_of_the_page(values[0], name, spec):
            values.pop(0)
            surplus -= 1
    return found


def _widgets(node: Mapping[str, Any], info: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and spec of each widget, in the order of the node's definition."""
    shown = {slot["name"] for slot in node.get("inputs") or () if "widget" in slot}
    inputs, order = info.get("input") or {}, info.get("input_order") or {}
    for group in ("required", "optional"):
        specs = inputs.get(group) or {}
        for name in order.get(group) or specs:
            if name in specs and (name in shown or _is_widget(specs[name])):
                yield name, specs[name]


def _options(spec: Any) -> Mapping[str, Any]:
    return spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}


def _is_widget(spec: Any) -> bool:
    typed = isinstance(spec[0], list) or spec[0] in _TYPED
    return typed and not _options(spec).get("forceInput")


def _is_of_the_page(value: object, name: str, spec: Any) -> bool:
    """Whether *value*, behind that of the widget *name*, is the page's own."""
    options = _options(spec)
    if name in _SEEDS or options.get("control_after_generate"):
        return value in _AFTER_A_RUN
    return any(key.endswith("_upload") and flag for key, flag in options.items())


def _fits(value: object, spec: Any) -> bool:
    match spec[0]:
        case "INT" | "FLOAT":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "BOOLEAN":
            return isinstance(value, bool)
        case "STRING":
            return isinstance(value, str)
    return True


def _default(name: str, spec: Any) -> dict[str, Any]:
    options = _options(spec)
    choices = spec[0] if isinstance(spec[0], list) else options.get("options") or []
    if "default" in options:
        return {name: options["default"]}
    return {name: choices[0]} if choices else {}
