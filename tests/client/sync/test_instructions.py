"""What the person types on the other side."""

import re

from client.sync import extract_models
from client.sync.instructions import instructions
from client.sync.transfer_code import transfer_code


def test_the_instructions_name_the_code_the_volume_and_the_script() -> None:
    text = instructions("8338-galileo-collect-fidel-3", "vol1")

    assert "the volume vol1" in text
    assert extract_models.THIS in text
    assert str(extract_models.ARCHIVE) in text
    assert {transfer_code(line) for line in text.splitlines()} == {None, "8338-galileo-collect-fidel-3"}


def test_the_pod_and_the_workers_mean_the_same_folder() -> None:
    folders = re.findall(r"\S+/comfyui/models", instructions("1-a-1", "vol1"))

    assert [folder.removeprefix("/workspace").removeprefix("/runpod-volume") for folder in folders] == [
        "/comfyui/models",
        "/comfyui/models",
    ]
    assert extract_models.TARGET.as_posix() in folders
