"""What is wrong with a prompt, in ComfyUI's words; and the prompt with its values converted.

Source: ComfyUI 0.33.0, execution.py ``validate_prompt``, ``validate_inputs``.
"""

import copy
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.comfyui.folders import ComfyFolders
from sandbox.comfyui.graph import Classes
from sandbox.comfyui.node import NodeClass
from wire.graph import Prompt, needed, unwrapped
from wire.node_errors import cycle_error, missing_node_type

_CONVERT = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
_SHOWN_OPTIONS = 20
_BROKEN = (KeyError, IndexError, TypeError, AttributeError, RecursionError)
"""what looking up a link raises when it leads nowhere, or in a circle"""

Error = dict[str, Any]


class InvalidPrompt(Exception):
    """``error`` and ``node_errors`` of the 400 that ComfyUI answers."""

    def __init__(
        self,
        kind: str,
        message: str,
        details: str = "",
        node_errors: dict[str, Any] | None = None,
        extra_info: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.error = {"type": kind, "message": message, "details": details, "extra_info": extra_info or {}}
        self.node_errors = node_errors or {}


@dataclass(slots=True)
class Validated:
    """The prompt with converted values, outputs that can run, and what is wrong with the others."""

    prompt: dict[str, Any]
    outputs: list[str] = field(default_factory=list)
    node_errors: dict[str, Any] = field(default_factory=dict)


def validate(prompt: Prompt, classes: Classes, targets: list[str] | None, folders: ComfyFolders) -> Validated:
    """Raises InvalidPrompt when nothing can run."""
    outputs = _outputs(prompt, classes, targets)
    result = Validated(copy.deepcopy(dict(prompt)))
    check = _Check(result.prompt, classes, folders)
    details = []
    for output in outputs:
        if check.output(output):
            result.outputs.append(output)
            continue
        details += [f"{error['message']}: {error['details']}" for error in check.errors.get(output, [])]
        for node_id in needed(prompt, [output]):
            if errors := check.errors.get(node_id):
                kind = prompt[node_id]["class_type"]
                entry = {"errors": errors, "dependent_outputs": [], "class_type": kind}
                result.node_errors.setdefault(node_id, entry)["dependent_outputs"].append(output)
    if not result.outputs:
        message = "Prompt outputs failed validation"
        raise InvalidPrompt("prompt_outputs_failed_validation", message, "\n".join(details), result.node_errors)
    return result


def _outputs(prompt: Prompt, classes: Classes, targets: list[str] | None) -> list[str]:
    for node_id, node in prompt.items():
        kind = node.get("class_type")
        if kind not in classes:
            raise _missing(node_id, node)
    outputs = [node_id for node_id, node in prompt.items() if classes[node["class_type"]].output_node]
    wanted = [node_id for node_id in outputs if targets is None or node_id in targets]
    if not wanted:
        raise InvalidPrompt("prompt_no_outputs", "Prompt has no outputs")
    return wanted


def _missing(node_id: str, node: Mapping[str, Any]) -> InvalidPrompt:
    error = missing_node_type(node_id, node.get("class_type"), node.get("_meta", {}).get("title"))
    return InvalidPrompt(error["type"], error["message"], error["details"], extra_info=error["extra_info"])


class _Check:
    """One look at every node that the outputs need; *errors* has the nodes' own errors."""

    def __init__(self, prompt: dict[str, Any], classes: Classes, folders: ComfyFolders) -> None:
        self._prompt, self._classes, self._folders = prompt, classes, folders
        self._fine: dict[str, bool] = {}
        self._visiting: list[str] = []
        self._circles: dict[str, Error] = {}
        self.errors: dict[str, list[Error]] = {}

    def output(self, node_id: str) -> bool:
        try:
            return self._node(node_id)
        except _BROKEN as error:
            extra = {"exception_type": type(error).__name__, "traceback": traceback.format_tb(error.__traceback__)}
            message = "Exception when validating node"
            entry = {"type": "exception_during_validation", "message": message, "details": str(error)}
            self.errors[node_id] = [{**entry, "extra_info": extra}]
            self._fine[node_id] = False
            return False

    def _node(self, node_id: str) -> bool:
        """Raises what a broken link raises."""
        if node_id in self._fine:
            return self._fine[node_id]
        if node_id in self._visiting:
            self._close_circle(node_id)
        if node_id in self._circles:
            return False
        self._visiting.append(node_id)
        try:
            return self._looked_at(node_id)
        finally:
            self._visiting.pop()

    def _close_circle(self, node_id: str) -> None:
        path = [*self._visiting[self._visiting.index(node_id) :], node_id]
        details = " -> ".join(f"{one} ({self._prompt[one]['class_type']})" for one in path)
        for one in path:
            self._circles.setdefault(one, cycle_error(one, details, path))

    def _looked_at(self, node_id: str) -> bool:
        node = self._prompt[node_id]
        kind, inputs = self._classes[node["class_type"]], node["inputs"]
        errors, sources_fine = list[Error](), True
        for name, spec in kind.info(self._folders)["input"]["required"].items():
            if isinstance(inputs.get(name), list):
                found, fine = self._link(name, spec, inputs[name])
                sources_fine = sources_fine and fine
            else:
                found = _value(name, spec, inputs, own_check=kind.validate is not None)
            errors += [found] if found else []
        if not errors:
            errors += self._own_errors(kind, inputs)
        if node_id in self._circles:
            errors = [self._circles[node_id], *errors]
        self.errors[node_id] = errors
        self._fine[node_id] = not errors and sources_fine
        return self._fine[node_id]

    def _own_errors(self, kind: NodeClass, inputs: Mapping[str, Any]) -> list[Error]:
        if kind.validate is None or (reason := kind.validate(self._folders, inputs)) is None:
            return []
        name = next(iter(kind.required))
        return [_error("custom_validation_failed", "Custom validation failed for node", f"{name} - {reason}", name)]

    def _link(self, name: str, spec: list[Any], link: list[Any]) -> tuple[Error | None, bool]:
        """The input's own error, and whether its source is fine."""
        config = {"input_config": _config(spec)}
        if len(link) != 2:
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            return _error("bad_linked_input", message, name, name, **config, received_value=link), True
        received = self._classes[self._prompt[link[0]]["class_type"]].outputs[link[1]]
        if received != spec[0]:
            details = f"{name}, received_type({received}) mismatch input_type({spec[0]})"
            extra = {**config, "received_type": received, "linked_node": link}
            return _error(
                "return_type_mismatch", "Return type mismatch between linked nodes", details, name, **extra
            ), True
        try:
            return None, self._node(link[0])
        except _BROKEN as error:
            self.errors[link[0]] = [_inner_error(name, error, {**config, "linked_node": link})]
            self._fine[link[0]] = False
            return None, False


def _inner_error(name: str, error: Exception, extra: dict[str, Any]) -> Error:
    extra |= {
        "exception_message": str(error),
        "exception_type": type(error).__name__,
        "traceback": traceback.format_tb(error.__traceback__),
    }
    message = "Exception when validating inner node"
    return _error("exception_during_inner_validation", message, str(error), name, **extra)


def _value(name: str, spec: list[Any], inputs: dict[str, Any], *, own_check: bool) -> Error | None:
    """Converts the value in place, as ComfyUI does; its error, if any."""
    if name not in inputs:
        return _error("required_input_missing", "Required input is missing", name, name)
    value = inputs[name] = unwrapped(inputs[name])
    extra = {"input_config": _config(spec), "received_value": value}
    if not isinstance(spec[0], list) and spec[0] in _CONVERT:
        try:
            value = inputs[name] = _CONVERT[spec[0]](value)
        except (TypeError, ValueError, OverflowError) as error:
            message, details = f"Failed to convert an input value to a {spec[0]} value", f"{name}, {value}, {error}"
            return _error("invalid_input_type", message, details, name, **extra, exception_message=str(error))
    return None if own_check else _limited(name, spec, value)


def _limited(name: str, spec: list[Any], value: Any) -> Error | None:
    config = _config(spec)
    extra = {"input_config": config, "received_value": value}
    least, most = config[1].get("min"), config[1].get("max")
    if least is not None and value < least:
        return _error("value_smaller_than_min", f"Value {value} smaller than min of {least}", name, name, **extra)
    if most is not None and value > most:
        return _error("value_bigger_than_max", f"Value {value} bigger than max of {most}", name, name, **extra)
    options = spec[0] if isinstance(spec[0], list) else config[1].get("options")
    if options is None or value in options:
        return None
    if len(options) > _SHOWN_OPTIONS:
        extra["input_config"], shown = None, f"(list of length {len(options)})"
    else:
        shown = str(options)
    return _error("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {shown}", name, **extra)


def _config(spec: list[Any]) -> list[Any]:
    return [spec[0], spec[1] if len(spec) > 1 else {}]


def _error(kind: str, message: str, details: str, name: str, **extra: Any) -> Error:
    return {"type": kind, "message": message, "details": details, "extra_info": {"input_name": name, **extra}}
