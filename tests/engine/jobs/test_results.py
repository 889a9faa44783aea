"""Results that are stored with difficulties."""

import pytest

from engine.jobs import commands as do
from engine.jobs import events as on
from engine.jobs.events import Fault, Wait
from engine.jobs.results import REFETCHES_MAX
from engine.model.job import LostFile
from engine.model.states import JobState
from tests.support.playbook import (
    KEY,
    A,
    Play,
    cannot,
    finished,
    items,
    output,
    outputs,
    received,
    reference,
    running,
    saved,
)
from wire.changes import Change
from wire.comfy import CustomMessage
from wire.events import (
    CatalogPiece,
    CatalogTold,
    FilesSaved,
    MessagesSkipped,
    NodeMessage,
    NodeWaits,
    PackFilesDiffer,
    PromptChanged,
)


def test_a_result_that_cannot_be_stored_now_is_stored_later_and_needs_a_look_when_it_lasts() -> None:
    play = running() >> received(output(A), finished(A), first=1)
    ticket = play.last(do.SaveOutput).ticket
    for failures in range(3):
        play >> cannot(Wait.SAVE, "disk full", ticket=ticket)
        if failures < 2:
            play << do.Pause(Wait.SAVE, failures, 0.0, "disk full")
            play >> on.PauseOver(Wait.SAVE) << do.SaveOutput
    play << [do.Pause(Wait.SAVE, 2, 0.0, "disk full"), do.NeedsAttention("Cannot save the results: disk full")]
    assert play.waits_for == "Cannot save the results now: disk full"
    play >> on.StreamEnded("COMPLETED") << []
    assert not play.machine.occupies_endpoint
    assert play.machine.only_saves
    play >> on.TryNow() << [do.ForgetPause(Wait.SAVE), do.SaveOutput]
    play >> saved(play, A) << [do.Works(Wait.SAVE), do.NeedsAttention(None), do.End]
    assert play.end.state is JobState.COMPLETED


@pytest.mark.parametrize("fault", [Fault.REJECTED, Fault.BUG])
def test_what_nobody_expected_needs_a_look_at_once_and_ends_nothing(fault: Fault) -> None:
    play = running() >> received(output(A), first=1)
    play >> cannot(Wait.SAVE, "ComfyUI answered 500", fault, ticket=play.last(do.SaveOutput).ticket)

    play << [do.Pause, do.NeedsAttention("Cannot save the results: ComfyUI answered 500")]


def test_a_damaged_output_is_fetched_again_within_bounds_that_are_said() -> None:
    play = running() >> received(output(A), finished(A), first=1)
    damaged = on.OutputDamaged(play.last(do.SaveOutput).ticket, (reference(A),), f"{A}: 3 of 9 bytes arrived")
    play >> damaged << do.FetchAgain
    assert f"at most {REFETCHES_MAX} short jobs" in play.last(do.Notice).detail
    play >> on.RefetchEnded(damaged.ticket) << do.SaveOutput
    for failures in range(REFETCHES_MAX - 1):
        play >> damaged
        assert play.commands[0] == do.Pause(Wait.REFETCH, failures, 0.0, damaged.reason)
        play >> on.PauseOver(Wait.REFETCH) << do.FetchAgain
        play >> on.RefetchEnded(damaged.ticket) << do.SaveOutput
    play >> damaged << do.SaveOutput
    assert play.last(do.SaveOutput).give_up
    assert sum(isinstance(command, do.FetchAgain) for command in play.all) == REFETCHES_MAX
    play >> saved(play, lost=(LostFile(KEY, "3 of 9 bytes arrived"),))
    assert play.end.state is JobState.FAILED


def test_what_was_fetched_again_is_stored_and_the_job_completes() -> None:
    play = running() >> received(output(A), finished(A), first=1)
    play >> on.OutputDamaged(play.last(do.SaveOutput).ticket, (reference(A),), "damaged") << do.FetchAgain
    play >> on.RefetchEnded(play.last(do.FetchAgain).ticket) << do.SaveOutput
    play >> saved(play, A) << do.End

    assert play.end.state is JobState.COMPLETED


def test_a_refetch_that_cannot_be_sent_now_is_sent_later() -> None:
    play = running() >> received(output(A), first=1)
    play >> on.OutputDamaged(play.last(do.SaveOutput).ticket, (reference(A),), "damaged") << do.FetchAgain
    play >> cannot(Wait.REFETCH, ticket=play.last(do.FetchAgain).ticket) << do.Pause
    play >> on.PauseOver(Wait.REFETCH) << do.FetchAgain


def test_pauses_that_are_over_twice_or_about_nothing_do_nothing() -> None:
    play = running() >> on.PauseOver(Wait.FOLLOW) << []
    play >> on.PauseOver(Wait.SAVE) << []
    play >> on.RefetchEnded(77) << []


def message(*files: str) -> NodeMessage:
    return NodeMessage(type="kinds-images", data=[items(*files), "a word"], files=tuple(map(reference, files)))


def heard(play: Play) -> list[CustomMessage]:
    published = (command.messages for command in play.all if isinstance(command, do.Publish))
    return [told for messages in published for told in messages if isinstance(told, CustomMessage)]


