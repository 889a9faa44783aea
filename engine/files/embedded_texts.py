"""Takes long texts, such as pictures as base64, out of a job that is too large for RunPod. Pure."""

import json
from dataclasses import dataclass
from typing import Any

from engine.model.input_file import InputFile
from wire.job import JobRequest
from wire.limits import MIB
from wire.texts import Place, long_texts, with_texts

TAKEN_OUT_FROM = 8 * MIB
"""bytes of a prompt with its workflow: a smaller one also suits a worker that does not know such texts"""


@dataclass(frozen=True, slots=True)
class LongText:
    """A text, where it belongs, and how messages name it."""

    text: str
    places: tuple[Place, ...]
    source: InputFile


def weight(request: JobRequest) -> int:
    """Bytes of JSON of the prompt with all that belongs to it."""
    return len(json.dumps([request.workflow, request.extra_data]))


def without_long_texts(request: JobRequest) -> tuple[JobRequest, tuple[LongText, ...]]:
    """*request* with empty texts instead of the long ones, and these; as it is when it is not too large."""
    if weight(request) <= TAKEN_OUT_FROM:
        return request, ()
    fields = {"workflow": request.workflow, "extra_data": request.extra_data}
    found = long_texts(fields)
    emptied = with_texts(fields, ((places, "") for places in found.values()))
    texts = tuple(LongText(text, places, _source(request, places[0])) for text, places in found.items())
    return request.model_copy(update=emptied), texts


def _source(request: JobRequest, place: Place) -> InputFile:
    match place:
        case ("workflow", str(node_id), "inputs", str(name), *_):
            return _named(node_id, name, f"the text in {name!r} of node {node_id}")
        case ("extra_data", "extra_pnginfo", "workflow", "nodes", int(position), *_):
            node_id = _node_id(request.extra_data, position)
            return _named(node_id, "", f"a text in the widgets of node {node_id}")
    return _named("", "", "a text in the workflow")


def _named(node_id: str, input_name: str, shown: str) -> InputFile:
    return InputFile(node_id, input_name, shown[:200], "input", "")


def _node_id(extra_data: dict[str, Any], position: int) -> str:
    node = extra_data["extra_pnginfo"]["workflow"]["nodes"][position]
    return str(node.get("id", ""))[:200] if isinstance(node, dict) else ""
