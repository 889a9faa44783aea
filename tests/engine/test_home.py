from pathlib import Path

import pytest

from engine.errors import CannotStart
from engine.home import private_home
from tests.support.files import mode, umask


def test_a_home_is_made_so_that_nobody_else_enters_it(tmp_path: Path) -> None:
    with umask(0):
        problem = private_home(tmp_path / "data" / "home")

    assert problem is None
    assert [mode(tmp_path / "data"), mode(tmp_path / "data" / "home")] == [0o700, 0o700]


def test_the_home_of_an_earlier_version_is_narrowed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(0o755)

    assert private_home(tmp_path / "home") is None
    assert mode(tmp_path / "home") == 0o700


def test_a_home_that_cannot_be_narrowed_is_said(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o1777)
    problem = private_home(home)

    assert problem
    assert problem.startswith(f"COMFY_RUNPOD_HOME={home}: other users")
    assert "\n" not in problem


def test_a_home_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(CannotStart, match=rf"^COMFY_RUNPOD_HOME: {tmp_path}/file/home cannot be used: File exists$"):
        private_home(tmp_path / "file" / "home")
