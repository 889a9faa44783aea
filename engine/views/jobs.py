"""GET /api/jobs over local and remote jobs: filtered, sorted and cut after merging.

Of ours only keys are sorted, and only the page is loaded. Source: ComfyUI 0.8.0, server.py ``get_jobs``.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.model.states import JobState
from engine.views.job import STATES, JobView, clean_view, duration_ms
from engine.views.json_text import array_pieces, dumped, object_text
from wire.ids import PromptId

_SORTS = ("created_at", "execution_duration")


class JobsQueryInvalid(ValueError):
    """A query parameter of /api/jobs that ComfyUI refuses with 400; the text is its ``error``."""


@dataclass(frozen=True, slots=True)
class JobsQuery:
    """What GET /api/jobs asks for."""

    statuses: frozenset[str] = frozenset(STATES)
    workflow_id: str | None = None
    by_duration: bool = False
    """False: by the time of creation"""
    descending: bool = True
    limit: int | None = None
    offset: int = 0

    @property
    def states(self) -> frozenset[JobState]:
        return frozenset(state for status in self.statuses for state in STATES[status])

    @property
    def reach(self) -> int | None:
        """How many of the first jobs can be on the page; None: all."""
        return None if self.limit is None else self.offset + self.limit


@dataclass(frozen=True, slots=True)
class Listed:
    """Our jobs that a query wants: sort keys of the ones that can be on its page, in order, and how many there are."""

    keys: Sequence[tuple[float, PromptId]]
    total: int
    skipped: int = 0
    """how many come before :attr:`keys`; they are before the page wherever the local jobs are"""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the merged list: views of local jobs, and ids of ours, whose views are still to be loaded."""

    jobs: Sequence[JobView | PromptId]
    total: int

    @property
    def ours(self) -> list[PromptId]:
        return [PromptId(job) for job in self.jobs if isinstance(job, str)]


def parse_query(query: Mapping[str, str]) -> JobsQuery:
    """What GET /api/jobs asks for; raises JobsQueryInvalid."""
    sort_by, descending = _order(query)
    limit, offset = _limits(query)
    return JobsQuery(
        statuses=_statuses(query.get("status")),
        workflow_id=query.get("workflow_id") or None,
        by_duration=sort_by == "execution_duration",
        descending=descending,
        limit=limit,
        offset=offset,
    )


def jobs_page(upstream: Iterable[Any], ours: Listed, query: JobsQuery) -> Page:
    """The page of *query* over the jobs that ComfyUI answered, which may be malformed, and ours."""
    local = [view for answered in upstream if (view := clean_view(answered)) and _wanted(view, query)]
    jobs: list[tuple[float, JobView | PromptId]] = [(_sort_key(view, query), view) for view in local]
    jobs += ours.keys
    jobs.sort(key=lambda job: job[0], reverse=query.descending)
    end = None if query.reach is None else query.reach - ours.skipped
    shown = [job for _, job in jobs[query.offset - ours.skipped : end]]
    return Page(shown, len(local) + ours.total)


def jobs_body(page: Page, views: Mapping[PromptId, str], query: JobsQuery) -> str:
    """The answer; *views* are ours on the page, as JSON."""
    texts = [views[PromptId(job)] if isinstance(job, str) else json.dumps(job) for job in page.jobs]
    more = query.offset + len(page.jobs) < page.total
    pagination = {"offset": query.offset, "limit": query.limit, "total": page.total, "has_more": more}
    return object_text([("jobs", array_pieces(texts)), ("pagination", dumped(pagination))])


def _wanted(view: JobView, query: JobsQuery) -> bool:
    return view["status"] in query.statuses and query.workflow_id in (None, view.get("workflow_id"))


def _sort_key(view: JobView, query: JobsQuery) -> float:
    return duration_ms(view) if query.by_duration else view["create_time"]


def _statuses(value: str | None) -> frozenset[str]:
    names = [name.strip() for name in (value or "").split(",") if name.strip()]
    unknown = [name for name in names if name not in STATES]
    if unknown:
        valid = ", ".join(STATES)
        raise JobsQueryInvalid(f"Invalid status value(s): {', '.join(unknown)}. Valid values: {valid}")
    return frozenset(names or STATES)


def _order(query: Mapping[str, str]) -> tuple[str, bool]:
    sort_by = query.get("sort_by", "created_at").lower()
    sort_order = query.get("sort_order", "desc").lower()
    if sort_by not in _SORTS:
        raise JobsQueryInvalid("sort_by must be 'created_at' or 'execution_duration'")
    if sort_order not in ("asc", "desc"):
        raise JobsQueryInvalid("sort_order must be 'asc' or 'desc'")
    return sort_by, sort_order == "desc"


def _limits(query: Mapping[str, str]) -> tuple[int | None, int]:
    try:
        limit = int(query["limit"]) if "limit" in query else None
    except ValueError as error:
        raise JobsQueryInvalid("limit must be an integer") from error
    if limit is not None and limit <= 0:
        raise JobsQueryInvalid("limit must be a positive integer")
    try:
        offset = max(0, int(query.get("offset", 0)))
    except ValueError as error:
        raise JobsQueryInvalid("offset must be an integer") from error
    return limit, offset
