"""Merged bodies."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.core.job import Entry, Job
from proxy.core.lifecycle import JobState
from proxy.core.views import BadQuery, job_view, merged_history, merged_jobs, merged_queue
from wire.ids import PromptId

EXTRA = {"create_time": 10, "extra_pnginfo": {"workflow": {"id": "wf"}}}
PENDING = Job(PromptId("p"), 3.0, JobState.PENDING, {"1": {}}, EXTRA, ("1",), created_ms=10)
STORY = [
    ["execution_start", {"prompt_id": "d", "timestamp": 100}],
    ["execution_success", {"prompt_id": "d", "timestamp": 250}],
]
DONE = replace(
    PENDING,
    prompt_id=PromptId("d"),
    state=JobState.COMPLETED,
    completion=7,
    entry=Entry(
        outputs={
            "4": {"images": [{"filename": "t.png", "subfolder": "", "type": "temp"}]},
            "3": {"images": [{"filename": "a.png", "subfolder": "", "type": "output"}], "animated": [False]},
        },
        status={"status_str": "success", "completed": True, "messages": STORY},
    ),
)


def local(number: int) -> dict[str, Any]:
    return {"prompt": [number, "x", {}, {}, []], "outputs": {}, "status": {}, "meta": {}}


def test_the_queue_holds_local_and_remote_prompts() -> None:
    running = replace(PENDING, prompt_id=PromptId("r"), state=JobState.RUNNING)
    upstream = {"queue_running": [[0, "local", {}, {}, []]], "queue_pending": []}
    body = merged_queue(upstream, [running, PENDING])

    assert [item[1] for item in body["queue_running"]] == ["local", "r"]
    assert body["queue_pending"] == [[3, "p", {"1": {}}, EXTRA, ["1"]]]


def test_history_is_numbered_by_completion_so_that_every_item_is_shown() -> None:
    upstream = {"one": local(0), "two": local(0)}
    body = merged_history(upstream, {"one": 5, "two": 9}, [DONE], 64, None)

    assert list(body) == ["one", "d", "two"]
    assert [item["prompt"][0] for item in body.values()] == [5, 7, 9]


@pytest.mark.parametrize(
    ("max_items", "offset", "expected"),
    [
        (None, None, ["one", "d", "two"]),
        (2, None, ["d", "two"]),
        (0, None, []),
        (1, 0, ["one"]),
        (5, 1, ["d", "two"]),
        (1, 9, []),
    ],
)
def test_history_is_cut_after_merging(max_items: int | None, offset: int | None, expected: list[str]) -> None:
    upstream = {"one": local(0), "two": local(1)}

    assert list(merged_history(upstream, {"one": 5, "two": 9}, [DONE], max_items, offset)) == expected


def test_a_finished_job_looks_as_comfyui_shows_it() -> None:
    assert job_view(DONE) == {
        "id": "d",
        "status": "completed",
        "priority": 3,
        "create_time": 10,
        "execution_start_time": 100,
        "execution_end_time": 250,
        "outputs_count": 2,
        "preview_output": {
            "filename": "a.png",
            "subfolder": "",
            "type": "output",
            "nodeId": "3",
            "mediaType": "images",
        },
        "workflow_id": "wf",
    }


def test_jobs_are_filtered_sorted_and_cut_after_merging() -> None:
    upstream = [{"id": "l", "status": "completed", "create_time": 11}]
    body = merged_jobs(upstream, [DONE, PENDING], {"status": "completed,failed,cancelled", "limit": "1"})

    assert [job["id"] for job in body["jobs"]] == ["l"]
    assert body["pagination"] == {"offset": 0, "limit": 1, "total": 2, "has_more": True}


@pytest.mark.parametrize(
    "query", [{"status": "done"}, {"limit": "0"}, {"limit": ""}, {"offset": "x"}, {"sort_by": "x"}, {"sort_order": "x"}]
)
def test_a_bad_query_is_refused_as_comfyui_refuses_it(query: dict[str, str]) -> None:
    with pytest.raises(BadQuery):
        merged_jobs([], [], query)
