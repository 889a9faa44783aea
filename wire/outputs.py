"""Which files an output of ComfyUI's names. Pure; both ends must agree, for a file that only one of them sees is lost.

A file is any object with a ``filename``, under whatever key (images, gifs, audio, 3d, latents…), and a path of a 3D
model in ``result``. It is certain when the object has a ``type`` as well, as ComfyUI's own file items have.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from posixpath import split
from typing import Any

from wire.files import MODEL_ENDINGS, Folder

ItemKey = tuple[str, str, str]
"""type, subfolder, filename: what tells ComfyUI's file items apart"""


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


def model_key(key: str, value: Any) -> ItemKey | None:
    """The key of a 3D model that *value* is the path of, below *key* in an output; None when it is something else."""
    if key != "result" or not isinstance(value, str) or not value.lower().endswith(MODEL_ENDINGS):
        return None
    return "output", *split(value)


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
    elif isinstance(value, str) and (model := model_key(key, value)) is not None:
        named.append(OutputFile("output", *model[1:], certain=False))


def _item(filename: str, item: dict[str, Any]) -> Iterator[OutputFile]:
    """Items of the input folder are skipped: whoever sent the prompt has them."""
    subfolder = item.get("subfolder") or ""
    match item.get("type", "output"):
        case ("output" | "temp") as folder if isinstance(subfolder, str) and filename:
            yield OutputFile(folder, subfolder, filename, certain="type" in item)
