"""Where models belong on the volume, and which files are models at all.

Source: ComfyUI folder_paths.py (``map_legacy``), utils/extra_config.py and extra_model_paths.yaml.example.
"""

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MANIFEST_ON_VOLUME = "comfyui/models-manifest.json"

_LEGACY = {"unet": "diffusion_models", "clip": "text_encoders"}
_NO_MODELS = frozenset({"base_path", "is_default", "custom_nodes"})
_UNFINISHED = ("*.part", "*.partial", "*.tmp", "*.crdownload", "*.incomplete", "*.aria2", "*.download", "put_*_here")


class LayoutUnreadable(ValueError):
    """The file is not an extra_model_paths.yaml."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder of this machine and the folder of the volume's models that its files go into; "" is their root."""

    folder: str
    target: str


def extra_sources(value: Any) -> Iterator[ModelFolder]:
    """The folders that an ``extra_model_paths.yaml`` names; relative ones are relative to ``base_path``."""
    if value is None:
        return
    if not isinstance(value, dict):
        raise LayoutUnreadable("is not a list of model folders")
    for section in value.values():
        if section is not None and not isinstance(section, dict):
            raise LayoutUnreadable("is not a list of model folders")
        yield from _of_section(section or {})


def _of_section(section: Mapping[str, Any]) -> Iterator[ModelFolder]:
    base = str(section.get("base_path") or "")
    for kind, paths in section.items():
        if isinstance(kind, str) and kind not in _NO_MODELS and isinstance(paths, str):
            for path in filter(None, (line.strip() for line in paths.splitlines())):
                yield ModelFolder(_joined(base, path), _LEGACY.get(kind, kind))


def _joined(base: str, path: str) -> str:
    absolute = path.startswith(("/", "~", "$")) or path[1:3] in (":\\", ":/")
    return path if absolute or not base else f"{base.rstrip('/')}/{path}"


def is_model(name: str) -> bool:
    """Whether a file, by its path below a models folder, is to be sent: not hidden, not half downloaded."""
    parts = name.split("/")
    return not any(part.startswith(".") for part in parts) and not _matches(parts[-1], _UNFINISHED)


def is_wanted(name: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether *name* matches one of *include*, if there is any, and none of *exclude*; ``*`` crosses folders."""
    return (not include or _matches(name, include)) and not _matches(name, exclude)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
