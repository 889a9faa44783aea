"""A prompt as a graph: its links, the order in which its nodes run, and what makes two nodes compute the same."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.comfyui.node import NodeClass

Prompt = Mapping[str, Mapping[str, Any]]
Classes = Mapping[str, NodeClass]


def links(node: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Input name, source node and slot of each link."""
    for name, value in node.get("inputs", {}).items():
        if is_link(value):
            yield name, str(value[0]), int(value[1])


def is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def order(prompt: Prompt, outputs: list[str]) -> list[str]:
    """The nodes that *outputs* need, sources first."""
    found: list[str] = []

    def visit(node_id: str, above: frozenset[str]) -> None:
        if node_id in found or node_id in above or node_id not in prompt:
            return
        for _, source, _ in links(prompt[node_id]):
            visit(source, above | {node_id})
        found.append(node_id)

    for output in outputs:
        visit(output, frozenset())
    return found


def signatures(prompt: Prompt, nodes: list[str], fingerprints: Mapping[str, object]) -> dict[str, str]:
    """Of *nodes*, sources first; equal for those that would compute the same from the same sources."""
    found: dict[str, str] = {}
    for node_id in nodes:
        node = prompt[node_id]
        inputs = {
            name: ["", found.get(str(value[0])), value[1]] if is_link(value) else value
            for name, value in node.get("inputs", {}).items()
        }
        text = json.dumps([node["class_type"], inputs, str(fingerprints.get(node_id))], sort_keys=True)
        found[node_id] = hashlib.sha256(text.encode()).hexdigest()
    return found
