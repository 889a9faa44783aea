"""One job as /api/jobs shows it.

Frontend 1.58 parses the list with a strict schema, and a single job that breaks it empties the whole list: whatever is
shown is complete and of the right types, or left out. Beside an older ComfyUI, too, a job says what today's says of it:
who does not know a member reads past it.
Source: ComfyUI 0.33.0, comfy_execution/jobs.py; frontend 1.58, platform/remote/comfyui/jobs/jobTypes.ts.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.model.job import Brief, Entry, Job
from engine.model.states import ENDED, SHOWN_PENDING, SHOWN_RUNNING, JobState

JobView = dict[str, Any]
STATES: dict[str, frozenset[JobState]] = {
    "pending": SHOWN_PENDING,
    "in_progress": SHOWN_RUNNING,
    "completed": frozenset({JobState.COMPLETED}),
    "failed": frozenset({JobState.FAILED}),
    "cancelled": frozenset({JobState.CANCELLED}),
}
"""What each status of the API means here."""
_STATUS_OF = {state: status for status, states in STATES.items() for state in states}
_STATUS_OF[JobState.WITHDRAWING] = "cancelled"
_MEDIA = ("images", "video", "audio", "3d", "text")
_SHAPES = (".obj", ".fbx", ".gltf", ".glb", ".usdz")
_WRITTEN = (".txt", ".md", ".json")
_TEXT_SHOWN_MAX = 1024
"""characters of a text that a list of jobs shows"""
_FOLDERS = ("input", "output", "temp")
_EXACT = 2**53
"""from here on a browser cannot tell neighbouring whole numbers apart"""
_NUMBERS = ("execution_start_time", "execution_end_time", "priority")
_COUNTS = ("outputs_count", "previewable_outputs_count")
_TEXTS_OF_ERROR = ("node_id", "node_type", "exception_message", "exception_type")

Item = tuple[str, str, dict[str, Any]]
"""node id, media type and the file that the node has put out"""


def job_view(job: Job, *, detailed: bool = False) -> JobView:
    """The whole view of a job; members that are not known are left out."""
    view = brief_view(job.brief())
    if job.state in ENDED:
        view |= _outcome(job.entry or Entry(), job.started_ms, job.ended_ms)
    if detailed:
        extra_data = job.extra_data if job.shown_extra_data is None else job.shown_extra_data
        view["workflow"] = {"prompt": job.shown_prompt or job.prompt, "extra_data": extra_data}
        if job.state in ENDED and job.entry is not None:
            view |= {"outputs": _with_shapes(job.entry.outputs), "execution_status": job.entry.status}
    return view


def brief_view(job: Brief) -> JobView:
    """All that is shown of a job until it ends."""
    view = {
        "id": job.prompt_id,
        "status": _STATUS_OF[job.state],
        "priority": shown_number(job.number),
        "create_time": job.created_ms,
        "outputs_count": 0,
        "previewable_outputs_count": 0,
        "workflow_id": job.workflow_id,
    }
    return _known(view)


def shown_number(number: float) -> int | float:
    """A queue number as ComfyUI writes it: whole ones without a point, as long as they are exact in a browser."""
    return int(number) if abs(number) < _EXACT and number == int(number) else number


def duration_ms(view: JobView) -> float:
    """How long the job ran; 0 when that is not known."""
    start, end = _number(view.get("execution_start_time")), _number(view.get("execution_end_time"))
    return 0 if start is None or end is None else end - start


def _outcome(entry: Entry, started_ms: int | None, ended_ms: int | None) -> JobView:
    items = [(node, key, item) for node, output in entry.outputs.items() for key, item in _items(output)]
    story = dict(_story(entry.status.get("messages")))
    ends = [story[kind] for kind in ("execution_success", "execution_error", "execution_interrupted") if kind in story]
    view = {
        "outputs_count": len(items),
        "previewable_outputs_count": sum(_is_previewable(key, item) for _, key, item in items),
        "execution_start_time": _number(story.get("execution_start", {}).get("timestamp")) or started_ms,
        "execution_end_time": next((time for data in ends if (time := _number(data.get("timestamp")))), ended_ms),
        "preview_output": _preview(items) or _first_text(entry.outputs),
        "execution_error": clean_error(story.get("execution_error")),
    }
    return _known(view)


def _items(output: Any) -> Iterable[tuple[str, dict[str, Any]]]:
    for key, items in _lists(output):
        yield from ((key, shown) for item in items if isinstance(shown := _shape(item), dict))


def _lists(output: Any) -> Iterable[tuple[str, list[Any]]]:
    for key, value in output.items() if isinstance(output, dict) else ():
        if key != "animated" and isinstance(value, list):
            yield key, value


def _shape(item: Any) -> Any:
    """The file that *item* is the path of, when it is that of a 3D model; else *item* itself."""
    if isinstance(item, str) and item.lower().endswith(_SHAPES):
        return {"filename": item, "type": "output", "subfolder": "", "mediaType": "3d"}
    return item


def _with_shapes(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """*outputs* with 3D models as files."""

    def shown(output: dict[str, Any]) -> dict[str, Any]:
        return output | {key: [_shape(item) for item in items if item is not None] for key, items in _lists(output)}

    return {node: shown(output) if isinstance(output, dict) else output for node, output in outputs.items()}


def _story(messages: Any) -> Iterable[tuple[str, dict[str, Any]]]:
    for message in messages if isinstance(messages, list) else ():
        match message:
            case [str(kind), dict(data)]:
                yield kind, data


def _preview(items: Sequence[Item]) -> JobView | None:
    """A saved picture, film, sound or model; else one that is only shown; else a file with text."""
    shown = [found for found in items if _can_be_shown(found[1], found[2])]
    seen = [found for found in shown if not _is_text(found[1], found[2])]
    saved = [found for found in seen if found[2]["type"] == "output"]
    for node, key, item in saved or seen or shown:
        medium = item["mediaType"] if isinstance(item.get("mediaType"), str) else key
        return {"subfolder": "", **item, "nodeId": node, "mediaType": medium}
    return None


def _first_text(outputs: Mapping[str, Any]) -> JobView | None:
    """The first text that is in no file, for a job that has nothing else to show."""
    for node, output in outputs.items():
        for key, items in _lists(output):
            for item in items if key == "text" else ():
                if item is not None and not isinstance(_shape(item), dict):
                    return _text_preview(node, str(item))
    return None


def _text_preview(node: str, text: str) -> JobView:
    cut: JobView = {"truncated": True} if len(text) > _TEXT_SHOWN_MAX else {}
    return {"content": text[:_TEXT_SHOWN_MAX], **cut, "nodeId": node, "mediaType": "text"}


def _can_be_shown(key: str, item: Mapping[str, Any]) -> bool:
    if item.get("type") not in _FOLDERS or not isinstance(item.get("filename"), str):
        return False
    return isinstance(item.get("subfolder", ""), str) and _is_previewable(key, item)


def _is_previewable(key: str, item: Mapping[str, Any]) -> bool:
    kind, name = str(item.get("format", "")), str(item.get("filename", "")).lower()
    return key in _MEDIA or kind.startswith(("video/", "audio/")) or name.endswith((*_SHAPES, *_WRITTEN))


def _is_text(key: str, item: Mapping[str, Any]) -> bool:
    return key == "text" or str(item["filename"]).lower().endswith(_WRITTEN)


# -- what ComfyUI answered


def clean_view(view: Any) -> JobView | None:
    """A job as ComfyUI answered it, fit for the strict schema; None when it cannot be shown at all."""
    if not isinstance(view, dict) or not isinstance(view.get("id"), str | int):
        return None
    if view.get("status") not in tuple(STATES):  # which may be anything, not only what can be looked up
        return None
    cleaned = {name: value for name, value in view.items() if _fits(name, value)}
    cleaned |= {"id": str(view["id"]), "create_time": _created(view)}
    if (error := clean_error(view.get("execution_error"))) is not None:
        cleaned["execution_error"] = error
    return cleaned


def clean_error(error: Any) -> JobView | None:
    """An ``execution_error`` whose members are of the types that frontends demand; None when it is something else."""
    if not isinstance(error, dict):
        return None
    cleaned = {name: value for name, value in error.items() if name not in ("prompt_id", "timestamp", "executed")}
    cleaned |= {name: _text(error.get(name)) for name in _TEXTS_OF_ERROR}
    cleaned |= {"traceback": _texts(error.get("traceback")), "executed": _texts(error.get("executed"))}
    if isinstance(error.get("prompt_id"), str):
        cleaned["prompt_id"] = error["prompt_id"]
    if (time := _number(error.get("timestamp"))) is not None:
        cleaned["timestamp"] = time
    return cleaned


def _fits(name: str, value: Any) -> bool:
    """Whether a member may stay as it is; ``execution_error`` is looked at by itself."""
    if name in _NUMBERS:
        return _number(value) is not None
    if name in _COUNTS:
        return _number(value) is not None and value == int(value)
    if name == "workflow_id":
        return isinstance(value, str)
    if name == "preview_output":
        return _is_preview(value)
    return value is not None and name != "execution_error"


def _is_preview(value: Any) -> bool:
    if not isinstance(value, dict) or value.get("type", "output") not in _FOLDERS:
        return False
    texts = (value.get(name, "") for name in ("filename", "subfolder", "display_name"))
    named = isinstance(value.get("nodeId"), str) and isinstance(value.get("mediaType"), str)
    return named and all(isinstance(text, str) for text in texts)


def _created(view: JobView) -> float:
    """When it was queued, as far as that can be told: versions before 0.8 do not say."""
    return _number(view.get("create_time")) or _number(view.get("execution_start_time")) or 0


def _number(value: Any) -> int | float | None:
    """*value* when it is a number that JSON can hold."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if usable else None


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [_text(line) for line in value] if isinstance(value, list) else []


def _known(view: JobView) -> JobView:
    return {name: value for name, value in view.items() if value is not None}
