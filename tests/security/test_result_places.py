"""Where results go: a worker, or the workflow that it runs, wants a file elsewhere, or one that a desktop obeys.

The same on every way: into a folder of this machine, through the upload of a ComfyUI, which follows every link, and
into the folder of send-to-runpod.
"""

import json
import os
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from client.send.folders import LocalFolders
from client.sync import extract_models
from engine.comfyui import ComfyUI
from engine.files.large_files import LargeFiles
from engine.files.results import OutputSink, ResultFiles
from engine.files.subfolders import inside_subfolder, usable_folder
from engine.model.job import Submission
from engine.store.jobs import JobStore
from tests.support.comfyui import comfyui_process
from tests.support.file_bed import RUN, output, reference
from tests.support.names import NAMES, NameCase
from wire.events import FileChunk
from wire.files import Folder, encode_bytes
from wire.ids import PromptId
from wire.names import NameRefused
from worker.folders import confined

in_module = pytest.mark.asyncio(loop_scope="module")

_numbers = count()


class Unlisted(ComfyUI):
    """One whose folders are on this machine, and not recognised: results go through its upload."""

    async def output_folder(self) -> Path | None:
        return None


@dataclass
class Way:
    """A way of results into two folders."""

    output: Path
    temp: Path
    input: Path
    sink: OutputSink
    store: JobStore
    http: aiohttp.ClientSession
    parts: Path

    @property
    def files(self) -> ResultFiles:
        large = LargeFiles(self.http, bucket=None, volume=None)
        return ResultFiles(self.sink, self.parts, self.store.files, large)

    def job(self) -> PromptId:
        prompt_id = PromptId(f"job-{next(_numbers)}")
        self.store.add(Submission(prompt_id, {}, {}, ()), 0)
        return prompt_id

    def of(self, folder: str) -> Path:
        return {"output": self.output, "temp": self.temp, "input": self.input}[folder]

    async def save(self, name: str, subfolder: str, folder: Folder) -> tuple[str, Path]:
        """The folder and path that a result of this name got."""
        prompt_id = self.job()
        file = reference(name, prompt_id.encode(), subfolder=subfolder, folder=folder)
        ((stored_in, place, local),) = (await self.files.save(prompt_id, RUN, output(file))).names.values()
        path = self.of(stored_in) / place / local
        assert path.read_bytes() == prompt_id.encode()
        return stored_in, path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ways(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Way]]:
    data, sent = tmp_path_factory.mktemp("comfyui"), tmp_path_factory.mktemp("sent")
    parts = data / "parts"
    async with comfyui_process(data=data) as url, aiohttp.ClientSession() as http:
        with JobStore(data / "jobs.sqlite") as store:
            folders = LocalFolders(prompt={}, named={}, inputs=sent / "input", output=sent / "output", comfyui=None)
            comfyuis = (data / "output", data / "temp" / "temp", data / "input")
            sent_to = (sent / "output", sent / "output" / "temp", sent / "output" / "input")
            yield {
                "folder": Way(*comfyuis, ComfyUI(url, http), store, http, parts),
                "upload": Way(*comfyuis, Unlisted(url, http), store, http, parts),
                "send": Way(*sent_to, folders, store, http, parts),
            }


