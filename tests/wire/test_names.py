"""Names from outside: refused or unchanged where somebody asks for them, changed and never refused for a result."""

import posixpath
import tempfile
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.names import ACCEPTED, NAMES, REFUSED, NameCase
from wire.names import NameRefused, confined, confined_path, leads_out, plain_id, plain_name, stored_name

ODD = st.text(st.sampled_from('ab.C:/\\ \t\0é漢\ud800\u202e_01*"¹') | st.characters(), max_size=20)
LONG = st.builds(lambda text, times, end: text * times + end, ODD, st.integers(1, 60), ODD)
PATHS = st.one_of(ODD, LONG, st.sampled_from([case.path for case in NAMES]))
RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in "0123456789¹²³")}


def shown(case: NameCase) -> str:
    return ascii(case.path[:30])


@pytest.mark.parametrize("path", REFUSED, ids=ascii)
def test_a_path_that_leads_out_or_that_no_file_can_have_is_refused(path: str) -> None:
    with pytest.raises(NameRefused):
        confined_path(path)


@pytest.mark.parametrize("path", ACCEPTED, ids=ascii)
def test_an_honest_path_passes_unchanged(path: str) -> None:
    assert confined_path(path) == path
    assert confined(posixpath.dirname(path), posixpath.basename(path)) == path


@pytest.mark.parametrize(("subfolder", "filename"), [("", "a/b.png"), ("a", ""), ("..", "x.png"), ("/a", "x.png")])
def test_a_filename_is_not_a_path_and_a_subfolder_stays_below(subfolder: str, filename: str) -> None:
    with pytest.raises(NameRefused):
        confined(subfolder, filename)


@pytest.mark.parametrize(
    "path", ["/x", "//x", "\\\\x\\y", "C:/x", "c:x", "../x", "a/..", "a\\..\\x", "a/ .. /x", "/", ".."]
)
def test_a_path_that_leads_out_is_told_from_one_that_no_file_can_have(path: str) -> None:
    assert leads_out(path)
    with pytest.raises(NameRefused):
        confined_path(path)


@pytest.mark.parametrize("path", [*ACCEPTED, "", "a//b", "./a", "a/", "x\n"], ids=ascii)
def test_other_paths_do_not_lead_out(path: str) -> None:
    assert not leads_out(path)


@given(PATHS)
def test_what_passes_stays_below_the_folder_on_every_system(path: str) -> None:
    try:
        passed = confined_path(path)
    except NameRefused:
        return

    assert posixpath.normpath(posixpath.join("/root/folder", passed)).startswith("/root/folder/")
    on_windows = PureWindowsPath(passed)
    assert not on_windows.root
    assert not on_windows.drive[:1].isalpha() or not on_windows.drive.isascii()  # there are drives from A: to Z:
    assert ".." not in on_windows.parts


@pytest.mark.parametrize("case", NAMES, ids=shown)
def test_a_result_is_stored_under_a_name_that_the_system_takes(case: NameCase) -> None:
    subfolder, _, filename = case.path.rpartition("/")

    assert posixpath.join(*stored_name(subfolder, filename, windows=False)) == case.stored
    assert posixpath.join(*stored_name(subfolder, filename, windows=True)) == case.on_windows


def test_folders_in_a_file_name_are_folders() -> None:
    assert stored_name("s", "a/../b/c.png", windows=False) == ("s/a/b", "c.png")


@given(PATHS, PATHS, st.booleans())
def test_storing_a_stored_name_again_changes_nothing(subfolder: str, filename: str, windows: bool) -> None:
    once = stored_name(subfolder, filename, windows=windows)

    assert stored_name(*once, windows=windows) == once


@given(PATHS, PATHS)
def test_a_stored_name_is_inside_its_folder_and_can_really_be_created(subfolder: str, filename: str) -> None:
    folders, name = stored_name(subfolder, filename, windows=False)
    with tempfile.TemporaryDirectory() as root:
        path = Path(root, *folders.split("/")[:10], name)  # a whole path has a limit of its own
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"paid")

        assert path.resolve().is_relative_to(Path(root).resolve())
        assert [found.name for found in path.parent.iterdir()] == [name]


@given(PATHS, PATHS)
def test_a_stored_name_is_legal_on_windows(subfolder: str, filename: str) -> None:
    folders, name = stored_name(subfolder, filename, windows=True)

    assert confined(folders, name)
    for part in (*filter(None, folders.split("/")), name):
        assert not set(part) & set('<>:"/\\|?*')
        assert part == part.rstrip(" .") != ""
        assert part.partition(".")[0].rstrip(" ").upper() not in RESERVED
        assert len(part.encode("utf-16-le")) // 2 <= 255


@given(PATHS)
def test_a_plain_name_is_short_and_means_nothing_to_any_system(name: str) -> None:
    plain = plain_name(name)

    assert 0 < len(plain) <= 100
    assert plain.isascii()
    assert stored_name("", plain, windows=True) == ("", plain)
    assert plain_name(plain) == plain


@pytest.mark.parametrize("text", ["run1", "5d1c5f3a-0b1e-4a6e-9a57-2f5a3b1c0d9e", "a_B-9"])
def test_an_id_of_our_own_is_itself(text: str) -> None:
    assert plain_id(text) == text


@given(PATHS, PATHS)
def test_any_id_is_a_plain_part_of_a_name_and_no_two_are_the_same(one: str, other: str) -> None:
    plain = f"{plain_id(one)}-0"

    assert stored_name("", plain, windows=True) == ("", plain)
    assert (plain_id(one) == plain_id(other)) is (one == other)


@pytest.mark.parametrize(
    ("name", "end"),
    [
        (f"{'é' * 200}_00001_.png", "_00001_.png"),
        (f"{'v' * 300}_00004.mp4", "_00004.mp4"),
        (f"{'v' * 300}_00004-audio.mp4", "_00004-audio.mp4"),
        (f"{'n' * 300}.tar.gz", ".gz"),
    ],
)
def test_a_long_name_keeps_its_counter_and_its_extension(name: str, end: str) -> None:
    _, stored = stored_name("", name, windows=False)

    assert stored.endswith(end)
    assert 230 < len(stored.encode()) <= 240
