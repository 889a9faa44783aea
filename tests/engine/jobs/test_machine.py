"""What happens next to a job, as scripts. Each promise of the machine is at least one of them."""

from typing import Any

import pytest

from engine.jobs import commands as do
from engine.jobs import events as on
from engine.jobs.events import Wait
from engine.jobs.machine import APPLIED_MAX, RETURNS_MAX
from engine.model.sequence import Progress
from engine.model.states import JobState
from tests.support.playbook import (
    JOB_ID,
    KEY,
    RUN,
    A,
    Play,
    cannot,
    finished,
    following,
    job,
    output,
    outputs,
    received,
    running,
    saved,
    status,
)
from wire.batch import Batch, NumberedEvent
from wire.errors import WireError
from wire.events import (
    FileChunk,
    FilesKept,
    FilesMissing,
    JobsFound,
    NodesCached,
    NodeStarted,
    Preview,
    PromptStarted,
    StepProgress,
    Unknown,
    WorkerState,
)
from wire.files import encode_bytes

# -- out


def test_a_job_is_staged_submitted_followed_and_saved() -> None:
    play = Play()
    play >> on.Start() << do.Stage
    play >> on.Staged() << do.SubmitJob
    play >> on.Submitted(JOB_ID) << do.Follow
    assert play.waits_for == "Waiting for a machine"
    play >> received(PromptStarted(timestamp=5)) << [do.RecordProgress, do.Move(JobState.RUNNING, started_ms=5)]
    assert play.waits_for == ""
    play >> received(output(A), first=1) << [do.RecordProgress, do.SaveOutput]
    play >> received(finished(A), first=2) << do.RecordProgress
    play >> saved(play, A) << do.End

    assert play.end.state is JobState.COMPLETED
    assert not play.end.stop
    assert play.end.error is None
    assert outputs(play.end)["9"]["images"][0]["filename"] == f"local-{A}"
    assert [message.type for message in play.messages][-3:] == ["executed", "execution_success", "executing"]


def test_what_cannot_run_is_not_submitted() -> None:
    play = Play() >> on.Start() >> on.Failed("WorkflowError", "there is no such file", "4")

    play << do.End
    assert (play.end.state, play.end.error) == (JobState.FAILED, "KSampler #4: there is no such file")
    assert play.messages[-2].data["node_id"] == "4"


def test_an_error_of_a_node_that_the_prompt_lacks_is_shown_without_one() -> None:
    play = Play() >> on.Start() >> on.Failed("WorkflowError", "odd", "77") << do.End

    assert play.end.error == " #77: odd"


def test_input_files_that_cannot_be_sent_now_are_sent_later() -> None:
    play = Play() >> on.Start() >> cannot(Wait.STAGE) << do.Pause(Wait.STAGE, 0, 0.0, "down")
    play >> on.PauseOver(Wait.STAGE) << do.Stage
    play >> cannot(Wait.STAGE) << do.Pause(Wait.STAGE, 1, 0.0, "down")
    assert play.waits_for == "Cannot send the input files now: down"
    play >> on.PauseOver(Wait.STAGE) << do.Stage
    play >> on.Staged() << [do.Works(Wait.STAGE), do.SubmitJob()]
    assert play.waits_for == ""


def test_a_submission_that_was_certainly_not_accepted_is_repeated_and_waits_as_long_as_it_is_told() -> None:
    play = Play() >> on.Start() >> on.Staged() << do.SubmitJob
    play >> cannot(Wait.SUBMIT, "429", retry_after_s=7.0) << do.Pause(Wait.SUBMIT, 0, 7.0, "429")
    assert play.machine.state is JobState.PENDING
    play >> on.PauseOver(Wait.SUBMIT) << do.SubmitJob
    play >> on.Submitted(JOB_ID) << [do.Works, do.Follow]


@pytest.mark.parametrize("event", [on.SubmissionUnknown("RunPod answered 502"), on.Failed("EndpointRejected", "400")])
def test_any_other_submission_is_never_repeated_by_itself(event: on.RunEvent) -> None:
    play = Play() >> on.Start() >> on.Staged() >> event

    play << do.End
    assert play.end.state is JobState.FAILED
    assert not play.end.stop


