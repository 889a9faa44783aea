"""Folders of this machine as FileSync's shelf: inputs from named files or from a folder, results into a folder."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engine.comfyui import ComfyUI, ComfyUIRejected
from engine.files.atomic_save import place_all
from engine.local_paths import LocalPaths
from wire.file_inputs import split_annotation, texts
from wire.files import Folder
from wire.names import confined

_PIECE = 256 * 1024
_LOADERS = {
    "LoadImage": "image",
    "LoadImageMask": "image",
    "LoadImageOutput": "image",
    "LoadVideo": "file",
    "LoadAudio": "audio",
    "Load3D": "model_file",
    "Load3DAnimation": "model_file",
}
"""ComfyUI's nodes that read a file, and their input that names it: what is known without a ComfyUI to ask"""


HOW_TO_NAME = "; --set NODE.INPUT=NAME says which node is to read it"


class NoSuchImage(ValueError):
    """A path of --images does not exist, or two of them would have the same name."""


class LocalFolders:
    """*named* are the files given by name, *inputs* the folder to look in next, *comfyui* the last to ask."""

    def __init__(
        self,
        *,
        prompt: Mapping[str, Any],
        named: Mapping[str, Path],
        inputs: Path,
        output: Path,
        comfyui: ComfyUI | None,
    ) -> None:
        self._prompt = prompt
        self._named = named
        self._inputs = inputs
        self._output = output
        self._comfyui = comfyui

    async def node_info(self, class_type: str) -> dict[str, Any] | None:
        """What reads files in nodes of this class, for the finder: known loaders, and inputs that name a given file."""
        info = await self._comfyui.node_info(class_type) if self._comfyui else None
        marked = {name: [[], {"image_upload": True}] for name in self._naming_inputs(class_type)}
        inputs = (info or {}).get("input") or {}
        return {**(info or {}), "input": {**inputs, "required": {**(inputs.get("required") or {}), **marked}}}

    def _naming_inputs(self, class_type: str) -> Iterator[str]:
        if self._comfyui is None and class_type in _LOADERS:
            yield _LOADERS[class_type]
        for node in self._prompt.values():
            if node["class_type"] == class_type:
                named = ((name, text) for name, value in node["inputs"].items() for text in texts(value))
                yield from (name for name, text in named if split_annotation(text)[0] in self._named)

    @asynccontextmanager
    async def view(self, subfolder: str, filename: str, folder: Folder) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of a file; raises ComfyUIRejected with 404 when it is nowhere."""
        if path := await asyncio.to_thread(self._find, subfolder, filename, folder):
            yield _pieces(path)
        elif self._comfyui is not None:
            async with self._comfyui.view(subfolder, filename, folder) as pieces:
                yield pieces
        else:
            raise ComfyUIRejected(404, f"not among --images, and not in {self._inputs}")

    def _find(self, subfolder: str, filename: str, folder: Folder) -> Path | None:
        name = confined(subfolder, filename)
        if folder == "input" and name in self._named:
            return self._named[name]
        root = {"input": self._inputs, "output": self._output, "temp": self._output / "temp"}[folder]
        path = root / name
        return path if path.is_file() and path.resolve().is_relative_to(root.resolve()) else None

    async def output_folder(self) -> Path | None:
        await asyncio.to_thread(self._output.mkdir, parents=True, exist_ok=True)
        return self._output

    async def places(self, folder: Folder) -> tuple[Path, ...]:
        """None: links are looked for when a result is placed."""
        return ()

    async def local_paths(self) -> LocalPaths:
        """A relative path starts where the input folder lies."""
        places: dict[Folder, tuple[Path, ...]] = {
            "input": (self._inputs,),
            "output": (self._output,),
            "temp": (self._output / "temp",),
        }
        return LocalPaths(places, (self._inputs.absolute().parent,))

    async def on_windows(self) -> bool:
        return os.name == "nt"

    async def has_file(self, subfolder: str, filename: str, folder: Folder) -> bool:
        """Of a result: names are given when it is placed."""
        return False

    async def upload(self, source: Path, subfolder: str, filename: str, folder: Folder) -> tuple[str, str]:
        """Previews, which ComfyUI keeps in its temp folder, go into ``temp`` below the output folder."""
        root = self._output if folder == "output" else self._output / folder
        (placed,) = await asyncio.to_thread(place_all, [(filename, source)], root, subfolder)
        return placed


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece


def named_files(paths: tuple[Path, ...]) -> dict[str, Path]:
    """The name of each file as a workflow writes it: a folder's files by their path in it, others by their name.

    Raises NoSuchImage.
    """
    found: dict[str, Path] = {}
    for path in paths:
        for name, file in _files(path):
            if found.get(name, file) != file:
                raise NoSuchImage(
                    f"{file} and {found[name]} would both be sent as {name!r}; put them into different folders"
                )
            found[name] = file
    return found


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield path.name, path
    elif path.is_dir():
        visible = (file for file in sorted(path.rglob("*")) if file.is_file() and not file.name.startswith("."))
        yield from ((file.relative_to(path).as_posix(), file) for file in visible)
    else:
        raise NoSuchImage(f"{path}: no such file or folder")


def missing_inputs(found: Mapping[str, Path], prompt: Mapping[str, Any]) -> list[str]:
    """The names among *found* that no node of *prompt* mentions."""
    values = (value for node in prompt.values() for value in node["inputs"].values())
    used = {split_annotation(text)[0] for value in values for text in texts(value)}
    return sorted(name for name in found if name not in used)


def with_only_image(prompt: dict[str, Any], named: Mapping[str, Path]) -> dict[str, Any]:
    """*prompt* with the only given file in its only node that reads a file; as it is where there are several."""
    readers = [(node_id, _LOADERS[node["class_type"]]) for node_id, node in prompt.items() if _reads_a_file(node)]
    if len(named) != 1 or len(readers) != 1 or not missing_inputs(named, prompt):
        return prompt
    (name,), ((node_id, input_name),) = named, readers
    node = prompt[node_id]
    return {**prompt, node_id: {**node, "inputs": {**node["inputs"], input_name: name}}}


def _reads_a_file(node: Mapping[str, Any]) -> bool:
    """Whether a file is typed into *node*, not linked to it."""
    return isinstance(node["inputs"].get(_LOADERS.get(node["class_type"], "")), str)
