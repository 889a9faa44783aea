"""A workflow file as people have them: ComfyUI's page format, its API format, or the body of a request."""

import json
from dataclasses import dataclass
from typing import Any


class WorkflowUnreadable(ValueError):
    """The file is not a workflow; the text says why."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """At least one of both forms."""

    prompt: dict[str, Any] | None
    """API format: node id -> {"class_type", "inputs"}"""
    graph: dict[str, Any] | None
    """page format; it travels inside the results, so that they can be dropped on the page"""


def read_workflow(text: str) -> Workflow:
    """The workflow in *text*; raises WorkflowUnreadable."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise WorkflowUnreadable(f"is not JSON: {error}") from error
    return _workflow(value)


def _workflow(value: Any) -> Workflow:
    match value:
        case {"nodes": [*_], "links": [*_]}:
            return Workflow(None, value)
        case {"input": {"workflow": inner}} | {"workflow": inner}:  # RunPod's body, the worker's input
            return _workflow(inner)
        case {"prompt": dict(prompt)}:  # POST /prompt
            graph = value.get("extra_data", {}).get("extra_pnginfo", {}).get("workflow")
            return Workflow(_prompt(prompt), graph if isinstance(graph, dict) else None)
        case dict():
            return Workflow(_prompt(value), None)
    raise WorkflowUnreadable("is not a workflow: a JSON object was expected")


def _prompt(value: dict[str, Any]) -> dict[str, Any]:
    if not value:
        raise WorkflowUnreadable("is an empty workflow")
    for node_id, node in value.items():
        if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):
            raise WorkflowUnreadable(f"is not a workflow: {node_id!r} is not a node with a class_type")
        if not isinstance(node.get("inputs", {}), dict):
            raise WorkflowUnreadable(f"is not a workflow: the inputs of node {node_id} are not an object")
    return {node_id: {**node, "inputs": node.get("inputs", {})} for node_id, node in value.items()}


def class_types(graph: dict[str, Any]) -> set[str]:
    """Every node type in *graph*, those inside its subgraphs included."""
    inner = graph.get("definitions", {}).get("subgraphs", [])
    return {str(node["type"]) for part in (graph, *inner) for node in part["nodes"]}
