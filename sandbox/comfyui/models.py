"""ModelFolders: the kinds of models, the folders of each, and the files in them.

Source: ComfyUI 0.33.0, folder_paths.py, utils/extra_config.py and main.py ``apply_custom_paths``.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_WEIGHTS = frozenset({".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft"})
_FOLDERS = {
    "checkpoints": ("checkpoints",),
    "configs": ("configs",),
    "loras": ("loras",),
    "vae": ("vae",),
    "text_encoders": ("text_encoders", "clip"),
    "diffusion_models": ("unet", "diffusion_models"),
    "clip_vision": ("clip_vision",),
    "style_models": ("style_models",),
    "embeddings": ("embeddings",),
    "diffusers": ("diffusers",),
    "vae_approx": ("vae_approx",),
    "controlnet": ("controlnet", "t2i_adapter"),
    "gligen": ("gligen",),
    "upscale_models": ("upscale_models",),
    "latent_upscale_models": ("latent_upscale_models",),
    "custom_nodes": (),
    "datasets": (),
    "hypernetworks": ("hypernetworks",),
    "photomaker": ("photomaker",),
    "classifiers": ("classifiers",),
    "model_patches": ("model_patches",),
    "audio_encoders": ("audio_encoders",),
    "background_removal": ("background_removal",),
    "frame_interpolation": ("frame_interpolation",),
    "geometry_estimation": ("geometry_estimation",),
    "optical_flow": ("optical_flow",),
    "detection": ("detection",),
}
_ENDINGS = {
    "configs": {".yaml"},
    "diffusers": {"folder"},
    "classifiers": {""},
    "custom_nodes": set(),
    "datasets": set(),
}
_LEGACY = {"unet": "diffusion_models", "clip": "text_encoders"}
_IN_OUTPUT = ("checkpoints", "clip", "vae", "diffusion_models", "loras")


@dataclass(frozen=True, slots=True)
class ModelFolders:
    """*folders* are those of each kind, in the order in which a file is looked for."""

    folders: Mapping[str, list[Path]] = field(default_factory=lambda: {kind: [] for kind in _FOLDERS})

    def paths(self, kind: str) -> dict[str, Path]:
        """By the name that a node uses, in ComfyUI's order; of two equal names the first folder's counts."""
        found = dict[str, Path]()
        for folder in self.folders[kind]:
            for path in _files(folder):
                if _is_model(kind, path):
                    found.setdefault(path.relative_to(folder).as_posix(), path)
        return dict(sorted(found.items()))

    def names(self, kind: str) -> list[str]:
        return list(self.paths(kind))

    def path(self, kind: str, name: str) -> Path:
        """Raises FileNotFoundError."""
        found = self.paths(kind).get(name)
        if found is None:
            raise FileNotFoundError(f"Model in folder '{kind}' with filename '{name}' not found.")
        return found

    def described(self, kind: str) -> list[dict[str, Any]]:
        """As /experiment/models/{kind} lists them: whatever the kind, files of weights only."""
        return [
            {"name": path.relative_to(folder).as_posix(), "pathIndex": index, **_facts(path)}
            for index, folder in enumerate(self.folders[_LEGACY.get(kind, kind)])
            for path in _files(folder)
            if path.suffix.lower() in _WEIGHTS
        ]


def model_folders(base: Path, output: Path, config: Path | None) -> ModelFolders:
    """The kinds below *base*, in the ``--extra-model-paths-config`` *config* if it is JSON, and in *output*."""
    folders = {kind: [base / "models" / name for name in names] for kind, names in _FOLDERS.items()}
    folders |= {kind: [base / kind] for kind in ("custom_nodes", "datasets")}
    added = [*_configured(config), *((kind, output / kind) for kind in _IN_OUTPUT)]
    for kind, folder in added:
        known = folders.setdefault(_LEGACY.get(kind, kind), [])
        if folder not in known:
            known.append(folder)
    return ModelFolders(folders)


def _configured(config: Path | None) -> Iterator[tuple[str, Path]]:
    """A real ComfyUI reads YAML, which JSON is as well; the worker writes JSON."""
    text = config.read_text(encoding="utf-8") if config is not None else ""
    sections: dict[str, dict[str, str]] = json.loads(text) if text.startswith("{") else {}
    for section in sections.values():
        base = Path(section.pop("base_path", ""))
        for kind, names in section.items():
            yield from ((kind, base / name) for name in names.split("\n") if name)


def _files(folder: Path) -> Iterator[Path]:
    for parent, subfolders, files in os.walk(folder, followlinks=True):
        subfolders[:] = sorted(name for name in subfolders if name != ".git")
        yield from (Path(parent) / name for name in sorted(files))


def _is_model(kind: str, path: Path) -> bool:
    endings = _ENDINGS.get(kind, _WEIGHTS if kind in _FOLDERS else set())
    return not endings or path.suffix.lower() in endings


def _facts(path: Path) -> dict[str, Any]:
    facts = path.stat()
    return {"modified": facts.st_mtime, "created": facts.st_ctime, "size": facts.st_size}
