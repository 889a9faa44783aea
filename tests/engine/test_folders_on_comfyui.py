"""The folders of a ComfyUI process on this machine: the sandbox's in both forms of its answers, and a real one."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from engine.comfyui import ComfyUI
from engine.comfyui_folders import Whereabouts
from engine.model.input_file import Presence
from tests.support.comfyui import SANDBOX, comfyui_process
from tests.support.files import fill
from tests.support.stacks import NO_REAL, REAL
from wire.files import Folder

pytestmark = pytest.mark.asyncio(loop_scope="module")
FOLDERS: tuple[Folder, ...] = ("input", "output", "temp")


@dataclass
class Bed:
    """A ComfyUI process and its folders."""

    url: str
    data: Path
    session: aiohttp.ClientSession

    def folder(self, folder: Folder) -> Path:
        return self.data / "temp" / "temp" if folder == "temp" else self.data / folder

    def emptied(self) -> ComfyUI:
        """A newcomer's look at it, with nothing in its folders."""
        for folder in FOLDERS:
            for path in self.folder(folder).iterdir():
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        return ComfyUI(self.url, self.session)


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=["0.8.0", "0.33.0", pytest.param("real", marks=pytest.mark.skipif(not REAL, reason=NO_REAL))],
)
async def bed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bed]:
    home, python, args = SANDBOX, Path(sys.executable), ["--as-version", request.param]
    if request.param == "real":
        home, python, args = Path(os.environ["COMFYUI_DIR"]), Path(os.environ["COMFYUI_PYTHON"]), ["--cpu"]
    data = tmp_path_factory.mktemp("comfyui")
    async with comfyui_process(home, python, data, tuple(args)) as url, aiohttp.ClientSession() as session:
        yield Bed(url, data, session)


# -- a folder that is here


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize(
    "names",
    [
        [],
        ["a.png"],
        [".hidden.png"],
        [".hidden.png", "a.png", "..b.png", "c..d.png", "e f ü 漢.png"],
        ["only below/a.png", "only below/deeper/b.png"],
        ["x [output]", "x.png [input]", "x [temp] [output]"],
        [f"many_{number:05}_.png" for number in range(3000)],
    ],
    ids=["empty", "one", "hidden", "odd-names", "subfolders", "annotated-names", "thousands"],
)
async def test_a_folder_is_recognised_whatever_is_in_it(bed: Bed, folder: Folder, names: list[str]) -> None:
    comfyui = bed.emptied()
    fill(bed.folder(folder), names)

    assert await comfyui.find_folder(folder) == (Whereabouts.HERE, bed.folder(folder))


async def test_a_folder_is_recognised_while_files_are_written_into_it(bed: Bed) -> None:
    comfyui, folder = bed.emptied(), bed.folder("output")
    fill(folder, [f"{number}.png" for number in range(4)])
    writing = asyncio.Event()

    async def write() -> None:
        size = 0
        while True:
            size += 1000
            await asyncio.to_thread((folder / "growing.png").write_bytes, bytes(size))
            writing.set()

    task = asyncio.create_task(write())
    await writing.wait()
    found = await comfyui.find_folder("output")
    task.cancel()

    assert found == (Whereabouts.HERE, folder)


async def test_a_folder_that_was_recognised_is_not_looked_for_again_until_comfyui_restarts(bed: Bed) -> None:
    comfyui, folder = bed.emptied(), bed.folder("output")
    fill(folder, ["a.png"])
    first = await comfyui.output_folder()
    elsewhere = folder.rename(folder.with_name("moved"))
    remembered = await comfyui.output_folder()
    comfyui.forget()
    forgotten = await comfyui.output_folder()
    elsewhere.rename(folder)

    assert (first, remembered, forgotten) == (folder, folder, None)


# -- the files in it


@pytest.mark.parametrize("folder", FOLDERS)
async def test_a_file_may_be_sent_unless_a_link_leads_out_of_its_folder(
    bed: Bed, folder: Folder, tmp_path: Path
) -> None:
    comfyui, root = bed.emptied(), bed.folder(folder)
    fill(tmp_path, ["secret.png"])
    fill(root, ["plain.png", "sub/plain.png", "odd [output]"])
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "chain.png").symlink_to(root / "link.png")
    (root / "linked").symlink_to(tmp_path)
    (root / "within.png").symlink_to(root / "sub" / "plain.png")
    (root / "broken.png").symlink_to(tmp_path / "nothing.png")
    names = ["plain.png", "sub/plain.png", "odd [output]", "within.png", "link.png", "chain.png", "linked/secret.png"]
    found = [await comfyui.presence(name, folder) for name in [*names, "broken.png", "nowhere.png"]]

    assert found == [Presence.THERE] * 4 + [Presence.LINKED_OUT] * 3 + [Presence.MISSING] * 2


async def test_a_folder_that_is_itself_a_link_is_no_way_out(bed: Bed, tmp_path: Path) -> None:
    comfyui, root = bed.emptied(), bed.folder("input")
    root.rmdir()
    root.symlink_to(tmp_path)
    fill(tmp_path, ["a.png"])
    found = await comfyui.presence("a.png", "input")
    root.unlink()
    root.mkdir()

    assert found is Presence.THERE
