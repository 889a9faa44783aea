"""What an image has goes from its build to the proxy."""

from pathlib import Path

import pytest

from client.image_catalog import hand_over, kept_file

IMAGE = "ghcr.io/me/worker:v1"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    folder = tmp_path / "kept"
    folder.mkdir()
    kept_file(IMAGE, folder).write_bytes(b"name\nof the image")
    return folder


def test_the_proxy_gets_what_the_build_left(tmp_path: Path, kept: Path) -> None:
    said = hand_over(IMAGE, "ep1", tmp_path / "home", kept)

    assert (tmp_path / "home/catalogs/ep1.image").read_bytes() == b"name\nof the image"
    assert (tmp_path / "home/catalogs").stat().st_mode & 0o077 == 0
    assert IMAGE in said


def test_another_image_takes_the_place_of_what_was_known(tmp_path: Path, kept: Path) -> None:
    hand_over(IMAGE, "ep1", tmp_path / "home", kept)

    said = hand_over("ghcr.io/me/worker:v2", "ep1", tmp_path / "home", kept)

    assert not (tmp_path / "home/catalogs/ep1.image").exists()
    assert "after its first job" in said


def test_a_folder_that_cannot_be_written_is_only_said(tmp_path: Path, kept: Path) -> None:
    (tmp_path / "home").write_text("a file")

    assert "after its first job" in hand_over(IMAGE, "ep1", tmp_path / "home", kept)


def test_an_id_that_leads_out_of_the_folder_is_not_written(tmp_path: Path, kept: Path) -> None:
    assert "after its first job" in hand_over(IMAGE, "../ep1", tmp_path / "home", kept)
    assert not (tmp_path / "home/ep1.image").exists()
