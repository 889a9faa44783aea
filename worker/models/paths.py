"""Where ComfyUI finds models outside its checkout, such as the models on a network volume."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from wire.model_kinds import KINDS, NESTED_KINDS

_NOT_MODELS = frozenset({"custom_nodes"})
_KIND = re.compile(r'^folder_names_and_paths\["(\w+)"\] = \(\[(.*?)\]', re.MULTILINE)
_FOLDER = re.compile(r'os\.path\.join\(models_dir, "([\w/]+)"\)')


def kinds_of(folder_paths: str) -> dict[str, tuple[str, ...]]:
    """The kinds of a ComfyUI, from the text of its folder_paths.py: a newer one has kinds that are not in KINDS.

    What is written in another way than in 0.3.64 to 0.33.0 is left out.
    """
    found = {kind: tuple(_FOLDER.findall(folders)) for kind, folders in _KIND.findall(folder_paths)}
    return {kind: folders for kind, folders in found.items() if folders}


def model_paths(
    models: Path, present: Iterable[str], newer: Mapping[str, tuple[str, ...]] | None = None
) -> dict[str, dict[str, str]]:
    """ComfyUI's ``extra_model_paths`` for *models*: every kind, also those whose folder may still come.

    *present* are the folders that are there: one that ComfyUI does not know is the kind of a custom node. *newer* are
    kinds that the running ComfyUI has besides.
    """
    known = {**(newer or {}), **KINDS, **NESTED_KINDS}
    folders = {folder for names in known.values() for folder in names} | _NOT_MODELS
    others = sorted(name for name in present if name not in folders and not name.startswith("."))
    kinds = {kind: "\n".join(names) for kind, names in known.items()}
    return {"comfy_runpod": {"base_path": str(models), **kinds, **{name: name for name in others}}}


def write_model_paths(models: Path, target: Path, comfyui: Path) -> Path:
    """Writes them to *target* for the ComfyUI in the folder *comfyui*, which reads them; JSON is YAML."""
    present = [entry.name for entry in models.iterdir() if entry.is_dir()] if models.is_dir() else []
    source = comfyui / "folder_paths.py"
    newer = kinds_of(source.read_text(encoding="utf-8", errors="replace")) if source.is_file() else {}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(model_paths(models, present, newer), indent=1), encoding="utf-8")
    return target
