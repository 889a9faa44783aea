"""POST /prompt: what the browser sent becomes a Submission, or a refusal in ComfyUI's own shape.

Source: ComfyUI 0.3.64 and 0.8.0, server.py ``post_prompt`` and execution.py ``validate_prompt``.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.model.job import Submission
from engine.prompt.judgement import Judgement
from engine.prompt.node_check import Infos
from engine.prompt.validation import judge
from wire import plain_json
from wire.graph import PAGE_FORMAT, Prompt, is_class_name, is_page_format, sources
from wire.ids import ClientId, PromptId, is_prompt_id
from wire.job import ACCOUNT_KEYS
from wire.limits import NESTING_MAX
from wire.node_errors import Error, missing_node_type

VALUES_MAX = 250_000
"""JSON values of a request: a prompt and its workflow with two thousand nodes have fewer"""
CLASSES_MAX = 1_000
"""node classes of a prompt: ComfyUI is asked about each"""

_SHOWN = 200
_USAGE_SOURCE = "comfy_usage_source"


@dataclass(eq=False)
class SubmissionRefused(Exception):
    """The prompt cannot run; *body* is ComfyUI's answer to such a POST."""

    type: str
    message: str
    details: str = ""
    node_errors: Mapping[str, Any] = field(default_factory=dict)
    extra_info: Mapping[str, Any] = field(default_factory=dict)
    judgement: Judgement | None = None
    """what the endpoint's definitions say, if they were asked"""
    can_run_anyway: bool = False
    """whether only they refuse it"""

    @property
    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"type": self.type, "message": self.message, "details": self.details}
        error["extra_info"] = dict(self.extra_info)
        return {"error": error, "node_errors": dict(self.node_errors)}


def invalid(details: str, node_errors: Mapping[str, Any]) -> SubmissionRefused:
    """No output of the prompt can run."""
    return SubmissionRefused(
        "prompt_outputs_failed_validation", "Prompt outputs failed validation", details, node_errors
    )


def parse(raw: bytes) -> dict[str, Any]:
    """The JSON object of the request, with None for NaN and infinite numbers; raises SubmissionRefused.

    Beyond NESTING_MAX ComfyUI would take it too, and then fail to show its own queue.
    """
    if sum(map(raw.count, (b",", b"[", b"{"))) > VALUES_MAX:
        raise SubmissionRefused("invalid_prompt", "The prompt is too large", f"It has more than {VALUES_MAX:,} values")
    try:
        body = plain_json.loads(raw)
    except ValueError as error:
        raise SubmissionRefused("invalid_json", "The request is not JSON", str(error)) from error
    if not isinstance(body, dict):
        raise SubmissionRefused("invalid_json", "The request is not a JSON object")
    if plain_json.is_deeper(body, NESTING_MAX):
        details = f"Lists and objects lie inside each other on more than {NESTING_MAX} levels"
        raise SubmissionRefused("invalid_prompt", "The prompt is nested too deeply", details)
    return body


def with_usage_source(body: dict[str, Any], source: str | None) -> dict[str, Any]:
    """The request, which says where it comes from: in its extra_data, else in the header ``Comfy-Usage-Source``.

    Source: ComfyUI 0.33.0, server.py ``post_prompt``; partner nodes pass it on.
    """
    extra_data = body.get("extra_data", {})
    if not source or not isinstance(extra_data, dict) or _USAGE_SOURCE in extra_data:
        return body
    shown = source[:_SHOWN].encode("utf-8", "replace").decode()
    return {**body, "extra_data": {**extra_data, _USAGE_SOURCE: shown}}


def classes(body: Mapping[str, Any]) -> frozenset[str]:
    """The node classes that the prompt uses. Raises SubmissionRefused without a prompt or a class, and for too many."""
    prompt = body.get("prompt")
    if prompt is None:
        raise SubmissionRefused("no_prompt", "No prompt provided", "No prompt provided")
    if not isinstance(prompt, dict):
        raise SubmissionRefused("invalid_prompt", "The prompt is not an object of nodes")
    if is_page_format(prompt):
        raise SubmissionRefused("invalid_prompt", f"The prompt cannot run: {PAGE_FORMAT}")
    if not prompt:
        raise SubmissionRefused("prompt_no_outputs", "Prompt has no outputs")
    kinds = frozenset(_class_of(node_id, node) for node_id, node in prompt.items())
    if len(kinds) > CLASSES_MAX:
        raise SubmissionRefused("invalid_prompt", "The prompt is too large", f"It has nodes of {len(kinds):,} classes")
    return kinds


def _class_of(node_id: str, node: Any) -> str:
    kind = node.get("class_type") if isinstance(node, dict) else None
    if not isinstance(kind, str) or not isinstance(node.get("inputs", {}), dict):
        raise _missing(node_id, node, None)
    if not is_class_name(kind):
        raise _missing(node_id, node, kind[:_SHOWN])
    return kind


