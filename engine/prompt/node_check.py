"""What is wrong with a node's inputs, by the definition of its class. Pure.

Source: ComfyUI 0.3.64 to 0.33.0, execution.py ``validate_inputs``, comfy_execution/validation.py
``validate_node_input``.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from wire.graph import Prompt, is_link, unwrapped
from wire.node_errors import Error, error

Infos = Mapping[str, Mapping[str, Any] | None]
"""object_info by class; None for a class that nobody knows"""

_CONVERT: Mapping[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
_SHOWN_OPTIONS = 20
_FILE = re.compile(r"[^.]+\.\w{2,12}(?: \[\w+\])?$")
_MODEL_INPUT = re.compile(r".*_name\d*$")


@dataclass(frozen=True, slots=True)
class Lists:
    """Which lists of choices are those of the machine that runs the prompt; without any, only the local ones are known.

    *classes* have definitions of the endpoint, *kinds* says by class and input which kind of model an input offers, and
    *models* which models there are of each kind.
    """

    classes: Collection[str] = ()
    kinds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    models: Mapping[str, Collection[str]] = field(default_factory=dict)

    def kind(self, class_type: str, input_name: str) -> str | None:
        """The kind of model that an input offers; None for other inputs."""
        return self.kinds.get(class_type, {}).get(input_name)


LOCAL = Lists()


class InputProblem(NamedTuple):
    """Something that is wrong with an input. If it is not *certain*, the node's own check may allow it."""

    input_name: str
    error: Error
    certain: bool = True
    kind: str = ""
    """of the model that is missing"""
    value: str = ""
    """its name in the prompt"""


def own_findings(prompt: Prompt, infos: Infos, lists: Lists = LOCAL) -> dict[str, tuple[InputProblem, ...]]:
    """What is wrong with each node by itself; nodes without a finding, or of an unknown class, are left out."""
    found = {node_id: tuple(_NodeCheck(prompt, infos, lists, node_id).findings()) for node_id in prompt}
    return {node_id: findings for node_id, findings in found.items() if findings}


def specs(info: Mapping[str, Any]) -> dict[str, tuple[Sequence[Any], bool]]:
    """Input name -> its spec, and whether it is required."""
    groups = info.get("input") or {}
    described = [
        (name, spec, group == "required")
        for group in ("required", "optional")
        for name, spec in (groups.get(group) or {}).items()
    ]
    return {name: (spec, required) for name, spec, required in described if isinstance(spec, list | tuple) and spec}


def is_dynamic(spec: Sequence[Any]) -> bool:
    """Inputs that stand for several others of the prompt (COMFY_AUTOGROW_V3 and its kin)."""
    return isinstance(spec[0], str) and spec[0].startswith("COMFY_")


def is_core(info: Mapping[str, Any]) -> bool:
    """A custom node's VALIDATE_INPUTS may allow more than its definition; ComfyUI's own do that for files only.

    The definition does not say whether a class has one.
    """
    module = str(info.get("python_module", ""))
    return module == "nodes" or module.startswith("comfy_extras.")


