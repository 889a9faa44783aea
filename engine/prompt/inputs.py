"""Which local files a prompt needs, from the prompt and object_info. A text that only equals a name is not sent."""

from collections.abc import Mapping
from typing import Any

from engine.model.input_file import InputFile
from wire.file_inputs import Infos, named_files, split_annotation
from wire.graph import Prompt
from wire.names import confined_path


class WorkflowError(Exception):
    """The prompt is at fault: shown on its node, never retried."""

    def __init__(self, message: str, node_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.node_id = node_id


def find_inputs(prompt: Prompt, infos: Infos) -> tuple[InputFile, ...]:
    """The files that the prompt names, in its order. Raises NameRefused; ``refusals`` says it of the node."""
    found: list[InputFile] = []
    for node_id, input_name, value, certain in named_files(prompt, infos):
        path, folder = split_annotation(value)
        found.append(InputFile(node_id, input_name, value, folder, confined_path(path), certain))
    return tuple(found)


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


def _replaced(value: Any, texts: Mapping[str, str]) -> Any:
    return value if isinstance(value, list) else _replaced_within(value, texts)


def _replaced_within(value: Any, texts: Mapping[str, str]) -> Any:
    match value:
        case str():
            return texts.get(value, value)
        case list():
            return [_replaced_within(item, texts) for item in value]
        case dict():
            return {key: _replaced_within(item, texts) for key, item in value.items()}
    return value
