"""Bodies of the jobs API. Source: ComfyUI 0.33.0, comfy_execution/jobs.py and server.py."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sandbox.comfyui.prompt_queue import Item, PromptQueue

_ALL = ("pending", "in_progress", "completed", "failed", "cancelled")
_MEDIA = ("images", "video", "audio", "3d", "text")
_FILES = (".obj", ".fbx", ".gltf", ".glb", ".usdz", ".txt", ".md", ".json")
_TEXT_SHOWN_MAX = 1024


class BadQuery(ValueError):
    """The text is the ``error`` of the 400."""


def all_jobs(queue: PromptQueue, query: Mapping[str, str]) -> dict[str, Any]:
    """Raises BadQuery."""
    wanted = [name.strip().lower() for name in query.get("status", "").split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in _ALL]:
        raise BadQuery(f"Invalid status value(s): {', '.join(unknown)}. Valid values: {', '.join(_ALL)}")
    sort_key, descending = _sorting(query)
    limit, offset = _whole(query, "limit"), max(0, _whole(query, "offset") or 0)
    if limit is not None and limit <= 0:
        raise BadQuery("limit must be a positive integer")
    jobs = [job for job in _jobs(queue) if not wanted or job["status"] in wanted]
    if workflow_id := query.get("workflow_id"):
        jobs = [job for job in jobs if job.get("workflow_id") == workflow_id]
    jobs.sort(key=sort_key, reverse=descending)
    page = jobs[offset : None if limit is None else offset + limit]
    more = offset + len(page) < len(jobs)
    return {"jobs": page, "pagination": {"offset": offset, "limit": limit, "total": len(jobs), "has_more": more}}


def _sorting(query: Mapping[str, str]) -> tuple[Callable[[dict[str, Any]], float], bool]:
    by, way = query.get("sort_by", "created_at").lower(), query.get("sort_order", "desc").lower()
    if by not in _SORT_KEYS:
        raise BadQuery("sort_by must be 'created_at' or 'execution_duration'")
    if way not in ("asc", "desc"):
        raise BadQuery("sort_order must be 'asc' or 'desc'")
    return _SORT_KEYS[by], way == "desc"


def _created_at(job: Mapping[str, Any]) -> float:
    return float(job.get("create_time", 0))


def _execution_duration(job: Mapping[str, Any]) -> float:
    start, end = job.get("execution_start_time", 0), job.get("execution_end_time", 0)
    return float(end - start) if start and end else 0.0


_SORT_KEYS = {"created_at": _created_at, "execution_duration": _execution_duration}


def one_job(queue: PromptQueue, prompt_id: str) -> dict[str, Any] | None:
    entry = queue.history.get(prompt_id)
    if entry is None:
        return next((job for job in _jobs(queue) if job["id"] == prompt_id), None)
    _, _, prompt, extra_data, _ = entry["prompt"]
    return {
        **_finished(prompt_id, entry),
        "outputs": {node: _without_nothing(output) for node, output in entry["outputs"].items()},
        "execution_status": entry["status"],
        "workflow": {"prompt": prompt, "extra_data": extra_data},
    }


def _whole(query: Mapping[str, str], name: str) -> int | None:
    try:
        return int(query[name]) if name in query else None
    except ValueError as error:
        raise BadQuery(f"{name} must be an integer") from error


def _jobs(queue: PromptQueue) -> Iterator[dict[str, Any]]:
    if queue.running is not None:
        yield _waiting(queue.running, "in_progress")
    yield from (_waiting(item, "pending") for item in queue.pending)
    yield from (_finished(prompt_id, entry) for prompt_id, entry in queue.history.items())


def _waiting(item: Item, status: str) -> dict[str, Any]:
    job = {
        "id": item.prompt_id,
        "status": status,
        "priority": item.number,
        "outputs_count": 0,
        "previewable_outputs_count": 0,
        **_about(item.extra_data),
    }
    return {key: value for key, value in job.items() if value is not None}


def _about(extra_data: Mapping[str, Any]) -> dict[str, Any]:
    workflow = extra_data.get("extra_pnginfo", {}).get("workflow", {})
    return {"create_time": extra_data.get("create_time"), "workflow_id": workflow.get("id")}


def _finished(prompt_id: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    number, _, _, extra_data, _ = entry["prompt"]
    items = [
        {**item, "nodeId": node, "mediaType": key}
        for node, output in entry["outputs"].items()
        for key, values in output.items()
        if key != "animated" and isinstance(values, list)
        for item in values
        if isinstance(item, dict)
    ]
    shown = [item for item in items if _previewable(item)]
    saved = [item for item in shown if item.get("type") == "output"]
    said: dict[str, Any] = dict(entry["status"]["messages"])
    ending: dict[str, Any] = next(
        (said[kind] for kind in said if kind.removeprefix("execution_") not in ("start", "cached")), {}
    )
    job = {
        "id": prompt_id,
        "status": _status(entry["status"]["completed"], said),
        "priority": number,
        "execution_start_time": said.get("execution_start", {}).get("timestamp"),
        "execution_end_time": ending.get("timestamp"),
        "execution_error": said.get("execution_error"),
        "outputs_count": len(items),
        "previewable_outputs_count": len(shown),
        "preview_output": next(iter(saved or shown), None) or _first_text(entry["outputs"]),
        **_about(extra_data),
    }
    return {key: value for key, value in job.items() if value is not None}


def _status(completed: bool, said: Mapping[str, Any]) -> str:
    if completed:
        return "completed"
    return "cancelled" if "execution_interrupted" in said else "failed"


def _first_text(outputs: Mapping[str, Any]) -> dict[str, Any] | None:
    for node, output in outputs.items():
        for text in output.get("text", ()):
            cut = {"truncated": True} if len(text) > _TEXT_SHOWN_MAX else {}
            return {"content": text[:_TEXT_SHOWN_MAX], **cut, "nodeId": node, "mediaType": "text"}
    return None


def _without_nothing(output: Mapping[str, Any]) -> dict[str, Any]:
    """As ComfyUI 0.33.0 shows it (comfy_execution/jobs.py, ``normalize_outputs``): without the items that are None."""
    return {
        key: [item for item in value if item is not None] if isinstance(value, list) else value
        for key, value in output.items()
    }


def _previewable(item: Mapping[str, Any]) -> bool:
    kind, name = str(item.get("format", "")), str(item.get("filename", "")).lower()
    return item["mediaType"] in _MEDIA or kind.startswith(("video/", "audio/")) or name.endswith(_FILES)
