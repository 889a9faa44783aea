"""Changes to a prompt from the command line: ``--set 6.text="a cat"``, ``--seed 7``."""

import json
from collections.abc import Mapping
from typing import Any

SEEDS = ("seed", "noise_seed")
SEED_MAX = 2**63 - 1
"""what every node with a seed accepts; ComfyUI's own go to 2**64 - 1"""


class OverrideRefused(ValueError):
    """The override names nothing in this workflow, or more than one thing."""


def with_value(prompt: Mapping[str, Any], assignment: str) -> dict[str, Any]:
    """*prompt* with ``NODE.INPUT=VALUE`` set; NODE is an id, or a title or class that only one node has.

    VALUE is JSON when it reads as such, else text; where the input holds a text it stays one. Raises OverrideRefused.
    """
    target, separator, text = assignment.partition("=")
    name, dot, input_name = target.strip().rpartition(".")
    if not separator or not dot or not name or not input_name:
        raise OverrideRefused(f"{assignment!r} does not have the form NODE.INPUT=VALUE")
    node_id = _node(prompt, name)
    inputs = prompt[node_id]["inputs"]
    if input_name not in inputs:
        known = ", ".join(inputs) or "none"
        raise OverrideRefused(f"node {node_id} ({prompt[node_id]['class_type']}) has no {input_name!r}; it has {known}")
    return _set(prompt, node_id, input_name, _value(text, inputs[input_name]))


def with_seed(prompt: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """*prompt* with every seed that is not fed by another node set to *seed*; raises OverrideRefused if it has none."""
    found = [
        (node_id, name)
        for node_id, node in prompt.items()
        for name, value in node["inputs"].items()
        if name in SEEDS and isinstance(value, int)
    ]
    if not found:
        raise OverrideRefused("no node of this workflow has a seed; use --set NODE.INPUT=VALUE")
    changed = dict(prompt)
    for node_id, name in found:
        changed = _set(changed, node_id, name, seed)
    return changed


def _node(prompt: Mapping[str, Any], name: str) -> str:
    if name in prompt:
        return name
    found = [node_id for node_id, node in prompt.items() if name in (title(node), node["class_type"])]
    if len(found) == 1:
        return found[0]
    if found:
        raise OverrideRefused(f"{name!r} is the name of several nodes; use an id: {', '.join(found)}")
    nodes = ", ".join(f"{node_id} ({node['class_type']})" for node_id, node in prompt.items())
    raise OverrideRefused(f"no node {name!r} in this workflow; it has {nodes}")


def title(node: Mapping[str, Any]) -> str:
    """What people call a node: its title, else its class."""
    return str(node.get("_meta", {}).get("title") or node["class_type"])


def _value(text: str, current: object) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) or not isinstance(current, str) else text


def _set(prompt: Mapping[str, Any], node_id: str, name: str, value: Any) -> dict[str, Any]:
    node = prompt[node_id]
    return {**prompt, node_id: {**node, "inputs": {**node["inputs"], name: value}}}
