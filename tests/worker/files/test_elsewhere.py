"""Files that a prompt writes outside ComfyUI's folders are named."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from worker.files.elsewhere import ENTRIES_MAX, PLACES_MAX, written_elsewhere
from worker.folders import Folders

LONG_AGO_NS = 3_600 * 10**9


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path / "comfyui")
    made.create()
    return made


def prompt(*texts: Any) -> dict[str, Any]:
    inputs = {f"text{number}": text for number, text in enumerate(texts)}
    return {"1": {"class_type": "Image Save", "inputs": inputs}}


def written(path: Path, age_ns: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("paid")
    os.utime(path, ns=(time.time_ns() - age_ns,) * 2)
    return path


@pytest.mark.parametrize("text", ["foo", "foo/x.png", "foo/x"])
def test_a_folder_a_file_and_the_beginning_of_a_name_are_found(folders: Folders, tmp_path: Path, text: str) -> None:
    since_ns = time.time_ns()
    written(tmp_path / "foo" / "x.png")
    named = str(tmp_path / text)

    assert written_elsewhere(prompt("a cat", named, 3, None, ["9", 0]), folders, since_ns) == (named,)


def test_a_path_that_leads_out_of_the_output_folder_is_found(folders: Folders) -> None:
    since_ns = time.time_ns()
    written(folders.data.parent / "out" / "x.png")

    assert written_elsewhere(prompt("../../out", "../nowhere", "sub"), folders, since_ns) == ("../../out",)


def test_a_folder_beside_comfyuis_own_is_found(folders: Folders) -> None:
    since_ns = time.time_ns()
    written(folders.data / "texts" / "note.txt")
    written(folders.data / "a cat.txt")

    assert written_elsewhere(prompt("a cat", "texts", "note", "output", ""), folders, since_ns) == ("texts",)


def test_what_was_there_before_and_what_lies_in_comfyuis_folders_is_not_named(folders: Folders, tmp_path: Path) -> None:
    since_ns = time.time_ns()
    written(tmp_path / "old" / "x.png", age_ns=LONG_AGO_NS)
    written(tmp_path / "deep" / "er" / "x.png")
    inside = written(folders.root("output") / "sub" / "x.png")
    texts = [str(tmp_path / "old"), str(tmp_path / "deep"), str(inside), str(inside.parent), "/proc", "/dev/null", "/"]

    assert written_elsewhere(prompt(*texts), folders, since_ns) == ()


def test_what_is_on_the_volume_is_not_gone_with_the_worker(folders: Folders, tmp_path: Path) -> None:
    since_ns = time.time_ns()
    place = str(written(tmp_path / "volume" / "mine" / "x.png").parent)

    assert written_elsewhere(prompt(place), folders, since_ns, tmp_path / "volume") == ()
    assert written_elsewhere(prompt(place), folders, since_ns) == (place,)


def test_a_link_to_a_newer_file_is_not_one(folders: Folders, tmp_path: Path) -> None:
    since_ns = time.time_ns()
    target = written(tmp_path / "target" / "x.png")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "x.png").symlink_to(target)

    assert written_elsewhere(prompt(str(tmp_path / "links")), folders, since_ns) == ()


@pytest.mark.parametrize(
    "text", ["/\0", "/" + "x" * 5000, "/x/" + "y" * 300, "/nowhere/at/all", "\ud800/..", "../" * 200]
)
def test_odd_texts_are_no_trouble(folders: Folders, text: str) -> None:
    broken: dict[str, Any] = {"2": None, "3": {"inputs": None}, "4": {}}

    assert written_elsewhere(prompt(text) | broken, folders, time.time_ns()) == ()


def test_so_many_places_are_named_and_no_more(folders: Folders, tmp_path: Path) -> None:
    since_ns = time.time_ns()
    places = [str(written(tmp_path / str(number) / "x").parent) for number in range(PLACES_MAX + 3)]

    assert len(written_elsewhere(prompt(*places), folders, since_ns)) == PLACES_MAX


def test_a_folder_with_very_many_files_takes_no_long_look(folders: Folders, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(ENTRIES_MAX + 5):
        os.link(written(tmp_path / "one", age_ns=LONG_AGO_NS) if number == 0 else tmp_path / "one", many / str(number))

    assert written_elsewhere(prompt(str(many)), folders, time.time_ns()) == ()