def _missing(node_id: str, node: Any, kind: str | None) -> SubmissionRefused:
    error = missing_node_type(node_id[:_SHOWN], kind, _title(node))
    return SubmissionRefused(error["type"], error["message"], error["details"], extra_info=error["extra_info"])


def _title(node: Any) -> str | None:
    match node:
        case {"_meta": {"title": str(title)}}:
            return title[:_SHOWN]
    return None


def submission(body: Mapping[str, Any], infos: Infos, new_id: PromptId, now_ms: int) -> Submission:
    """The checked prompt. *infos* holds object_info by class, None for what only the endpoint may know.

    Raises SubmissionRefused when no node would produce an output, or the id is not a canonical UUID.
    """
    prompt: dict[str, Any] = body["prompt"]
    targets = _targets(body.get("partial_execution_targets"))
    extra_data = body.get("extra_data") or {}
    if not isinstance(extra_data, dict):
        raise SubmissionRefused("invalid_prompt", "extra_data is not an object")
    client_id = client_id_of(body)
    outputs = _outputs(prompt, infos, targets)
    kept = {key: value for key, value in extra_data.items() if key not in ACCOUNT_KEYS}
    if kept.get("extra_pnginfo", {}) is None:
        del kept["extra_pnginfo"]  # a null one breaks /api/jobs of ComfyUI 0.8.0
    kept["create_time"] = now_ms
    if client_id is not None:
        kept["client_id"] = client_id
    return Submission(
        prompt_id=_prompt_id(body.get("prompt_id"), new_id),
        prompt=prompt,
        extra_data=kept,
        outputs_to_execute=outputs,
        targets=targets,
        client_id=client_id,
        front=bool(body.get("front")),
        number=_number(body.get("number")),
    )


def judged(taken: Submission, infos: Infos, errors: Mapping[str, Sequence[Error]]) -> tuple[Submission, dict[str, Any]]:
    """The submission for those outputs that can run, and ``node_errors`` for the others, as ComfyUI answers.

    *errors* are the nodes' own. A node of an unknown class may be an output too, if nothing is linked to it. Raises
    SubmissionRefused when none can run.
    """
    unknown = [
        node_id for node_id in _wanted(taken.prompt, taken.targets) if _info(taken.prompt, infos, node_id) is None
    ]
    verdict = judge(taken.prompt, infos, (*taken.outputs_to_execute, *unknown), errors)
    good = tuple(output for output in verdict.outputs if output in taken.outputs_to_execute)
    if not good and not frozenset(verdict.outputs) - _linked(taken.prompt):
        raise invalid(verdict.details, verdict.node_errors)
    if not verdict.node_errors:
        return taken, {}
    return replace(taken, outputs_to_execute=good, targets=verdict.outputs), verdict.node_errors


def refused_class(prompt: Prompt, node_id: str, reason: str) -> SubmissionRefused:
    """The endpoint does not have the class of a node; *reason* says what to do."""
    node = prompt[node_id]
    error = missing_node_type(node_id[:_SHOWN], node["class_type"], _title(node))
    details = f"{error['details']}: {reason}"
    return SubmissionRefused(error["type"], error["message"], details, extra_info=error["extra_info"])


def _info(prompt: Prompt, infos: Infos, node_id: str) -> Mapping[str, Any] | None:
    return infos.get(prompt[node_id]["class_type"])


def _wanted(prompt: Prompt, targets: tuple[str, ...] | None) -> Iterable[str]:
    return prompt if targets is None else (node for node in prompt if node in targets)


def _linked(prompt: Prompt) -> frozenset[str]:
    """The nodes from which a link leads on."""
    return frozenset(source for node in prompt.values() for source in sources(node))


def client_id_of(body: Mapping[str, Any]) -> ClientId | None:
    """A page's id; half a surrogate pair in it, which no database stores, becomes a question mark."""
    value = body.get("client_id")
    return ClientId(value.encode("utf-8", "replace").decode()) if isinstance(value, str) else None


def _targets(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise SubmissionRefused("invalid_prompt", "partial_execution_targets is not a list")
    return tuple(str(item) for item in value)


def _number(value: Any) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise SubmissionRefused("invalid_prompt", "number is not a number") from error
    if not math.isfinite(number):
        raise SubmissionRefused("invalid_prompt", "number is not a number")  # JSON has no way to show it in the queue
    return number


def _prompt_id(value: Any, new_id: PromptId) -> PromptId:
    if value is None:
        return new_id
    if is_prompt_id(value):
        return value
    raise SubmissionRefused("invalid_prompt_id", "prompt_id must be a canonical lowercase UUID", str(value)[:80])


def _outputs(prompt: Prompt, infos: Infos, targets: tuple[str, ...] | None) -> tuple[str, ...]:
    outputs: list[str] = []
    unsure = False
    for node_id in _wanted(prompt, targets):
        info = _info(prompt, infos, node_id)
        unsure = unsure or info is None
        if info is not None and info.get("output_node"):
            outputs.append(node_id)
    if not outputs and not unsure:
        raise SubmissionRefused("prompt_no_outputs", "Prompt has no outputs")
    return tuple(outputs)
