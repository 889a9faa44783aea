"""What we write for ourselves is nobody else's to read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.private import is_open_to_others, narrow, private_file, private_folder
from tests.support.files import mode, umask


@pytest.fixture(autouse=True)
def _wide() -> Iterator[None]:
    with umask(0):
        yield


def test_a_folder_and_what_was_missing_above_it_is_ours_alone(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    made = private_folder(tmp_path / "there" / "a" / "b")

    assert made == tmp_path / "there" / "a" / "b"
    assert [mode(folder) for folder in (made, made.parent, tmp_path / "there")] == [0o700, 0o700, 0o777]
    assert private_folder(made) == made


def test_a_file_is_ours_alone_and_keeps_what_is_in_it(tmp_path: Path) -> None:
    path = private_file(tmp_path / "x")
    path.write_bytes(b"secret")

    assert mode(private_file(path)) == 0o600
    assert path.read_bytes() == b"secret"


@pytest.mark.parametrize(
    ("before", "after", "narrowed"),
    [(0o777, 0o700, True), (0o755, 0o700, True), (0o710, 0o700, True), (0o500, 0o500, True), (0o1777, 0o1777, False)],
    ids=oct,
)
def test_a_folder_that_is_there_is_narrowed_unless_it_is_meant_for_several_users(
    tmp_path: Path, before: int, after: int, narrowed: bool
) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    folder.chmod(before)

    assert narrow(folder) == narrowed
    assert mode(folder) == after


@pytest.mark.parametrize("above", ["home", "home/ada"])
def test_a_folder_in_which_the_persons_home_is_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, above: str
) -> None:
    home = tmp_path / "home" / "ada"
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))

    assert not narrow(tmp_path / above)
    assert mode(tmp_path / above) == 0o777


@pytest.mark.parametrize(("bits", "is_open"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)], ids=oct)
def test_whether_others_can_read_a_file(tmp_path: Path, bits: int, is_open: bool) -> None:
    (tmp_path / "x").touch()
    (tmp_path / "x").chmod(bits)

    assert is_open_to_others(tmp_path / "x") == is_open
