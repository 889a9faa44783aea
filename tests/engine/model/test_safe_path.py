"""Names from outside stay inside."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.safe_path import NameRefused, confined, confined_path
from tests.support.hostile import HONEST, PATHS


@pytest.mark.parametrize("path", PATHS)
def test_a_hostile_path_is_refused(path: str) -> None:
    with pytest.raises(NameRefused):
        confined_path(path)


@pytest.mark.parametrize("path", HONEST)
def test_an_honest_path_passes_unchanged(path: str) -> None:
    assert confined_path(path) == path


@pytest.mark.parametrize(("subfolder", "filename"), [("", "a/b.png"), ("a", ""), ("..", "x.png"), ("/a", "x.png")])
def test_a_filename_is_no_path_and_a_subfolder_stays_below(subfolder: str, filename: str) -> None:
    with pytest.raises(NameRefused):
        confined(subfolder, filename)


@given(st.text(max_size=40))
def test_what_passes_always_stays_below_the_folder(path: str) -> None:
    try:
        passed = confined_path(path)
    except NameRefused:
        return

    assert posixpath.normpath(posixpath.join("/root/folder", passed)).startswith("/root/folder/")
