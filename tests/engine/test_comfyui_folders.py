"""Which folders of this machine a ComfyUI uses, when it is elsewhere or says odd things about them."""

import logging
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from engine.comfyui import ComfyUI
from engine.comfyui_folders import Whereabouts, named_folders
from engine.model.input_file import Presence
from tests.support.files import fill
from tests.support.told_comfyui import serving, told
from wire.files import Folder

FOLDERS: tuple[Folder, ...] = ("input", "output", "temp")
HERE, ELSEWHERE, UNKNOWN = Whereabouts.HERE, Whereabouts.ELSEWHERE, Whereabouts.UNKNOWN


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A ComfyUI checkout of this machine, with files of its own."""
    fill(tmp_path / "ComfyUI", ["custom_nodes/x.py", "input/example.png", "output/run_00001_.png"])
    return tmp_path / "ComfyUI"


async def test_the_folder_of_the_same_path_in_a_container_is_not_taken_for_it(program: Path, tmp_path: Path) -> None:
    fill(tmp_path / "container", ["run_00001_.png"])
    os.utime(tmp_path / "container" / "run_00001_.png", (1e9, 1e9))
    listing = ["run_00001_.png [output]"]
    async with (
        serving(tmp_path / "container", told(program), listing=listing) as url,
        aiohttp.ClientSession() as session,
    ):
        comfyui = ComfyUI(url, session)

        assert await comfyui.find_folder("output") == (UNKNOWN, None)
        assert program / "output" in await comfyui.places("output")
        assert await comfyui.presence("run_00001_.png", "output") is Presence.UNVERIFIED


async def test_of_two_empty_folders_none_is_taken_for_one_that_lists_files(program: Path, tmp_path: Path) -> None:
    (program / "output" / "run_00001_.png").unlink()
    async with serving(tmp_path, told(program), listing=["a.png"]) as url, aiohttp.ClientSession() as session:
        assert await ComfyUI(url, session).find_folder("output") == (UNKNOWN, None)


async def test_a_comfyui_of_which_nothing_is_here_is_elsewhere_and_judges_its_links_itself(tmp_path: Path) -> None:
    fill(tmp_path, ["a.png"])
    async with serving(tmp_path, told(Path("/nowhere/ComfyUI"))) as url, aiohttp.ClientSession() as session:
        comfyui = ComfyUI(url, session)

        assert [await comfyui.find_folder(folder) for folder in FOLDERS] == [(ELSEWHERE, None)] * 3
        assert await comfyui.places("output") == ()
        assert await comfyui.presence("a.png", "input") is Presence.THERE
        assert await comfyui.presence("b.png", "input") is Presence.MISSING


async def test_one_that_is_said_to_be_elsewhere_is_not_looked_for_here(program: Path) -> None:
    async with serving(program / "output", told(program)) as url, aiohttp.ClientSession() as session:
        comfyui = ComfyUI(url, session, elsewhere=True)

        assert await comfyui.find_folder("output") == (ELSEWHERE, None)
        assert await comfyui.presence("run_00001_.png", "output") is Presence.THERE


@pytest.mark.parametrize("paths", [None, {}, {"custom_nodes": 5, "checkpoints": [None]}])
async def test_where_comfyui_says_nothing_about_its_folders_a_file_is_not_sent(
    program: Path, paths: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(program / "output", paths, argv={"odd": 1}) as url, aiohttp.ClientSession() as session:
        comfyui = ComfyUI(url, session)
        with caplog.at_level(logging.WARNING):
            found = [await comfyui.find_folder("output") for _ in range(3)]

        assert found == [(UNKNOWN, None)] * 3
        assert [record.getMessage() for record in caplog.records] == [
            "ComfyUI's output folder was not recognised; scripts/doctor.py says what to do"
        ]
        assert await comfyui.presence("run_00001_.png", "output") is Presence.UNVERIFIED


@pytest.mark.parametrize(
    "argv",
    [
        ["main.py", "--input-directory", "{moved}"],
        ["main.py", "--input-directory={moved}"],
        ["main.py", "--input-directory", "../moved"],
    ],
)
async def test_a_moved_folder_is_found_by_the_arguments(program: Path, tmp_path: Path, argv: list[str]) -> None:
    fill(tmp_path / "moved", ["a.png"])
    words = [word.format(moved=tmp_path / "moved") for word in argv]
    async with serving(tmp_path / "moved", told(program), words) as url, aiohttp.ClientSession() as session:
        whereabouts, path = await ComfyUI(url, session).find_folder("input")

    assert whereabouts is HERE
    assert path is not None
    assert path.samefile(tmp_path / "moved")


# -- what ComfyUI says


@pytest.mark.parametrize(
    ("argv", "folder", "likely"),
    [
        ([], "input", "/c/input"),
        ([], "output", "/c/output"),
        ([], "temp", "/c/temp"),
        (["--input-directory", "/i"], "input", "/i"),
        (["--temp-directory", "/t"], "temp", "/t/temp"),
        (["--temp-directory=t"], "temp", "/c/t/temp"),
        (["--base-directory", "/b"], "input", "/b/input"),
        (["--input-directory"], "input", "/c/input"),
    ],
)
def test_the_likely_place_of_a_folder_comes_first(argv: list[str], folder: Folder, likely: str) -> None:
    assert str(named_folders(told(Path("/c")), argv).places[folder][0]) == likely


def test_an_output_folder_that_was_moved_is_the_last_that_holds_checkpoints() -> None:
    paths = {**told(Path("/c")), "checkpoints": ["/models/checkpoints", "/c/models/checkpoints", "/out/checkpoints"]}

    assert named_folders(paths, []).places["output"][:2] == (Path("/out"), Path("/c/output"))
