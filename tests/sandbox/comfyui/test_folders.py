"""The sandbox ComfyUI's folders: names, annotations and the counter."""

from datetime import datetime
from pathlib import Path

import pytest

from sandbox.comfyui.folders import ComfyFolders, OutsideFolder, save_path
from tests.support.files import fill

NOON = datetime(2026, 3, 4, 12, 5, 6)


@pytest.fixture
def folders(tmp_path: Path) -> ComfyFolders:
    made = ComfyFolders(*(tmp_path / name for name in ("input", "output", "temp", "user")))
    made.create()
    return made


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("a.png", "input/a.png"),
        ("sub/a.png [output]", "output/sub/a.png"),
        ("a.png [temp]", "temp/a.png"),
        ("a.png [input]", "input/a.png"),
        ("a.png [output] [input]", "input/a.png [output]"),
    ],
)
def test_the_annotation_chooses_the_folder(folders: ComfyFolders, tmp_path: Path, name: str, place: str) -> None:
    assert folders.annotated(name) == tmp_path / place


def test_a_path_may_be_a_link_but_not_lead_out_by_its_name(folders: ComfyFolders, tmp_path: Path) -> None:
    fill(tmp_path, ["secret.png"])
    (folders.input / "link.png").symlink_to(tmp_path / "secret.png")

    assert folders.within("input", "", "link.png").read_bytes() == b"secret.png"
    for subfolder, name in (("..", "secret.png"), ("", "../secret.png"), ("/etc", "hostname")):
        with pytest.raises(OutsideFolder):
            folders.within("input", subfolder, name)


def test_the_counter_goes_on_where_the_folder_ends(folders: ComfyFolders) -> None:
    fill(folders.output, ["sub/run_00001_.png", "sub/run_00007_.mp4", "sub/run_x_.png", "run_00099_.png"])
    path = save_path(folders.output, "sub/run", 64, 32, NOON)

    assert path.subfolder == "sub"
    assert [path.next(".png").name, path.next(".png").name] == ["run_00008_.png", "run_00009_.png"]


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("%year%-%month%-%day%", "2026-03-04_00001_.png"),
        ("%width%x%height%", "64x32_00001_.png"),
        ("batch_%batch_num%", "batch_3_00001_.png"),
        ("%unknown%", "%unknown%_00001_.png"),
    ],
)
def test_tokens_in_a_prefix_are_replaced(folders: ComfyFolders, prefix: str, name: str) -> None:
    assert save_path(folders.output, prefix, 64, 32, NOON).next(".png", batch=3).name == name


def test_a_prefix_that_leads_out_is_refused(folders: ComfyFolders) -> None:
    with pytest.raises(OutsideFolder, match="outside the output folder"):
        save_path(folders.output, "../x", 1, 1, NOON)
