"""GET /api/jobs: filtered, sorted and cut after merging."""

import json
from typing import Any

import pytest

from engine.views.jobs import JobsQuery, JobsQueryInvalid, Listed, jobs_body, jobs_page, parse_query
from wire.ids import PromptId

DONE, PENDING = PromptId("d"), PromptId("p")
VIEWS = {DONE: json.dumps({"id": "d"}), PENDING: json.dumps({"id": "p"})}


def body(upstream: list[Any], ours: Listed, query: JobsQuery) -> dict[str, Any]:
    answered: dict[str, Any] = json.loads(jobs_body(jobs_page(upstream, ours, query), VIEWS, query))
    return answered


def test_a_page_is_cut_after_merging() -> None:
    upstream = [{"id": "l", "status": "completed", "create_time": 11}]
    query = parse_query({"status": "completed,failed,cancelled", "limit": "1"})

    assert body(upstream, Listed([(10, DONE)], 1), query) == {
        "jobs": upstream,
        "pagination": {"offset": 0, "limit": 1, "total": 2, "has_more": True},
    }


def test_ours_are_shown_as_they_are_stored() -> None:
    upstream = [{"id": "l", "status": "pending", "create_time": 11}]
    shown = body(upstream, Listed([(12, DONE), (10, PENDING)], 2), parse_query({}))

    assert [job["id"] for job in shown["jobs"]] == ["d", "l", "p"]
    assert shown["pagination"] == {"offset": 0, "limit": None, "total": 3, "has_more": False}


def test_local_jobs_are_filtered_as_ours_are() -> None:
    upstream = [
        {"id": "a", "status": "pending", "create_time": 1, "workflow_id": "w"},
        {"id": "b", "status": "completed", "create_time": 1, "workflow_id": "w"},
        {"id": "c", "status": "pending", "create_time": 1},
        {"status": "pending"},
    ]
    shown = body(upstream, Listed([], 0), parse_query({"status": "pending", "workflow_id": "w"}))

    assert [job["id"] for job in shown["jobs"]] == ["a"]
    assert shown["pagination"]["total"] == 1


def test_jobs_can_be_sorted_by_how_long_they_ran() -> None:
    times = {"execution_start_time": 5, "execution_end_time": 9}
    upstream = [{"id": "l", "status": "completed", "create_time": 1, **times}]
    query = parse_query({"sort_by": "execution_duration", "sort_order": "asc"})

    assert [job["id"] for job in body(upstream, Listed([(0, PENDING), (8, DONE)], 2), query)["jobs"]] == ["p", "l", "d"]


@pytest.mark.parametrize(
    "query", [{"status": "done"}, {"limit": "0"}, {"limit": ""}, {"offset": "x"}, {"sort_by": "x"}, {"sort_order": "x"}]
)
def test_a_bad_query_is_refused_as_comfyui_refuses_it(query: dict[str, str]) -> None:
    with pytest.raises(JobsQueryInvalid):
        parse_query(query)
