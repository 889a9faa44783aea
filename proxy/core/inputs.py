"""Which local files a prompt needs, from the prompt and object_info. A text that merely equals a name is not shipped.

Source: ComfyUI folder_paths.py ``annotated_filepath`` and the specs of the loader nodes in object_info.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.core.confine import NameRefused, confined_path
from proxy.core.validation import Error, error
from wire.files import Folder

_ANNOTATIONS: tuple[tuple[str, Folder], ...] = ((" [output]", "output"), (" [input]", "input"), (" [temp]", "temp"))
_FILE_TYPES = ("WEBCAM", "AUDIO_RECORD", "LOAD_3D")

Prompt = Mapping[str, Mapping[str, Any]]
Infos = Mapping[str, Mapping[str, Any] | None]


class WorkflowError(Exception):
    """The prompt is at fault: shown on its node, never retried."""

    def __init__(self, message: str, node_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.node_id = node_id


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that a node reads; *value* is the text in the prompt that names it."""

    node_id: str
    input_name: str
    value: str
    folder: Folder
    path: str
    """relative to the folder, confined"""

    @property
    def worker_path(self) -> str:
        """Where it lies in the worker's input folder: files of other folders get one of their own."""
        return self.path if self.folder == "input" else f"{self.folder}/{self.path}"


def find_inputs(prompt: Prompt, infos: Infos) -> tuple[InputFile, ...]:
    """The files, in the prompt's order. Raises NameRefused: see :func:`refusals` for the door."""
    found: list[InputFile] = []
    for node_id, input_name, value in _values(prompt, infos):
        path, folder = split_annotation(value)
        found.append(InputFile(node_id, input_name, value, folder, confined_path(path)))
    return tuple(found)


def refusals(prompt: Prompt, infos: Infos) -> dict[str, Any]:
    """ComfyUI's ``node_errors`` for names that lead out of its folders; empty when there is none."""
    errors: dict[str, Any] = {}
    for node_id, input_name, value in _values(prompt, infos):
        try:
            confined_path(split_annotation(value)[0])
        except NameRefused as reason:
            kind = prompt[node_id]["class_type"]
            problem = errors.setdefault(node_id, {"errors": [], "dependent_outputs": [], "class_type": kind})
            problem["errors"].append(_own_check(input_name, str(reason), value))
    return errors


def missing(files: Iterable[InputFile]) -> dict[str, list[Error]]:
    """The nodes' errors for *files* that ComfyUI does not have, as its loaders put them."""
    errors: dict[str, list[Error]] = {}
    for file in files:
        reason = f"Invalid {file.input_name} file: {file.value}"
        errors.setdefault(file.node_id, []).append(_own_check(file.input_name, reason, file.value))
    return errors


def _own_check(input_name: str, reason: str, value: str) -> Error:
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


def _values(prompt: Prompt, infos: Infos) -> Iterator[tuple[str, str, str]]:
    """node id, input name and text of everything that names a file."""
    for node_id, node in prompt.items():
        info = infos.get(node["class_type"]) or {}
        for input_name, value in node.get("inputs", {}).items():
            if not _names_files(_spec(info, input_name)):
                continue
            for text in _texts(value):
                yield node_id, input_name, text


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
