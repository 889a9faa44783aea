"""Names from outside stay inside."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.confine import NameRefused, confined, confined_path

HOSTILE = [
    "../x.png",
    "a/../../x.png",
    "/etc/passwd",
    "a//b.png",
    "a/./b.png",
    "..",
    ".",
    "",
    "a/",
    "C:/x.png",
    "C:x.png",
    "..\\x.png",
    "a\\b.png",
    "x\0.png",
    "x\n.png",
    "\u0085.png",
    " ",
    ". ",
    " ..",
    "\ud800.png",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_a_hostile_path_is_refused(path: str) -> None:
    with pytest.raises(NameRefused):
        confined_path(path)


@pytest.mark.parametrize("path", ["a.png", "sub/a.png", "ä ö/漢字 (1).png", ".hidden", "a..b.png", "...", "-rf"])
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
