"""Where the sandbox's ComfyUI looks for models."""

import json
from pathlib import Path

import pytest

from sandbox.comfyui.models import model_folders
from tests.support.models import make_models


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "paths.json"
    path.write_text(json.dumps({"volume": {"base_path": str(tmp_path / "volume"), "unet": "a\nb", "own/kind": "own"}}))
    return path


def test_models_lie_below_the_base_the_configured_folders_and_the_output(tmp_path: Path, config: Path) -> None:
    found = model_folders(tmp_path / "base", tmp_path / "out", config).folders

    models, volume = tmp_path / "base" / "models", tmp_path / "volume"
    assert found["diffusion_models"] == [
        *(models / "unet", models / "diffusion_models", volume / "a", volume / "b"),
        tmp_path / "out" / "diffusion_models",
    ]
    assert found["own/kind"] == [volume / "own"]


def test_only_files_of_the_kind_are_models(tmp_path: Path, config: Path) -> None:
    make_models(tmp_path / "base" / "models", {"vae/a.txt": 1, "vae/deep/b.PT": 1, "vae/.git/c.pt": 1})
    make_models(tmp_path / "volume", {"own/d.anything": 1})
    found = model_folders(tmp_path / "base", tmp_path / "out", config)

    assert found.names("vae") == ["deep/b.PT"]
    assert found.names("own/kind") == ["d.anything"]
    assert found.names("configs") == []


def test_a_configuration_in_yaml_is_left_to_a_real_comfyui(tmp_path: Path) -> None:
    path = tmp_path / "paths.yaml"
    path.write_text("# a comment\nown:\n  custom_nodes: nodes\n")

    assert model_folders(tmp_path, tmp_path, path) == model_folders(tmp_path, tmp_path, None)


def test_a_model_that_is_not_there_has_comfyui_s_words(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Model in folder 'vae' with filename"):
        model_folders(tmp_path, tmp_path, None).path("vae", "x.pt")