def everything(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


# -- links


LINKS = ["out", "chain", "relative", "dead", "to a file", "loop", "real/out"]


def make_links(root: Path, outside: Path) -> None:
    """Links in *root* that lead to *outside*, however they do."""
    (root / "real").mkdir(parents=True)
    (outside / "file").write_bytes(b"somebody's")
    (root / "out").symlink_to(outside)
    (root / "chain").symlink_to(root / "out")
    (root / "relative").symlink_to(os.path.relpath(outside, root))
    (root / "dead").symlink_to(outside / "nowhere")
    (root / "to a file").symlink_to(outside / "file")
    (root / "loop").symlink_to(root / "loop")
    (root / "real" / "out").symlink_to(outside)


@in_module
@pytest.mark.parametrize("below", ["", "/deeper", "/deep/er"])
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("folder", ["output", "temp", "input"])
@pytest.mark.parametrize("way", ["folder", "upload", "send"])
async def test_a_link_is_no_way_out_and_nothing_is_made_behind_it(
    ways: dict[str, Way], way: str, folder: Folder, link: str, below: str
) -> None:
    chosen, number = ways[way], next(_numbers)
    root, outside = chosen.of(folder) / f"n{number}", chosen.output.parent / f"outside{number}"
    outside.mkdir()
    make_links(root, outside)
    before = everything(outside)
    _, path = await chosen.save("x_00001_.png", f"n{number}/{link}{below}", folder)

    assert everything(outside) == before
    assert path.resolve().is_relative_to(root.resolve())


@in_module
async def test_a_link_that_stays_inside_is_followed(ways: dict[str, Way]) -> None:
    for way in ways.values():
        (way.output / "real").mkdir(parents=True, exist_ok=True)
        if not (way.output / "in").exists():
            (way.output / "in").symlink_to("real")
        _, path = await way.save("x_00001_.png", "in/side", "output")

        assert path.resolve().parent == (way.output / "real" / "side").resolve()


@pytest.mark.parametrize("subfolder", [f"{link}/deeper" for link in LINKS])
def test_who_looks_and_who_makes_agree(tmp_path: Path, subfolder: str) -> None:
    root, outside = tmp_path / "output", tmp_path / "outside"
    outside.mkdir()
    make_links(root, outside)

    looked = inside_subfolder([root], subfolder)
    assert usable_folder(root, subfolder) == root / looked
    assert inside_subfolder([root, tmp_path / "nowhere"], subfolder) == looked
    assert inside_subfolder([], subfolder) == subfolder


@pytest.mark.parametrize("link", LINKS)
def test_the_worker_reads_and_writes_nothing_behind_a_link(tmp_path: Path, link: str) -> None:
    root, outside = tmp_path / "data" / "input", tmp_path / "outside"
    outside.mkdir()
    make_links(root, outside)
    before = everything(outside)

    with pytest.raises(NameRefused):
        confined(root, f"{link}/deeper", "x.png")
    assert everything(outside) == before


@pytest.mark.parametrize("link", ["out", "chain", "relative", "dead", "real/out"])
@pytest.mark.parametrize("below", ["", "/deeper"])
def test_an_archive_is_not_unpacked_behind_a_link(tmp_path: Path, link: str, below: str) -> None:
    target, outside = tmp_path / "volume" / "models", tmp_path / "outside"
    outside.mkdir()
    make_links(target, outside)
    before, name = everything(outside), f"{link}{below}/m.safetensors"
    with zipfile.ZipFile(tmp_path / "models.zip", "w") as archive:
        archive.writestr(f"models/{name}", b"x")
        archive.writestr("MANIFEST.json", json.dumps({"files": {name: {"size": 1, "sha256": "0" * 64}}}))

    with pytest.raises(extract_models.Refused, match="leads out"):
        extract_models.extract(tmp_path / "models.zip", target)
    assert everything(outside) == before


# -- the input folder is the person's


@in_module
@pytest.mark.parametrize("way", ["folder", "upload", "send"])
async def test_a_result_never_takes_the_place_of_an_input(ways: dict[str, Way], way: str) -> None:
    chosen = ways[way]
    chosen.input.mkdir(exist_ok=True)
    (chosen.input / f"{way}.png").write_bytes(b"mine")
    prompt_id = chosen.job()
    saved = await chosen.files.save(prompt_id, RUN, output(reference(f"{way}.png", b"theirs", folder="input")))
    ((folder, subfolder, name),) = saved.names.values()

    assert (folder, subfolder) == ("input", "")
    assert (chosen.input / name).read_bytes() == b"theirs"
    assert (chosen.input / f"{way}.png").read_bytes() == b"mine"


@in_module
async def test_a_file_of_the_input_folder_that_an_output_only_names_stays_as_it_is(ways: dict[str, Way]) -> None:
    named = {"filename": "mine.png", "subfolder": "", "type": "input"}
    event = output().model_copy(update={"output": {"images": [named]}})
    saved = await ways["folder"].files.save(ways["folder"].job(), RUN, event)

    assert saved.event.output == {"images": [named]}


# -- names


CHANGED = [case for case in NAMES if case.stored != case.path]


@in_module
@pytest.mark.parametrize("way", ["folder", "upload", "send"])
@pytest.mark.parametrize("case", CHANGED, ids=lambda case: ascii(case.path[:30]))
async def test_a_result_gets_the_same_name_on_every_way(ways: dict[str, Way], case: NameCase, way: str) -> None:
    subfolder, _, filename = case.path.rpartition("/")
    base = f"named{next(_numbers)}"
    _, path = await ways[way].save(filename, f"{base}/{subfolder}", "output")

    assert path.relative_to(ways[way].output / base).as_posix() == case.stored


@in_module
@pytest.mark.parametrize("name", ["x.lnk", "x.desktop", "desktop.ini"])
async def test_two_results_that_get_the_same_harmless_name_are_both_kept(ways: dict[str, Way], name: str) -> None:
    base = f"named{next(_numbers)}"
    paths = [(await way.save(name, base, "output"))[1].name for way in (ways["folder"], ways["upload"])]

    assert len(set(paths)) == 2
    assert not {path.lower() for path in paths} & {"x.lnk", "x.desktop", "desktop.ini"}


@in_module
@pytest.mark.parametrize(
    "run", ["../x", "/abs", "a/b", "..", "", "\0", "x" * 300, "\ud800", "C:x", ".hidden", "漢"], ids=ascii
)
async def test_the_id_of_a_run_is_not_a_path(ways: dict[str, Way], run: str) -> None:
    way = ways["folder"]
    prompt_id, before = way.job(), everything(way.output)
    await way.files.add_chunk(prompt_id, run, FileChunk(transfer=0, offset=0, data=encode_bytes(b"whole")))
    saved = await way.files.save(prompt_id, run, output(reference("run_00001_.bin", b"whole", transfer=0)))
    new = everything(way.output).keys() - before.keys()

    assert [Path(path).read_bytes() for path in new] == [b"whole"]
    assert len(saved.names) == 1
    assert {path.parent for path in way.parts.rglob("*") if path.is_file()} <= {way.parts / prompt_id}
