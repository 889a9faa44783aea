"""A download that survives its process."""

import hashlib
from pathlib import Path

import pytest

from worker.models.part_file import PartFile, Piece

CONTENT = bytes(range(25))


def part_file(folder: Path, version: str = "v1", size: int = 25, piece_size: int = 10) -> PartFile:
    return PartFile(folder / "model.bin", version, size, piece_size)


def receive(part: PartFile, piece: Piece) -> None:
    part.write(piece.start, CONTENT[piece.start : piece.end])
    part.note(piece)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    part = part_file(tmp_path)
    for piece in reversed(part.missing()):
        receive(part, piece)
        assert "model.bin" not in names(tmp_path)
    sha256 = part.sha256()
    part.finish()

    assert names(tmp_path) == ["model.bin"]
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    assert sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert (tmp_path / "model.bin").stat().st_mode & 0o777 == 0o644


def test_pieces_cover_the_file(tmp_path: Path) -> None:
    assert part_file(tmp_path).missing() == [Piece(0, 10), Piece(10, 20), Piece(20, 25)]


def test_pieces_that_an_earlier_process_received_are_not_missing(tmp_path: Path) -> None:
    receive(part_file(tmp_path), Piece(10, 20))

    again = part_file(tmp_path)

    assert again.missing() == [Piece(0, 10), Piece(20, 25)]
    assert again.received == 10


def test_bytes_that_were_not_noted_are_received_again(tmp_path: Path) -> None:
    part_file(tmp_path).write(0, CONTENT[:10])

    assert part_file(tmp_path).received == 0


@pytest.mark.parametrize("changed", [{"version": "v2"}, {"size": 24}, {"piece_size": 5}])
def test_pieces_of_another_content_are_dropped(tmp_path: Path, changed: dict[str, str | int]) -> None:
    receive(part_file(tmp_path), Piece(10, 20))

    assert part_file(tmp_path, **changed).received == 0  # type: ignore[arg-type]


def test_without_a_version_nothing_is_taken_over(tmp_path: Path) -> None:
    receive(part_file(tmp_path, version=""), Piece(0, 10))

    assert part_file(tmp_path, version="").received == 0


@pytest.mark.parametrize("note", ["", "no json", "[]", '{"version": "v1"}'])
def test_a_damaged_note_begins_the_download_again(tmp_path: Path, note: str) -> None:
    receive(part_file(tmp_path), Piece(0, 10))
    (tmp_path / ".model.bin.part.json").write_text(note)

    assert part_file(tmp_path).received == 0


def test_a_note_without_its_part_is_worth_nothing(tmp_path: Path) -> None:
    receive(part_file(tmp_path), Piece(0, 10))
    (tmp_path / ".model.bin.part").unlink()

    assert part_file(tmp_path).received == 0


def test_a_dropped_download_leaves_nothing(tmp_path: Path) -> None:
    part = part_file(tmp_path)
    receive(part, Piece(0, 10))

    part.drop()
    part.drop()

    assert names(tmp_path) == []


def test_an_empty_file_is_whole_at_once(tmp_path: Path) -> None:
    part = part_file(tmp_path, size=0)

    assert part.missing() == []
    part.finish()
    assert (tmp_path / "model.bin").read_bytes() == b""