def test_an_uncertain_submission_says_so_and_what_to_do() -> None:
    play = Play() >> on.Start() >> on.Staged() >> on.SubmissionUnknown("RunPod answered 502")

    assert play.end.error is not None
    assert play.end.error.startswith("RunPod answered 502\n\nThe job may have been submitted")
    assert "Press Run" in play.end.error


def test_a_program_that_ended_while_it_submitted_does_not_submit_again() -> None:
    play = Play(job(JobState.SUBMITTING)) >> on.Start() << do.End

    assert play.end.error is not None
    assert "may have been submitted" in play.end.error


# -- back


def test_the_stream_is_followed_until_the_last_event_and_not_longer() -> None:
    play = running()
    play >> on.StreamEnded("IN_PROGRESS") << do.Follow
    play >> received(output(A), finished(A), first=1) << [do.RecordProgress, do.SaveOutput]
    play >> on.StreamEnded("COMPLETED") << []
    play >> saved(play, A) << do.End


def test_what_the_stream_still_has_after_the_end_is_read_before_the_status_is_asked() -> None:
    play = running()
    play >> on.StreamEnded("COMPLETED") << do.Follow  # something came since the last answer
    play >> on.StreamEnded("COMPLETED") << do.AskStatus
    play >> received(finished(), first=1) << [do.RecordProgress, do.End]
    assert play.end.state is JobState.COMPLETED


def test_why_a_job_waits_is_asked_while_it_is_in_the_queue() -> None:
    play = following() >> on.StreamEnded("IN_QUEUE") << [do.Follow, do.AskHealth]
    play >> on.HealthSeen({"throttled": 1}) << []
    assert play.waits_for == "Waiting for a machine: RunPod has no free GPU of this kind (throttled)"


def test_an_answer_about_workers_that_comes_late_is_not_shown() -> None:
    play = running() >> on.HealthSeen({"throttled": 1}) << []

    assert play.waits_for == ""


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("FAILED", "executionTimeout exceeded", "execution timeout"),
        ("FAILED", None, "without a reason"),
        ("TIMED_OUT", None, "no worker took it"),
        ("CANCELLED", None, "not from here"),
        ("COMPLETED", None, "did not arrive"),
    ],
)
def test_without_the_workers_last_event_runpods_word_ends_the_job(name: str, error: str | None, says: str) -> None:
    play = running() >> on.StreamEnded(name) >> on.StreamEnded(name) << do.AskStatus
    play >> status(name, error) << do.End

    assert play.end.state is JobState.FAILED
    assert says in (play.end.error or "")
    assert (play.end.stop, play.end.fetchable) == (False, name == "COMPLETED")


def test_when_runpods_parts_contradict_each_other_it_is_asked_again() -> None:
    play = running() >> on.StreamEnded("COMPLETED") >> on.StreamEnded("COMPLETED") << do.AskStatus
    play >> status("IN_PROGRESS") << do.Pause(Wait.FOLLOW, 0, 0.0, "")
    play >> on.PauseOver(Wait.FOLLOW) << do.Follow


def test_a_second_run_of_the_job_makes_the_first_one_void() -> None:
    play = running() >> received(output(A), first=1) << [do.RecordProgress, do.SaveOutput]
    late = saved(play, A)
    play >> received(PromptStarted(timestamp=9), run="two", started=2) << [do.DiscardParts, do.RecordProgress]
    assert [notice.summary for notice in play.all if isinstance(notice, do.Notice)] == ["Worker lost"]
    play >> late << []
    play >> on.CannotNow(Wait.SAVE, "late", ticket=late.ticket) << []
    play >> received(finished(), first=1, run="two", started=2) << [do.RecordProgress, do.End]


def test_a_second_run_does_not_wait_for_what_could_not_be_stored_of_the_first() -> None:
    play = running() >> received(output(A), first=1)
    play >> cannot(Wait.SAVE, ticket=play.last(do.SaveOutput).ticket)
    play >> received(PromptStarted(timestamp=9), output(A), run="two", started=2)
    play << [do.ForgetPause(Wait.SAVE), do.DiscardParts, do.RecordProgress, do.SaveOutput]
    play >> on.PauseOver(Wait.SAVE) << []


