"""Sizes, what is on the volume, and whether something changed."""

import os
from pathlib import Path

import pytest

from tests.support.models import make_models
from worker.catalog.models import marks, model_files


def test_sizes_are_of_the_first_folder_that_has_the_name(tmp_path: Path) -> None:
    make_models(tmp_path / "image", {"vae/a.pt": 1, "vae/b.pt": 2})
    make_models(tmp_path / "volume", {"vae/b.pt": 3, "vae/deep/c.pt": 4})
    folders = {"vae": [str(tmp_path / "image/vae"), str(tmp_path / "volume/vae")], "loras": []}
    names = {"vae": ["a.pt", "b.pt", "deep/c.pt", "gone.pt", "../../outside.pt"], "loras": [], "unknown": ["x.pt"]}

    found = model_files(names, folders, tmp_path / "volume")

    assert found.models == {"vae": {"a.pt": 1, "b.pt": 2, "deep/c.pt": 4}, "loras": {}, "unknown": {}}
    assert found.on_volume == {"vae": ("deep/c.pt",)}


def test_a_volume_behind_a_link_is_the_volume(tmp_path: Path) -> None:
    make_models(tmp_path / "real", {"vae/a.pt": 1})
    (tmp_path / "models").symlink_to(tmp_path / "real")

    found = model_files({"vae": ["a.pt"]}, {"vae": [str(tmp_path / "models/vae")]}, tmp_path / "x/../models")

    assert found.on_volume == {"vae": ("a.pt",)}


@pytest.mark.parametrize("change", ["new file", "renamed", "removed", "new folder"])
def test_a_change_in_a_folder_changes_its_marks(tmp_path: Path, change: str) -> None:
    models = make_models(tmp_path / "models", {"vae/a.pt": 1, "loras/deep/b.pt": 1})
    os.utime(models / "loras" / "deep", (1, 1))
    before = marks([models])
    match change:
        case "new file":
            make_models(models, {"loras/deep/c.pt": 1})
        case "renamed":
            (models / "loras/deep/b.pt").rename(models / "loras/deep/d.pt")
        case "removed":
            (models / "loras/deep/b.pt").unlink()
        case _:
            (models / "loras/deep/more").mkdir()

    assert marks([models]) != before


def test_what_did_not_change_has_the_same_marks(tmp_path: Path) -> None:
    models = make_models(tmp_path / "models")
    (models / "loras" / "again").symlink_to(models)
    before = marks([models, tmp_path / "none"])

    assert before
    assert marks([models, tmp_path / "none"]) == before
