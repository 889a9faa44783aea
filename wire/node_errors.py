"""What is wrong with a node's input, in ComfyUI's words and in the shape of its ``node_errors``.

Source: ComfyUI 0.3.64 to 0.33.0, execution.py ``validate_inputs`` and ``validate_prompt``.
"""

from collections.abc import Sequence
from typing import Any

from wire.graph import Prompt

Error = dict[str, Any]
"""ComfyUI's: type, message, details, extra_info"""


def error(kind: str, message: str, details: str, input_name: str, **extra: Any) -> Error:
    """One error of a node."""
    return {"type": kind, "message": message, "details": details, "extra_info": {"input_name": input_name, **extra}}


def cycle_error(node_id: str, details: str, path: Sequence[str]) -> Error:
    """The error of one node of a circle; *path* begins and ends with the same node."""
    about = {"node_id": node_id, "cycle_nodes": list(dict.fromkeys(path))}
    return {
        "type": "dependency_cycle",
        "message": "Dependency cycle detected",
        "details": details,
        "extra_info": about,
    }


def missing_node_type(node_id: str, kind: str | None, title: str | None) -> Error:
    """Of a node without a class, or with one that ComfyUI does not know; *title* is what the page calls the node.

    Source: ComfyUI 0.33.0, execution.py ``validate_prompt``. Pages from 1.49 on offer their help with missing nodes.
    """
    if kind is None:
        named = title or f"ID #{node_id}"
        message = f"Node '{named}' has no class_type. The workflow may be corrupted or a custom node is missing."
    else:
        title = title or kind
        message = f"Node '{title}' not found. The custom node may not be installed."
    about = {"node_id": node_id, "class_type": kind, "node_title": title}
    return {"type": "missing_node_type", "message": message, "details": f"Node ID '#{node_id}'", "extra_info": about}


def own_check(input_name: str, reason: str, value: str) -> Error:
    """An error as ComfyUI's loaders report it, which check their files themselves."""
    details = f"{input_name} - {reason}"
    return error(
        "custom_validation_failed", "Custom validation failed for node", details, input_name, received_value=value
    )


def refuse(errors: dict[str, Any], prompt: Prompt, node_id: str, problem: Error) -> None:
    """Add *problem* to the ``node_errors`` of a prompt that cannot run at all."""
    kind = prompt[node_id]["class_type"]
    node = errors.setdefault(node_id, {"errors": [], "dependent_outputs": [], "class_type": kind})
    node["errors"].append(problem)
