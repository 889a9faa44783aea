"""Which outputs of a prompt can run, before it costs anything. Pure.

The endpoint judges what only it can know: classes that are not known here, and the own checks of custom nodes. Source:
ComfyUI 0.3.64 to 0.33.0, execution.py ``validate_prompt`` and ``validate_inputs``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.prompt.node_check import Infos, specs
from wire.graph import Prompt, is_link, needed
from wire.node_errors import Error, cycle_error


@dataclass(frozen=True, slots=True)
class Verdict:
    """What can run and what cannot."""

    outputs: tuple[str, ...]
    """output nodes without an error in what they need"""
    node_errors: dict[str, Any]
    """as in ComfyUI's answer to POST /prompt"""
    details: str
    """the output nodes' own errors, a line each"""


def judge(prompt: Prompt, infos: Infos, outputs: Sequence[str], errors: Mapping[str, Sequence[Error]]) -> Verdict:
    """The verdict on *outputs*; *errors* are the nodes' own. What nodes of unknown classes need counts as well."""
    check = _PromptCheck(prompt, infos, errors)
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

    def __init__(self, prompt: Prompt, infos: Infos, own: Mapping[str, Sequence[Error]]) -> None:
        self._prompt, self._infos, self._own = prompt, infos, own
        self._fine: dict[str, bool] = {}
        self._visiting: list[str] = []
        self._circles: dict[str, Error] = {}
        self.errors: dict[str, list[Error]] = {}

    def is_fine(self, node_id: str) -> bool:
        """Whether the node and all that it needs are without an error."""
        if node_id not in self._fine:
            errors = list(self._own.get(node_id, ()))
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
        """The node of every link that leads to one. Of an unknown class every input counts."""
        inputs = self._prompt[node_id].get("inputs", {})
        info = self._infos.get(self._prompt[node_id]["class_type"])
        links = inputs.values() if info is None else (inputs[name] for name in specs(info) if name in inputs)
        return [link[0] for link in links if is_link(link) and link[0] in self._prompt]
