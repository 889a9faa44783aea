"""What is wrong with a prompt, as far as the node definitions of the local ComfyUI show, before it costs anything.

The endpoint judges what only it can know: its models, classes that are not installed here, and the own checks of custom
nodes, which may also allow what their definitions do not. Source: ComfyUI 0.3.64 to 0.33.0, execution.py
``validate_prompt`` and ``validate_inputs``, comfy_execution/validation.py ``validate_node_input``.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wire.graph import Prompt, is_link, needed, unwrapped
from wire.node_errors import Error, cycle_error, error

Infos = Mapping[str, Mapping[str, Any]]

_CONVERT: Mapping[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
_SHOWN_OPTIONS = 20
_FILE = re.compile(r"[^.]+\.\w{2,12}(?: \[\w+\])?$")
_MODEL_INPUT = re.compile(r".*_name\d*$")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What can run and what cannot."""

    outputs: tuple[str, ...]
    """output nodes without an error in what they need"""
    node_errors: dict[str, Any]
    """as in ComfyUI's answer to POST /prompt"""
    details: str
    """the output nodes' own errors, a line each"""


def judge(prompt: Prompt, infos: Infos, outputs: Sequence[str], known: Mapping[str, Sequence[Error]]) -> Verdict:
    """The verdict on *outputs*; *infos* holds object_info of every class, *known* errors that were found before."""
    check = _PromptCheck(prompt, infos, known)
    try:
        good = tuple(output for output in outputs if check.is_fine(output))
    except RecursionError:  # a chain of a thousand nodes: left to the endpoint
        return Verdict(tuple(outputs), {}, "")
    bad = [output for output in outputs if output not in good]
    own = [error for output in bad for error in check.errors[output]]
    details = "\n".join(f"{error['message']}: {error['details']}" for error in own)
    return Verdict(good, _node_errors(prompt, bad, check.errors), details)


