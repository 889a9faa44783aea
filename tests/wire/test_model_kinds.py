"""Folders and kinds of models: the same for the volume's listing and for what a worker tells its ComfyUI."""

from pathlib import Path

import pytest

from wire.model_kinds import KINDS, NESTED_KINDS, folder_on_volume, is_listed, models_named
from worker.models.paths import model_paths


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("checkpoints/sdxl/a.safetensors", [("checkpoints", "sdxl/a.safetensors")]),
        ("clip/a.safetensors", [("text_encoders", "a.safetensors")]),
        ("unet/a.gguf", [("diffusion_models", "a.gguf")]),
        ("ultralytics/bbox/a.pt", [("ultralytics_bbox", "a.pt"), ("ultralytics", "bbox/a.pt")]),
        ("ipadapter/a.bin", [("ipadapter", "a.bin")]),
        ("a.safetensors", []),
        ("custom_nodes/pack/a.pt", []),
        ("checkpoints/.cache/a.safetensors", []),
        (".s3compat_uploads/checkpoints/a.safetensors", []),
    ],
)
def test_a_file_on_the_volume_is_a_model_of_its_folders_kind(path: str, found: list[tuple[str, str]]) -> None:
    assert list(models_named(path)) == found


def test_each_folder_has_the_kind_that_the_worker_tells_its_comfyui() -> None:
    told = model_paths(Path("/models"), ["ipadapter", "ultralytics", "loras"])["comfy_runpod"]
    told.pop("base_path")

    for kind, folders in told.items():
        for folder in folders.split("\n"):
            assert (kind, "a.pt") in models_named(f"{folder}/a.pt")


@pytest.mark.parametrize(
    ("kind", "name", "listed"),
    [
        ("checkpoints", "a.safetensors", True),
        ("checkpoints", "A.CKPT", True),
        ("checkpoints", "put_checkpoints_here", False),
        ("checkpoints", "a.safetensors.part", False),
        ("configs", "v1.yaml", True),
        ("configs", "a.safetensors", False),
        ("diffusers", "model/unet/a.safetensors", False),
        ("ipadapter", "a.gguf", True),
        ("ipadapter", "readme.md", False),
    ],
)
def test_only_files_that_comfyui_lists_are_models(kind: str, name: str, listed: bool) -> None:
    assert is_listed(kind, name) is listed


def test_a_model_goes_into_a_folder_in_which_it_is_found() -> None:
    for kind in (*KINDS, *NESTED_KINDS, "ipadapter"):
        assert (kind, "a.pt") in models_named(f"{folder_on_volume(kind)}/a.pt")

    assert folder_on_volume("text_encoders") == "text_encoders"
