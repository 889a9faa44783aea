"""Small files in the folders of models, for a ComfyUI, a worker or a volume: what lists them does not open them."""

import json
from collections.abc import Mapping
from pathlib import Path

MODELS = {
    "checkpoints/plain.safetensors": 1000,
    "checkpoints/sdxl/deep.safetensors": 2000,
    "loras/style.safetensors": 300,
    "vae/small.safetensors": 40,
    "embeddings/word.pt": 5,
    "clip/old-name.safetensors": 6,
}
"""path below the folder of models -> bytes"""
_METADATA = {"__metadata__": {"modelspec.title": "A plain one"}}


def make_models(root: Path, models: Mapping[str, int] = MODELS) -> Path:
    """Writes *models* below *root*; those that have room for it say in their header what they are."""
    for name, size in models.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_safetensors(size))
    return root


def _safetensors(size: int) -> bytes:
    header = json.dumps(_METADATA).encode()
    whole = len(header).to_bytes(8, "little") + header
    return whole.ljust(size, b"\0") if size >= len(whole) else b"x" * size


def model_arguments(root: Path, target: Path) -> tuple[str, str]:
    """ComfyUI's arguments for the models below *root*; *target* is the file that says so."""
    kinds = ("checkpoints", "loras", "vae", "embeddings", "clip", "upscale_models")
    target.write_text(json.dumps({"models": {"base_path": str(root), **{kind: kind for kind in kinds}}}))
    return "--extra-model-paths-config", str(target)
