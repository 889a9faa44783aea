"""The workflow files of an order become prompts: read, converted, changed as the command line says."""

import mmap
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from client.workflow.definition import Infos
from client.workflow.graph import Moment, to_prompt
from client.workflow.overrides import OverrideRefused, with_seed, with_value
from client.workflow.widgets import GraphUnconvertible
from client.workflow.workflow import Workflow, WorkflowUnreadable, class_types, read_workflow_file
from engine.comfyui import ComfyUI

_NEEDS_COMFYUI = (
    "is in the format of ComfyUI's page, and only a running ComfyUI knows what its values mean; "
    "start it (COMFYUI_URL), or save the workflow with 'Export (API)'"
)
_EXPORT = "open it in ComfyUI's page and save it with 'Export (API)'"
_WHAT_RAN = "--api sends what ran when ComfyUI made this file"


class OrderRefused(ValueError):
    """What was asked for cannot be done; the text is one sentence. Nothing was submitted."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What the command line changes in every prompt."""

    assignments: tuple[str, ...]
    seed: int | None
    random_seed: bool
    count: int


@dataclass(frozen=True, slots=True)
class Source:
    """A workflow file with what its graph needs to become a prompt."""

    path: Path
    workflow: Workflow
    infos: Infos

    @property
    def extra_data(self) -> dict[str, Any]:
        return {"extra_pnginfo": {"workflow": self.workflow.graph}} if self.workflow.graph else {}


def read(path: Path, *, api: bool) -> Workflow:
    """The workflow in the file *path*; *api*: of two forms the one that ran. Raises OrderRefused."""
    try:
        found = _read(path)
    except OSError as error:
        raise OrderRefused(f"{path}: cannot be read: {error.strerror or error}") from error
    except WorkflowUnreadable as error:
        raise OrderRefused(f"{path}: {error}") from error
    if api and found.prompt is None:
        raise OrderRefused(f"{path}: --api: holds only the format of ComfyUI's page")
    return found


def _read(path: Path) -> Workflow:
    with path.open("rb") as file:
        try:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # an empty file
            return read_workflow_file(b"")
        with mapped, memoryview(mapped) as content:
            return read_workflow_file(content)


async def known(path: Path, workflow: Workflow, comfyui: ComfyUI | None, *, api: bool) -> Source:
    """*workflow* with the definitions of its nodes, if it has to be converted. Raises OrderRefused."""
    if workflow.prompt is not None and (api or not workflow.embedded):
        return Source(path, Workflow(workflow.prompt, workflow.graph), {})
    if comfyui is None and workflow.prompt is None:
        raise OrderRefused(f"{path}: {_NEEDS_COMFYUI}")
    if comfyui is None or workflow.graph is None:
        return Source(path, Workflow(workflow.prompt, workflow.graph), {})
    try:
        infos = {kind: await comfyui.node_info(kind) for kind in class_types(workflow.graph)}
    except WorkflowUnreadable as error:
        raise OrderRefused(f"{path}: {error}") from error
    return Source(path, workflow, infos)


def prompts(source: Source, changes: Changes, random_seed: Callable[[], int]) -> Iterator[dict[str, Any]]:
    """A prompt for each of the jobs: each has a seed of its own when there is a seed to choose. Raises OrderRefused."""
    for number in range(changes.count):
        seed = random_seed() if changes.random_seed else None if changes.seed is None else changes.seed + number
        prompt = _converted(source, random_seed() if seed is None else seed)
        yield _changed(prompt, changes.assignments, seed)


def _converted(source: Source, seed: int) -> dict[str, Any]:
    """The prompt of a file; *seed* decides what is chosen in a text such as ``{red|green}``."""
    workflow = source.workflow
    if workflow.prompt is not None and not workflow.embedded:
        return workflow.prompt
    moment = Moment(datetime.now().astimezone(), random.Random(seed).randrange)  # noqa: S311  no secret
    try:
        return to_prompt(workflow.graph or {}, source.infos, moment)
    except GraphUnconvertible as error:
        way_out = _WHAT_RAN if workflow.prompt is not None else _EXPORT
        raise OrderRefused(f"{source.path}: {error}; {way_out}") from error


def _changed(prompt: Mapping[str, Any], assignments: tuple[str, ...], seed: int | None) -> dict[str, Any]:
    changed, option = dict(prompt), "--set"
    try:
        for assignment in assignments:
            changed = with_value(changed, assignment)
        option = "--seed"
        return changed if seed is None else with_seed(changed, seed)
    except OverrideRefused as error:
        raise OrderRefused(f"{option}: {error}") from error