class _NodeCheck:
    def __init__(self, prompt: Prompt, infos: Infos, lists: Lists, node_id: str) -> None:
        self._prompt, self._infos, self._lists = prompt, infos, lists
        self._inputs = prompt[node_id].get("inputs", {})
        self._class = prompt[node_id]["class_type"]
        self._info = infos.get(self._class) or {}
        self._is_core = is_core(self._info)

    def findings(self) -> Iterator[InputProblem]:
        for name, (spec, required) in specs(self._info).items():
            found = self._of_input(name, spec, required=required)
            if found is not None:
                yield found

    def _of_input(self, name: str, spec: Sequence[Any], *, required: bool) -> InputProblem | None:
        if name not in self._inputs:
            if not required or is_dynamic(spec):
                return None
            return InputProblem(name, error("required_input_missing", "Required input is missing", name, name))
        value = self._inputs[name]
        return self._link(name, spec, value) if isinstance(value, list) else self._value(name, spec, value)

    def _link(self, name: str, spec: Sequence[Any], link: list[Any]) -> InputProblem | None:
        extra = {"input_config": _config(spec), "received_value": link}
        outputs = self._outputs_of(link)
        if outputs is None:
            return None
        if not is_link(link) or not 0 <= link[1] < len(outputs):
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            return InputProblem(name, error("bad_linked_input", message, name, name, **extra))
        received = outputs[link[1]]
        if _fits(received, spec[0]):
            return None
        details = f"{name}, received_type({received}) mismatch input_type({spec[0]})"
        extra = {"input_config": _config(spec), "received_type": received, "linked_node": link}
        problem = error("return_type_mismatch", "Return type mismatch between linked nodes", details, name, **extra)
        return InputProblem(name, problem)

    def _outputs_of(self, link: list[Any]) -> Sequence[Any] | None:
        """The types of the outputs of the node that *link* leads to; None when nobody knows its class."""
        if not (is_link(link) and link[0] in self._prompt):
            return ()
        info = self._infos.get(self._prompt[link[0]]["class_type"])
        outputs = info.get("output") if info is not None else None
        return outputs if isinstance(outputs, list | tuple) else None

    def _value(self, name: str, spec: Sequence[Any], value: Any) -> InputProblem | None:
        value = unwrapped(value)
        extra = {"input_config": _config(spec), "received_value": value}
        if isinstance(spec[0], str) and spec[0] in _CONVERT:
            try:
                value = _CONVERT[spec[0]](value)
            except (TypeError, ValueError, OverflowError) as problem:
                message = f"Failed to convert an input value to a {spec[0]} value"
                details = f"{name}, {value}, {problem}"
                extra["exception_message"] = str(problem)
                return InputProblem(name, error("invalid_input_type", message, details, name, **extra))
        outside = _out_of_range(name, spec, value)
        if outside is not None:
            return self._limited(InputProblem(name, outside, self._is_core))
        return self._choice(name, spec, value)

    def _choice(self, name: str, spec: Sequence[Any], value: Any) -> InputProblem | None:
        options = _config(spec)[1]
        values = spec[0] if isinstance(spec[0], list) else options.get("options") if spec[0] == "COMBO" else None
        if not isinstance(values, list) or value in values or _is_open(options, value):
            return None
        kind = self._lists.kind(self._class, name)
        if kind is not None and isinstance(value, str):
            if value in self._lists.models.get(kind, ()):
                return None
            return InputProblem(name, _not_in_list(name, spec, values, value), kind=kind, value=value)
        if not values:
            return None
        guessed = _may_be_a_file(name, values, value)
        if guessed and self._class not in self._lists.classes:
            return None
        return self._limited(InputProblem(name, _not_in_list(name, spec, values, value), self._is_core and not guessed))

    def _limited(self, finding: InputProblem) -> InputProblem | None:
        """What a custom node may allow is worth a word only when the endpoint's definition says it."""
        return finding if self._is_core or self._class in self._lists.classes else None


def _fits(received: Any, wanted: Any) -> bool:
    """Whether an output of one type may be linked to an input of the other; unions are separated by commas."""
    if not isinstance(received, str) or not isinstance(wanted, str) or "*" in received or "*" in wanted:
        return True
    if received.startswith("COMFY_") or wanted.startswith("COMFY_") or "COMBO" in (received, wanted):
        return True
    return bool(_union(received) & _union(wanted))


def _union(kind: str) -> set[str]:
    return {part.strip() for part in kind.split(",")}


def _out_of_range(name: str, spec: Sequence[Any], value: Any) -> Error | None:
    if not isinstance(value, int | float):
        return None
    config = _config(spec)
    extra = {"input_config": config, "received_value": value}
    least, most = config[1].get("min"), config[1].get("max")
    if isinstance(least, int | float) and value < least:
        return error("value_smaller_than_min", f"Value {value} smaller than min of {least}", name, name, **extra)
    if isinstance(most, int | float) and value > most:
        return error("value_bigger_than_max", f"Value {value} bigger than max of {most}", name, name, **extra)
    return None


def _not_in_list(name: str, spec: Sequence[Any], values: list[Any], value: Any) -> Error:
    shown, config = str(values), _config(spec)
    extra = {"input_config": None if len(values) > _SHOWN_OPTIONS else config, "received_value": value}
    if len(values) > _SHOWN_OPTIONS:
        shown = f"(list of length {len(values)})"
    return error("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {shown}", name, **extra)


def _is_open(options: Mapping[str, Any], value: Any) -> bool:
    """Whether the list is fetched, has several values, or grows with what a person uploads."""
    special = options.get("remote") or options.get("multiselect") or any(key.endswith("_upload") for key in options)
    return bool(special or isinstance(value, list))


def _may_be_a_file(name: str, values: list[Any], value: Any) -> bool:
    """Whether the list may be one of files or models, which differs from machine to machine."""
    files = any(isinstance(item, str) and _FILE.match(item) for item in (*values, value))
    return files or _MODEL_INPUT.match(name) is not None


def _config(spec: Sequence[Any]) -> list[Any]:
    options = spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
    return [spec[0], options]
