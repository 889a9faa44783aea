"""A file is there whole or not at all."""

from pathlib import Path

import pytest

from storage.atomic import atomic, is_part, part_beside, sync_file, sync_folder


def test_a_file_and_its_folder_are_brought_to_the_disk_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"paid")
    sync_file(path)
    sync_folder(tmp_path)

    assert path.read_bytes() == b"paid"


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    for sync in (sync_file, sync_folder):
        with pytest.raises(FileNotFoundError):
            sync(tmp_path / "missing")


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_takes_its_name_when_it_is_whole(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with atomic(path, durable=durable) as part:
        part.write_bytes(b"new")
        before = path.read_bytes()

    assert (before, path.read_bytes()) == (b"old", b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_could_not_be_written_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")

    with pytest.raises(RuntimeError), atomic(path) as part:
        part.write_bytes(b"half")
        raise RuntimeError
    with pytest.raises(FileNotFoundError), atomic(path):
        pass
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 250)
    with atomic(path) as one, atomic(path) as other:
        one.write_bytes(b"one")
        other.write_bytes(b"other")

    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_the_only_writer_of_a_file_overwrites_what_a_killed_one_left(tmp_path: Path) -> None:
    path, left = tmp_path / "x", tmp_path / ".x.part"
    left.write_bytes(b"half of something long")
    with atomic(path, part=left) as part:
        part.write_bytes(b"new")

    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_unfinished_file_is_known_by_its_name(tmp_path: Path) -> None:
    assert is_part(part_beside(tmp_path / "x").name)
    assert is_part(f".{'0a' * 16}.part")
    assert not is_part(".x.part")
    assert not is_part(f"{'0a' * 16}.part")