def test_bytes_are_kept_before_what_names_them() -> None:
    chunk = FileChunk(transfer=0, offset=0, data=encode_bytes(b"x"))
    play = running() >> received(chunk, output(A), first=1)

    play << [do.AppendChunk(RUN, chunk), do.RecordProgress, do.SaveOutput]
    journal = play.last(do.RecordProgress)
    assert [item.seq for item in journal.kept] == [2]
    assert journal.progress == Progress(RUN, 1, 3)


def test_what_comes_twice_counts_once() -> None:
    play = running() >> received(output(A), first=1) >> received(output(A), first=1) << do.RecordProgress
    assert play.last(do.RecordProgress).kept == ()


def test_an_output_holds_up_what_follows_it_and_receiving_goes_on() -> None:
    play = running() >> received(output(A), NodeStarted(node="4"), output("b.png"), first=1)
    play << [do.RecordProgress, do.SaveOutput]
    before = len(play.messages)
    play >> received(NodeStarted(node="5"), first=4) << do.RecordProgress
    assert len(play.messages) == before
    play >> saved(play, A) << do.SaveOutput
    assert [message.type for message in play.messages[before:]] == ["executed", "executing"]


def test_pictures_that_came_in_pieces_are_read_and_a_lost_one_is_not_missed() -> None:
    picture = Preview(node="4", image_type="image/png", transfer=3)
    play = running() >> received(picture, NodeStarted(node="5"), first=1) << [do.RecordProgress, do.ReadPicture]
    play >> on.PictureRead(play.last(do.ReadPicture).ticket, None) << []
    assert play.messages[-1].type == "executing"
    play >> received(picture, first=3) << [do.RecordProgress, do.ReadPicture]
    whole = picture.model_copy(update={"transfer": None, "data": encode_bytes(b"png")})
    play >> on.PictureRead(play.last(do.ReadPicture).ticket, whole) << []
    assert isinstance(play.commands[-1], do.Publish)


def test_what_is_only_shown_never_costs_a_result() -> None:
    broken = Preview(node="4", image_type="image/png", data="not base64!")
    play = running() >> received(broken, StepProgress(node="4", value=1, max=2), first=1) << do.RecordProgress
    play >> received(finished(), first=3) << [do.RecordProgress, do.End]

    assert play.end.state is JobState.COMPLETED
    with pytest.raises(WireError):
        broken_frame = list(play.machine._results.translator.messages(broken, 0))
        assert broken_frame


def test_an_event_of_a_newer_worker_is_passed_over_and_said() -> None:
    running() >> received(Unknown(name="hologram"), first=1) << [do.RecordProgress, do.UnknownEvent("hologram")]


def test_what_the_worker_keeps_is_remembered() -> None:
    play = running() >> received(FilesKept(sha256=("a" * 64,)), first=1)
    play << [do.RecordProgress, do.RememberCached(("a" * 64,))]


def test_jobs_that_the_worker_knows_are_taken_up() -> None:
    play = running() >> received(JobsFound(jobs={"lost": "r-u2"}), first=1)
    play << [do.RecordProgress, do.TakeUp({"lost": "r-u2"})]


def test_a_worker_that_cannot_be_understood_is_stopped() -> None:
    play = running() >> on.Unreadable("the worker speaks protocol 9") << do.End

    assert (play.end.state, play.end.stop, play.end.fetchable) == (JobState.FAILED, True, True)
    assert play.end.error == "the worker speaks protocol 9"


# -- files that the worker lacks


def test_a_job_that_a_worker_gave_back_unrun_is_submitted_once_more_with_its_files() -> None:
    missing = ("a" * 64,)
    play = following() >> received(FilesMissing(sha256=missing))
    play << [do.RecordProgress, do.StopFollowing, do.SendBack(missing), do.Stage]
    assert play.machine.state is JobState.RETURNED
    play >> on.StreamEnded("COMPLETED") << []
    play >> status("COMPLETED") << []
    play >> received(finished(), run="late") << []
    play >> on.Staged() << do.SubmitJob
    play >> on.Submitted(JOB_ID) << do.Follow
    play >> received(PromptStarted(timestamp=1), run="two") << [do.RecordProgress, do.Move]