def test_a_message_of_a_node_is_told_as_it_is() -> None:
    play = running() >> received(NodeMessage(type="a word", data=["x", None]), first=1)

    assert heard(play) == [CustomMessage("a word", ["x", None])]


def test_the_files_of_a_message_are_stored_before_the_page_hears_of_them() -> None:
    play = running() >> received(message(A), NodeMessage(type="later"), first=1)
    play << [do.RecordProgress, do.SaveOutput]
    command = play.last(do.SaveOutput)
    before = heard(play)
    local = command.event.model_copy(update={"output": {"data": [items("local.png"), "a word"]}, "files": ()})
    play >> on.OutputSaved(command.ticket, local, {KEY: ("output", "", "local.png")}, ())

    assert before == []
    assert command.event.files == (reference(A),)
    assert heard(play) == [CustomMessage("kinds-images", [items("local.png"), "a word"]), CustomMessage("later", None)]


def test_files_of_custom_nodes_that_differ_are_named_but_not_all_of_many() -> None:
    files = tuple(f"pack/wildcards/{number}.txt" for number in range(12))
    play = running() >> received(PackFilesDiffer(files=files), first=1)

    assert "pack/wildcards/0.txt" in play.last(do.Notice).detail
    assert "and 2 more" in play.last(do.Notice).detail


def test_messages_that_were_left_out_are_said() -> None:
    play = running() >> received(MessagesSkipped(type="kinds-images"), first=1)

    assert "kinds-images" in play.last(do.Notice).detail


def test_a_file_that_no_node_announced_is_stored_and_kept_out_of_the_history() -> None:
    play = running() >> received(FilesSaved(files=(reference(A),)), finished(), first=1)
    play << [do.RecordProgress, do.SaveOutput]
    assert play.last(do.SaveOutput).event.files == (reference(A),)
    play >> saved(play, A) << do.End
    assert play.end.state is JobState.COMPLETED
    assert outputs(play.end) == {}
    assert not [message for message in play.messages if message.type == "executed"]


def test_a_file_that_no_node_announced_is_fetched_again_and_missed_like_any_other() -> None:
    play = running() >> received(FilesSaved(files=(reference(A),)), finished(), first=1)
    play >> on.OutputDamaged(play.last(do.SaveOutput).ticket, (reference(A),), "damaged") << do.FetchAgain
    play >> on.RefetchEnded(play.last(do.FetchAgain).ticket) << do.SaveOutput
    play >> saved(play, lost=(LostFile(KEY, "3 of 9 bytes arrived"),)) << do.End

    assert play.end.state is JobState.FAILED
    assert A in (play.end.error or "")


def test_what_stays_on_the_worker_is_said() -> None:
    play = running() >> received(FilesSaved(left_out=1700, elsewhere=("/tmp/foo",)), finished(), first=1)

    said = [command for command in play.all if isinstance(command, do.Notice)]
    assert "1,700 files" in said[0].detail
    assert "was saved to /tmp/foo on the worker" in said[1].detail
    assert play.end.state is JobState.COMPLETED


def test_what_custom_nodes_changed_in_the_prompt_is_shown_once_it_is_known() -> None:
    changed = PromptChanged(prompt=(Change(path=("1", "inputs", "seed"), value=7),))
    play = running()

    play >> received(changed, first=1)

    assert do.ShowChanges(changed) in play.commands
    assert not any(isinstance(command, do.Publish) for command in play.commands)


def test_a_node_whose_answer_cannot_arrive_is_warned_of_each_time_and_shown_as_waiting() -> None:
    play = running()
    for number, seconds in enumerate((42, 102), 1):
        play >> received(NodeWaits(node="4", title="Chooser", answerable=False, seconds=seconds), first=number)
        notice = play.last(do.Notice)

        assert (notice.severity, notice.summary) == ("warn", "Chooser #4 waits for an answer")
        assert (
            f"So far: {seconds // 60} min {seconds % 60} s" in notice.detail or f"So far: {seconds} s" in notice.detail
        )
        assert play.waits_for.startswith("Chooser #4 waits for an answer")


def test_a_node_whose_answer_can_arrive_is_only_shown_as_waiting() -> None:
    play = running() >> received(NodeWaits(node="4", title="Chooser", answerable=True, seconds=42), first=1)

    assert not [command for command in play.all if isinstance(command, do.Notice)]
    assert play.waits_for.startswith("Chooser #4 waits for your answer")
    play >> received(NodeMessage(type="chooser-tick", data=1), first=2)
    assert play.waits_for.startswith("Chooser #4 waits for your answer")
    play >> received(output(A), first=3)
    play >> saved(play, A)
    assert play.waits_for == ""


def test_a_job_that_was_cancelled_warns_of_nothing() -> None:
    play = running() >> on.CancelWanted()
    play >> received(NodeWaits(node="4", answerable=False), first=1)

    assert not [command for command in play.all if isinstance(command, do.Notice)]


def test_what_a_worker_tells_of_its_catalog_is_handed_on_and_changes_nothing_else() -> None:
    told = CatalogTold(sha256="a" * 64)
    piece = CatalogPiece(sha256="a" * 64, number=0, count=1, data="AAAA")
    play = running() >> received(told, piece, finished(), first=1)

    play << [do.RecordProgress, do.HearCatalog(told), do.HearCatalog(piece), do.End]
    assert play.end.state is JobState.COMPLETED
