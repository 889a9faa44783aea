"""The sandbox's loaders offer the models that are there."""

from pathlib import Path

from sandbox.comfyui.folders import ComfyFolders
from sandbox.comfyui.loaders import LOADERS
from sandbox.comfyui.models import model_folders
from tests.support.models import make_models


def test_the_choices_are_the_models_of_the_moment(tmp_path: Path) -> None:
    folders = ComfyFolders(tmp_path, tmp_path, tmp_path, tmp_path, models=model_folders(tmp_path, tmp_path, None))
    by_name = {node.name: node for node in LOADERS}

    assert by_name["SandboxCheckpoint"].info(folders)["input"]["required"]["ckpt_name"][0] == []
    make_models(tmp_path / "models")
    assert by_name["SandboxCheckpoint"].info(folders)["input"]["required"]["ckpt_name"][0] == [
        *("plain.safetensors", "sdxl/deep.safetensors")
    ]
    assert by_name["SandboxLora"].info(folders)["input"]["required"]["lora_name"][0] == ["style.safetensors"]
