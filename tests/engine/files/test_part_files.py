"""Parts of results."""

import hashlib
from pathlib import Path

import pytest

from engine.files.part_files import FileDamaged, append, base64_of, holds, require_whole, size_of, sweep_parts, write
from wire.files import FileRef, Inline, encode_bytes

CONTENT = b"0123456789"


def announced(content: bytes = CONTENT) -> FileRef:
    digest = hashlib.sha256(content).hexdigest()
    return FileRef(filename="a.png", type="output", sha256=digest, size=len(content), source=Inline.of(content))


def test_pieces_that_come_again_change_nothing_and_one_behind_a_gap_is_left_out(tmp_path: Path) -> None:
    part = tmp_path / "job" / "part"
    for offset, piece in ((0, b"0123"), (0, b"0123"), (8, b"89"), (4, b"4567"), (2, b"23")):
        append(part, offset, piece, 10)

    assert part.read_bytes() == b"01234567"
    with pytest.raises(FileDamaged, match="8 of 10 bytes"):
        require_whole(part, announced())


def test_what_is_behind_the_announced_end_is_left_out(tmp_path: Path) -> None:
    part = tmp_path / "job" / "part"
    for offset, piece in ((0, b"0123"), (4, b"4567"), (4, b"45")):
        append(part, offset, piece, 6)

    assert part.read_bytes() == b"012345"


@pytest.mark.parametrize("wrong", [b"0123456780", CONTENT + b"x"])
def test_what_is_wrong_rather_than_short_is_removed(tmp_path: Path, wrong: bytes) -> None:
    part = tmp_path / "part"
    write(part, wrong)
    with pytest.raises(FileDamaged, match="another content"):
        require_whole(part, announced())

    assert size_of(part) == 0
    assert not holds(part, announced().sha256)


@pytest.mark.parametrize("size", [0, 1, 196_607, 196_608, 196_609, 500_000])
def test_a_part_as_base64_is_what_it_is_in_one_go(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    write(tmp_path / "part", content[:size])

    assert base64_of(tmp_path / "part") == encode_bytes(content[:size])


def test_a_whole_part_is_accepted(tmp_path: Path) -> None:
    write(tmp_path / "part", CONTENT)
    require_whole(tmp_path / "part", announced())

    assert holds(tmp_path / "part", announced().sha256)


def test_parts_of_jobs_that_have_ended_are_swept_away(tmp_path: Path) -> None:
    for job in ("active", "ended"):
        write(tmp_path / job / "part", CONTENT)
    sweep_parts(tmp_path, frozenset({"active"}))
    sweep_parts(tmp_path / "missing", frozenset())

    assert [path.name for path in tmp_path.iterdir()] == ["active"]
