"""What ComfyUI is told of the models outside its checkout, compared with what the pinned release knows."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wire.model_kinds import KINDS, NESTED_KINDS
from worker.models.paths import kinds_of, model_paths, write_model_paths

PROJECT = Path(__file__).parents[3]
PINNED = (PROJECT / "docker" / "comfyui-version").read_text(encoding="utf-8").strip()
NOT_MODELS = ("custom_nodes", "datasets")
ASK = """
import json, os, sys
sys.argv[1:] = []
import folder_paths as f
print(json.dumps({k: [os.path.relpath(p, f.models_dir) for p in v[0]] for k, v in f.folder_names_and_paths.items()}))
"""
FIND = """
import json, os, sys
told, (kind, folder), sys.argv[1:] = sys.argv[1], sys.argv[2:4], []
import folder_paths as f
from utils.extra_config import load_extra_path_config
load_extra_path_config(told)
f.add_model_folder_path(kind, os.path.join(f.models_dir, *folder.split("/")))
print(json.dumps(f.get_filename_list(kind)))
"""
"""as Impact Subpack does when it is loaded"""


def test_every_kind_of_the_pinned_release_is_covered() -> None:
    recorded = json.loads((PROJECT / "tests" / "data" / f"model-folders-{PINNED}.json").read_text(encoding="utf-8"))

    assert {kind: list(folders) for kind, folders in KINDS.items()} == dict(sorted(recorded["folders"].items()))


def checkouts() -> list[Path]:
    candidates = (PROJECT / "docker" / "ComfyUI", Path(os.environ.get("COMFYUI_DIR") or "none"))
    return [checkout for checkout in candidates if (checkout / "folder_paths.py").is_file()]


on_comfyui = pytest.mark.skipif(not checkouts(), reason="no ComfyUI here: `make comfyui`, or set COMFYUI_DIR")


def asked(checkout: Path, question: str, *arguments: str) -> Any:
    command = [sys.executable, "-c", question, *arguments]
    done = subprocess.run(command, cwd=checkout, capture_output=True, check=True, text=True, timeout=60)
    return json.loads(done.stdout)


@on_comfyui
def test_every_kind_of_a_real_comfyui_is_read_from_its_source() -> None:
    for checkout in checkouts():
        known = {kind: folders for kind, folders in asked(checkout, ASK).items() if kind not in NOT_MODELS}
        read = kinds_of((checkout / "folder_paths.py").read_text(encoding="utf-8"))

        assert {kind: list(folders) for kind, folders in read.items()} == known
        assert all(set(folders) <= set({**read, **KINDS}[kind]) for kind, folders in known.items())


@on_comfyui
@pytest.mark.parametrize(("kind", "folder"), [(kind, folder) for kind, (folder,) in NESTED_KINDS.items()])
def test_a_model_in_a_nested_folder_is_found_as_impact_pack_looks_for_it(
    tmp_path: Path, kind: str, folder: str
) -> None:
    models = tmp_path / "models"
    (models / folder).mkdir(parents=True)
    (models / folder / "face.pt").write_bytes(b"weights")
    for checkout in checkouts():
        told = write_model_paths(models, tmp_path / "model_paths.yaml", checkout)

        assert "face.pt" in asked(checkout, FIND, str(told), kind, folder)


def test_folders_that_may_still_come_are_told_too(tmp_path: Path) -> None:
    target = write_model_paths(tmp_path / "nothing", tmp_path / "user" / "model_paths.yaml", tmp_path / "no ComfyUI")

    told = json.loads(target.read_text(encoding="utf-8"))["comfy_runpod"]
    assert told["base_path"] == str(tmp_path / "nothing")
    assert told["text_encoders"] == "text_encoders\nclip"
    assert told["ultralytics_bbox"] == "ultralytics/bbox"
    assert set(told) == {"base_path", *KINDS, *NESTED_KINDS}


def test_the_folder_of_a_custom_node_is_a_kind_of_its_own() -> None:
    told = model_paths(Path("/models"), ["ipadapter", "loras", "clip", "custom_nodes", "ultralytics", ".cache"])

    assert (told["comfy_runpod"]["ipadapter"], told["comfy_runpod"]["ultralytics"]) == ("ipadapter", "ultralytics")
    assert set(told["comfy_runpod"]) == {"base_path", "ipadapter", "ultralytics", *KINDS, *NESTED_KINDS}


def test_a_kind_of_a_newer_comfyui_is_told_although_nobody_has_listed_it(tmp_path: Path) -> None:
    lines = (
        'folder_names_and_paths["s"] = ([os.path.join(models_dir, "splats"), os.path.join(models_dir, "gs")], exts)',
        'folder_names_and_paths["custom_nodes"] = ([os.path.join(base_path, "custom_nodes")], set())',
        'folder_names_and_paths["odd"] = somewhere_else()',
    )
    (tmp_path / "folder_paths.py").write_text("\n".join(lines))
    told = json.loads(write_model_paths(tmp_path / "models", tmp_path / "told.yaml", tmp_path).read_text())

    assert told["comfy_runpod"]["s"] == "splats\ngs"
    assert set(told["comfy_runpod"]) == {"base_path", "s", *KINDS, *NESTED_KINDS}
