"""Which files an output object of ComfyUI names. Pure.

A file is any object with a ``filename``, under whatever key (images, gifs, audio, 3d, latents…),
and a path of a 3D model in ``result``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from posixpath import split
from typing import Any

from wire.files import MODEL_ENDINGS, Folder


@dataclass(frozen=True, slots=True)
class OutputFile:
    folder: Folder
    subfolder: str
    filename: str


def output_files(output: dict[str, Any]) -> tuple[OutputFile, ...]:
    """The files in the output and temp folders that *output* names, each once, in order."""
    return tuple(dict.fromkeys(file for key, value in output.items() for file in _named(key, value)))


def _named(key: str, value: Any) -> Iterator[OutputFile]:
    match value:
        case {"filename": str(filename)}:
            yield from _item(filename, value)
        case dict():
            for name, item in value.items():
                yield from _named(name, item)
        case list() | tuple():
            for item in value:
                yield from _named(key, item)
        case str() if key == "result" and value.lower().endswith(MODEL_ENDINGS):
            subfolder, filename = split(value)
            yield OutputFile("output", subfolder, filename)


def _item(filename: str, item: dict[str, Any]) -> Iterator[OutputFile]:
    """Items of the input folder are passed over: whoever sent the prompt has them."""
    subfolder = item.get("subfolder") or ""
    match item.get("type", "output"):
        case "output" if isinstance(subfolder, str):
            yield OutputFile("output", subfolder, filename)
        case "temp" if isinstance(subfolder, str):
            yield OutputFile("temp", subfolder, filename)
