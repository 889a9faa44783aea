"""Which files an output of ComfyUI's names. Pure; both ends must agree, for a file that only one of them sees is lost.

A file is any object with a ``filename``, under whatever key (images, gifs, audio, 3d, latents…), and what the object
names beside it. It is certain when the object has a ``type`` as well, as ComfyUI's own file items have. ComfyUI's 3D
previews name a model and a background by a path under ``result``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from posixpath import split
from typing import Any

from wire.files import MODEL_ENDINGS, Folder

ItemKey = tuple[str, str, str]
"""type, subfolder, filename: what tells ComfyUI's file items apart"""

_FILE_NAME = re.compile(r"[^/\\\s][^/\\\n]{0,250}\.\w{2,9}")
_OF_THE_ITEM = ("filename", "subfolder", "type")
_IN_TEMP = "temp/"
"""how the path of a picture in the temp folder begins: ComfyUI comfy_api/latest/_ui.py, ``PreviewUI3D``"""


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file in the output or temp folder."""

    folder: Folder
    subfolder: str
    filename: str
    certain: bool = field(default=True, compare=False)
    """False when it only looks like a file of ComfyUI's, such as a path of a model that the prompt itself names"""

    @property
    def key(self) -> ItemKey:
        return self.folder, self.subfolder, self.filename


def output_files(output: Mapping[str, Any]) -> tuple[OutputFile, ...]:
    """The files in the output and temp folders that *output* names, each once, in order."""
    named: list[OutputFile] = []
    for key, value in output.items():
        _collect(key, value, named)
    certain = {file for file in named if file.certain}
    return tuple(replace(file, certain=file in certain) for file in dict.fromkeys(named))


def item_key(item: Mapping[str, Any]) -> ItemKey:
    """The key of an object with a ``filename``."""
    return str(item.get("type", "output")), str(item.get("subfolder") or ""), str(item["filename"])


def side_files(item: Mapping[str, Any]) -> Iterator[tuple[str, ItemKey]]:
    """What may be files beside the one of a file item: the names under which the item has them, and their keys.

    VideoHelperSuite calls the picture beside a film ``workflow`` (videohelpersuite/nodes.py, ``combine_video``).
    """
    folder, subfolder, _ = item_key(item)
    for name, value in item.items():
        if name not in _OF_THE_ITEM and isinstance(value, str) and _FILE_NAME.fullmatch(value):
            yield name, (folder, subfolder, value)


def path_keys(key: str, value: Any) -> tuple[ItemKey, ...]:
    """The keys of the file that *value* may be the path of, below *key* in an output; empty when it is something else.

    Source: ComfyUI 0.33.0, comfy_extras/nodes_load_3d.py: ``Preview3D`` writes its model into the output folder and its
    background into the temp folder; ``Preview3DAdvanced``, ``PreviewGaussianSplat`` and ``PreviewPointCloud`` write
    their models into the temp folder, and do not say so.
    """
    if key != "result" or not isinstance(value, str):
        return ()
    if value.startswith(_IN_TEMP) and len(value) > len(_IN_TEMP):
        in_temp = ("temp", *split(value.removeprefix(_IN_TEMP)))
        return (in_temp, *_models(value))
    return _models(value)


def local_path(value: str, local: ItemKey) -> str:
    """*value*, a path with one of :func:`path_keys`, when its file is stored as *local*."""
    folder, subfolder, filename = local
    path = f"{subfolder}/{filename}" if subfolder else filename
    return f"{_IN_TEMP}{path}" if folder == "temp" and value.startswith(_IN_TEMP) else path


def _models(path: str) -> tuple[ItemKey, ...]:
    if not path.lower().endswith(MODEL_ENDINGS):
        return ()
    return ("output", *split(path)), ("temp", *split(path))


def _collect(key: str, value: Any, named: list[OutputFile]) -> None:
    """Adds the files below *key*. Plain tests, and none for numbers: an output may have tens of thousands of values."""
    if isinstance(value, list | tuple):
        for item in value:
            if isinstance(item, dict | list | tuple | str):
                _collect(key, item, named)
    elif isinstance(value, dict):
        if isinstance(filename := value.get("filename"), str):
            named += _item(filename, value)
        else:
            for name, item in value.items():
                _collect(name, item, named)
    elif isinstance(value, str):
        named += (_possible(found) for found in path_keys(key, value))


def _item(filename: str, item: dict[str, Any]) -> Iterator[OutputFile]:
    """Items of the input folder are skipped: whoever sent the prompt has them."""
    subfolder = item.get("subfolder") or ""
    match item.get("type", "output"):
        case ("output" | "temp") as folder if isinstance(subfolder, str) and filename:
            yield OutputFile(folder, subfolder, filename, certain="type" in item)
            yield from (_possible(beside) for _, beside in side_files(item))


def _possible(key: ItemKey) -> OutputFile:
    folder, subfolder, filename = key
    return OutputFile("temp" if folder == "temp" else "output", subfolder, filename, certain=False)
