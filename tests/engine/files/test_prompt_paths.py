"""The paths of a prompt, looked up in the folders of a ComfyUI process."""

from pathlib import Path

import pytest

from engine.files.prompt_paths import PromptPaths
from tests.support.file_bed import Bed
from tests.support.files import fill
from tests.support.prompts import Prompt
from wire.file_inputs import Infos

pytestmark = pytest.mark.asyncio(loop_scope="module")
INFOS: Infos = {"Read": {"input": {"required": {"path": ["STRING", {}], "folder": [["clips"], {}]}}}}


def reading(path: str) -> Prompt:
    return {"1": {"class_type": "Read", "inputs": {"path": path}}}


async def test_a_file_in_comfyuis_folders_is_found(bed: Bed) -> None:
    fill(bed.data / "input", ["a.png"])
    found = await PromptPaths(bed.comfyui).find(reading(str(bed.data / "input" / "a.png")), INFOS)

    assert [(file.folder, file.path) for file in found.files] == [("input", "a.png")]
    assert found.unseen == ()


async def test_a_path_elsewhere_is_refused_unless_the_person_allows_it(bed: Bed, tmp_path: Path) -> None:
    fill(tmp_path, ["a.png"])
    prompt = reading(str(tmp_path / "a.png"))

    assert list((await PromptPaths(bed.comfyui).find(prompt, INFOS)).node_errors) == ["1"]
    assert (await PromptPaths(bed.comfyui, worker_paths=True).find(prompt, INFOS)).node_errors == {}


async def test_a_choice_between_folders_brings_the_files_of_the_chosen_one(bed: Bed) -> None:
    fill(bed.data / "input" / "clips", ["1.png", "2.png"])
    prompt: Prompt = {"1": {"class_type": "Read", "inputs": {"folder": "clips"}}}
    found = await PromptPaths(bed.comfyui).find(prompt, INFOS)

    assert [file.path for file in found.files] == ["clips/1.png", "clips/2.png"]


async def test_a_path_is_staged_with_its_files(bed: Bed) -> None:
    fill(bed.data / "input" / "clips", ["1.png", "2.png"])
    path = str(bed.data / "input" / "clips")
    prompt, files = await bed.stage({"1": {"class_type": "SandboxReadPath", "inputs": {"path": path}}})

    assert prompt["1"]["inputs"]["path"] == "input/clips"
    assert [(file.subfolder, file.filename) for file in files] == [("clips", "1.png"), ("clips", "2.png")]
