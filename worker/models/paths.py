"""Where ComfyUI finds models outside its checkout, such as the models on a network volume."""

import json
from collections.abc import Iterable
from pathlib import Path

KINDS = {
    "audio_encoders": ("audio_encoders",),
    "checkpoints": ("checkpoints",),
    "classifiers": ("classifiers",),
    "clip_vision": ("clip_vision",),
    "configs": ("configs",),
    "controlnet": ("controlnet", "t2i_adapter"),
    "diffusers": ("diffusers",),
    "diffusion_models": ("unet", "diffusion_models"),
    "embeddings": ("embeddings",),
    "gligen": ("gligen",),
    "hypernetworks": ("hypernetworks",),
    "latent_upscale_models": ("latent_upscale_models",),
    "loras": ("loras",),
    "model_patches": ("model_patches",),
    "photomaker": ("photomaker",),
    "style_models": ("style_models",),
    "text_encoders": ("text_encoders", "clip"),
    "upscale_models": ("upscale_models",),
    "vae": ("vae",),
    "vae_approx": ("vae_approx",),
}
"""Every kind of model that ComfyUI knows, with its folders. Source: ComfyUI 0.8.0, folder_paths.py, all but
custom_nodes; a test computes it from the pinned release."""

NEWER_KINDS = {
    kind: (kind,)
    for kind in ("background_removal", "detection", "frame_interpolation", "geometry_estimation", "optical_flow")
}
"""The kinds that ComfyUI 0.33.0 knows besides."""

_ALL_KINDS = KINDS | NEWER_KINDS
_KNOWN_FOLDERS = frozenset(folder for folders in _ALL_KINDS.values() for folder in folders)
_NOT_MODELS = frozenset({"custom_nodes"})


def model_paths(models: Path, present: Iterable[str]) -> dict[str, dict[str, str]]:
    """ComfyUI's ``extra_model_paths`` for *models*: every kind, also those whose folder may still come.

    *present* are the folders that are there: one that ComfyUI does not know is the kind of a custom node.
    """
    others = sorted(name for name in present if name not in _KNOWN_FOLDERS | _NOT_MODELS and not name.startswith("."))
    kinds = {kind: "\n".join(folders) for kind, folders in _ALL_KINDS.items()}
    return {"comfy_runpod": {"base_path": str(models), **kinds, **{name: name for name in others}}}


def write_model_paths(models: Path, target: Path) -> Path:
    """Writes them to *target*, as ComfyUI reads them; JSON is YAML."""
    present = [entry.name for entry in models.iterdir() if entry.is_dir()] if models.is_dir() else []
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(model_paths(models, present), indent=1), encoding="utf-8")
    return target
