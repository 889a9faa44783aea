"""Judgement: what is wrong with a prompt where it will run, and what of that is sure enough to refuse it. Pure.

What only an old catalog says, or what a custom node's own check may allow, is a doubt: it is said, and the prompt runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.prompt.node_check import InputProblem, own_findings
from engine.prompt.sides import Sides
from wire.graph import Prompt, needed
from wire.node_errors import Error

NOT_THERE = (
    "The endpoint does not have {kind}: add its pack to docker/custom_nodes.yaml and deploy, or run it on this machine."
)
NOWHERE = "Neither the endpoint nor this machine has {kind}: add its pack to docker/custom_nodes.yaml and deploy."
_SHOWN = 200


class MissingModel(NamedTuple):
    """A model that a node names and the endpoint does not have. *name* is the prompt's, *input* the node's."""

    node_id: str
    class_type: str
    input: str
    kind: str
    name: str


class NodeRemark(NamedTuple):
    """A sentence about one node."""

    node_id: str
    class_type: str
    text: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """*errors* refuse the nodes that they belong to, *doubts* do not; both by node."""

    errors: Mapping[str, Sequence[Error]] = field(default_factory=dict)
    doubts: Mapping[str, Sequence[Error]] = field(default_factory=dict)
    models: tuple[MissingModel, ...] = ()
    classes: tuple[NodeRemark, ...] = ()
    """nodes whose class the endpoint does not have"""
    refused_class: str | None = None
    """the first node that refuses the whole prompt, since the endpoint surely does not have its class"""
    differences: tuple[NodeRemark, ...] = ()
    """nodes whose class is another version at the endpoint"""

    @property
    def says_anything(self) -> bool:
        """Whether there is anything that a person should know, even if the prompt runs."""
        return bool(self.models or self.classes or self.differences or self.doubts)


NOTHING_WRONG = Judgement()


def judgement(prompt: Prompt, sides: Sides, outputs: Iterable[str]) -> Judgement:
    """The judgement on the nodes that *outputs* need; without outputs, when only the endpoint knows them, on all.

    A class that the endpoint lacks refuses the prompt wherever it is, as in ComfyUI's ``validate_prompt``.
    """
    wanted = list(outputs)
    running = frozenset(needed(prompt, wanted) if wanted else prompt)
    found = own_findings(prompt, sides.infos, sides.lists)
    sure = _Sure(prompt, sides)
    errors = {node_id: tuple(one.error for one in some if sure(node_id, one)) for node_id, some in found.items()}
    doubts = {
        node_id: tuple(one.error for one in some if not sure(node_id, one))
        for node_id, some in found.items()
        if node_id in running
    }
    missing = [node_id for node_id, node in prompt.items() if sides.lacks(node["class_type"])]
    return Judgement(
        errors={node_id: some for node_id, some in errors.items() if some},
        doubts={node_id: some for node_id, some in doubts.items() if some},
        models=tuple(_missing_models(prompt, found, running)),
        classes=tuple(_remark(prompt, sides, node_id) for node_id in missing),
        refused_class=next((node_id for node_id in missing if _is_surely_missing(prompt, sides, node_id)), None),
    )


class _Sure:
    """Whether a finding refuses. While the endpoint's catalog may not, both definitions have to say the same."""

    def __init__(self, prompt: Prompt, sides: Sides) -> None:
        self._is_current = sides.is_current or not sides.knows_classes
        here = {} if self._is_current else own_findings(prompt, sides.local)
        self._here = {(node_id, *_what(one)) for node_id, some in here.items() for one in some if one.certain}

    def __call__(self, node_id: str, finding: InputProblem) -> bool:
        return finding.certain and (self._is_current or (node_id, *_what(finding)) in self._here)


def _what(finding: InputProblem) -> tuple[str, str]:
    return finding.input_name, finding.error["type"]


def _missing_models(
    prompt: Prompt, found: Mapping[str, Sequence[InputProblem]], running: frozenset[str]
) -> Iterable[MissingModel]:
    for node_id, findings in found.items():
        for one in findings:
            if one.kind and node_id in running:
                yield MissingModel(node_id, prompt[node_id]["class_type"], one.input_name, one.kind, one.value)


def _is_surely_missing(prompt: Prompt, sides: Sides, node_id: str) -> bool:
    return sides.is_current and not sides.may_rename(prompt[node_id]["class_type"])


def _remark(prompt: Prompt, sides: Sides, node_id: str) -> NodeRemark:
    kind: Any = prompt[node_id]["class_type"]
    text = NOWHERE if sides.local.get(kind) is None else NOT_THERE
    return NodeRemark(node_id, kind, text.format(kind=kind[:_SHOWN]))
