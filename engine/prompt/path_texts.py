"""Which texts of a prompt a careful person would call a path: of a file or a folder that a node reads or writes. Pure.

A name that a loader takes from ComfyUI's folders is not one of them: wire/file_inputs.py finds these.
Source: VideoHelperSuite, videohelpersuite/load_images_nodes.py and load_video_nodes.py (``vhs_path_extensions``);
ComfyUI 0.33.0, comfy_extras/nodes_dataset.py (choices of folders); WAS Node Suite, KJNodes, Inspire Pack (any text).
"""

import re
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import Any, NamedTuple

from wire.file_inputs import Infos, input_spec
from wire.graph import Prompt, unwrapped

OPTIONS_MAX = 50
"""how many choices are looked at to tell whether they are folders"""

_LONGEST = 4096
"""bytes of a path on Linux"""
_BREAKS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_ENDING = re.compile(r".*[^./\\\s]\.\w{1,12}", re.DOTALL)
_WRITES = re.compile(r"(?i)output|save|prefix|export|dest|target")
_DRIVE = re.compile(r"[A-Za-z]:[\\/](?![\\/])[^:*?\"<>|]")
_SHARE = re.compile(r"\\\\[\w.$ -]{2,}\\[^\\/:*?\"<>|]{2,}")
_HOME = re.compile(r"~[\w.-]*[\\/][^\s~]")
_ODD = re.compile(r"[*?|<>^\"]|//")
_ROOTS = frozenset({
    "applications", "bin", "content", "data", "dev", "etc", "home", "kaggle", "library", "media", "mnt", "opt",
    "private", "proc", "root", "run", "srv", "sys", "tmp", "users", "usr", "var", "volumes",
})  # fmt: skip
"""first parts of absolute paths on Linux, macOS and in notebooks; those of web addresses (``/v1/images``) differ"""
_FILES = frozenset({
    "png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "avif", "exr", "hdr", "svg", "psd", "mp4", "mov", "mkv",
    "webm", "avi", "m4v", "wav", "mp3", "flac", "ogg", "opus", "m4a", "txt", "csv", "yaml", "yml", "safetensors",
    "ckpt", "pt", "pth", "gguf", "onnx", "npy", "npz", "latent", "glb", "gltf", "ply", "obj", "fbx", "stl", "srt",
    "ttf", "otf", "cube", "pdf", "zip",
})  # fmt: skip
_ON_VOLUME = re.compile(r"/(runpod-volume|workspace)(/|\Z)")


class PathUse(Enum):
    """What an input does with a path."""

    MARKED = auto()
    """its definition says that it is one"""
    TEXT = auto()
    """any text; a person has typed it"""
    CHOICE = auto()
    """one of several that may all be folders of the input folder"""


class PathText(NamedTuple):
    """A text that may be a path. *text* is what the prompt has, *path* the same without quotes and blanks around it."""

    node_id: str
    input_name: str
    text: str
    path: str
    use: PathUse
    writes: bool = False
    """whether its name says that the node makes what the path names"""
    saves: bool = False
    """whether the node is one that saves something"""
    wants_file: bool = False
    is_default: bool = False
    """whether the node has this text without a person's doing"""
    options: tuple[str, ...] = ()


class _Input(NamedTuple):
    """What an input takes, by its definition; one that is not defined takes any text."""

    is_text: bool
    choices: tuple[str, ...]
    marks: list[Any] | None
    """``vhs_path_extensions``"""
    default: Any
    writes: bool
    saves: bool

    @classmethod
    def of(cls, name: str, info: Mapping[str, Any]) -> "_Input":
        spec = input_spec(info, name)
        is_defined = isinstance(spec, list | tuple) and bool(spec)
        is_choice = is_defined and (isinstance(spec[0], list) or spec[0] == "COMBO")
        marks = _options(spec).get("vhs_path_extensions")
        return cls(
            is_text=not is_defined or spec[0] == "STRING",
            choices=_choices(spec) if is_choice else (),
            marks=marks if isinstance(marks, list) else None,
            default=_options(spec).get("default"),
            writes=_WRITES.search(name) is not None,
            saves=bool(info.get("output_node")),
        )


def path_texts(prompt: Prompt, infos: Infos) -> Iterator[PathText]:
    """The candidates, in the prompt's order."""
    known: dict[tuple[str, str], _Input] = {}
    for node_id, node in prompt.items():
        kind = node["class_type"]
        for name, value in node.get("inputs", {}).items():
            text = None if isinstance(value, list) else unwrapped(value)
            if not isinstance(text, str) or len(text) > _LONGEST:
                continue
            if (kind, name) not in known:
                known[kind, name] = _Input.of(name, infos.get(kind) or {})
            if (found := _path_text(node_id, name, text, known[kind, name])) is not None:
                yield found


def is_of_a_machine(path: str) -> bool:
    """Whether *path* is absolute beyond doubt, on any system. A word after a slash (``/imagine a cat``) is not.

    >>> [is_of_a_machine(path) for path in ("/home/me/a.png", "~/a", "/imagine a cat and/or a dog", "/v1/images")]
    [True, True, False, False]
    """
    if _DRIVE.match(path) or _SHARE.match(path) or _HOME.match(path) or path.lower().startswith("file://"):
        return True
    if not path.startswith("/") or _ODD.search(path):
        return False
    first, *rest = path[1:].split("/")
    known_ending = _ENDING.fullmatch(path) is not None and path.rpartition(".")[2].lower() in _FILES
    return bool(rest and rest[0]) and (first.lower() in _ROOTS or known_ending)


def is_on_volume(path: str) -> bool:
    """Whether *path* is on the endpoint's network volume, as a worker or a pod sees it: the person means that one."""
    return _ON_VOLUME.match(path) is not None and ".." not in path.split("/")


def _path_text(node_id: str, name: str, text: str, taken: _Input) -> PathText | None:
    path = text.strip().removeprefix('"').removesuffix('"').strip()
    is_plain = taken.is_text and taken.marks is None
    if not (taken.is_text or taken.choices) or (is_plain and not _looks_like_one(path)):
        return None
    if not path or len(path.encode(errors="replace")) > _LONGEST or _BREAKS.search(path):
        return None
    if taken.choices:
        return PathText(node_id, name, text, text, PathUse.CHOICE, options=taken.choices)
    if _is_address(path):
        return None
    if taken.marks is not None:
        wants_file = bool(taken.marks)
        return PathText(node_id, name, text, path, PathUse.MARKED, taken.writes, wants_file=wants_file)
    is_default = text == taken.default
    return PathText(node_id, name, text, path, PathUse.TEXT, taken.writes, taken.saves, is_default=is_default)


def _looks_like_one(path: str) -> bool:
    return "/" in path or "\\" in path or _ENDING.fullmatch(path) is not None


def _is_address(path: str) -> bool:
    return "://" in path and not path.lower().startswith("file://")


def _choices(spec: Any) -> tuple[str, ...]:
    """The first of what a node offers; empty when they cannot all be folders."""
    offered = spec[0] if isinstance(spec[0], list) else _options(spec).get("options")
    if not isinstance(offered, list) or any(key.endswith("_upload") for key in _options(spec)):
        return ()
    first = offered[:OPTIONS_MAX]
    return tuple(first) if all(isinstance(item, str) and item and not _BREAKS.search(item) for item in first) else ()


def _options(spec: Any) -> Mapping[str, Any]:
    return spec[1] if isinstance(spec, list | tuple) and len(spec) > 1 and isinstance(spec[1], dict) else {}
