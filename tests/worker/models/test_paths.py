"""What ComfyUI is told of the models outside its checkout, compared with what the pinned release knows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from worker.models.paths import KINDS, NEWER_KINDS, model_paths, write_model_paths

PROJECT = Path(__file__).parents[3]
PINNED = (PROJECT / "docker" / "comfyui-version").read_text(encoding="utf-8").strip()
ASK = """
import json, os, sys
sys.argv[1:] = []
import folder_paths as f
print(json.dumps({k: [os.path.relpath(p, f.models_dir) for p in v[0]] for k, v in f.folder_names_and_paths.items()}))
"""


def test_every_kind_of_the_pinned_release_is_covered() -> None:
    recorded = json.loads((PROJECT / "tests" / "data" / f"model-folders-{PINNED}.json").read_text(encoding="utf-8"))

    assert {kind: list(folders) for kind, folders in KINDS.items()} == dict(sorted(recorded["folders"].items()))


def checkouts() -> list[Path]:
    candidates = (PROJECT / "docker" / "ComfyUI", Path(os.environ.get("COMFYUI_DIR") or "none"))
    return [checkout for checkout in candidates if (checkout / "folder_paths.py").is_file()]


@pytest.mark.skipif(not checkouts(), reason="no ComfyUI here: `make comfyui`, or set COMFYUI_DIR")
def test_every_kind_of_a_real_comfyui_is_covered() -> None:
    for checkout in checkouts():
        asked = subprocess.run([sys.executable, "-c", ASK], cwd=checkout, capture_output=True, check=True, text=True)

        known = json.loads(asked.stdout)

        assert known
        models = {kind: folders for kind, folders in known.items() if kind not in ("custom_nodes", "datasets")}
        assert all(set(folders) <= set({**KINDS, **NEWER_KINDS}[kind]) for kind, folders in models.items())


def test_folders_that_may_still_come_are_told_too(tmp_path: Path) -> None:
    target = write_model_paths(tmp_path / "nothing", tmp_path / "user" / "model_paths.yaml")

    told = json.loads(target.read_text(encoding="utf-8"))["comfy_runpod"]
    assert told["base_path"] == str(tmp_path / "nothing")
    assert told["text_encoders"] == "text_encoders\nclip"
    assert set(told) == {"base_path", *KINDS, *NEWER_KINDS}


def test_the_folder_of_a_custom_node_is_a_kind_of_its_own() -> None:
    told = model_paths(Path("/models"), ["ipadapter", "loras", "clip", "custom_nodes", ".cache"])["comfy_runpod"]

    assert told["ipadapter"] == "ipadapter"
    assert set(told) == {"base_path", "ipadapter", *KINDS, *NEWER_KINDS}
