"""What makes two nodes of a prompt compute the same."""

import hashlib
import json
from collections.abc import Mapping

from sandbox.comfyui.node import NodeClass
from wire.graph import Prompt, is_link

Classes = Mapping[str, NodeClass]


def signatures(prompt: Prompt, nodes: list[str], fingerprints: Mapping[str, object]) -> dict[str, str]:
    """Of *nodes*, sources first; equal for nodes that would compute the same from the same sources."""
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
