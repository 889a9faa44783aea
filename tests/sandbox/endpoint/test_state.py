"""The pure state machine; time is a number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.endpoint.job import TERMINAL, NotAllowed, Status
from sandbox.endpoint.state import EndpointState, Policy


def state() -> EndpointState:
    return EndpointState(Policy())


def submitted(endpoint: EndpointState, *jobs: str) -> None:
    for job in jobs:
        endpoint.submit(job, {"x": 1}, 0.0, {})


def test_jobs_are_handed_out_in_order_and_once() -> None:
    endpoint = state()
    submitted(endpoint, "a", "b")

    assert [job["id"] for job in endpoint.take("w", 1.0) + endpoint.take("v", 2.0)] == ["a", "b"]
    assert endpoint.take("w", 3.0) == []


def test_an_empty_input_is_left_out() -> None:
    endpoint = state()
    endpoint.submit("a", {}, 0.0, {})

    assert endpoint.take("w", 1.0) == [{"id": "a"}]


def test_times_are_milliseconds() -> None:
    endpoint = state()
    submitted(endpoint, "a")
    endpoint.take("w", 1.5)
    endpoint.done("a", "w", {"output": 1}, 3.75)

    assert endpoint.jobs["a"].view() == {
        "id": "a",
        "status": "COMPLETED",
        "delayTime": 1500,
        "executionTime": 2250,
        "workerId": "w",
        "output": 1,
    }


def test_a_stop_is_repeated_until_the_heartbeat_no_longer_names_the_job() -> None:
    endpoint = state()
    submitted(endpoint, "a")
    endpoint.take("w", 1.0)
    endpoint.ping("w", ["a"], 1.5)
    endpoint.cancel("a", 2.0)

    assert endpoint.stops("w", 2.1) == ["a"]
    assert endpoint.stops("w", 2.2) == []
    assert endpoint.stops("w", 2.4) == ["a"]
    endpoint.ping("w", [], 2.5)
    assert endpoint.stops("w", 3.0) == []


def test_what_comes_after_a_cancel_is_ignored() -> None:
    endpoint = state()
    submitted(endpoint, "a")
    endpoint.take("w", 1.0)
    endpoint.cancel("a", 2.0)
    endpoint.chunk("a", "w", "{}", 2.1)
    endpoint.done("a", "w", {"output": 1}, 2.2)

    assert endpoint.drain("a") == (Status.CANCELLED, [])
    assert endpoint.jobs["a"].output is None


def test_a_lost_worker_is_replaced_once() -> None:
    endpoint = state()
    submitted(endpoint, "a")
    endpoint.take("w", 0.0)
    endpoint.tick(31.0)
    assert endpoint.jobs["a"].status is Status.IN_QUEUE
    endpoint.take("v", 32.0)
    endpoint.tick(70.0)

    assert endpoint.jobs["a"].view()["error"] == "job timed out after 1 retries"


def test_a_lost_workers_late_words_do_not_count() -> None:
    endpoint = state()
    submitted(endpoint, "a")
    endpoint.take("w", 0.0)
    endpoint.tick(31.0)
    endpoint.take("v", 32.0)
    endpoint.done("a", "w", {"output": "old"}, 33.0)

    assert endpoint.jobs["a"].status is Status.IN_PROGRESS


def test_execution_timeout_fails_the_job_and_stops_the_worker() -> None:
    endpoint = state()
    endpoint.submit("a", {"x": 1}, 0.0, {"executionTimeout": 5000})
    endpoint.take("w", 1.0)
    endpoint.ping("w", ["a"], 6.0)
    endpoint.tick(6.5)

    assert endpoint.jobs["a"].view()["error"] == "executionTimeout exceeded"
    assert endpoint.stops("w", 6.6) == ["a"]


def test_results_expire() -> None:
    endpoint = state()
    submitted(endpoint, "a")
    endpoint.take("w", 0.0)
    endpoint.done("a", "w", {"output": 1}, 1.0)
    endpoint.tick(1802.0)

    assert "a" not in endpoint.jobs


def test_a_stopping_worker_gets_nothing_more() -> None:
    endpoint = state()
    submitted(endpoint, "a")
    endpoint.stop_worker("w", 0.0)

    assert endpoint.take("w", 1.0) == []


def test_only_failed_jobs_can_be_tried_again() -> None:
    endpoint = state()
    submitted(endpoint, "a")
    with pytest.raises(NotAllowed):
        endpoint.retry("a", 1.0)
    endpoint.take("w", 1.0)
    endpoint.done("a", "w", {"error": "x"}, 2.0)

    assert endpoint.retry("a", 3.0).status is Status.IN_QUEUE


def test_purging_leaves_what_runs() -> None:
    endpoint = state()
    submitted(endpoint, "a", "b", "c")
    endpoint.take("w", 1.0)

    assert endpoint.purge() == 2
    assert set(endpoint.jobs) == {"a"}


STEPS = ("submit", "take", "done", "fail", "cancel", "tick", "chunk")


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 4))))
def test_no_order_of_events_breaks_the_table_or_loses_a_job(steps: list[tuple[str, int]]) -> None:
    endpoint, now, last = state(), 0.0, dict[str, Status]()
    for step, number in steps:
        now, job = now + 3, f"j{number}"
        match step:
            case "submit" if job not in endpoint.jobs:
                submitted(endpoint, job)
                endpoint.jobs[job].created = endpoint.jobs[job].queued = now
            case "take":
                endpoint.take(f"w{number}", now)
            case "done" | "fail":
                worker = endpoint.jobs[job].worker if job in endpoint.jobs else None
                endpoint.done(job, worker or "w", {"error": "x"} if step == "fail" else {}, now)
            case "cancel" if job in endpoint.jobs:
                endpoint.cancel(job, now)
            case "chunk":
                endpoint.chunk(job, "w0", "{}", now)
            case "tick":
                endpoint.tick(now)
        for known, status in last.items():
            if known in endpoint.jobs and status in TERMINAL and step != "submit":
                assert endpoint.jobs[known].status is status
        last = {known: job_.status for known, job_ in endpoint.jobs.items()}
    assert endpoint.waiting == sum(status is Status.IN_QUEUE for status in last.values())


def test_progress_of_a_cancelled_job_does_not_call_its_stop_off() -> None:
    endpoint = state()
    submitted(endpoint, "a")
    endpoint.take("w", 1.0)
    endpoint.cancel("a", 2.0)
    endpoint.done("a", "w", {"status": "IN_PROGRESS", "output": 1}, 2.1)
    assert endpoint.stops("w", 2.2) == ["a"]
    endpoint.done("a", "w", {"output": 1}, 2.3)

    assert endpoint.stops("w", 3.0) == []


def test_progress_shows_until_the_result_and_does_not_reopen_the_job() -> None:
    endpoint = state()
    submitted(endpoint, "a")
    endpoint.take("w", 1.0)
    endpoint.done("a", "w", {"status": "IN_PROGRESS", "output": {"step": 1}}, 1.1)
    assert endpoint.jobs["a"].view()["output"] == {"step": 1}
    endpoint.done("a", "w", {"output": "end"}, 1.2)
    endpoint.done("a", "w", {"status": "IN_PROGRESS", "output": {"step": 2}}, 1.3)

    assert (endpoint.jobs["a"].status, endpoint.jobs["a"].output) == (Status.COMPLETED, "end")


def test_a_lost_workers_oversized_result_does_not_end_the_second_run() -> None:
    endpoint = state()
    submitted(endpoint, "a")
    endpoint.take("w", 0.0)
    endpoint.tick(31.0)
    endpoint.take("v", 32.0)
    endpoint.done_without_result("a", "w", 33.0)

    assert endpoint.jobs["a"].status is Status.IN_PROGRESS


def test_a_retried_job_is_not_stopped_for_its_earlier_run() -> None:
    endpoint = state()
    endpoint.submit("a", {"x": 1}, 0.0, {"executionTimeout": 5000})
    endpoint.take("w", 1.0)
    endpoint.tick(6.5)
    endpoint.retry("a", 7.0)
    endpoint.take("w", 8.0)

    assert endpoint.stops("w", 8.1) == []


def test_a_job_that_expired_in_the_queue_lives_again_when_retried() -> None:
    endpoint = state()
    endpoint.submit("a", {"x": 1}, 0.0, {"ttl": 10_000})
    endpoint.tick(11.0)
    assert endpoint.jobs["a"].view()["status"] == "TIMED_OUT"
    endpoint.retry("a", 12.0)
    endpoint.tick(13.0)

    assert endpoint.jobs["a"].view()["status"] == "IN_QUEUE"


def test_a_job_that_expires_while_it_runs_is_gone_and_stopped() -> None:
    endpoint = state()
    endpoint.submit("a", {"x": 1}, 0.0, {"ttl": 10_000})
    endpoint.take("w", 1.0)
    endpoint.ping("w", ["a"], 9.0)
    endpoint.tick(11.0)

    assert "a" not in endpoint.jobs
    assert endpoint.stops("w", 11.1) == ["a"]


def test_results_of_runsync_expire_sooner() -> None:
    endpoint = state()
    endpoint.submit("a", {"x": 1}, 0.0, {}, sync=True)
    endpoint.take("w", 0.0)
    endpoint.done("a", "w", {"output": 1}, 1.0)
    endpoint.tick(60.0)
    assert "a" in endpoint.jobs
    endpoint.tick(62.0)

    assert "a" not in endpoint.jobs


def test_health_follows_a_worker_through_its_life() -> None:
    endpoint = state()

    def workers() -> dict[str, int]:
        return {name: count for name, count in endpoint.health()["workers"].items() if count}

    assert workers() == {}
    endpoint.start_worker("w", 0.0)
    endpoint.tick(400.0)  # a cold start may take minutes
    assert workers() == {"initializing": 1}
    endpoint.ping("w", [], 401.0)
    assert workers() == {"idle": 1, "ready": 1}
    submitted(endpoint, "a")
    endpoint.take("w", 402.0)
    assert workers() == {"running": 1}
    endpoint.done("a", "w", {"output": 1, "stopPod": True}, 403.0)
    assert workers() == {}
    assert endpoint.is_stopping("w")
    endpoint.unfit_worker("w", 404.0)

    assert workers() == {"unhealthy": 1}
