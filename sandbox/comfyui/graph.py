"""Validation of a prompt, in ComfyUI's words, and the order in which its nodes run.

Source: ComfyUI execution.py ``validate_prompt``, ``validate_inputs``.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.comfyui.folders import Folders
from sandbox.comfyui.node import NodeClass

Prompt = Mapping[str, Mapping[str, Any]]
Classes = Mapping[str, NodeClass]
_CONVERT = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


class InvalidPrompt(Exception):
    """``error`` and ``node_errors`` of the 400 that ComfyUI answers."""

    def __init__(self, kind: str, message: str, details: str = "", node_errors: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.error = {"type": kind, "message": message, "details": details, "extra_info": {}}
        self.node_errors = node_errors or {}


@dataclass(slots=True)
class Validated:
    """Outputs that can run, and what is wrong with the others."""

    outputs: list[str] = field(default_factory=list)
    node_errors: dict[str, Any] = field(default_factory=dict)


def links(node: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Input name, source node and slot of each link."""
    for name, value in node.get("inputs", {}).items():
        if is_link(value):
            yield name, str(value[0]), int(value[1])


def is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def validate(prompt: Prompt, classes: Classes, targets: list[str] | None, folders: Folders) -> Validated:
    """Raises InvalidPrompt when nothing can run."""
    outputs = []
    for node_id, node in prompt.items():
        kind = node.get("class_type")
        if kind is None:
            message = "Cannot execute because a node is missing the class_type property."
            raise InvalidPrompt("invalid_prompt", message, f"Node ID '#{node_id}'")
        if kind not in classes:
            raise InvalidPrompt(
                "invalid_prompt", f"Cannot execute because node {kind} does not exist.", f"Node ID '#{node_id}'"
            )
        if classes[kind].output_node and (targets is None or node_id in targets):
            outputs.append(node_id)
    if not outputs:
        raise InvalidPrompt("prompt_no_outputs", "Prompt has no outputs")
    return _validate_outputs(prompt, classes, outputs, folders)


def _validate_outputs(prompt: Prompt, classes: Classes, outputs: list[str], folders: Folders) -> Validated:
    result = Validated()
    for output in outputs:
        wrong = {
            node_id: found
            for node_id in order(prompt, [output])
            if (found := _wrong(prompt, classes, node_id, folders))
        }
        if not wrong:
            result.outputs.append(output)
        for node_id, errors in wrong.items():
            kind = prompt[node_id]["class_type"] if node_id in prompt else ""
            entry = result.node_errors.setdefault(
                node_id, {"errors": errors, "dependent_outputs": [], "class_type": kind}
            )
            entry["dependent_outputs"].append(output)
    if not result.outputs:
        message = "Prompt outputs failed validation"
        raise InvalidPrompt("prompt_outputs_failed_validation", message, "", result.node_errors)
    return result


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


def _wrong(prompt: Prompt, classes: Classes, node_id: str, folders: Folders) -> list[dict[str, Any]]:
    node = prompt[node_id]
    kind = classes[node["class_type"]]
    inputs = node.get("inputs", {})
    required = kind.info(folders)["input"]["required"]
    errors = [
        error for name, spec in required.items() if (error := _wrong_input(prompt, classes, inputs, name, spec, kind))
    ]
    if not errors and kind.validate is not None and (reason := kind.validate(folders, inputs)) is not None:
        name = next(iter(required))
        errors.append(
            _error("custom_validation_failed", "Custom validation failed for node", f"{name} - {reason}", name)
        )
    return errors


def _wrong_input(
    prompt: Prompt, classes: Classes, inputs: Mapping[str, Any], name: str, spec: list[Any], kind: NodeClass
) -> dict[str, Any] | None:
    if name not in inputs:
        return _error("required_input_missing", "Required input is missing", name, name)
    value = inputs[name]
    if is_link(value):
        return _wrong_link(prompt, classes, name, spec, value)
    return _wrong_value(name, spec, value, checked=kind.validate is None)


def _wrong_link(
    prompt: Prompt, classes: Classes, name: str, spec: list[Any], value: list[Any]
) -> dict[str, Any] | None:
    source = prompt.get(value[0])
    if source is None:
        return _error("exception_during_validation", "Exception when validating node", f"'{value[0]}'", name)
    returned = classes[source["class_type"]].outputs
    received = returned[value[1]] if value[1] < len(returned) else None
    if received == spec[0]:
        return None
    details = f"{name}, received_type({received}) mismatch input_type({spec[0]})"
    extra = {"input_config": _config(spec), "received_type": received, "linked_node": value}
    return _error("return_type_mismatch", "Return type mismatch between linked nodes", details, name, **extra)


def _wrong_value(name: str, spec: list[Any], value: Any, *, checked: bool) -> dict[str, Any] | None:
    options = spec[0] if isinstance(spec[0], list) else _config(spec)[1].get("options")
    if options is not None:
        if value in options or not checked:
            return None
        extra = {"input_config": _config(spec), "received_value": value}
        return _error("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {options}", name, **extra)
    extra = {"input_config": _config(spec), "received_value": value}
    try:
        converted = _CONVERT[spec[0]](value)
    except (KeyError, TypeError, ValueError) as error:
        details = f"{name}, {value}, {error}"
        message = f"Failed to convert an input value to a {spec[0]} value"
        return _error("invalid_input_type", message, details, name, **extra, exception_message=str(error))
    limits = _config(spec)[1]
    if "min" in limits and converted < limits["min"]:
        message = f"Value {value} smaller than min of {limits['min']}"
        return _error("value_smaller_than_min", message, name, name, **extra)
    if "max" in limits and converted > limits["max"]:
        message = f"Value {value} bigger than max of {limits['max']}"
        return _error("value_bigger_than_max", message, name, name, **extra)
    return None


def _config(spec: list[Any]) -> list[Any]:
    return [spec[0], spec[1] if len(spec) > 1 else {}]


def _error(kind: str, message: str, details: str, name: str, **extra: Any) -> dict[str, Any]:
    return {"type": kind, "message": message, "details": details, "extra_info": {"input_name": name, **extra}}


def signature(prompt: Prompt, node_id: str, fingerprints: Mapping[str, object]) -> str:
    """Equal for nodes that would compute the same: class, values and, through links, their sources."""
    node = prompt[node_id]
    inputs = {
        name: [signature(prompt, value[0], fingerprints), value[1]] if is_link(value) else value
        for name, value in sorted(node.get("inputs", {}).items())
    }
    text = json.dumps([node["class_type"], inputs, str(fingerprints.get(node_id))], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
