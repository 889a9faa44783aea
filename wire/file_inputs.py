"""Which inputs of a node name files, and which texts in their values do. Both ends must agree: a name that only ComfyUI
in the worker takes for a file would be opened there unchecked.

Source: ComfyUI 0.3.64 to 0.33.0, folder_paths.py ``annotated_filepath``, and the loaders' specs in object_info. Before
0.33.0 it opens a file anywhere if its name is absolute.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from wire.files import Folder
from wire.graph import Prompt, is_class_name, unwrapped
from wire.names import NameRefused, confined_path, leads_out
from wire.node_errors import own_check, refuse

Infos = Mapping[str, Mapping[str, Any] | None]
"""object_info by class; None for a class that this ComfyUI does not have"""

_ANNOTATIONS: tuple[tuple[str, Folder], ...] = ((" [output]", "output"), (" [input]", "input"), (" [temp]", "temp"))
_ENDINGS = tuple(ending for ending, _ in _ANNOTATIONS)
_FILE_TYPES = ("WEBCAM", "AUDIO_RECORD", "LOAD_3D")
_UNMARKED = frozenset({("LoadLatent", "latent"), ("OpenAIInputFiles", "file"), ("GeminiInputFiles", "file")})
"""class and input of ComfyUI's own loaders that object_info does not mark"""
_FILE_NAME = re.compile(r".*[^./]\.(?P<ending>\w{2,9})", re.DOTALL)
_MODELS = frozenset({"safetensors", "sft", "ckpt", "pt", "pth", "pt2", "bin", "gguf", "onnx", "pkl"})
"""endings of what a choice between models offers"""


class NamedFile(NamedTuple):
    """A *text* in a prompt that names a file. Unless it is *certain*, it is a choice that looks like a file name."""

    node_id: str
    input_name: str
    text: str
    certain: bool


def named_files(prompt: Prompt, infos: Infos) -> Iterator[NamedFile]:
    """What the prompt names, in its order. A choice between models is not a file, nor is one that leads out."""
    for node_id, input_name, value, _, certain in _file_inputs(prompt, infos):
        found = (text for text in texts(value) if certain or _looks_like_input(text))
        yield from (NamedFile(node_id, input_name, text, certain) for text in found)


def refusals(prompt: Prompt, infos: Infos) -> dict[str, Any]:
    """ComfyUI's ``node_errors`` for names that lead out of its folders; empty when all are good."""
    errors: dict[str, Any] = {}
    for node_id, input_name, text, _ in named_files(prompt, infos):
        try:
            confined_path(split_annotation(text)[0])
        except NameRefused as reason:
            refuse(errors, prompt, node_id, own_check(input_name, str(reason), text))
    return errors


def refusals_where_it_runs(prompt: Prompt, infos: Infos) -> dict[str, Any]:
    """As :func:`refusals`, with *infos* of the ComfyUI that opens the files: it also knows which choices it offers.

    A node that checks its choices itself, as custom nodes that load files do, may open one that is not among them.
    """
    errors = refusals(prompt, infos)
    for node_id, input_name, value, spec, certain in _file_inputs(prompt, infos):
        for text in () if certain else texts(value):
            path, _ = split_annotation(text)
            if leads_out(path) and _FILE_NAME.fullmatch(path) and text not in _choices(spec):
                reason = f"{path[:200]!r} is not a path inside ComfyUI's folders"
                refuse(errors, prompt, node_id, own_check(input_name, reason, text))
    return errors


def suspects(prompt: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The nodes with a text that would lead out of ComfyUI's folders if it named a file. *prompt* may be broken."""
    return {
        node_id: node
        for node_id, node in prompt.items()
        if isinstance(node, dict) and isinstance(node.get("inputs"), dict) and is_class_name(node.get("class_type"))
        if any(_is_odd(text) for value in node["inputs"].values() for text in texts(value))
    }


def split_annotation(value: str) -> tuple[str, Folder]:
    """``"a.png [temp]"`` is ``("a.png", "temp")``; without an annotation the folder is input."""
    for ending, folder in _ANNOTATIONS:
        if value.endswith(ending):
            return value.removesuffix(ending), folder
    return value, "input"


def texts(value: Any) -> Iterator[str]:
    """The texts of an input's *value* that may name files. A list is a link and names nothing; a wrapped one is not."""
    if not isinstance(value, list):
        yield from _texts(unwrapped(value))


def _texts(value: Any, *, in_object: bool = False) -> Iterator[str]:
    """In an object, such as a LOAD_3D scene, an annotated text is a file, and one that leads out may be."""
    match value:
        case str():
            if value and (not in_object or value.endswith(_ENDINGS) or leads_out(value)):
                yield value
        case list():
            for item in value:
                yield from _texts(item, in_object=in_object)
        case dict():
            for item in value.values():
                yield from _texts(item, in_object=True)


def _file_inputs(prompt: Prompt, infos: Infos) -> Iterator[tuple[str, str, Any, Any, bool]]:
    """Node id, name, value and spec of each input that may name files, and whether it certainly does."""
    for node_id, node in prompt.items():
        info = infos.get(node["class_type"]) or {}
        for input_name, value in node.get("inputs", {}).items():
            spec = input_spec(info, input_name)
            certain = names_files(node["class_type"], input_name, spec)
            if certain or _is_choice(spec):
                yield node_id, input_name, value, spec, certain


def input_spec(info: Mapping[str, Any], input_name: str) -> Any:
    """The definition of an input in object_info; None for one that it does not mention."""
    inputs = info.get("input") or {}
    for group in ("required", "optional"):
        if input_name in (inputs.get(group) or {}):
            return inputs[group][input_name]
    return None


def names_files(class_type: str, input_name: str, spec: Any) -> bool:
    """Whether the input certainly names files: its *spec* says so, or it is one of ComfyUI's unmarked loaders'."""
    return (class_type, input_name) in _UNMARKED or _is_marked(spec)


def _is_marked(spec: Any) -> bool:
    if not isinstance(spec, list | tuple) or not spec:
        return False
    uploaded = any(key.endswith("_upload") and flag for key, flag in _options(spec).items())
    return uploaded or (isinstance(spec[0], str) and spec[0].startswith(_FILE_TYPES))


def _is_choice(spec: Any) -> bool:
    return isinstance(spec, list | tuple) and bool(spec) and (isinstance(spec[0], list) or spec[0] == "COMBO")


def _choices(spec: Any) -> list[Any]:
    offered = spec[0] if isinstance(spec[0], list) else _options(spec).get("options")
    return offered if isinstance(offered, list) else []


def _options(spec: Any) -> Mapping[str, Any]:
    return spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}


def _looks_like_input(text: str) -> bool:
    """Whether a choice looks like a file in ComfyUI's folders; a model, or a path with ``..``, is left to its node."""
    path, _ = split_annotation(text)
    match = _FILE_NAME.fullmatch(path)
    return match is not None and match["ending"].lower() not in _MODELS and not _is_odd(text)


def _is_odd(text: str) -> bool:
    try:
        confined_path(split_annotation(text)[0])
    except NameRefused:
        return True
    return False
