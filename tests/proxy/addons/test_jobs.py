"""The jobs API, hook by hook; the merged list through real sockets is in test_lists.py."""

import json
from typing import Any

import pytest

from engine.model.states import JobState
from proxy.addons.jobs import Jobs
from tests.proxy.addons.conftest import SEED, Desk
from tests.support.flows import answer, answered, asked

COMPLETED = (JobState.SUBMITTING, JobState.QUEUED, JobState.COMPLETED)
A_LOCAL_ID = "0f2a3c4d-0000-4000-8000-000000000000"
ODD_IDS = "job_ids contains invalid id(s)"
LOCAL = {"id": "local", "status": "completed", "create_time": 9, "outputs_count": 0}


@pytest.fixture
def jobs(desk: Desk) -> Jobs:
    """`done` has ended, `waits` waits."""
    desk.add("done", *COMPLETED)
    desk.add("waits")
    return Jobs(desk.dispatcher, desk.store)


def listed(jobs: Jobs, query: str, body: object, status: int = 200) -> tuple[int, Any]:
    flow = asked("GET", f"/api/jobs{query}")
    jobs.request(flow)
    assert flow.response is not None or flow.request.path == "/api/jobs"
    if flow.response is None:
        jobs.response(answered(flow, body, status))
    return answer(flow)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ["local", "waits", "done"]),
        ("?status=completed,cancelled", ["local", "done"]),
        ("?status=pending", ["waits"]),
        ("?sort_order=asc", ["done", "waits", "local"]),
        ("?limit=1&offset=1", ["waits"]),
        ("?workflow_id=none", []),
    ],
)
def test_filters_order_and_page_apply_to_the_list_of_both(jobs: Jobs, query: str, shown: list[str]) -> None:
    status, body = listed(jobs, query, {"jobs": [LOCAL], "pagination": {}})

    assert status == 200
    assert [job["id"] for job in body["jobs"]] == shown


@pytest.mark.parametrize(
    "query", ["?limit=x", "?limit=0", "?offset=x", "?status=odd", "?sort_by=name", "?sort_order=up"]
)
def test_a_bad_query_is_refused_as_comfyui_does(jobs: Jobs, query: str) -> None:
    status, body = listed(jobs, query, {})

    assert status == 400
    assert list(body) == ["error"]


@pytest.mark.parametrize("body", [{"jobs": "odd"}, {"jobs": None}, {}, {"jobs": [None, {"id": 5}, "x"]}])
def test_what_comfyui_answers_oddly_does_not_take_ours_away(jobs: Jobs, body: object) -> None:
    status, found = listed(jobs, "", body)

    assert status == 200
    assert [job["id"] for job in found["jobs"]] == ["waits", "done"]


