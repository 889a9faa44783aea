"""What a check found, as people and machines read it."""

import json

import pytest

from client.doctor.finding import Finding, as_json, lines, workers_finding

FOUND = [
    Finding("port", "ok", "8189 is free"),
    Finding("endpoint", "wrong", "RunPod answers 401", "Check RUNPOD_API_KEY"),
    Finding("bucket", "skipped", "not set up", "set BUCKET_NAME"),
]


def test_people_read_a_line_a_check_and_below_it_what_to_do() -> None:
    assert list(lines(FOUND)) == [
        "ok      port       8189 is free",
        "WRONG   endpoint   RunPod answers 401",
        "                   → Check RUNPOD_API_KEY",
        "-       bucket     not set up",
        "                   → set BUCKET_NAME",
    ]


def test_machines_read_all_of_it_and_whether_anything_is_wrong() -> None:
    report = json.loads(json.dumps(as_json(FOUND)))

    assert report["ok"] is False
    assert report["checks"][1] == {
        "name": "endpoint",
        "state": "wrong",
        "detail": "RunPod answers 401",
        "mend": "Check RUNPOD_API_KEY",
    }
    assert as_json([FOUND[0], FOUND[2]])["ok"] is True
    assert as_json([])["ok"] is True


@pytest.mark.parametrize(
    ("workers", "state", "says"),
    [
        ({}, "ok", "no worker is running"),
        ({"idle": 0, "throttled": 0}, "ok", "no worker is running"),
        ({"idle": 2, "running": 1}, "ok", "2 idle, 1 running"),
        ({"throttled": 2}, "wrong", "2 throttled"),
        ({"throttled": 2, "ready": 1}, "ok", "2 throttled, 1 ready"),
        ({"unhealthy": 1, "idle": 3}, "wrong", "1 unhealthy, 3 idle"),
    ],
)
def test_the_counts_of_workers_say_whether_a_job_would_run(workers: dict[str, int], state: str, says: str) -> None:
    finding = workers_finding("workers", workers)

    assert (finding.name, finding.state) == ("workers", state)
    assert says in finding.detail
    assert bool(finding.mend) == (state == "wrong")
