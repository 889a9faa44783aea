"""Names of files as nodes offer them."""

from pathlib import Path

from worker.catalog.job_files import job_files
from worker.folders import Folders


def test_names_are_relative_and_may_say_their_folder(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.create()
    (tmp_path / "input" / "sub").mkdir()
    (tmp_path / "input" / "sub" / "a.png").touch()
    (tmp_path / "output" / "b.png").touch()

    present = job_files(folders)

    assert present.files == {"sub/a.png", "sub/a.png [input]", "b.png", "b.png [output]"}
    assert present.folders == {"sub", "sub [input]"}


def test_missing_folders_have_nothing(tmp_path: Path) -> None:
    assert not job_files(Folders(tmp_path / "none")).files
