import logging

import pytest

from engine.jobs.troubles import Troubles

Notice = tuple[str, str, str]


def test_what_many_jobs_meet_at_once_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """As after a laptop's sleep: all jobs find the network gone in the same moment, again and again."""
    notices: list[Notice] = []
    troubles = Troubles(lambda *notice: notices.append(notice))
    with caplog.at_level(logging.INFO):
        for failures in range(4):
            for number in range(43):
                troubles.report(f"job {number}", "follow the job", "RunPod cannot be reached", failures)

    assert notices == [("warn", "Trying again to follow the job", "RunPod cannot be reached")]
    assert len(caplog.records) == 1


def test_a_single_failure_is_worth_a_line_in_the_log_and_no_toast(caplog: pytest.LogCaptureFixture) -> None:
    notices: list[Notice] = []
    Troubles(lambda *notice: notices.append(notice)).report("a", "follow the job", "timeout", 0)

    assert notices == []
    assert "cannot follow the job, trying again: timeout" in caplog.text


def test_it_is_said_again_when_it_was_over_for_all_jobs_in_between() -> None:
    notices: list[Notice] = []
    troubles = Troubles(lambda *notice: notices.append(notice))
    for job in ("a", "b"):
        troubles.report(job, "follow the job", "down", 1)
    troubles.over("a", "follow the job")
    troubles.report("a", "follow the job", "down", 1)
    assert len(notices) == 1
    troubles.over("a")
    troubles.over("b")
    troubles.report("a", "follow the job", "down", 1)

    assert len(notices) == 2


def test_another_reason_is_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles(lambda *_: None)
    for reason in ("down", "down", "refused"):
        troubles.report("a", "follow the job", reason, 0)

    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["down", "refused"]
