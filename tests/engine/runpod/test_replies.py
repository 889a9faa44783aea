"""RunPod's answers, in whatever shape they come."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runpod.replies import Health, StatusReply, health, status_reply, total_health

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["workers", "jobs"]), JSON))
def test_a_health_of_another_shape_counts_nothing_and_breaks_nothing(body: dict[str, Any]) -> None:
    found = health(body)

    counts = [*found.workers.values(), *found.jobs.values()]
    assert all(isinstance(count, int) and count >= 0 for count in counts)


def test_workers_and_jobs_are_counted() -> None:
    body = {"workers": {"idle": 1, "running": 2.0, "odd": "x", "negative": -1, "yes": True}, "jobs": {"inQueue": 3}}

    assert health(body) == Health({"idle": 1, "running": 2}, {"inQueue": 3})


def test_endpoints_are_added_up() -> None:
    healths = [Health({"idle": 1}, {"inQueue": 3}), Health({"idle": 2, "running": 1}, {})]

    assert total_health(healths) == Health({"idle": 3, "running": 1}, {"inQueue": 3})
    assert total_health([]) == Health()


FIELDS = st.sampled_from(["status", "error", "delayTime", "executionTime", "workerId", "output"])


@given(st.dictionaries(FIELDS, JSON))
def test_a_status_of_another_shape_is_read_as_far_as_it_can_be(body: dict[str, Any]) -> None:
    reply = status_reply(body)

    assert isinstance(reply.status, str)
    assert reply.error is None or isinstance(reply.error, str)
    assert reply.delay_ms is None or reply.delay_ms >= 0


def test_an_error_that_is_an_object_is_kept_as_text() -> None:
    assert status_reply({"status": "FAILED", "error": {"a": 1}}) == StatusReply("FAILED", error=json.dumps({"a": 1}))


@pytest.mark.parametrize(
    ("status", "ended"),
    [("IN_QUEUE", False), ("IN_PROGRESS", False), ("RUNNING", False), ("", False),
     ("COMPLETED", True), ("FAILED", True), ("CANCELLED", True), ("TIMED_OUT", True)],
)  # fmt: skip
def test_only_four_statuses_are_an_end(status: str, ended: bool) -> None:
    assert status_reply({"status": status}).ended is ended