def _node_errors(prompt: Prompt, bad: Sequence[str], errors: Mapping[str, list[Error]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for output in bad:
        for node_id in needed(prompt, [output]):
            if errors.get(node_id):
                entry = {
                    "errors": errors[node_id],
                    "dependent_outputs": [],
                    "class_type": prompt[node_id]["class_type"],
                }
                found.setdefault(node_id, entry)["dependent_outputs"].append(output)
    return found


class _PromptCheck:
    """One look at every node; *errors* has the nodes' own errors."""

    def __init__(self, prompt: Prompt, infos: Infos, known: Mapping[str, Sequence[Error]]) -> None:
        self._prompt, self._infos, self._known = prompt, infos, known
        self._fine: dict[str, bool] = {}
        self._visiting: list[str] = []
        self._circles: dict[str, Error] = {}
        self.errors: dict[str, list[Error]] = {}

    def is_fine(self, node_id: str) -> bool:
        """Whether the node and all that it needs are without an error."""
        if node_id not in self._fine:
            errors = [*self._known.get(node_id, ()), *self._own(node_id)]
            self._visiting.append(node_id)
            sources = [self._follow(source) for source in self._sources(node_id)]
            self._visiting.pop()
            circle = self._circles.get(node_id)
            self.errors[node_id] = errors if circle is None else [circle, *errors]
            self._fine[node_id] = all(sources) and not self.errors[node_id]
        return self._fine[node_id]

    def _follow(self, source: str) -> bool:
        if source in self._circles:
            return False
        if source not in self._visiting:
            return self.is_fine(source)
        path = [*self._visiting[self._visiting.index(source) :], source]
        details = " -> ".join(f"{node_id} ({self._prompt[node_id]['class_type']})" for node_id in path)
        for node_id in path:
            self._circles[node_id] = cycle_error(node_id, details, path)
        return False

    def _sources(self, node_id: str) -> list[str]:
        """The node of every link that leads to one."""
        inputs = self._prompt[node_id].get("inputs", {})
        links = (inputs[name] for name in _specs(self._info(node_id)) if name in inputs)
        return [link[0] for link in links if self._leads_somewhere(link)]

    def _info(self, node_id: str) -> Mapping[str, Any]:
        return self._infos[self._prompt[node_id]["class_type"]]

    def _own(self, node_id: str) -> list[Error]:
        inputs, info = self._prompt[node_id].get("inputs", {}), self._info(node_id)
        judged = _has_no_own_checks(info)
        found: list[Error | None] = []
        for name, (spec, required) in _specs(info).items():
            if name not in inputs:
                missing = required and not _is_dynamic(spec)
                found.append(
                    error("required_input_missing", "Required input is missing", name, name) if missing else None
                )
            elif isinstance(inputs[name], list):
                found.append(self._link(name, spec, inputs[name]))
            else:
                found.append(_value(name, spec, inputs[name], limited=judged))
        return [one for one in found if one is not None]

    def _link(self, name: str, spec: Sequence[Any], link: list[Any]) -> Error | None:
        extra = {"input_config": _config(spec), "received_value": link}
        outputs = self._infos[self._prompt[link[0]]["class_type"]]["output"] if self._leads_somewhere(link) else []
        if not is_link(link) or not 0 <= link[1] < len(outputs):
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            return error("bad_linked_input", message, name, name, **extra)
        received = outputs[link[1]]
        if _fits(received, spec[0]):
            return None
        details = f"{name}, received_type({received}) mismatch input_type({spec[0]})"
        extra = {"input_config": _config(spec), "received_type": received, "linked_node": link}
        return error("return_type_mismatch", "Return type mismatch between linked nodes", details, name, **extra)

    def _leads_somewhere(self, link: Any) -> bool:
        return is_link(link) and link[0] in self._prompt


def _specs(info: Mapping[str, Any]) -> dict[str, tuple[Sequence[Any], bool]]:
    """Input name -> its spec, and whether it is required."""
    groups = info.get("input") or {}
    described = [
        (name, spec, group == "required")
        for group in ("required", "optional")
        for name, spec in (groups.get(group) or {}).items()
    ]
    return {name: (spec, required) for name, spec, required in described if isinstance(spec, list | tuple) and spec}


def _has_no_own_checks(info: Mapping[str, Any]) -> bool:
    """A custom node's VALIDATE_INPUTS may allow more than its definition; ComfyUI's own do that for files only."""
    module = str(info.get("python_module", ""))
    return module == "nodes" or module.startswith("comfy_extras.")


def _is_dynamic(spec: Sequence[Any]) -> bool:
    """Inputs that stand for several others of the prompt (COMFY_AUTOGROW_V3 and its kin)."""
    return isinstance(spec[0], str) and spec[0].startswith("COMFY_")


def _fits(received: Any, wanted: Any) -> bool:
    """Whether an output of one type may be linked to an input of the other; unions are separated by commas."""
    if not isinstance(received, str) or not isinstance(wanted, str) or "*" in received or "*" in wanted:
        return True
    if received.startswith("COMFY_") or wanted.startswith("COMFY_") or "COMBO" in (received, wanted):
        return True
    return bool(_union(received) & _union(wanted))


def _union(kind: str) -> set[str]:
    return {part.strip() for part in kind.split(",")}


def _value(name: str, spec: Sequence[Any], value: Any, *, limited: bool) -> Error | None:
    value = unwrapped(value)
    extra = {"input_config": _config(spec), "received_value": value}
    if isinstance(spec[0], str) and spec[0] in _CONVERT:
        try:
            value = _CONVERT[spec[0]](value)
        except (TypeError, ValueError, OverflowError) as problem:
            message, details = f"Failed to convert an input value to a {spec[0]} value", f"{name}, {value}, {problem}"
            return error("invalid_input_type", message, details, name, **extra, exception_message=str(problem))
    return _limited(name, spec, value) if limited else None


def _limited(name: str, spec: Sequence[Any], value: Any) -> Error | None:
    options = _config(spec)[1]
    extra = {"input_config": _config(spec), "received_value": value}
    if isinstance(value, int | float):
        least, most = options.get("min"), options.get("max")
        if least is not None and value < least:
            return error("value_smaller_than_min", f"Value {value} smaller than min of {least}", name, name, **extra)
        if most is not None and value > most:
            return error("value_bigger_than_max", f"Value {value} bigger than max of {most}", name, name, **extra)
    values = spec[0] if isinstance(spec[0], list) else options.get("options") if spec[0] == "COMBO" else None
    if not isinstance(values, list) or value in values or _is_open(name, values, options, value):
        return None
    shown = str(values)
    if len(values) > _SHOWN_OPTIONS:
        shown, extra["input_config"] = f"(list of length {len(values)})", None
    return error("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {shown}", name, **extra)


def _is_open(name: str, values: list[Any], options: Mapping[str, Any], value: Any) -> bool:
    """Whether the endpoint's list may be another: files, models, and lists that are fetched or have several values."""
    special = options.get("remote") or options.get("multiselect") or any(key.endswith("_upload") for key in options)
    files = any(isinstance(item, str) and _FILE.match(item) for item in (*values, value))
    return bool(not values or special or files or isinstance(value, list) or _MODEL_INPUT.match(name))


def _config(spec: Sequence[Any]) -> list[Any]:
    options = spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
    return [spec[0], options]
