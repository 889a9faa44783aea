"""What ComfyUI leaves out when it refuses a prompt: every unknown node, and names similar to a wrong one. Pure.

Source: ComfyUI 0.3.64 to 0.33.0, execution.py ``validate_prompt`` (it stops at the first unknown class and names no
node in ``node_errors``) and ``validate_inputs`` (lists over 20 names are left out of ``value_not_in_list``).
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from posixpath import basename
from typing import Any

_SHOWN = 3
_ALIKE = 0.72
_ABOUT_A_CLASS = ("invalid_prompt", "missing_node_type")
_ABOUT_A_VALUE = ("value_not_in_list", "custom_validation_failed")


def nearest(name: str, available: Iterable[str]) -> list[str]:
    """Up to three of *available* that look like *name*, the most similar first; folders and case count little."""
    known = {item: basename(item.replace("\\", "/")).lower() for item in available}
    wanted = basename(name.replace("\\", "/")).lower()
    close = get_close_matches(wanted, set(known.values()), n=_SHOWN, cutoff=_ALIKE)
    return [item for short in close for item, own in known.items() if own == short][:_SHOWN]


def explained(
    node_errors: Mapping[str, Any], error: Mapping[str, Any], workflow: Mapping[str, Any], nodes: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """ComfyUI's *node_errors* with the nearest names, and every unknown node of *workflow* if *error* is about one.

    *nodes* is ComfyUI's object_info; *error* is empty when ComfyUI accepted a part of the prompt.
    """
    enriched = {node: _with_nearest(entry, nodes) for node, entry in node_errors.items()}
    if error.get("type") not in _ABOUT_A_CLASS:
        return enriched
    return {node: _unknown(entry, nodes) for node, entry in workflow.items() if _class(entry) not in nodes} | enriched


def _class(entry: Any) -> str:
    return str(entry.get("class_type", "")) if isinstance(entry, Mapping) else ""


def _unknown(entry: Any, nodes: Mapping[str, Any]) -> dict[str, Any]:
    name = _class(entry)
    error = {
        "type": "missing_node_type",
        "message": f"This endpoint has no node {name}" if name else "The node has no class_type",
        "details": "Its custom node is not in the worker's image.",
        "extra_info": {},
    }
    return {"errors": [_with_names(error, nearest(name, nodes))], "dependent_outputs": [], "class_type": name}


def _with_nearest(entry: Any, nodes: Mapping[str, Any]) -> dict[str, Any]:
    definition = nodes.get(_class(entry), {})
    return {**entry, "errors": [_enriched(error, definition) for error in entry.get("errors") or ()]}


def _enriched(error: dict[str, Any], definition: Mapping[str, Any]) -> dict[str, Any]:
    info = error.get("extra_info") or {}
    value = info.get("received_value")
    if error.get("type") not in _ABOUT_A_VALUE or not isinstance(value, str):
        return error
    return _with_names(error, nearest(value, choices(definition, str(info.get("input_name")))))


def _with_names(error: dict[str, Any], names: list[str]) -> dict[str, Any]:
    if not names:
        return error
    details = f"{error.get('details', '')} Did you mean {' or '.join(map(repr, names))}?".strip()
    return {**error, "details": details, "extra_info": {**(error.get("extra_info") or {}), "nearest": names}}


def choices(definition: Mapping[str, Any], name: str) -> list[str]:
    """The values of a list input of a node, in either spelling of object_info; empty when it is not a list."""
    inputs = definition.get("input") or {}
    spec = next((group[name] for group in inputs.values() if isinstance(group, Mapping) and name in group), ())
    match spec:
        case [list(values), *_] | ["COMBO", {"options": list(values)}]:
            return [value for value in values if isinstance(value, str)]
        case _:
            return []