def test_a_worker_that_lacks_what_it_was_just_sent_is_broken() -> None:
    play = Play(job(returns=RETURNS_MAX)) >> on.Start() >> on.Staged() >> on.Submitted(JOB_ID)
    play >> received(FilesMissing(sha256=("a" * 64,))) << [do.RecordProgress, do.End]

    assert "just sent" in (play.end.error or "")


def test_a_cancelled_job_that_comes_back_is_not_submitted_again() -> None:
    play = following() >> on.CancelWanted()
    play >> received(FilesMissing(sha256=("a" * 64,))) << [do.RecordProgress, do.End]

    assert play.end.state is JobState.CANCELLED


# -- restarts


def journal(*events: Any) -> on.Start:
    return on.Start(tuple(NumberedEvent(seq=at, event=event) for at, event in enumerate(events)))


def test_a_job_that_waits_here_begins_anew_after_a_restart() -> None:
    Play(job(JobState.RETURNED, returns=1)) >> on.Start() << do.Stage


def test_a_restart_shows_again_what_was_shown_and_stores_again_what_may_be_stored() -> None:
    play = Play(job(JobState.RUNNING), Progress(RUN, 1, 5))
    play >> journal(PromptStarted(timestamp=5), NodesCached(nodes=("9",), timestamp=6), output(A))
    play << [do.Follow, do.SaveOutput]
    command = play.last(do.SaveOutput)
    assert (command.run, command.cached) == (RUN, True)
    assert [message.type for message in play.messages] == ["execution_start", "execution_cached"]
    play >> saved(play, A) >> received(finished(A), first=5) << [do.RecordProgress, do.End]


def test_a_job_that_was_received_whole_before_a_restart_is_not_asked_for_again() -> None:
    play = Play(job(JobState.RUNNING), Progress(RUN, 1, 3)) >> journal(output(A), finished(A)) << do.SaveOutput
    play >> saved(play, A) << do.End


def test_names_of_files_that_were_stored_before_a_restart_are_known() -> None:
    local = ("output", "", "a_00007_.png")
    play = Play(job(JobState.RUNNING), Progress(RUN, 1, 3), {KEY: local}) >> journal(finished(A)) << do.End

    assert outputs(play.end)["9"]["images"][0]["filename"] == "a_00007_.png"


@pytest.mark.parametrize("state", [JobState.CANCELLING, JobState.WITHDRAWING])
def test_a_cancel_goes_on_after_a_restart(state: JobState) -> None:
    play = Play(job(state, cancel_requested=True)) >> on.Start()
    play << [do.StopFollowing, do.StopRefetch, do.CancelAtRunPod]
    play >> status("CANCELLED") << do.End


def test_a_need_for_a_look_is_over_when_all_works_again_after_a_restart() -> None:
    play = Play(job(JobState.RUNNING, attention="refused")) >> on.Start() << do.Follow
    play >> on.StreamEnded("IN_PROGRESS") << [do.NeedsAttention(None), do.Follow]


def test_a_text_of_the_worker_is_shown_while_it_works() -> None:
    play = following() >> received(WorkerState(phase="loading", message="Loading a model"))

    assert play.waits_for == "Loading a model"


def test_after_the_end_nothing_is_to_be_done() -> None:
    play = running() >> received(finished(), first=1)
    for event in (on.StreamEnded("COMPLETED"), on.CancelWanted(), received(output(A), first=2), on.TryNow()):
        play >> event << []


def test_a_batch_of_a_run_that_is_void_counts_nothing() -> None:
    play = running() >> on.Received(Batch(run="older", started=0, events=())) << do.RecordProgress
    assert play.last(do.RecordProgress).progress == Progress(RUN, 1, 1)


def test_many_events_are_dealt_with_some_at_a_time_and_the_job_ends_after_the_last() -> None:
    play = running()
    texts = [NodeStarted(node="9")] * (2 * APPLIED_MAX)
    play >> received(output(A), *texts, finished(A), first=1) << [do.RecordProgress, do.SaveOutput]
    play >> saved(play, A) << do.GoOn
    play >> on.TurnCame() << do.GoOn
    play >> on.TurnCame() << do.End

    assert play.end.state is JobState.COMPLETED
    assert [message.type for message in play.messages].count("executing") == 2 * APPLIED_MAX + 1
