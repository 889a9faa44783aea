"""Whether a prompt may run, as a conversation: :func:`admission` asks about the files that the prompt names, the caller
looks for them, and :func:`admit` decides. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.model.input_file import InputFile, Presence
from engine.model.job import Submission
from engine.prompt.inputs import find_inputs
from engine.prompt.judgement import NOTHING_WRONG, Judgement, judgement
from engine.prompt.partner_nodes import NO_ACCOUNT, Account, account_errors, uses_account
from engine.prompt.paths import PathFindings
from engine.prompt.sides import Sides
from engine.prompt.skew import differences
from engine.prompt.submission import SubmissionRefused, invalid, judged, refused_class, submission
from wire.file_inputs import refusals
from wire.ids import PromptId
from wire.node_errors import Error, own_check, refuse

_REASONS = {
    Presence.LINKED_OUT: (
        "{name!r} is a link to a file outside ComfyUI's {folder} folder, and the proxy does not send such files."
        " Copy the file itself into the folder."
    ),
    Presence.UNVERIFIED: (
        "The proxy does not send {name!r}, because it cannot tell whether that is a link to a file outside ComfyUI's"
        " {folder} folder: it did not find the folder on this machine. If ComfyUI runs in a container or on another"
        " machine, set COMFYUI_REMOTE=1. scripts/doctor.py says which folders the proxy found."
    ),
}


@dataclass(frozen=True, slots=True)
class Questions:
    """What must be known before *submission* may run: for each of *files*, whether it is there."""

    submission: Submission
    sides: Sides
    files: tuple[InputFile, ...]
    account: Account = NO_ACCOUNT

    def with_paths(self, paths: PathFindings) -> "Questions":
        """With the files that only ComfyUI can look for. Raises SubmissionRefused for a path that may not travel."""
        if paths.node_errors:
            raise invalid("", paths.node_errors)
        return replace(self, files=self.files + paths.unseen)


@dataclass(frozen=True, slots=True)
class Admitted:
    """What is to run, with the files that it reads, and ComfyUI's ``node_errors`` for outputs that cannot run."""

    submission: Submission
    node_errors: Mapping[str, Any]
    account: Account = NO_ACCOUNT
    """what the job gets of the person's Comfy account: nothing, unless a node asks for it"""
    judgement: Judgement = NOTHING_WRONG
    """what may go wrong at the endpoint"""


def admission(
    body: Mapping[str, Any], sides: Sides, new_id: PromptId, now_ms: int, *, hand_account: bool = False
) -> Questions:
    """The questions about a request body. *sides* holds object_info of each class that the prompt uses, *hand_account*
    says whether jobs may have the tokens of a Comfy account.

    Raises SubmissionRefused when the prompt cannot run whatever the answers are.
    """
    infos = sides.infos
    wanted = submission(body, infos, new_id, now_ms)
    if node_errors := refusals(wanted.prompt, infos):
        raise invalid("", node_errors)
    outputs, account, asking = wanted.outputs_to_execute, Account.of(body.get("extra_data")), sides.here_first
    if node_errors := account_errors(wanted.prompt, asking, outputs, account, allowed=hand_account):
        raise invalid("", node_errors)
    is_asked = hand_account and uses_account(wanted.prompt, asking, outputs)
    return Questions(wanted, sides, find_inputs(wanted.prompt, infos), account if is_asked else NO_ACCOUNT)


def admit(questions: Questions, answers: Mapping[InputFile, Presence]) -> Admitted:
    """What may run, now that every file of *questions* has its answer. Raises SubmissionRefused."""
    if node_errors := _withheld(questions, answers):
        raise invalid("", node_errors)
    wanted, sides = questions.submission, questions.sides
    found = judgement(wanted.prompt, sides, wanted.outputs_to_execute)
    found = replace(found, differences=differences(wanted.prompt, sides, wanted.outputs_to_execute))
    missing = _missing(file for file in questions.files if file.certain and answers[file] is Presence.MISSING)
    try:
        runs, node_errors = _judged(wanted, sides, found, missing)
    except SubmissionRefused as refused:
        refused.judgement, refused.can_run_anyway = found, _may_run(wanted, sides.unjudged(), missing)
        raise
    there = tuple(file for file in questions.files if answers[file] is Presence.THERE)
    return Admitted(replace(runs, inputs=there), node_errors, questions.account, found)


def _judged(
    wanted: Submission, sides: Sides, found: Judgement, missing: Mapping[str, Sequence[Error]]
) -> tuple[Submission, dict[str, Any]]:
    if found.refused_class is not None:
        reason = next(remark.text for remark in found.classes if remark.node_id == found.refused_class)
        raise refused_class(wanted.prompt, found.refused_class, reason)
    errors = {node_id: [*missing.get(node_id, ()), *found.errors.get(node_id, ())] for node_id in wanted.prompt}
    return judged(wanted, sides.infos, errors)


def _may_run(wanted: Submission, sides: Sides, missing: Mapping[str, Sequence[Error]]) -> bool:
    """Whether anything runs as long as the endpoint's definitions do not refuse it."""
    try:
        _judged(wanted, sides, judgement(wanted.prompt, sides, wanted.outputs_to_execute), missing)
    except SubmissionRefused:
        return False
    return True


def withheld_because(file: InputFile, presence: Presence) -> str:
    """Why *file* is not sent, in a sentence for the person; *presence* is LINKED_OUT or UNVERIFIED."""
    return _REASONS[presence].format(name=file.value[:200], folder=file.folder)


def _withheld(questions: Questions, answers: Mapping[InputFile, Presence]) -> dict[str, Any]:
    errors: dict[str, Any] = {}
    for file in questions.files:
        if answers[file] in _REASONS:
            problem = own_check(file.input_name, withheld_because(file, answers[file]), file.value)
            refuse(errors, questions.submission.prompt, file.node_id, problem)
    return errors


def _missing(files: Iterable[InputFile]) -> dict[str, list[Error]]:
    """The nodes' errors for *files* that ComfyUI does not have, in the words of its loaders."""
    errors: dict[str, list[Error]] = {}
    for file in files:
        reason = f"Invalid {file.input_name} file: {file.value}"
        errors.setdefault(file.node_id, []).append(own_check(file.input_name, reason, file.value))
    return errors
