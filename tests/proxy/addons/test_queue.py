"""The queue's routes, hook by hook; the merged lists through real sockets are in test_lists.py."""

from typing import Any

import pytest

from engine.model.states import JobState
from proxy.addons.queue import Queue
from tests.proxy.addons.conftest import SEED, Desk
from tests.support.flows import answer, answered, asked

RUNNING = (JobState.SUBMITTING, JobState.QUEUED, JobState.RUNNING)


@pytest.fixture
def queue(desk: Desk) -> Queue:
    """`one` and `two` wait, `runs` runs."""
    desk.add("runs", *RUNNING)
    desk.add("one")
    desk.add("two")
    desk.pages.changes = 0
    return Queue(desk.dispatcher, desk.store)


def waiting(desk: Desk) -> list[str]:
    return list(desk.store.pending_ids())


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ({"delete": ["one"]}, ["two"]),
        ({"delete": ["one", "unknown", 5]}, ["two"]),
        ({"clear": True}, []),
        ({"clear": False}, ["one", "two"]),
        ({"clear": True, "delete": ["one"]}, []),
        ({"delete": None}, ["one", "two"]),
        (b"not JSON", ["one", "two"]),
    ],
)
@pytest.mark.parametrize("path", ["/queue", "/api/queue"])
def test_what_is_deleted_while_it_waits_is_gone_and_comfyui_hears_of_it_too(
    desk: Desk, queue: Queue, path: str, body: object, left: list[str]
) -> None:
    flow = asked("POST", path, body)
    queue.request(flow)

    assert waiting(desk) == left
    assert flow.response is None
    assert (desk.pages.changes > 0) == (left != ["one", "two"])


@pytest.mark.parametrize(
    ("body", "answered_here"),
    [
        ({}, False),
        (b"", False),
        ({"prompt_id": "runs"}, True),
        ({"prompt_id": "one"}, True),
        ({"prompt_id": "unknown"}, False),
    ],
)
def test_an_interrupt_without_an_id_or_with_a_foreign_one_is_passed_on(
    desk: Desk, queue: Queue, body: object, answered_here: bool
) -> None:
    flow = asked("POST", "/interrupt", body)
    queue.request(flow)

    assert waiting(desk) == ["one", "two"]  # as in ComfyUI: what waits is not concerned
    assert (flow.response is not None) is answered_here
    assert not answered_here or answer(flow) == (200, None)


@pytest.mark.parametrize("line", ["GET /queue", "GET /prompt", "POST /history", "DELETE /queue"])
def test_other_requests_pass(desk: Desk, queue: Queue, line: str) -> None:
    method, path = line.split(" ")
    flow = asked(method, path, {"clear": True, "delete": ["one"]})
    queue.request(flow)

    assert flow.response is None
    assert waiting(desk) == ["one", "two"]


def test_the_queue_holds_local_and_remote_prompts(queue: Queue) -> None:
    local = [7, "local", {}, {}, []]
    flow = answered(asked("GET", "/api/queue"), {"queue_running": [local], "queue_pending": [], "more": 1})
    queue.response(flow)
    status, body = answer(flow)

    assert status == 200
    assert [prompt[1] for prompt in body["queue_running"]] == ["local", "runs"]
    assert [prompt[1] for prompt in body["queue_pending"]] == ["one", "two"]
    assert body["queue_pending"][0] == [1, "one", {"1": {"seed": SEED}}, {"create_time": 5}, ["1"]]
    assert body["more"] == 1


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"exec_info": {"queue_remaining": 2, "x": 1}, "y": 2}, {"exec_info": {"x": 1, "queue_remaining": 5}, "y": 2}),
        ({"exec_info": {}}, {"exec_info": {}}),
        ({"exec_info": None}, {"exec_info": None}),
        ({"exec_info": {"queue_remaining": "many"}}, {"exec_info": {"queue_remaining": "many"}}),
        ({}, {}),
        (["x"], ["x"]),
    ],
)
def test_the_length_of_the_queue_is_the_sum_of_both(queue: Queue, body: Any, shown: Any) -> None:
    flow = answered(asked("GET", "/prompt"), body)
    queue.response(flow)

    assert answer(flow) == (200, shown)


@pytest.mark.parametrize("line", ["POST /queue", "GET /history", "POST /prompt"])
def test_other_answers_stay_as_they_are(queue: Queue, line: str) -> None:
    method, path = line.split(" ")
    flow = answered(asked(method, path), {"queue_running": []})
    queue.response(flow)

    assert answer(flow) == (200, {"queue_running": []})
