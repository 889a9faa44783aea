"""The time limit of a job: said before it strikes, once, and only while it can."""

import pytest

from engine.jobs import commands as do
from engine.jobs import events as on
from engine.jobs.job_limit import JobLimit
from engine.model.states import JobState
from tests.support.playbook import JOB_ID, Play, finished, job, received
from wire.events import NodeStarted, PromptStarted


def begun(limit_s: int, started_ms: int | None = None, now_ms: int = 1_000_000) -> list[do.Command]:
    return list(JobLimit(limit_s, started_ms).begun(now_ms))


@pytest.mark.parametrize(
    ("limit_s", "started_ms", "after_s"),
    [
        (600, None, 540.0),
        (100, None, 80.0),
        (5, None, 4.0),
        (600, 900_000, 440.0),
        (600, 1, 0.0),
        (600, 2_000_000, 540.0),
    ],
)
def test_it_is_said_a_minute_before_or_at_four_fifths_of_a_short_one(
    limit_s: int, started_ms: int | None, after_s: float
) -> None:
    assert begun(limit_s, started_ms) == [do.WatchLimit(after_s)]


def test_without_one_nothing_is_watched() -> None:
    assert begun(0) == []


def started(limit_s: int = 600) -> Play:
    play = Play(limit_s=limit_s) >> on.Start() >> on.Staged() >> on.Submitted(JOB_ID)
    play << do.Follow
    return play >> received(PromptStarted(timestamp=5)) << [do.RecordProgress, do.WatchLimit, do.Move]


def notices(play: Play) -> list[str]:
    return [f"{c.summary}. {c.detail}" for c in play.commands if isinstance(c, do.Notice)]


def test_it_is_watched_from_the_first_word_of_a_worker_on_and_said() -> None:
    play = started() >> received(NodeStarted(node="4"), first=1) << do.RecordProgress
    play >> on.LimitNear() << []

    assert notices(play) == [
        "RunPod stops the job in about 60 s. JOB_MAX_S gives it 600 s of a worker's time. "
        "What has arrived by then is kept."
    ]


def test_a_job_that_is_being_cancelled_needs_no_warning() -> None:
    play = started() >> on.CancelWanted() >> on.LimitNear()

    assert notices(play) == []


def test_nor_does_one_that_has_ended() -> None:
    play = started() >> received(finished(), first=1)
    play << [do.RecordProgress, do.End]

    assert play.machine.handle(on.LimitNear(), play.now_ms) == []


def test_after_a_restart_the_time_goes_on() -> None:
    play = Play(job(JobState.RUNNING, started_ms=900_000), limit_s=600) >> on.Start() << do.Follow
    play >> received(NodeStarted(node="4"), first=0)

    assert play.last(do.WatchLimit) == do.WatchLimit(440.0)
