"""SingleAnswer: the events of a run as one answer, for endpoints that do not stream (WORKER_STREAM=0)."""

from collections import defaultdict
from typing import Any

from wire.batch import decode_batch
from wire.events import (
    FileChunk,
    FilesSaved,
    NodeOutput,
    PromptFailed,
    PromptFinished,
    PromptInterrupted,
    PromptRejected,
    WorkerEvent,
    WorkerFailed,
)
from wire.files import FileRef, Inline, MissingFile, Streamed, decode_bytes, encode_bytes
from wire.limits import RUN_BODY_MAX

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
_ANSWER_MAX = RUN_BODY_MAX - 64 * 1024


class SingleAnswer:
    """Holds the files whole: they leave in one answer, which the platform limits."""

    def __init__(self) -> None:
        self._chunks: defaultdict[int, bytearray] = defaultdict(bytearray)
        self._files: list[dict[str, Any]] = []
        self._missing: list[MissingFile] = []
        self._ending: dict[str, Any] = {"error": "the worker ended without a result", "error_type": "worker_bug"}

    def add(self, batch: dict[str, Any]) -> None:
        for numbered in decode_batch(batch).events:
            self._add(numbered.event)

    def whole(self) -> dict[str, Any]:
        if "error" in self._ending:
            return self._ending
        size = sum(len(file["data"]) for file in self._files)
        if size > _ANSWER_MAX:
            return {
                "error": f"the outputs are {size} bytes as base64: too large for one answer; set WORKER_STREAM=1",
                "error_type": "result_too_large",
            }
        images = [
            {"filename": file["filename"], "type": "base64", "data": file["data"]}
            for file in self._files
            if _is_picture(file)
        ]
        files = [{**file, "data": None} if _is_picture(file) else file for file in self._files]
        return {"images": images, "files": files, **(_lacking(self._missing) or self._ending)}

    def _add(self, event: WorkerEvent) -> None:
        match event:
            case FileChunk():
                self._chunks[event.transfer] += decode_bytes(event.data)
            case NodeOutput():
                self._files += [self._file(event.node, file) for file in event.files]
                self._missing += event.missing
            case FilesSaved():
                self._files += [self._file("", file) for file in event.files]
            case PromptFinished() if not event.node_errors:
                self._ending = {"status": "success"}
            case PromptFinished():
                self._ending = {"status": "incomplete", "node_errors": event.node_errors}
            case PromptFailed():
                error = event.error
                self._ending = _error(str(error.get("exception_message", "failed")).strip(), error)
                self._ending["diagnostics"] = event.diagnostics
            case PromptInterrupted():
                self._ending = _error("the prompt was interrupted", {"exception_type": "interrupted"})
            case PromptRejected():
                self._ending = _error(str(event.error.get("message", "refused")), {"exception_type": "prompt_rejected"})
                self._ending |= {"node_errors": event.node_errors, "diagnostics": event.diagnostics}
            case WorkerFailed():
                self._ending = _error(event.message, {"exception_type": event.error_type})
                self._ending["diagnostics"] = event.diagnostics
            case _:
                return

    def _file(self, node: str, file: FileRef) -> dict[str, Any]:
        content = ""
        match file.source:
            case Inline(data=data):
                content = data
            case Streamed(transfer=transfer):
                content = encode_bytes(bytes(self._chunks.pop(transfer)))
        fields = file.model_dump(include={"filename", "subfolder", "sha256", "size"})
        return {"node": node, "kind": file.type, **fields, "data": content}


def _is_picture(file: dict[str, Any]) -> bool:
    """Pictures travel once, under ``images``, where clients expect no previews."""
    return file["kind"] == "output" and str(file["filename"]).lower().endswith(_PICTURES)


def _lacking(missing: list[MissingFile]) -> dict[str, Any]:
    """An error beside the files that there are: RunPod's SDK delivers them with it."""
    if not missing:
        return {}
    told = ", ".join(f"{file.filename} ({file.reason})" for file in missing)
    error = _error(f"Results are missing: {told}", {"exception_type": "output_missing"})
    return error | {"missing": [file.model_dump() for file in missing]}


def _error(sentence: str, error: dict[str, Any]) -> dict[str, Any]:
    return {
        "error": sentence,
        "error_type": error.get("exception_type", "failed"),
        "node_id": error.get("node_id", ""),
        "node_errors": {},
        "diagnostics": {},
    }
