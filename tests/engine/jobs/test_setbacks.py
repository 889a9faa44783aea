"""RunPod cannot be asked about a job."""

import pytest

from engine.jobs import commands as do
from engine.jobs import events as on
from engine.jobs.events import Fault, Wait
from engine.model.states import JobState
from tests.support.playbook import (
    HOUR_MS,
    A,
    cannot,
    finished,
    output,
    outputs,
    received,
    running,
    saved,
)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.REJECTED, "RunPod refused the key (HTTP 401). Check RUNPOD_API_KEY."),
        (Fault.REJECTED, "The job runs at the endpoint abc, which is not in RUNPOD_ENDPOINT_ID."),
        (Fault.GONE, "RunPod does not know the job"),
        (Fault.BUG, "KeyError: 'workers'"),
    ],
)
def test_a_job_that_runpod_has_never_ends_because_it_cannot_be_asked(fault: Fault, reason: str) -> None:
    play = running()
    for failures in range(40):
        play.wait(30_000) >> cannot(Wait.FOLLOW, reason, fault)
        play << [do.Pause(Wait.FOLLOW, failures, 0.0, reason), do.NeedsAttention(f"Cannot follow the job: {reason}")]
        play >> on.PauseOver(Wait.FOLLOW) << do.Follow
    assert play.waits_for == f"Cannot follow the job now: {reason}"
    assert not play.machine.occupies_endpoint
    play >> received(finished(), first=1) << [do.Works(Wait.FOLLOW), do.NeedsAttention(None), do.RecordProgress, do.End]
    assert play.end.state is JobState.COMPLETED


def test_a_network_that_is_away_for_a_moment_needs_no_look() -> None:
    play = running()
    for _ in range(5):
        play >> cannot(Wait.FOLLOW) << do.Pause
        play >> on.PauseOver(Wait.FOLLOW)
    play >> cannot(Wait.FOLLOW) << [do.Pause, do.NeedsAttention]


def test_a_job_is_gone_when_runpod_repeats_it_after_the_time_for_which_it_keeps_one() -> None:
    play = running().wait(HOUR_MS)
    for _ in range(3):
        play >> cannot(Wait.FOLLOW, "unknown", Fault.GONE)
        assert not play.machine.ended
        play.wait(25_000) >> on.PauseOver(Wait.FOLLOW)
    play >> cannot(Wait.FOLLOW, "unknown", Fault.GONE) << do.End

    assert play.end.state is JobState.FAILED
    assert "no longer knows the job" in (play.end.error or "")


def test_what_had_arrived_of_a_job_that_is_gone_is_stored_first() -> None:
    play = running() >> received(output(A), first=1)
    play.wait(HOUR_MS)
    for _ in range(5):
        play >> cannot(Wait.FOLLOW, "unknown", Fault.GONE)
        play.wait(25_000) >> on.PauseOver(Wait.FOLLOW)
    assert not play.machine.ended
    play >> saved(play, A) << do.End
    assert "9" in outputs(play.end)


def test_a_cancelled_job_that_runpod_does_not_know_is_over_when_it_is_repeated() -> None:
    play = running() >> on.CancelWanted()
    for _ in range(3):
        play >> cannot(Wait.CANCEL, "unknown", Fault.GONE)
        play >> on.PauseOver(Wait.CANCEL)
    play >> cannot(Wait.CANCEL, "unknown", Fault.GONE) << do.End
    assert play.end.state is JobState.CANCELLED


def test_one_click_tries_everything_that_waits() -> None:
    play = running() >> received(output(A), first=1)
    play >> cannot(Wait.SAVE, ticket=play.last(do.SaveOutput).ticket) >> cannot(Wait.FOLLOW)
    play >> on.TryNow() << [do.ForgetPause(Wait.FOLLOW), do.Follow, do.ForgetPause(Wait.SAVE), do.SaveOutput]
    play >> on.TryNow() << []
