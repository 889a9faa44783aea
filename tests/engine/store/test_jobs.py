"""SQLite on disk."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.model.job import Entry
from engine.model.sequence import Progress
from engine.model.states import IllegalTransition, JobState
from engine.store.jobs import JobStore
from engine.store.runpod_jobs import SentState
from engine.views.history import Window
from engine.views.job import job_view
from tests.support.jobs import ENDPOINT, added, completed, submission, submitted
from wire.batch import NumberedEvent
from wire.changes import Change
from wire.events import PromptChanged, PromptStarted
from wire.ids import PromptId

ALL = Window()


def history(store: JobStore, window: Window = ALL) -> list[str]:
    return sorted(prompt_id for _, prompt_id in store.lists.places(window))


def test_a_job_survives_a_restart(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        job = store.add(submission("a"), 5)

    with JobStore(tmp_path / "jobs.sqlite") as store:
        assert store.get("a") == job
        assert store.get("a").prompt["1"]["inputs"]["seed"] == 18446744073709551615


def test_the_queue_is_ordered_by_number_and_front_goes_first(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        for prompt_id in ("a", "b"):
            added(store, prompt_id)
        store.add(submission("c", front=True), 5)
        store.add(submission("d", number=0.5), 5)

        assert store.pending_ids() == ["c", "a", "d", "b"]
        assert [job.number for job in store.active()] == [-2, 0, 0.5, 1]


def test_a_number_that_a_client_chose_leaves_the_counting_alone(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        numbers = [store.add(submission(name, number=chosen), 5).number for name, chosen in (
            ("a", None), ("b", 1e308), ("c", None), ("d", -7.5), ("e", None)
        )]  # fmt: skip

    assert numbers == [0, 1e308, 1, -7.5, 2]


def test_no_two_jobs_share_a_number_after_history_was_cleared(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        first = added(store, "a")
        added(store, "b")
        completed(store, first)
        store.forget_all()

        assert store.add(submission("c"), 5).number == 2


def test_a_move_without_an_arrow_changes_nothing(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        with pytest.raises(IllegalTransition):
            store.move(added(store, "a"), JobState.RUNNING)

        assert store.get("a").state is JobState.PENDING


def test_a_submission_is_written_down_before_it_is_sent_and_after(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        job = added(store, "a")
        store.not_accepted(job, store.begin_submission(job, ENDPOINT, 6))
        waiting = store.get("a").state
        submitted(store, job)
        queued = store.get("a")

        assert waiting is JobState.PENDING
        assert (queued.state, queued.runpod_id, queued.endpoint_id) == (JobState.QUEUED, "a-u1", ENDPOINT)
        assert [sent.state for sent in store.runpod_jobs.of(job)] == [SentState.NOT_ACCEPTED, SentState.OPEN]


def test_history_keeps_the_newest_and_forgets_what_it_is_told_to(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        for name in ("a", "b", "c"):
            completed(store, added(store, name), Entry(outputs={"1": {"text": [name]}}))
        added(store, "pending")

        assert history(store, Window(2)) == ["b", "c"]
        store.forget(["b", "pending"])
        assert history(store) == ["a", "c"]
        assert store.count_active() == 1
        store.forget_all()
        assert history(store) == []


def test_a_job_cancelled_while_pending_leaves_no_history(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        store.end(added(store, "a"), JobState.CANCELLED, None, 6)

        assert history(store) == []
        assert store.counts() == [(JobState.CANCELLED, False, 1)]


def test_the_oldest_leave_the_history(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite", history=2) as store:
        jobs = [added(store, name) for name in ("a", "b", "c", "active")]
        store.files.remember(jobs[0], ("output", "", "a"), "f", ("output", "", "a"))
        for job in jobs[:3]:
            completed(store, job)
        for number, name in enumerate(("x", "y", "z")):
            store.end(added(store, name), JobState.CANCELLED, None, number)

        assert history(store) == ["b", "c"]
        assert [name for name in ("a", "active", "x", "y", "z") if store.find(name)] == ["active", "y", "z"]
        assert store.files.names(jobs[0]) == {}


def test_temp_files_that_are_gone_are_shown_no_more_and_the_rest_is(tmp_path: Path) -> None:
    temp, kept = ("temp", "", "p_00001_.png"), ("output", "", "s_00001_.png")
    items = [{"type": folder, "subfolder": "", "filename": name} for folder, _, name in (temp, kept)]
    with JobStore(tmp_path / "jobs.sqlite") as store:
        job = added(store, "a")
        for item in (temp, kept):
            store.files.remember(job, item, "0" * 64, item)
        completed(store, job, Entry(outputs={"9": {"images": items}}, status={"messages": []}))
        store.lose_temp_files(job)

        assert store.files.local(job) == {temp: True, kept: False}
        assert (store.get("a").entry or Entry()).outputs == {"9": {"images": [items[1]]}}
        assert json.loads(store.lists.views([job])[job])["outputs_count"] == 1


def test_a_job_that_came_back_waits_again_in_one_step_and_its_files_count_as_lost(tmp_path: Path) -> None:
    missing, started = "0" * 64, NumberedEvent(seq=0, event=PromptStarted(timestamp=1))
    with JobStore(tmp_path / "jobs.sqlite") as store:
        job = added(store, "a")
        store.cached.add(ENDPOINT, [missing, "1" * 64])
        submitted(store, job)
        store.journal.received(job, Progress("run", 1, 2), [started], restarted=False, seen_ms=8)
        store.send_back(job, [missing])

    with JobStore(tmp_path / "jobs.sqlite") as store:
        assert store.get("a").state is JobState.RETURNED
        assert (store.get("a").runpod_id, store.get("a").returns) == (None, 1)
        assert (store.journal.progress(job), store.journal.events(job)) == (Progress(), ())
        assert store.pending_ids() == ["a"]
        assert store.cached.among(ENDPOINT, [missing, "1" * 64]) == {"1" * 64}
        assert [sent.state for sent in store.runpod_jobs.of(job)] == [SentState.ENDED]
        store.discard([job], 9)
        assert store.get("a").state is JobState.CANCELLED


def test_an_end_that_runpod_does_not_know_of_leaves_its_job_to_be_stopped(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        ours, theirs = added(store, "ours"), added(store, "theirs")
        for job in (ours, theirs):
            submitted(store, job)
        store.end(ours, JobState.FAILED, Entry(), 9, error="bad data", stop=True)
        store.end(theirs, JobState.COMPLETED, Entry(), 9)

        assert [job.runpod_id for job in store.runpod_jobs.to_stop()] == ["ours-u1"]


def test_a_job_that_was_given_up_is_followed_again_from_its_beginning(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        job, never = added(store, "a"), added(store, "never-submitted")
        submitted(store, job)
        store.journal.received(job, Progress("run", 3, 4), [], restarted=False, seen_ms=8)
        store.end(job, JobState.FAILED, Entry(), 9, error="lost", fetchable_until_ms=20)
        store.end(never, JobState.FAILED, Entry(), 9, error="refused")
        too_late, opened, other = store.reopen(job, 20), store.reopen(job, 19), store.reopen(never, 19)

        assert (too_late, other) == (None, None)
        assert opened is not None
        assert (opened.state, opened.error, opened.completion) == (JobState.QUEUED, None, None)
        assert store.journal.progress(job) == Progress()
        assert history(store) == ["never-submitted"]
        store.end(job, JobState.COMPLETED, Entry(), 20)
        assert store.reopen(job, 19) is None
        assert history(store) == ["a", "never-submitted"]


def test_counts_tell_jobs_that_need_a_look_apart(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        job = added(store, "a")
        submitted(store, job)
        added(store, "b")
        store.update(job, attention="RunPod refused the key")

        assert sorted(store.counts(), key=str) == [(JobState.PENDING, False, 1), (JobState.QUEUED, True, 1)]


def test_a_job_that_is_not_there_is_a_key_error(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store, pytest.raises(KeyError):
        store.get(PromptId("nobody"))


SEED_7 = PromptChanged(
    prompt=(Change(path=("1", "inputs", "seed"), value=7),),
    extra_pnginfo=(Change(path=("workflow", "nodes", 0), value=7),),
)


def test_a_job_is_shown_with_the_prompt_that_ran_also_after_a_restart(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        posted = replace(submission("a"), extra_data={"extra_pnginfo": {"workflow": {"nodes": [1]}}})
        prompt_id = store.add(posted, 5).prompt_id
        store.show_changes(prompt_id, SEED_7)
        (waiting,) = store.lists.queue()
        completed(store, prompt_id)

    with JobStore(tmp_path / "jobs.sqlite") as store:
        job, ended = store.get(prompt_id), store.lists.stored([prompt_id])[prompt_id]
        view = job_view(job, detailed=True)

    for shown in (waiting, ended):
        assert json.loads(shown.prompt)["1"]["inputs"]["seed"] == 7
        assert json.loads(shown.extra_data) == {"extra_pnginfo": {"workflow": {"nodes": [7]}}}
    assert view["workflow"]["prompt"]["1"]["inputs"]["seed"] == 7
    assert view["workflow"]["extra_data"] == {"extra_pnginfo": {"workflow": {"nodes": [7]}}}


def test_what_is_submitted_again_is_the_persons_own_prompt(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        before = store.add(submission("a"), 5)
        store.show_changes(before.prompt_id, SEED_7)
        after = store.get("a")

    assert (after.prompt, after.extra_data) == (before.prompt, before.extra_data)


def test_a_later_change_is_one_of_the_persons_prompt_and_not_of_the_one_before(tmp_path: Path) -> None:
    added_node = Change(path=("2",), value={"class_type": "B", "inputs": {}})
    with JobStore(tmp_path / "jobs.sqlite") as store:
        prompt_id = added(store, "a")
        store.show_changes(prompt_id, SEED_7)
        store.show_changes(prompt_id, PromptChanged(prompt=(added_node,)))
        shown = store.get("a").shown_prompt or {}

    assert shown["1"] == submission("a").prompt["1"]
    assert list(shown) == ["1", "2"]


def test_changes_after_which_it_is_not_a_prompt_are_not_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        prompt_id = added(store, "a")
        store.show_changes(prompt_id, PromptChanged(prompt=(Change(path=("1",), value=None),)))

        assert store.get("a").shown_prompt is None
    assert "cannot be shown" in caplog.text