def test_a_comfyui_that_fails_at_its_list_does_not_take_ours_away(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    status, found = listed(jobs, "", {"error": "x"}, 500)

    assert status == 200
    assert [job["id"] for job in found["jobs"]] == ["waits", "done"]
    assert "ComfyUI cannot list its own jobs" in caplog.text


def test_an_older_comfyui_without_the_api_stays_without_it(jobs: Jobs) -> None:
    assert listed(jobs, "", {"error": "not found"}, 404) == (404, {"error": "not found"})


def test_a_job_of_ours_is_answered_here_with_its_workflow(jobs: Jobs) -> None:
    flow = asked("GET", "/api/jobs/done")
    jobs.request(flow)
    status, body = answer(flow)

    assert (status, body["id"], body["status"]) == (200, "done", "completed")
    assert body["workflow"]["prompt"] == {"1": {"seed": SEED}}
    assert body["outputs"] == {"1": {"text": ["x"]}}


def test_a_job_of_comfyui_is_passed_on_complete(jobs: Jobs) -> None:
    error = {"node_id": None, "node_type": "A", "exception_message": "m", "exception_type": "E", "traceback": None}
    flow = asked("GET", "/api/jobs/local")
    jobs.request(flow)
    assert flow.response is None
    jobs.response(answered(flow, {**LOCAL, "status": "failed", "execution_error": error}))

    assert answer(flow)[1]["execution_error"]["node_id"] == ""


def test_an_unknown_job_is_comfyuis_to_answer(jobs: Jobs) -> None:
    flow = asked("GET", "/api/jobs/unknown")
    jobs.request(flow)
    jobs.response(answered(flow, {"error": "Job not found"}, 404))

    assert answer(flow) == (404, {"error": "Job not found"})


@pytest.mark.parametrize(("prompt_id", "cancelled"), [("waits", True), ("done", False)])
def test_cancelling_a_job_of_ours_says_whether_it_was_stopped(
    desk: Desk, jobs: Jobs, prompt_id: str, cancelled: bool
) -> None:
    flow = asked("POST", f"/api/jobs/{prompt_id}/cancel")
    jobs.request(flow)

    assert answer(flow) == (200, {"cancelled": cancelled})
    assert list(desk.store.pending_ids()) == ([] if cancelled else ["waits"])


def test_cancelling_a_job_of_comfyui_is_passed_on(jobs: Jobs) -> None:
    flow = asked("POST", "/api/jobs/local/cancel")
    jobs.request(flow)

    assert flow.response is None


@pytest.mark.parametrize(
    ("ids", "expected", "passed_on"),
    [
        (["waits", "done"], (200, {"cancelled": True}), None),
        (["done"], (200, {"cancelled": False}), None),
        ([], (200, {"cancelled": False}), None),
        (["waits", A_LOCAL_ID], None, [A_LOCAL_ID]),
        ([A_LOCAL_ID], None, [A_LOCAL_ID]),
        (["waits", "odd", 5, {}], (400, {"error": ODD_IDS, "invalid_ids": ["odd", "5", "{}"]}), None),
        ("waits", (400, {"error": "job_ids must be a list"}), None),
        (None, (400, {"error": "job_ids must be a list"}), None),
    ],
)
def test_of_several_ours_are_cancelled_here_and_comfyui_is_asked_about_the_others(
    jobs: Jobs, ids: object, expected: object, passed_on: list[str] | None
) -> None:
    flow = asked("POST", "/api/jobs/cancel", {"job_ids": ids})
    jobs.request(flow)

    assert (None if flow.response is None else answer(flow)) == expected
    assert passed_on is None or json.loads(flow.request.get_text() or "") == {"job_ids": passed_on}


def test_an_odd_id_cancels_nothing(desk: Desk, jobs: Jobs) -> None:
    jobs.request(asked("POST", "/api/jobs/cancel", {"job_ids": ["waits", "odd"]}))

    assert list(desk.store.pending_ids()) == ["waits"]


@pytest.mark.parametrize(
    ("ids", "answered_by_comfyui", "expected"),
    [
        (["waits", A_LOCAL_ID], (200, {"cancelled": False}), (200, {"cancelled": True})),
        (["waits", A_LOCAL_ID], (404, {}), (200, {"cancelled": True})),
        (["done", A_LOCAL_ID], (200, {"cancelled": True}), (200, {"cancelled": True})),
        (["done", A_LOCAL_ID], (200, {"cancelled": False}), (200, {"cancelled": False})),
    ],
)
def test_several_were_cancelled_when_any_was(
    jobs: Jobs, ids: list[str], answered_by_comfyui: tuple[int, object], expected: tuple[int, object]
) -> None:
    flow = asked("POST", "/api/jobs/cancel", {"job_ids": ids})
    jobs.request(flow)
    status, body = answered_by_comfyui
    jobs.response(answered(flow, body, status))

    assert answer(flow) == expected


@pytest.mark.parametrize("line", ["GET /queue", "GET /jobs", "POST /prompt"])
def test_other_requests_and_answers_stay_as_they_are(jobs: Jobs, line: str) -> None:
    method, path = line.split(" ")
    flow = asked(method, path)
    jobs.request(flow)
    assert flow.response is None
    jobs.response(answered(flow, {"jobs": []}))

    assert answer(flow) == (200, {"jobs": []})
