"""Finished files get their names: whole, on the disk, and never over another file."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from engine.files.atomic_save import place_all, sweep
from storage.disk import DiskUnavailable
from storage.private import private_file, private_folder
from tests.support.disks import foreign_folder, make_read_only, small_disk
from tests.support.files import mode, umask


def part(folder: Path, content: bytes = b"paid", name: str = "part") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_takes_its_name_without_being_copied(tmp_path: Path) -> None:
    source = part(tmp_path / "parts")
    placed = place_all([("x_00001_.png", source)], tmp_path / "output", "a")

    assert placed == [("a", "x_00001_.png")]
    assert (tmp_path / "output" / "a" / "x_00001_.png").samefile(source)
    assert files(tmp_path / "output") == {"a/x_00001_.png": b"paid"}


def test_a_file_from_another_disk_is_copied_and_nothing_else_is_left(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        placed = place_all([("x.png", part(disk)), ("y.png", part(disk, b"too", "two"))], tmp_path / "output", "")

    assert placed == [("", "x.png"), ("", "y.png")]
    assert files(tmp_path / "output") == {"x.png": b"paid", "y.png": b"too"}


@pytest.mark.parametrize("same_disk", [True, False])
def test_no_file_is_ever_overwritten(tmp_path: Path, same_disk: bool) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "x_00001_.png").write_bytes(b"yesterday's")
    (tmp_path / "output" / "y.txt").mkdir()
    with small_disk(tmp_path / "disk") as disk:
        source = part(tmp_path / "parts" if same_disk else disk)
        placed = place_all([("x_00001_.png", source), ("y.txt", source)], tmp_path / "output", "")

    assert placed == [("", "x_00002_.png"), ("", "y (1).txt")]
    assert files(tmp_path / "output") == {
        "x_00001_.png": b"yesterday's",
        "x_00002_.png": b"paid",
        "y (1).txt": b"paid",
    }


def test_files_that_were_placed_at_once_never_share_a_name(tmp_path: Path) -> None:
    sources = [part(tmp_path / "parts", b"%d" % number, str(number)) for number in range(24)]
    ready = threading.Barrier(8)

    def place(source: Path) -> str:
        if int(source.name) < 8:
            ready.wait(10)
        return place_all([("x_00001_.png", source)], tmp_path / "output", "")[0][1]

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(place, sources))

    assert sorted(names) == [f"x_{number:05}_.png" for number in range(1, 25)]
    assert {(tmp_path / "output" / name).read_bytes() for name in names} == {b"%d" % n for n in range(24)}


def test_two_results_of_one_part_are_two_files(tmp_path: Path) -> None:
    source = part(tmp_path / "parts")
    place_all([("x_00001_.png", source), ("x_00002_.png", source)], tmp_path / "output", "")
    (tmp_path / "output" / "x_00001_.png").write_bytes(b"edited")

    assert files(tmp_path / "output") == {"x_00001_.png": b"edited", "x_00002_.png": b"paid"}


def test_a_file_that_was_placed_before_a_kill_is_not_placed_twice(tmp_path: Path) -> None:
    source = part(tmp_path / "parts")
    first = place_all([("x_00001_.png", source)], tmp_path / "output", "")
    again = place_all([("x_00001_.png", source)], tmp_path / "output", "")

    assert again == first
    assert files(tmp_path / "output") == {"x_00001_.png": b"paid"}


def test_a_part_that_is_a_known_result_already_becomes_a_second_file(tmp_path: Path) -> None:
    source = part(tmp_path / "parts")
    first = place_all([("x_00001_.png", source)], tmp_path / "output", "a")
    second = place_all([("x_00001_.png", source)], tmp_path / "output", "a", known=first)
    (tmp_path / "output" / "a" / "x_00001_.png").write_bytes(b"edited")

    assert second == [("a", "x_00002_.png")]
    assert files(tmp_path / "output") == {"a/x_00001_.png": b"edited", "a/x_00002_.png": b"paid"}


def test_a_name_of_256_bytes_is_stored_under_a_shorter_one(tmp_path: Path) -> None:
    name = "n" * 245 + "_00001_.png"
    placed = place_all(
        [(name, part(tmp_path / "parts")), ("ok.png", part(tmp_path / "parts", b"2", "2"))], tmp_path, "a"
    )

    assert len(name.encode()) == 256
    assert placed == [("a", "n" * 89 + "_00001_.png"), ("a", "ok.png")]
    assert (tmp_path / "a" / placed[0][1]).read_bytes() == b"paid"


def test_a_number_that_grows_too_long_for_a_name_shortens_it(tmp_path: Path) -> None:
    full = "n" * 244 + "_99999_.png"
    (tmp_path / full).touch()

    assert place_all([(full, part(tmp_path / "parts"))], tmp_path, "") == [("", "n" * 89 + "_00001_.png")]


def test_a_folder_whose_path_leaves_no_room_for_a_name_gives_the_root(tmp_path: Path) -> None:
    room = 4084 - len(str(tmp_path))  # Linux allows 4,095 bytes for a path
    deep = ("d" * 199 + "/") * (room // 200) + "e" * (room % 200 or 1)
    placed = place_all([("x_00001_.png", part(tmp_path / "parts"))], tmp_path, deep)

    assert (tmp_path / deep).is_dir()
    assert placed == [("", "x_00001_.png")]


def test_a_file_in_the_place_of_the_folder_is_no_loss(tmp_path: Path) -> None:
    (tmp_path / "clips").write_bytes(b"somebody's")

    assert place_all([("x.png", part(tmp_path / "parts"))], tmp_path, "clips") == [("clips (1)", "x.png")]


def test_a_full_disk_is_waited_for_and_nothing_is_left_on_it(tmp_path: Path) -> None:
    source = part(tmp_path / "parts", bytes(2 * 1024 * 1024))
    with small_disk(tmp_path / "disk") as disk:
        with pytest.raises(DiskUnavailable, match="No space"):
            place_all([("x.png", source)], disk, "")

        assert files(disk) == {}
    assert place_all([("x.png", source)], tmp_path / "output", "") == [("", "x.png")]


def test_a_read_only_disk_is_waited_for(tmp_path: Path) -> None:
    source = part(tmp_path / "parts")
    with small_disk(tmp_path / "disk") as disk:
        make_read_only(disk)
        with pytest.raises(DiskUnavailable, match="Read-only"):
            place_all([("x.png", source)], disk, "")


def test_a_folder_of_another_user_is_waited_for() -> None:
    with foreign_folder() as folder:
        source = part(folder.parent / "own")
        with pytest.raises(DiskUnavailable, match="Permission"):
            place_all([("x.png", source)], folder, "")


@pytest.mark.parametrize("same_disk", [True, False])
@pytest.mark.parametrize("mask", [0o022, 0o002, 0o027, 0o077], ids=oct)
def test_a_result_has_the_rights_of_a_picture_that_is_saved_there(
    tmp_path: Path, mask: int, *, same_disk: bool
) -> None:
    output = tmp_path / "output"
    with small_disk(tmp_path / "disk") as disk, umask(mask):
        source = private_file(private_folder(tmp_path / "parts" if same_disk else disk / "parts") / "part")
        place_all([("ours.png", source)], output, "sub")
        Image.new("RGB", (1, 1)).save(output / "sub" / "theirs.png")

    assert mode(output / "sub" / "ours.png") == mode(output / "sub" / "theirs.png") == 0o666 & ~mask
    assert mode(output / "sub") == 0o777 & ~mask
    assert [path.name for path in source.parent.glob("*") if path != source] == []


def test_a_result_is_copied_where_its_rights_cannot_be_found_out() -> None:
    with foreign_folder() as folder, umask(0o022):
        os.seteuid(0)
        source = part(folder)
        source.chmod(0o666)
        os.seteuid(65534)
        placed = place_all([("x.png", source)], folder.parent / "own", "")
        result = folder.parent / "own" / "x.png"

        assert placed == [("", "x.png")]
        assert (result.read_bytes(), mode(result), result.samefile(source)) == (b"paid", 0o644, False)


@pytest.mark.parametrize("same_disk", [True, False])
def test_a_result_belongs_to_the_group_of_a_shared_folder(tmp_path: Path, *, same_disk: bool) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to any group")
    output = tmp_path / "output"
    output.mkdir()
    os.chown(output, -1, 65534)
    output.chmod(0o2775)
    with small_disk(tmp_path / "disk") as disk, umask(0o027):
        source = private_file(private_folder(tmp_path / "parts" if same_disk else disk / "parts") / "part")
        place_all([("ours.png", source)], output, "")

    assert (output / "ours.png").stat().st_gid == 65534
    assert mode(output / "ours.png") == 0o640


def test_a_missing_part_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        place_all([("x.png", tmp_path / "missing")], tmp_path / "output", "")


def test_only_what_a_killed_program_left_is_swept_away(tmp_path: Path) -> None:
    ours = [f".comfy-runpod-{'0a' * 16}.part", f"sub/.comfy-runpod-{'f' * 32}.part", f"sub/.{'b' * 32}.part"]
    theirs = ["x_00001_.png", ".hidden", ".x.part", f"{'b' * 32}.part", f".{'B' * 32}.part", f".{'b' * 32}.part.png"]
    for name in (*ours, *theirs):
        part((tmp_path / "output" / name).parent, name=Path(name).name)
    elsewhere = part(tmp_path / "elsewhere", name=f".{'c' * 32}.part")
    (tmp_path / "output" / "link").symlink_to(elsewhere.parent)
    (tmp_path / "output" / f".{'d' * 32}.part").symlink_to(elsewhere)

    assert sweep(tmp_path / "output") == 3
    assert {name for name in files(tmp_path / "output") if not name.startswith("link")} == {
        *theirs,
        f".{'d' * 32}.part",
    }
    assert elsewhere.exists()


def test_a_result_is_never_called_what_is_swept_away(tmp_path: Path) -> None:
    name = f".comfy-runpod-{'0' * 32}.part"
    placed = place_all([(name, part(tmp_path / "parts"))], tmp_path / "output", "")
    sweep(tmp_path / "output")

    assert placed == [("", f"_{name}")]
    assert files(tmp_path / "output") == {f"_{name}": b"paid"}


def test_a_copy_that_another_program_sweeps_away_is_made_again(tmp_path: Path) -> None:
    content, output = bytes(8_000_000), tmp_path / "output"
    output.mkdir()
    swept = threading.Event()

    def sweep_once() -> None:
        while not swept.is_set():
            if sweep(output):
                swept.set()

    sweeper = threading.Thread(target=sweep_once)
    with small_disk(tmp_path / "disk", "16m") as disk:
        source, number = part(disk, content), 0
        sweeper.start()
        try:
            while not swept.is_set() and number < 100:  # it is seen the first time, or soon
                number += 1
                place_all([(f"x{number}.png", source)], output, "")
        finally:
            swept.set()
            sweeper.join()

    assert number < 100
    assert files(output) == {f"x{placed}.png": content for placed in range(1, number + 1)}
