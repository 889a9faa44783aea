"""Bodies of /queue, /history and /api/jobs: what ComfyUI answered and what the proxy holds, in one.

Source: ComfyUI 0.3.64 and 0.8.0, server.py, execution.py ``PromptQueue`` and comfy_execution/jobs.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from proxy.core.job import Entry, Job
from proxy.core.lifecycle import ENDED, SHOWN_RUNNING

JobView = dict[str, Any]
STATUSES = ("pending", "in_progress", "completed", "failed", "cancelled")
_MEDIA = ("images", "video", "audio")
_SHAPES = (".obj", ".fbx", ".gltf", ".glb")
_SORTS = ("created_at", "execution_duration")


class BadQuery(ValueError):
    """A query parameter of /api/jobs that ComfyUI refuses with 400; the text is its ``error``."""


def prompt_tuple(job: Job, number: float) -> list[Any]:
    """``[number, prompt_id, prompt, extra_data, outputs_to_execute]``."""
    shown = int(number) if number == int(number) else number
    return [shown, job.prompt_id, job.prompt, job.extra_data, list(job.outputs_to_execute)]


def merged_queue(upstream: Mapping[str, Any], jobs: Iterable[Job]) -> dict[str, Any]:
    """GET /queue; *jobs* are the active ones."""
    body = {"queue_running": [], "queue_pending": [], **upstream}
    running = list(body["queue_running"])
    pending = list(body["queue_pending"])
    for job in jobs:
        (running if job.state in SHOWN_RUNNING else pending).append(prompt_tuple(job, job.number))
    return {**body, "queue_running": running, "queue_pending": pending}


def history_item(job: Job) -> dict[str, Any]:
    """One value of GET /history; *job* has ended."""
    entry = job.entry or Entry()
    return {
        "prompt": prompt_tuple(job, job.completion or 0),
        "outputs": entry.outputs,
        "status": entry.status,
        "meta": entry.meta,
    }


def merged_history(
    upstream: Mapping[str, Any],
    completions: Mapping[str, int],
    jobs: Iterable[Job],
    max_items: int | None,
    offset: int | None,
) -> dict[str, Any]:
    """GET /history in completion order, oldest first.

    Every item's queue number is its place in the common order: frontends up to 1.35 show only rising numbers.
    *completions* must hold each prompt id of *upstream*.
    """
    items: list[tuple[int, str, Any]] = []
    for prompt_id, item in upstream.items():
        place = completions[prompt_id]
        items.append((place, prompt_id, {**item, "prompt": [place, *item["prompt"][1:]]}))
    items += [(job.completion or 0, job.prompt_id, history_item(job)) for job in jobs]
    items.sort(key=lambda item: item[0])
    return {prompt_id: item for _, prompt_id, item in _cut(items, max_items, offset)}


def _cut[T](items: list[T], max_items: int | None, offset: int | None) -> list[T]:
    if max_items is None:
        return items[offset or 0 :]
    if offset is None or offset < 0:
        return items[-max_items:] if max_items > 0 else []
    return items[offset : offset + max_items]


def job_status(job: Job) -> str:
    if job.state in ENDED:
        return job.state.value
    return "in_progress" if job.state in SHOWN_RUNNING else "pending"


def job_view(job: Job, *, detailed: bool = False) -> JobView:
    """One job of /api/jobs; None members are left out, as the strict schema of frontend 1.58 wants."""
    entry = job.entry or Entry()
    items = [(node, key, item) for node, output in entry.outputs.items() for key, item in _items(output)]
    view: JobView = {
        "id": job.prompt_id,
        "status": job_status(job),
        "priority": prompt_tuple(job, job.number)[0],
        "create_time": job.created_ms,
        "outputs_count": len(items),
        "workflow_id": _workflow_id(job.extra_data),
    }
    if job.state in ENDED:
        view["execution_start_time"] = _time(entry, "execution_start") or job.started_ms
        view["execution_end_time"] = _end_time(entry) or job.ended_ms
        view["preview_output"] = _preview(items)
        view["execution_error"] = _execution_error(entry)
    if detailed:
        view["workflow"] = {"prompt": job.prompt, "extra_data": job.extra_data}
        if job.state in ENDED:
            view["outputs"] = entry.outputs
            view["execution_status"] = entry.status
    return {key: value for key, value in view.items() if value is not None}


def _workflow_id(extra_data: Mapping[str, Any]) -> str | None:
    workflow = (extra_data.get("extra_pnginfo") or {}).get("workflow") or {}
    value = workflow.get("id")
    return value if isinstance(value, str) else None


def _items(output: Mapping[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    for key, value in output.items():
        if key == "animated" or not isinstance(value, list):
            continue
        for item in value:
            if isinstance(item, dict):
                yield key, item


def _can_be_shown(key: str, item: Mapping[str, Any]) -> bool:
    kind, name = str(item.get("format", "")), str(item.get("filename", "")).lower()
    return key in _MEDIA or kind.startswith(("video/", "audio/")) or name.endswith(_SHAPES)


def _preview(items: Sequence[tuple[str, str, dict[str, Any]]]) -> dict[str, Any] | None:
    shown = [found for found in items if _can_be_shown(found[1], found[2])]
    saved = [found for found in shown if found[2].get("type") == "output"]
    for node, key, item in saved or shown:
        return {**item, "nodeId": node, "mediaType": key}
    return None


def _story(entry: Entry) -> Iterable[tuple[str, dict[str, Any]]]:
    for message in entry.status.get("messages", []):
        yield message[0], message[1]


def _time(entry: Entry, kind: str) -> int | None:
    return next((data.get("timestamp") for name, data in _story(entry) if name == kind), None)


def _end_time(entry: Entry) -> int | None:
    for kind in ("execution_success", "execution_error", "execution_interrupted"):
        if (time := _time(entry, kind)) is not None:
            return time
    return None


def _execution_error(entry: Entry) -> dict[str, Any] | None:
    return next((data for name, data in _story(entry) if name == "execution_error"), None)


def wanted_statuses(value: str | None) -> frozenset[str]:
    """The statuses that ``?status=`` names; raises BadQuery."""
    names = [name.strip() for name in (value or "").split(",") if name.strip()]
    unknown = [name for name in names if name not in STATUSES]
    if unknown:
        valid = ", ".join(STATUSES)
        raise BadQuery(f"Invalid status value(s): {', '.join(unknown)}. Valid values: {valid}")
    return frozenset(names or STATUSES)


def merged_jobs(upstream: Iterable[JobView], jobs: Iterable[Job], query: Mapping[str, str]) -> dict[str, Any]:
    """GET /api/jobs: filtered, sorted and cut after merging. Raises BadQuery."""
    statuses = wanted_statuses(query.get("status"))
    sort_by, descending = _order(query)
    limit, offset = _page(query)
    views = [*upstream, *(job_view(job) for job in jobs)]
    if workflow_id := query.get("workflow_id"):
        views = [view for view in views if view.get("workflow_id") == workflow_id]
    views = [view for view in views if view.get("status") in statuses]
    views.sort(key=lambda view: _sort_key(view, sort_by), reverse=descending)
    page = views[offset : None if limit is None else offset + limit]
    more = offset + len(page) < len(views)
    pagination = {"offset": offset, "limit": limit, "total": len(views), "has_more": more}
    return {"jobs": page, "pagination": pagination}


def _sort_key(view: JobView, sort_by: str) -> float:
    if sort_by == "created_at":
        return float(view.get("create_time") or 0)
    start, end = view.get("execution_start_time"), view.get("execution_end_time")
    return float(end - start) if start is not None and end is not None else 0.0


def _order(query: Mapping[str, str]) -> tuple[str, bool]:
    sort_by = query.get("sort_by", "created_at").lower()
    sort_order = query.get("sort_order", "desc").lower()
    if sort_by not in _SORTS:
        raise BadQuery("sort_by must be 'created_at' or 'execution_duration'")
    if sort_order not in ("asc", "desc"):
        raise BadQuery("sort_order must be 'asc' or 'desc'")
    return sort_by, sort_order == "desc"


def _page(query: Mapping[str, str]) -> tuple[int | None, int]:
    try:
        limit = int(query["limit"]) if "limit" in query else None
    except ValueError as error:
        raise BadQuery("limit must be an integer") from error
    if limit is not None and limit <= 0:
        raise BadQuery("limit must be a positive integer")
    try:
        offset = max(0, int(query.get("offset", 0)))
    except ValueError as error:
        raise BadQuery("offset must be an integer") from error
    return limit, offset
