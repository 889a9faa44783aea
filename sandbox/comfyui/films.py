"""Nodes for files that only the sandbox has: one writes bytes that pass for a film, the others read any file or folder.

The same nodes for a real ComfyUI are in tests/support/comfyui_nodes.
"""

import hashlib
import random
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.comfyui.folders import ComfyFolders, save_path
from sandbox.comfyui.node import Context, NodeClass, Result

_PIECE = 1024 * 1024


def film(context: Context, megabytes: int, seed: int, filename_prefix: str) -> Result:
    """So many times 1,048,576 bytes which do not compress, the same ones for a seed."""
    where = save_path(context.folders.output, filename_prefix, 0, 0, datetime.now())
    path = where.next(".mp4")
    piece = random.Random(seed).randbytes(_PIECE - 8)  # noqa: S311
    with path.open("wb") as file:
        for number in range(megabytes):
            context.check()
            file.write(number.to_bytes(8) + piece)
    item = {"filename": path.name, "subfolder": where.subfolder, "type": "output"}
    return Result(ui={"images": [item], "animated": [True]})


def read_file(context: Context, file: str) -> Result:
    """Says how long the file is and what its SHA-256 is."""
    with context.folders.annotated(file).open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
        text = f"{content.tell()} {digest}"
    return Result((text,), ui={"text": [text]})


def read_path(_: Context, path: str) -> Result:
    """Says what is at a path, as ComfyUI's process finds it. As in many nodes, a path without a file is accepted."""
    place = Path(path)
    files = sorted(place.rglob("*")) if place.is_dir() else [place]
    lines = [f"{file.name} {file.read_text()}" for file in files if file.is_file()]
    return Result(("\n".join(lines),), ui={"text": ["\n".join(lines) or "BLANK"]})


def read_folder(context: Context, folder: str) -> Result:
    return read_path(context, str(context.folders.annotated(folder)))


def digest_text(_: Context, text: str) -> Result:
    """Says how long a text is and what its SHA-256 is, as painters keep whole pictures in one."""
    said = f"{len(text)} {hashlib.sha256(text.encode()).hexdigest()}"
    return Result((said,), ui={"text": [said]})


def _folders(folders: ComfyFolders) -> list[str]:
    return sorted(path.name for path in folders.input.iterdir() if path.is_dir())


def _names(folders: ComfyFolders) -> list[str]:
    return sorted(path.name for path in folders.input.iterdir() if path.is_file())


def _missing(folders: ComfyFolders, inputs: Mapping[str, Any]) -> str | None:
    return None if folders.annotated(inputs["file"]).is_file() else f"Invalid video file: {inputs['file']}"


FILMS = (
    NodeClass(
        "SandboxFilm",
        film,
        {
            "megabytes": ["INT", {"default": 10, "min": 0, "max": 10000}],
            "seed": ["INT", {"default": 0, "min": 0, "max": 18446744073709551615}],
            "filename_prefix": ["STRING", {"default": "video/ComfyUI"}],
        },
        category="sandbox",
        module="custom_nodes.sandbox",
        output_node=True,
    ),
    NodeClass(
        "SandboxReadFile",
        read_file,
        {"file": [[], {"video_upload": True}]},
        ("STRING",),
        category="sandbox",
        module="custom_nodes.sandbox",
        output_node=True,
        options={"file": _names},
        validate=_missing,
    ),
    NodeClass(
        "SandboxReadPath",
        read_path,
        {"path": ["STRING", {"default": ""}]},
        ("STRING",),
        category="sandbox",
        module="custom_nodes.sandbox",
        output_node=True,
    ),
    NodeClass(
        "SandboxDigestText",
        digest_text,
        {"text": ["STRING", {"default": ""}]},
        ("STRING",),
        category="sandbox",
        module="custom_nodes.sandbox",
        output_node=True,
    ),
    NodeClass(
        "SandboxReadFolder",
        read_folder,
        {"folder": [[], {}]},
        ("STRING",),
        category="sandbox",
        module="custom_nodes.sandbox",
        output_node=True,
        options={"folder": _folders},
    ),
)
