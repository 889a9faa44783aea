"""Old names of node classes: a prompt that uses them runs with the new ones, as in ComfyUI. Pure.

The table is ComfyUI's answer to GET /node_replacements. It lists replacements for each old class, and ComfyUI uses the
first. Source: ComfyUI 0.33.0, app/node_replace_manager.py ``apply_replacements``.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from wire.graph import Prompt, is_link

Replacement = Mapping[str, Any]
"""``new_node_id``, ``input_mapping`` and ``output_mapping``"""


def replacements_of(table: Mapping[str, Any], kinds: Iterable[str]) -> dict[str, Replacement]:
    """For each of *kinds* that has one."""
    found = {kind: table[kind] for kind in kinds if kind in table}
    return {
        kind: entries[0]
        for kind, entries in found.items()
        if isinstance(entries, list) and entries and _is_replacement(entries[0])
    }


def _is_replacement(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("new_node_id"), str)


def replaced(prompt: Prompt, replacements: Mapping[str, Replacement]) -> dict[str, Any]:
    """*prompt* without the classes of *replacements*. Inputs that a replacement does not map are left out."""
    outputs = {
        node_id: _new_slots(replacements[node["class_type"]])
        for node_id, node in prompt.items()
        if node["class_type"] in replacements
    }
    return {node_id: _node(node, replacements.get(node["class_type"]), outputs) for node_id, node in prompt.items()}


def _node(
    node: Mapping[str, Any], replacement: Replacement | None, outputs: Mapping[str, Mapping[int, int]]
) -> dict[str, Any]:
    inputs = {name: _relinked(value, outputs) for name, value in node.get("inputs", {}).items()}
    if replacement is None:
        return {**node, "inputs": inputs} if "inputs" in node else dict(node)
    return {**node, "class_type": replacement["new_node_id"], "inputs": _mapped(inputs, replacement)}


def _mapped(inputs: Mapping[str, Any], replacement: Replacement) -> dict[str, Any]:
    new: dict[str, Any] = {}
    for entry in replacement.get("input_mapping") or ():
        match entry:
            case {"new_id": str(name), "set_value": value}:
                new[name] = value
            case {"new_id": str(name), "old_id": str(old)} if old in inputs:
                new[name] = inputs[old]
    return new


def _new_slots(replacement: Replacement) -> dict[int, int]:
    slots: dict[int, int] = {}
    for entry in replacement.get("output_mapping") or ():
        match entry:
            case {"old_idx": int(old), "new_idx": int(new)}:
                slots[old] = new
    return slots


def _relinked(value: Any, outputs: Mapping[str, Mapping[int, int]]) -> Any:
    if not is_link(value) or value[0] not in outputs:
        return value
    return [value[0], outputs[value[0]].get(value[1], value[1])]
