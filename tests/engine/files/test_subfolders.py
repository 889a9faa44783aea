"""A result always has a folder."""

import logging
from pathlib import Path

import pytest

from engine.files.subfolders import usable_folder
from storage.disk import DiskUnavailable
from tests.support.disks import foreign_folder, make_read_only, small_disk


def test_a_folder_is_made_with_all_its_parents(tmp_path: Path) -> None:
    folder = usable_folder(tmp_path / "output", "a/b")

    assert folder == tmp_path / "output" / "a" / "b"
    assert folder.is_dir()
    assert usable_folder(tmp_path / "output", "") == tmp_path / "output"


@pytest.mark.parametrize("below", ["", "/deeper"])
def test_a_file_in_the_place_of_a_folder_gives_a_sibling(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, below: str
) -> None:
    (tmp_path / "clips").write_bytes(b"somebody's")
    with caplog.at_level(logging.WARNING):
        folder = usable_folder(tmp_path, f"clips{below}")

    assert folder == Path(f"{tmp_path}/clips (1){below}")
    assert folder.is_dir()
    assert (tmp_path / "clips").read_bytes() == b"somebody's"
    assert f"{tmp_path}/clips cannot be a folder" in caplog.text


def test_the_same_sibling_is_used_again(tmp_path: Path) -> None:
    (tmp_path / "clips").touch()
    (tmp_path / "clips (1)").touch()

    assert usable_folder(tmp_path, "clips").name == usable_folder(tmp_path, "clips").name == "clips (2)"


def test_a_link_out_of_the_folder_gives_a_sibling_and_a_link_inside_is_followed(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "output", tmp_path / "elsewhere"
    for folder in (root, elsewhere, root / "real"):
        folder.mkdir()
    (root / "out").symlink_to(elsewhere)
    (root / "in").symlink_to(root / "real")
    (root / "dead").symlink_to(tmp_path / "nowhere")
    (root / "loop").symlink_to(root / "loop")

    assert usable_folder(root, "out") == root / "out (1)"
    assert usable_folder(root, "dead") == root / "dead (1)"
    assert usable_folder(root, "loop") == root / "loop (1)"
    assert usable_folder(root, "in") == root / "in"
    assert not list(elsewhere.iterdir())


def test_a_path_that_is_too_long_ends_where_it_still_can_be(tmp_path: Path) -> None:
    folder = usable_folder(tmp_path, "/".join(["d" * 240] * 20))

    assert folder.is_dir()
    assert folder.is_relative_to(tmp_path / ("d" * 240))


def test_a_name_that_is_too_long_for_a_folder_gets_a_plain_one(tmp_path: Path) -> None:
    assert usable_folder(tmp_path, "d" * 256).name == "d" * 100


def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        make_read_only(disk)
        with pytest.raises(DiskUnavailable, match="Read-only"):
            usable_folder(disk, "new")


def test_a_folder_of_another_user_is_waited_for() -> None:
    with foreign_folder() as folder:
        for root, subfolder in ((folder, "new"), (folder / "new", "")):
            with pytest.raises(DiskUnavailable, match="Permission"):
                usable_folder(root, subfolder)


def test_an_output_folder_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "output").touch()

    with pytest.raises(DiskUnavailable, match="output"):
        usable_folder(tmp_path / "output", "a")
