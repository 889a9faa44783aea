"""Cancel, whenever it comes."""

from engine.jobs import commands as do
from engine.jobs import events as on
from engine.jobs.events import Wait
from engine.model.job import LostFile
from engine.model.states import JobState
from tests.support.playbook import (
    JOB_ID,
    KEY,
    A,
    Play,
    cannot,
    finished,
    following,
    output,
    outputs,
    received,
    reference,
    running,
    saved,
    status,
)
from wire.events import (
    PromptStarted,
)


def test_what_waits_here_is_cancelled_for_free_and_leaves_no_history() -> None:
    for before in ((), (cannot(Wait.STAGE),), (on.Staged(), cannot(Wait.SUBMIT))):
        play = Play() >> on.Start()
        for event in before:
            play >> event
        play >> on.CancelWanted() << do.End
        assert (play.end.state, play.end.entry, play.end.messages) == (JobState.CANCELLED, None, ())


def test_cancel_while_it_is_submitted_waits_for_the_answer() -> None:
    play = Play() >> on.Start() >> on.Staged() >> on.CancelWanted() << []
    play >> on.Submitted(JOB_ID)
    play << [do.StopFollowing, do.StopRefetch, do.Move(JobState.WITHDRAWING), do.CancelAtRunPod]

    again = Play() >> on.Start() >> on.Staged() >> on.CancelWanted() >> cannot(Wait.SUBMIT) << do.End
    assert again.end.state is JobState.CANCELLED


def test_what_waits_at_runpod_is_out_of_the_queue_at_once_and_leaves_no_history() -> None:
    play = following() >> on.CancelWanted()
    play << [do.StopFollowing, do.StopRefetch, do.Move(JobState.WITHDRAWING), do.CancelAtRunPod]
    assert play.waits_for == ""
    play >> received(PromptStarted(timestamp=5)) << do.RecordProgress
    play >> status("IN_QUEUE") << do.Pause(Wait.CANCEL, 0, 0.0, "")
    play >> on.PauseOver(Wait.CANCEL) << do.CancelAtRunPod
    play >> status("CANCELLED") << do.End
    assert (play.end.state, play.end.entry) == (JobState.CANCELLED, None)
    assert all(message.type == "notification" for message in play.messages)


def test_a_running_job_is_cancelled_until_runpod_says_that_it_has_ended() -> None:
    play = running() >> on.CancelWanted()
    play << [do.StopFollowing, do.StopRefetch, do.Move(JobState.CANCELLING), do.CancelAtRunPod]
    play >> on.CancelWanted() << []
    play >> on.StreamEnded("IN_PROGRESS") << []
    for failures in range(8):
        play >> cannot(Wait.CANCEL, "no network")
        assert play.commands[0] == do.Pause(Wait.CANCEL, failures, 0.0, "no network")
        play >> on.PauseOver(Wait.CANCEL) << do.CancelAtRunPod
    assert "Cannot cancel the job now: no network" in play.waits_for
    play >> status("IN_PROGRESS") << [do.Works(Wait.CANCEL), do.NeedsAttention(None), do.Pause]
    play >> on.PauseOver(Wait.CANCEL) >> status("CANCELLED") << do.End

    assert play.end.state is JobState.CANCELLED
    assert play.messages[-2].type == "execution_interrupted"


def test_a_job_that_was_faster_than_its_cancel_is_kept_for_it_is_paid() -> None:
    play = running() >> on.CancelWanted() >> status("COMPLETED") << do.Follow
    play >> received(output(A), finished(A), first=1) << [do.RecordProgress, do.SaveOutput]
    play >> saved(play, A) << do.End

    assert play.end.state is JobState.COMPLETED


def test_what_was_received_before_the_cancel_is_stored_before_the_job_ends() -> None:
    play = running() >> received(output(A), first=1) >> on.CancelWanted() >> status("CANCELLED") << []
    play >> saved(play, A) << do.End

    assert play.end.state is JobState.CANCELLED
    assert "9" in outputs(play.end)


def test_results_that_cannot_be_stored_do_not_keep_a_cancelled_job() -> None:
    stuck = running() >> received(output(A), first=1)
    stuck >> cannot(Wait.SAVE, ticket=stuck.last(do.SaveOutput).ticket)
    stuck >> on.CancelWanted() >> status("CANCELLED") << do.End

    later = running() >> received(output(A), first=1) >> on.CancelWanted() >> status("CANCELLED") << []
    later >> cannot(Wait.SAVE, ticket=later.last(do.SaveOutput).ticket)
    assert later.commands[-1] == later.end

    saving = running() >> received(output(A), finished(A), first=1)
    (
        saving
        >> cannot(Wait.SAVE, ticket=saving.last(do.SaveOutput).ticket)
        >> on.CancelWanted()
        << [do.StopRefetch, do.End]
    )
    assert saving.end.state is JobState.CANCELLED


def test_cancel_while_the_last_results_are_stored_comes_too_late() -> None:
    play = running() >> received(output(A), finished(A), first=1) >> on.CancelWanted() << do.StopRefetch
    play >> saved(play, A) << do.End

    assert play.end.state is JobState.COMPLETED


def test_a_cancelled_job_costs_no_more_refetches() -> None:
    play = running() >> received(output(A), first=1)
    damaged = on.OutputDamaged(play.last(do.SaveOutput).ticket, (reference(A),), "damaged")
    play >> damaged << do.FetchAgain
    play >> on.CancelWanted()
    assert any(isinstance(command, do.StopRefetch) for command in play.commands)
    play >> on.RefetchEnded(damaged.ticket) << do.SaveOutput
    play >> damaged << do.SaveOutput
    assert play.last(do.SaveOutput).give_up

    waiting = running() >> received(output(A), first=1)
    for event in (damaged, on.RefetchEnded(damaged.ticket), damaged):
        waiting >> event
    waiting >> on.CancelWanted()
    assert do.ForgetPause(Wait.REFETCH) in waiting.commands
    assert waiting.last(do.SaveOutput).give_up


def test_cancel_ends_the_refetch_of_a_result_whose_worker_has_ended() -> None:
    play = running() >> received(output(A), finished(A), first=1)
    damaged = on.OutputDamaged(play.last(do.SaveOutput).ticket, (reference(A),), "damaged")
    play >> damaged << do.FetchAgain
    play >> on.CancelWanted() << do.StopRefetch
    play >> on.RefetchEnded(damaged.ticket) << do.SaveOutput
    play >> damaged << do.SaveOutput
    play >> saved(play, lost=(LostFile(KEY, "it did not arrive whole"),)) << do.End

    assert play.end.state is JobState.FAILED
    assert f"{A}: it did not arrive whole" in (play.end.error or "")

    late = running() >> received(output(A), finished(A), first=1) >> on.CancelWanted()
    late >> cannot(Wait.REFETCH, ticket=late.last(do.SaveOutput).ticket) << do.SaveOutput
    assert late.last(do.SaveOutput).give_up


def test_an_unreadable_worker_of_a_cancelled_job_is_stopped_and_the_job_is_cancelled() -> None:
    play = running() >> on.CancelWanted() >> status("COMPLETED") >> on.Unreadable("odd") << do.End

    assert (play.end.state, play.end.stop) == (JobState.CANCELLED, True)
