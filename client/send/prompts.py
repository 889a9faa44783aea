"""The workflow files of an order become prompts: read, converted, changed as the command line says."""

import mmap
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from client.send.page import ComfyPage, PageFailed
from client.workflow.definition import Infos
from client.workflow.graph import Moment, to_prompt
from client.workflow.overrides import OverrideRefused, with_seed, with_value
from client.workflow.widgets import GraphBroken, GraphUnconvertible
from client.workflow.workflow import Workflow, WorkflowUnreadable, class_types, read_prompt, read_workflow_file
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
class Converter:
    """Who converts what the own converter refuses, or everything."""

    page: ComfyPage | None
    always: bool
    say: Callable[[str], None]

    async def by_page(self, graph: Mapping[str, Any], seed: int, reason: str) -> dict[str, Any]:
        """*graph* as the page sends it; the person is told why it had to. Raises PageFailed."""
        if self.page is None:
            raise PageFailed("no Chromium was found for --page" if self.always else "no browser is here to convert it")
        prompt = checked_prompt(await self.page.convert(graph, seed))
        if not self.always:
            self.say(f"{reason}; converted by ComfyUI's own page in a browser")
        return prompt


def checked_prompt(prompt: dict[str, Any]) -> dict[str, Any]:
    """*prompt* of the page, which sends a node that it does not know without its class. Raises PageFailed."""
    try:
        return read_prompt(prompt)
    except WorkflowUnreadable as error:
        raise PageFailed(f"and what the page makes of it {error}") from error


@dataclass(frozen=True, slots=True)
class WorkflowFile:
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


async def known(path: Path, workflow: Workflow, comfyui: ComfyUI | None, *, api: bool) -> WorkflowFile:
    """*workflow* with the definitions of its nodes, if it has to be converted. Raises OrderRefused."""
    if workflow.prompt is not None and (api or not workflow.embedded):
        return WorkflowFile(path, Workflow(workflow.prompt, workflow.graph), {})
    if comfyui is None and workflow.prompt is None:
        raise OrderRefused(f"{path}: {_NEEDS_COMFYUI}")
    if comfyui is None or workflow.graph is None:
        return WorkflowFile(path, Workflow(workflow.prompt, workflow.graph), {})
    try:
        infos = {kind: await comfyui.node_info(kind) for kind in class_types(workflow.graph)}
    except WorkflowUnreadable as error:
        raise OrderRefused(f"{path}: {error}") from error
    return WorkflowFile(path, workflow, infos)


async def prompts(
    source: WorkflowFile, changes: Changes, random_seed: Callable[[], int], converter: Converter
) -> list[dict[str, Any]]:
    """A prompt for each of the jobs: each has a seed of its own when there is a seed to choose. Raises OrderRefused."""
    found = []
    for number in range(changes.count):
        seed = random_seed() if changes.random_seed else None if changes.seed is None else changes.seed + number
        prompt = await _converted(source, random_seed() if seed is None else seed, converter)
        found.append(_changed(prompt, changes.assignments, seed))
    return found


async def _converted(source: WorkflowFile, seed: int, converter: Converter) -> dict[str, Any]:
    """The prompt of a file; *seed* decides what is chosen in a text such as ``{red|green}``."""
    workflow = source.workflow
    if workflow.prompt is not None and not workflow.embedded:
        return workflow.prompt
    graph, reason = workflow.graph or {}, "--page"
    if not converter.always:
        moment = Moment(datetime.now().astimezone(), random.Random(seed).randrange)  # noqa: S311  no secret
        try:
            return to_prompt(graph, source.infos, moment)
        except GraphBroken as error:
            raise OrderRefused(f"{source.path}: {error}") from error
        except GraphUnconvertible as error:
            reason = str(error)
    try:
        return await converter.by_page(graph, seed, f"{source.path}: {reason}")
    except PageFailed as failure:
        way_out = _WHAT_RAN if workflow.prompt is not None else _EXPORT
        raise OrderRefused(f"{source.path}: {reason}; {failure}; {way_out}") from failure


def _changed(prompt: Mapping[str, Any], assignments: tuple[str, ...], seed: int | None) -> dict[str, Any]:
    changed, option = dict(prompt), "--set"
    try:
        for assignment in assignments:
            changed = with_value(changed, assignment)
        option = "--seed"
        return changed if seed is None else with_seed(changed, seed)
    except OverrideRefused as error:
        raise OrderRefused(f"{option}: {error}") from error
