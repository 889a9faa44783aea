"""Folders of this machine in the place of a ComfyUI: inputs are found, results are stored."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from client.send.folders import LocalFolders, NoSuchImage, missing_inputs, named_files, with_only_image
from engine.comfyui import ComfyUI, ComfyUIRejected
from engine.prompt.inputs import find_inputs
from tests.support.names import REFUSED
from tests.support.prompts import inverted_file
from tests.support.served import served
from wire.file_inputs import split_annotation
from wire.files import Folder
from wire.names import NameRefused


def folders(root: Path, *, comfyui: ComfyUI | None = None, **more: Any) -> LocalFolders:
    for name in ("input", "output"):
        (root / name).mkdir(exist_ok=True)
    chosen = {"prompt": {}, "named": {}, **more}
    return LocalFolders(inputs=root / "input", output=root / "output", comfyui=comfyui, **chosen)


async def read(local: LocalFolders, name: str, folder: Folder = "input", subfolder: str = "") -> bytes:
    async with local.view(subfolder, name, folder) as pieces:
        return b"".join([piece async for piece in pieces])


@asynccontextmanager
async def comfyui_with(name: str, content: bytes) -> AsyncIterator[ComfyUI]:
    """A ComfyUI that has one file, and a node of its own that reads files."""

    async def view(request: web.Request) -> web.Response:
        wanted, _ = split_annotation(request.query["filename"])
        return web.Response(body=content) if wanted == name else web.Response(status=404)

    async def info(request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        inputs = {"required": {"path": ["STRING", {}]}, "optional": {"more": ["INT"]}}
        return web.json_response({kind: {"input": inputs, "output": []}})

    app = web.Application()
    app.add_routes([web.get("/view", view), web.get("/object_info/{kind}", info)])
    async with served(app) as url, aiohttp.ClientSession() as session:
        yield ComfyUI(url, session, elsewhere=True)


async def test_a_named_file_comes_before_the_folder_and_the_folder_before_comfyui(tmp_path: Path) -> None:
    named = tmp_path / "somewhere.png"
    named.write_bytes(b"named")
    async with comfyui_with("c.png", b"comfyui") as comfyui:
        local = folders(tmp_path, comfyui=comfyui, named={"a.png": named})
        for name in ("a.png", "b.png"):
            (tmp_path / "input" / name).write_bytes(b"folder")

        assert [await read(local, name) for name in ("a.png", "b.png", "c.png")] == [b"named", b"folder", b"comfyui"]
        with pytest.raises(ComfyUIRejected) as caught:
            await read(local, "nowhere.png")
        assert caught.value.status == 404


async def test_without_a_comfyui_a_missing_file_is_said_with_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ComfyUIRejected, match=f"not among --images, and not in {tmp_path}/input"):
        await read(folders(tmp_path), "nowhere.png")


async def test_results_of_earlier_jobs_can_be_read_again(tmp_path: Path) -> None:
    local = folders(tmp_path)
    for folder in ("output/sub", "output/temp"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.png").write_bytes(folder.encode())

    assert await read(local, "a.png", "output", "sub") == b"output/sub"
    assert await read(local, "a.png", "temp") == b"output/temp"


@pytest.mark.parametrize("path", REFUSED, ids=ascii)
async def test_a_name_that_leads_out_is_never_read(tmp_path: Path, path: str) -> None:
    subfolder, _, filename = path.rpartition("/")
    with pytest.raises(NameRefused):
        await read(folders(tmp_path), filename, "input", subfolder)


async def test_a_link_out_of_the_folder_is_never_read(tmp_path: Path) -> None:
    local = folders(tmp_path)
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "input" / "link.png").symlink_to(tmp_path / "secret")
    with pytest.raises(ComfyUIRejected):
        await read(local, "link.png")


async def test_previews_go_below_the_output_folder_and_nothing_is_overwritten(tmp_path: Path) -> None:
    local = folders(tmp_path)
    part = tmp_path / "part"
    placed = []
    for content in (b"1", b"2"):
        part.unlink(missing_ok=True)
        part.write_bytes(content)
        placed.append(await local.upload(part, "sub", "p_00001_.png", "temp"))

    assert placed == [("sub", "p_00001_.png"), ("sub", "p_00002_.png")]
    assert [(tmp_path / "output" / "temp" / "sub" / name).read_bytes() for _, name in placed] == [b"1", b"2"]


async def test_the_output_folder_is_made_when_it_is_wanted(tmp_path: Path) -> None:
    local = folders(tmp_path)
    (tmp_path / "output").rmdir()

    assert await local.output_folder() == tmp_path / "output"
    assert (tmp_path / "output").is_dir()
    assert not await local.has_file("", "x.png", "output")


async def test_without_a_comfyui_its_own_loaders_are_known(tmp_path: Path) -> None:
    prompt = inverted_file("a.png")
    local = folders(tmp_path, prompt=prompt)
    infos = {kind: await local.node_info(kind) for kind in ("LoadImage", "ImageInvert", "SaveImage")}

    assert [file.path for file in find_inputs(prompt, infos)] == ["a.png"]


async def test_an_input_that_names_a_given_file_is_one_whatever_its_node(tmp_path: Path) -> None:
    prompt = {"1": {"class_type": "Custom", "inputs": {"path": "a.png [input]", "more": 3}}}
    async with comfyui_with("", b"") as comfyui:
        local = folders(tmp_path, comfyui=comfyui, prompt=prompt, named={"a.png": tmp_path / "a.png"})
        info = await local.node_info("Custom")

    assert info is not None
    assert info["input"] == {"required": {"path": [[], {"image_upload": True}]}, "optional": {"more": ["INT"]}}
    assert [file.path for file in find_inputs(prompt, {"Custom": info})] == ["a.png"]


def test_files_have_their_own_name_and_those_of_a_folder_their_path_in_it(tmp_path: Path) -> None:
    for name in ("one.png", "folder/two.png", "folder/sub/three.png", "folder/.hidden"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert named_files((tmp_path / "one.png", tmp_path / "folder")) == {
        "one.png": tmp_path / "one.png",
        "two.png": tmp_path / "folder" / "two.png",
        "sub/three.png": tmp_path / "folder" / "sub" / "three.png",
    }


def test_two_files_of_one_name_and_a_path_that_is_not_there_are_refused(tmp_path: Path) -> None:
    for name in ("a/x.png", "b/x.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    with pytest.raises(NoSuchImage, match=r"would both be sent as 'x\.png'"):
        named_files((tmp_path / "a", tmp_path / "b"))
    with pytest.raises(NoSuchImage, match="nowhere: no such file"):
        named_files((tmp_path / "nowhere",))
    assert len(named_files((tmp_path / "a", tmp_path / "a"))) == 1


def test_files_that_no_node_names_are_listed() -> None:
    prompt = json.loads(json.dumps(inverted_file("a.png [input]")))
    found = {name: Path(name) for name in ("c.png", "a.png", "b.png")}

    assert missing_inputs(found, prompt) == ["b.png", "c.png"]


CAT = {"mycat.png": Path("mycat.png")}


def test_the_only_file_goes_into_the_only_node_that_reads_one() -> None:
    assert with_only_image(inverted_file("example.png"), CAT)["1"]["inputs"]["image"] == "mycat.png"


@pytest.mark.parametrize(
    ("prompt", "named"),
    [
        (inverted_file("mycat.png"), CAT),
        (inverted_file("example.png"), {**CAT, "dog.png": Path("dog.png")}),
        ({**inverted_file("a.png"), "9": {"class_type": "LoadImage", "inputs": {"image": "b.png"}}}, CAT),
        ({"1": {"class_type": "LoadImage", "inputs": {"image": ["2", 0]}}}, CAT),
    ],
    ids=["named already", "two files", "two nodes", "a link"],
)
def test_otherwise_every_node_keeps_its_file(prompt: Any, named: Any) -> None:
    assert with_only_image(prompt, named) == prompt
