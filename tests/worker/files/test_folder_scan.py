"""What ComfyUI's folders hold before and after a prompt."""

import itertools
import os
from pathlib import Path

import pytest

from wire.outputs import OutputFile
from worker.files.folder_scan import ScanTooLong, Stamp, changed, scan
from worker.folders import Folders


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path / "data")
    made.create()
    return made


def frozen() -> float:
    return 0.0


def write(folders: Folders, path: str, content: str = "x") -> Path:
    written = folders.data / path
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(content)
    return written


def test_what_is_new_or_different_is_found_and_what_is_as_before_is_not(folders: Folders) -> None:
    write(folders, "output/as-before.png")
    write(folders, "output/deep/er/changed.txt")
    before = scan(folders, frozen)
    write(folders, "output/deep/er/changed.txt", "longer")
    write(folders, "output/loras/new.safetensors")
    write(folders, "input/new.png")
    write(folders, "temp/new.png")

    assert changed(before, scan(folders, frozen), {}, folders) == [
        OutputFile("output", "deep/er", "changed.txt"),
        OutputFile("output", "loras", "new.safetensors"),
        OutputFile("input", "", "new.png"),
    ]


def test_a_file_that_takes_the_place_of_one_with_its_size_and_time_is_new(folders: Folders) -> None:
    old = write(folders, "output/a.txt", "one")
    before = scan(folders, frozen)
    new = write(folders, "output/b.txt", "two")
    os.utime(new, ns=(old.stat().st_atime_ns, old.stat().st_mtime_ns))
    new.replace(old)

    assert changed(before, scan(folders, frozen), {}, folders) == [OutputFile("output", "", "a.txt")]


def test_what_was_announced_is_left_out_unless_it_has_changed_since(folders: Folders) -> None:
    names = ("announced.png", "written-again.png", "an-input.png")
    paths = [write(folders, f"output/sub/{name}").resolve() for name in names]
    write(folders, "output/sub/beside.png")
    known = {path: Stamp.of(path.stat()) for path in paths[:2]} | {paths[2]: None}
    for name in names[1:]:
        write(folders, f"output/sub/{name}", "longer")

    found = changed({}, scan(folders, frozen), known, folders)

    assert [file.filename for file in found] == ["beside.png", "written-again.png"]


@pytest.mark.parametrize(
    "path",
    ["output/.hidden.png", "output/.cache/x.png", "output/x.png.part", "output/x.TMP", "output/x.crdownload"],
)
def test_hidden_and_unfinished_files_are_no_results(folders: Folders, path: str) -> None:
    write(folders, path)

    assert scan(folders, frozen) == {}


def test_links_are_neither_files_nor_followed(folders: Folders, tmp_path: Path) -> None:
    secret = tmp_path / "outside" / "secret.txt"
    secret.parent.mkdir()
    secret.write_text("secret")
    (folders.root("output") / "link.txt").symlink_to(secret)
    (folders.root("output") / "folder").symlink_to(secret.parent)
    (folders.root("input") / "loop").symlink_to(folders.root("input"))

    assert scan(folders, frozen) == {}


def test_an_output_folder_that_is_a_link_itself_is_looked_into(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "data")
    (tmp_path / "elsewhere").mkdir()
    folders.data.mkdir()
    folders.root("output").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "x.txt").write_text("x")

    assert list(scan(folders, frozen)) == [OutputFile("output", "", "x.txt")]


def test_a_look_that_takes_too_long_is_given_up(folders: Folders) -> None:
    write(folders, "output/a.txt")
    seconds = itertools.count(step=10)

    with pytest.raises(ScanTooLong, match="over 3 s"):
        scan(folders, lambda: next(seconds))


def test_too_many_files_are_not_looked_at(folders: Folders) -> None:
    for number in range(5):
        write(folders, f"output/{number}.txt")

    with pytest.raises(ScanTooLong, match="too many files"):
        scan(folders, frozen, entries=4)


def test_a_folder_that_is_closed_to_us_or_not_there_hides_no_other(folders: Folders) -> None:
    write(folders, "output/a.txt")
    folders.root("input").rmdir()

    assert list(scan(folders, frozen)) == [OutputFile("output", "", "a.txt")]
