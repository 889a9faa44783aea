"""Tells ComfyUI of the models outside its checkout, such as those on a network volume."""

import json
from pathlib import Path

_NOT_MODELS = frozenset({"custom_nodes"})


def write_model_paths(models: Path, target: Path) -> Path | None:
    """Writes ComfyUI's ``extra_model_paths`` file for the folders of *models*; None when it has none.

    JSON is YAML. A folder is one kind of model and bears its name (``checkpoints``, ``loras``…).
    """
    if not models.is_dir():
        return None
    kinds = sorted(entry.name for entry in models.iterdir() if entry.is_dir() and entry.name not in _NOT_MODELS)
    if not kinds:
        return None
    section = {"base_path": str(models), **{kind: kind for kind in kinds}}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps({"comfy_runpod": section}), encoding="utf-8")
    return target
