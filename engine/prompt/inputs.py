"""Which local files a prompt needs, from the prompt and object_info. A text that only equals a name is not sent.

Source: ComfyUI 0.3.64 and 0.8.0, folder_paths.py ``annotated_filepath``, and the loaders' specs in object_info.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.model.input_file import InputFile
from engine.prompt.validation import Error, error
from wire.files import Folder
from wire.names import NameRefused, confined_path

_ANNOTATIONS: tuple[tuple[str, Folder], ...] = ((" [output]", "output"), (" [input]", "input"), (" [temp]", "temp"))
_FILE_TYPES = ("WEBCAM", "AUDIO_RECORD", "LOAD_3D")
_UNMARKED = frozenset({("LoadLatent", "latent"), ("OpenAIInputFiles", "file"), ("GeminiInputFiles", "file")})
"""class and input of ComfyUI's own loaders that object_info does not mark"""
_FILE_NAME = re.compile(r".*[^./]\.(?P<ending>\w{2,9})", re.DOTALL)
_MODELS = frozenset({"safetensors", "sft", "ckpt", "pt", "pth", "pt2", "bin", "gguf", "onnx", "pkl"})
"""endings of what a choice between models offers"""

Prompt = Mapping[str, Mapping[str, Any]]
Infos = Mapping[str, Mapping[str, Any] | None]


class WorkflowError(Exception):
    """The prompt is at fault: shown on its node, never retried."""

    def __init__(self, message: str, node_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.node_id = node_id


def find_inputs(prompt: Prompt, infos: Infos) -> tuple[InputFile, ...]:
    """The files that the prompt names, in its order. Raises NameRefused; :func:`refusals` says it of the node."""
    found: list[InputFile] = []
    for node_id, input_name, value, certain in _values(prompt, infos):
        path, folder = split_annotation(value)
        found.append(InputFile(node_id, input_name, value, folder, confined_path(path), certain))
    return tuple(found)


def refusals(prompt: Prompt, infos: Infos) -> dict[str, Any]:
    """ComfyUI's ``node_errors`` for names that lead out of its folders; empty when all are good."""
    errors: dict[str, Any] = {}
    for node_id, input_name, value, _ in _values(prompt, infos):
        try:
            confined_path(split_annotation(value)[0])
        except NameRefused as reason:
            refuse(errors, prompt, node_id, own_check(input_name, str(reason), value))
    return errors


def refuse(errors: dict[str, Any], prompt: Prompt, node_id: str, problem: Error) -> None:
    """Add *problem* to the ``node_errors`` of a prompt that cannot run at all."""
    kind = prompt[node_id]["class_type"]
    node = errors.setdefault(node_id, {"errors": [], "dependent_outputs": [], "class_type": kind})
    node["errors"].append(problem)


def own_check(input_name: str, reason: str, value: str) -> Error:
    """An error as ComfyUI's loaders report it, which check their files themselves."""
    details = f"{input_name} - {reason}"
    return error(
        "custom_validation_failed", "Custom validation failed for node", details, input_name, received_value=value
    )


def staged_prompt(prompt: Prompt, files: tuple[InputFile, ...]) -> dict[str, Any]:
    """The prompt for the worker, where every file lies in the input folder."""
    moved = {(file.node_id, file.input_name, file.value): file.worker_path for file in files if file.folder != "input"}
    staged: dict[str, Any] = {}
    for node_id, node in prompt.items():
        inputs = {
            name: _replaced(
                value, {old: new for (of, named, old), new in moved.items() if (of, named) == (node_id, name)}
            )
            for name, value in node.get("inputs", {}).items()
        }
        staged[node_id] = {**node, "inputs": inputs}
    return staged


def split_annotation(value: str) -> tuple[str, Folder]:
    """``"a.png [temp]"`` is ``("a.png", "temp")``; without an annotation the folder is input."""
    for ending, folder in _ANNOTATIONS:
        if value.endswith(ending):
            return value.removesuffix(ending), folder
    return value, "input"


def _values(prompt: Prompt, infos: Infos) -> Iterator[tuple[str, str, str, bool]]:
    """node id, input name and text of everything that names a file, and whether it certainly does."""
    for node_id, node in prompt.items():
        info = infos.get(node["class_type"]) or {}
        for input_name, value in node.get("inputs", {}).items():
            spec = _spec(info, input_name)
            certain = _names_files(spec) or (node["class_type"], input_name) in _UNMARKED
            if certain or _is_choice(spec):
                texts = (text for text in _texts(value) if certain or _looks_like_file(text))
                yield from ((node_id, input_name, text, certain) for text in texts)


def _spec(info: Mapping[str, Any], input_name: str) -> Any:
    inputs = info.get("input") or {}
    for group in ("required", "optional"):
        if input_name in (inputs.get(group) or {}):
            return inputs[group][input_name]
    return None


def _names_files(spec: Any) -> bool:
    if not isinstance(spec, list | tuple) or not spec:
        return False
    kind = spec[0]
    options = spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
    uploaded = any(key.endswith("_upload") and flag for key, flag in options.items())
    return uploaded or (isinstance(kind, str) and kind.startswith(_FILE_TYPES))


def _is_choice(spec: Any) -> bool:
    return isinstance(spec, list | tuple) and bool(spec) and (isinstance(spec[0], list) or spec[0] == "COMBO")


def _looks_like_file(text: str) -> bool:
    """Whether a choice looks like a file in ComfyUI's folders; a model, or a path with ``..``, is left to its node."""
    path, _ = split_annotation(text)
    match = _FILE_NAME.fullmatch(path)
    return match is not None and match["ending"].lower() not in _MODELS and _is_confined(path)


def _is_confined(path: str) -> bool:
    try:
        confined_path(path)
    except NameRefused:
        return False
    return True


def _texts(value: Any) -> Iterator[str]:
    """Texts in a value; a list is a link and names nothing, a wrapped list names several."""
    match value:
        case str():
            if value:
                yield value
        case {"__value__": [*items]}:
            yield from (item for item in items if isinstance(item, str) and item)
        case dict():  # a LOAD_3D scene: only what is annotated is a file in it
            texts = (text for text in value.values() if isinstance(text, str))
            yield from (text for text in texts if text.endswith(tuple(ending for ending, _ in _ANNOTATIONS)))


def _replaced(value: Any, texts: Mapping[str, str]) -> Any:
    match value:
        case str():
            return texts.get(value, value)
        case {"__value__": [*items]}:
            return {**value, "__value__": [_replaced(item, texts) for item in items]}
        case dict():
            return {key: _replaced(item, texts) for key, item in value.items()}
    return value
