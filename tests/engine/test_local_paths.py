"""What paths name on this machine, in folders made for it."""

import os
import time
from pathlib import Path

import pytest

from engine import local_paths
from engine.local_paths import FOLDER_FILES_MAX, LocalPaths
from engine.prompt.path_texts import PathText, PathUse
from engine.prompt.paths import NOTHING, LocalPath, PathKind
from tests.support.files import fill
from wire.files import FOLDERS, Folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    base = tmp_path / "ComfyUI"
    fill(base / "input", ["a.png", "clips/1.png", "clips/more/2.png", "clips/.hidden", "other/x.png"])
    fill(base / "output", ["made.png"])
    fill(base, ["main.py", "models/loras/x.safetensors"])
    (base / "temp").mkdir()
    return base


def places(base: Path) -> dict[Folder, tuple[Path, ...]]:
    return {folder: (base / folder,) for folder in FOLDERS}


def found(base: Path, path: str) -> LocalPath:
    ((_, local),) = LocalPaths(places(base), (base,)).find([PathText("1", "path", path, path, PathUse.TEXT)])
    return local


def chosen(base: Path, path: str, *options: str) -> LocalPath:
    text = PathText("1", "folder", path, path, PathUse.CHOICE, options=options)
    return next((local for _, local in LocalPaths(places(base), (base,)).find([text])), NOTHING)


@pytest.mark.parametrize("path", ["input/a.png", "./input/a.png", "ComfyUI/input/a.png", "./ComfyUI/input/a.png", "{}"])
def test_a_file_is_found_from_where_comfyui_runs(base: Path, path: str) -> None:
    path = path.format(base / "input" / "a.png")

    assert found(base, path) == LocalPath(PathKind.FILE, "input", "a.png")


def test_a_folder_comes_with_its_files_but_not_the_hidden_ones(base: Path) -> None:
    assert found(base, "input/clips") == LocalPath(
        PathKind.FOLDER, "input", "clips", ("clips/1.png", "clips/more/2.png")
    )


def test_a_path_by_the_real_name_of_a_linked_folder_is_inside(base: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(base)

    assert found(tmp_path / "link", str(base / "input" / "a.png")) == LocalPath(PathKind.FILE, "input", "a.png")


@pytest.mark.parametrize("path", ["main.py", "models/loras/x.safetensors", "input/../main.py", "../ComfyUI"])
def test_what_exists_elsewhere_is_known_to_be_outside(base: Path, path: str) -> None:
    local = found(base, path)

    assert local.folder is None
    assert local.kind in (PathKind.FILE, PathKind.FOLDER)


@pytest.mark.parametrize(
    "path", ["nowhere.png", "and/or", "a\0b", "input/" + "x" * 300, "~nobody-of-this-name/x", "x/" * 2000]
)
def test_what_cannot_exist_is_nothing(base: Path, path: str) -> None:
    assert found(base, path) == NOTHING


def test_an_absolute_path_in_a_folder_of_comfyuis_is_inside_whether_it_exists_or_not(base: Path) -> None:
    assert found(base, str(base / "output" / "new")) == LocalPath(PathKind.NOTHING, "output", "new")
    assert found(base, "output/new") == NOTHING


def test_a_folder_that_may_not_be_entered_has_no_files(base: Path) -> None:
    (base / "input" / "clips").chmod(0)
    try:
        local = found(base, "input/clips")
    finally:
        (base / "input" / "clips").chmod(0o755)

    assert local.kind is PathKind.FOLDER
    assert local.files == (() if os.geteuid() else ("clips/1.png", "clips/more/2.png"))


def test_a_link_out_of_a_folder_keeps_it_from_being_sent(base: Path, tmp_path: Path) -> None:
    fill(tmp_path, ["secret.txt"])
    (base / "input" / "clips" / "link.png").symlink_to(tmp_path / "secret.txt")
    (base / "input" / "other" / "everything").symlink_to(tmp_path)

    assert "link" in found(base, "input/clips").problem
    assert found(base, "input/clips").files == ()
    assert found(base, "input/other").files == ("other/x.png",)


@pytest.mark.parametrize("name", [b"a\nb.png", b"\xff.png", b"C:x.png"])
def test_a_file_whose_name_cannot_be_sent_keeps_its_folder_from_being_sent(base: Path, name: bytes) -> None:
    (base / "input" / "clips" / os.fsdecode(name)).write_bytes(b"x")
    local = found(base, "input/clips")

    assert local.files == ()
    assert "rename the file" in local.problem


def test_links_in_a_circle_end(base: Path) -> None:
    (base / "input" / "clips" / "up").symlink_to(base / "input")
    (base / "input" / "clips" / "itself").symlink_to("itself")

    assert found(base, "input/clips").files == ("clips/1.png", "clips/more/2.png")


def test_too_many_files_are_not_sent(base: Path) -> None:
    fill(base / "input" / "many", [f"{number}.png" for number in range(FOLDER_FILES_MAX + 1)])
    local = found(base, "input/many")

    assert local.files == ()
    assert "more than 1,000 files" in local.problem
    assert "choose a smaller folder" in local.problem


def test_too_many_bytes_are_not_sent(base: Path) -> None:
    for name in ("1", "2"):
        with (base / "input" / "clips" / f"{name}.mp4").open("wb") as file:
            file.truncate(local_paths.FOLDER_BYTES_MAX // 2 + 1)

    assert "MiB" in found(base, "input/clips").problem


def test_a_choice_is_a_folder_only_where_all_choices_are(base: Path) -> None:
    clips = LocalPath(PathKind.FOLDER, "input", "clips", ("clips/1.png", "clips/more/2.png"))

    assert chosen(base, "clips", "clips", "other", "clips/more") == clips
    assert chosen(base, "clips", "clips", "euler") == NOTHING
    assert chosen(base, "a.png", "a.png") == NOTHING
    assert chosen(base, "../models", "../models") == NOTHING


def test_a_comfyui_elsewhere_is_taken_at_its_word(base: Path) -> None:
    away = LocalPaths(places(Path("/srv/comfyui")), ())

    def seen(path: str) -> LocalPath:
        ((_, local),) = away.find([PathText("1", "path", path, path, PathUse.TEXT)])
        return local

    assert seen("input/a.png") == LocalPath(PathKind.UNSEEN, "input", "a.png")
    assert seen("/srv/comfyui/output/a.png") == LocalPath(PathKind.UNSEEN, "output", "a.png")
    assert seen("main.py") == NOTHING
    assert seen("input/../main.py") == NOTHING
    assert seen(str(base / "main.py")) == NOTHING


def test_two_thousand_texts_are_looked_for_within_milliseconds(base: Path) -> None:
    texts = [
        PathText(str(number), "path", f"a/{number}.png", f"a/{number}.png", PathUse.TEXT) for number in range(2000)
    ]
    local = LocalPaths(places(base), (base,))
    begun = time.process_time()
    names = local.find(texts)

    assert {found for _, found in names} == {NOTHING}
    assert time.process_time() - begun < 0.5  # 20 ms on a machine that does nothing else
