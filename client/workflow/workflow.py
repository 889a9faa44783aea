"""A workflow file as people have them: ComfyUI's page format, its API format, or the body of a request."""

from dataclasses import dataclass
from typing import Any

from client.workflow.embedded import Bytes, workflows_in
from wire import plain_json
from wire.graph import is_class_name
from wire.limits import NESTING_MAX

_SHOWN = 200
_BEFORE_JSON = b"\xef\xbb\xbf \t\r\n"


class WorkflowUnreadable(ValueError):
    """The file is not a workflow; the text says why."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """At least one of both forms."""

    prompt: dict[str, Any] | None
    """API format: node id -> {"class_type", "inputs"}"""
    graph: dict[str, Any] | None
    """page format; it travels inside the results, so that they can be dropped on the page"""
    embedded: bool = False
    """whether it was inside a result: *graph* is what the page showed, *prompt* what ran"""


def read_workflow_file(data: Bytes) -> Workflow:
    """The workflow in a file: JSON, or a picture, video, sound or model that ComfyUI made. Raises WorkflowUnreadable.

    Such a file can hold both forms: what the page showed, and what ran.
    """
    if bytes(data[:4096]).lstrip(_BEFORE_JSON)[:1] in (b"{", b"[", b""):
        return read_workflow(_decoded(data))
    graph, prompt = workflows_in(data)
    if graph is None and prompt is None:
        if bytes(data[:1024]).isascii():
            return read_workflow(_decoded(data))
        raise WorkflowUnreadable("holds no workflow: it is not JSON, and ComfyUI has put none into it")
    for value in (graph, prompt):
        _check_depth(value)
    return Workflow(read_prompt(prompt) if prompt is not None else None, graph, embedded=True)


def read_workflow(text: str) -> Workflow:
    """The workflow in *text*; raises WorkflowUnreadable."""
    try:
        value = plain_json.loads(text.removeprefix("\ufeff"))
    except ValueError as error:
        raise WorkflowUnreadable(f"is not JSON: {error}") from error
    _check_depth(value)
    return _workflow(value)


def _decoded(data: Bytes) -> str:
    try:
        return bytes(data).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WorkflowUnreadable(f"is not a workflow: it is not UTF-8 text: {error}") from error


def _check_depth(value: Any) -> None:
    if plain_json.is_deeper(value, NESTING_MAX):
        raise WorkflowUnreadable(f"is not a workflow: it is nested more than {NESTING_MAX} levels deep")


def _workflow(value: Any) -> Workflow:
    match value:
        case {"nodes": [*_], "links": [*_]}:
            return Workflow(None, value)
        case {"input": {"workflow": inner}} | {"workflow": inner}:  # RunPod's body, the worker's input
            return _workflow(inner)
        case {"prompt": dict(prompt)}:  # POST /prompt
            return Workflow(read_prompt(prompt), _posted_graph(value))
        case dict():
            return Workflow(read_prompt(value), None)
    raise WorkflowUnreadable("is not a workflow: a JSON object was expected")


def _posted_graph(body: dict[str, Any]) -> dict[str, Any] | None:
    match body:
        case {"extra_data": {"extra_pnginfo": {"workflow": dict(graph)}}}:
            return graph
    return None


def read_prompt(value: dict[str, Any]) -> dict[str, Any]:
    """*value* if it is a prompt in API format; raises WorkflowUnreadable."""
    if not value:
        raise WorkflowUnreadable("is an empty workflow")
    for node_id, node in value.items():
        shown = node_id[:_SHOWN]
        if not isinstance(node, dict) or not is_class_name(node.get("class_type")):
            raise WorkflowUnreadable(f"is not a workflow: {shown!r} is not a node with a class_type")
        if not isinstance(node.get("inputs", {}), dict):
            raise WorkflowUnreadable(f"is not a workflow: the inputs of node {shown!r} are not an object")
    return {node_id: {**node, "inputs": node.get("inputs", {})} for node_id, node in value.items()}


def class_types(graph: dict[str, Any]) -> set[str]:
    """Every node type in *graph*, those inside its subgraphs included. Raises WorkflowUnreadable."""
    match graph:
        case {"definitions": {"subgraphs": [*inner]}}:
            parts = (graph, *inner)
        case _:
            parts = (graph,)
    try:
        types = {node["type"] for part in parts for node in part["nodes"]}
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise WorkflowUnreadable("is not a workflow: one of its nodes has no type") from error
    if not all(map(is_class_name, types)):
        raise WorkflowUnreadable("is not a workflow: the type of one of its nodes is not a name")
    return types
