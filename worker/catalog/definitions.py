"""Node definitions as a catalog has them: without the files of jobs, which come and go. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from wire.file_inputs import names_files
from worker.catalog.choices import GROUPS, choices, inputs_of, with_choices

_WORDS_MAX = 3
"""choices beside the files, such as "none" and "latest\""""

Kinds = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class JobFiles:
    """What is in ComfyUI's input, output and temp folders now, under the names that a node may offer."""

    files: Collection[str] = frozenset()
    folders: Collection[str] = frozenset()


def without_files(nodes: Mapping[str, Any], present: JobFiles, models: Kinds) -> dict[str, Any]:
    """*nodes*, where inputs that name files of jobs offer nothing; *models* are the inputs that name models."""
    return {name: _without(name, info, present, models.get(name, {})) for name, info in nodes.items()}


def _without(name: str, info: Mapping[str, Any], present: JobFiles, models: Mapping[str, str]) -> dict[str, Any]:
    specs = ((key, spec, _lasting(name, key, spec, present)) for key, spec in inputs_of(info) if key not in models)
    changed = {key: with_choices(spec, offered) for key, spec, offered in specs if offered is not None}
    return _with_specs(info, changed) if changed else dict(info)


def _lasting(name: str, key: str, spec: Any, present: JobFiles) -> list[str] | None:
    """The choices that stay; None when all do."""
    offered = choices(spec)
    if not offered:
        return None
    if names_files(name, key, spec):
        return []
    others = [choice for choice in offered if choice not in present.files]
    if all(other in present.folders for other in others):
        return []
    are_words = len(others) <= _WORDS_MAX and not any("." in other for other in others)
    return others if are_words and len(others) < len(offered) else None


def _with_specs(info: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    groups = {
        group: {key: changed.get(key, spec) for key, spec in inputs.items()} if group in GROUPS else inputs
        for group, inputs in info["input"].items()
    }
    return {**info, "input": groups}
