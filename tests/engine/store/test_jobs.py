"""SQLite on disk."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.model.job import Entry, Submission
from engine.model.sequence import Progress
from engine.model.states import IllegalTransition, JobState
from engine.store.jobs import JobStore
from engine.store.schema import MIGRATIONS
from engine.views.history import Window
from wire.events import LogLine, NumberedEvent
from wire.ids import PromptId, RunPodJobId

ALL = Window()


def submission(prompt_id: str, *, front: bool = False, number: float | None = None) -> Submission:
    prompt = {"1": {"class_type": "A", "inputs": {"seed": 18446744073709551615}}}
    return Submission(PromptId(prompt_id), prompt, {"create_time": 1}, ("1",), front=front, number=number)


def finish(store: JobStore, prompt_id: str, entry: Entry | None = None) -> None:
    store.move(PromptId(prompt_id), JobState.SUBMITTING)
    store.move(PromptId(prompt_id), JobState.QUEUED, runpod_id=RunPodJobId("r"))
    store.end(PromptId(prompt_id), JobState.COMPLETED, entry or Entry(), 9)


def history(store: JobStore, window: Window = ALL) -> list[str]:
    return sorted(prompt_id for _, prompt_id in store.lists.places(window))


def test_a_job_survives_a_restart(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        added = store.add(submission("a"), 5)

    with JobStore(tmp_path / "jobs.sqlite") as store:
        assert store.get("a") == added
        assert store.get("a").prompt["1"]["inputs"]["seed"] == 18446744073709551615


def test_the_queue_is_ordered_by_number_and_front_goes_first(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        for prompt_id in ("a", "b"):
            store.add(submission(prompt_id), 5)
        store.add(submission("c", front=True), 5)
        store.add(submission("d", number=0.5), 5)

        assert store.pending_ids() == ["c", "a", "d", "b"]
        assert [job.number for job in store.active()] == [-2, 0, 0.5, 1]


def test_a_move_without_an_arrow_changes_nothing(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        store.add(submission("a"), 5)
        with pytest.raises(IllegalTransition):
            store.move(PromptId("a"), JobState.RUNNING)

        assert store.get("a").state is JobState.PENDING


def test_completions_are_one_rising_sequence_over_local_and_remote(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        first = store.completions(["local1", "local2"])
        store.add(submission("remote"), 5)
        finish(store, "remote")
        second = store.completions(["local1", "local2", "local3"])

        assert (first["local1"], first["local2"]) == (second["local1"], second["local2"])
        place = store.get("remote").completion
        assert place is not None
        assert second["local2"] < place < second["local3"]


def test_history_keeps_the_newest_and_forgets_what_it_is_told_to(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        for prompt_id in ("a", "b", "c"):
            store.add(submission(prompt_id), 5)
            finish(store, prompt_id, Entry(outputs={"1": {"text": [prompt_id]}}))
        store.add(submission("pending"), 5)

        assert history(store, Window(2)) == ["b", "c"]
        store.forget(["b", "pending"])
        assert history(store) == ["a", "c"]
        assert store.count_active() == 1
        store.forget_all()
        assert history(store) == []


def test_a_job_cancelled_while_pending_leaves_no_history(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        store.add(submission("a"), 5)
        store.end(PromptId("a"), JobState.CANCELLED, None, 6)

        assert history(store) == []
        assert store.counts()[JobState.CANCELLED] == 1


def test_what_was_received_is_there_after_a_restart_and_gone_after_the_end(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    kept = [NumberedEvent(seq=0, event=LogLine(text="x"))]
    with JobStore(path) as store:
        store.add(submission("a"), 5)
        store.received(PromptId("a"), Progress("run", 3, 4), kept, restarted=False)

    with JobStore(path) as store:
        assert store.progress(PromptId("a")) == Progress("run", 3, 4)
        assert [event["text"] for event in store.events(PromptId("a"))] == ["x"]
        store.end(PromptId("a"), JobState.FAILED, Entry(), 9)
        assert store.events(PromptId("a")) == []


def test_a_saved_file_is_known_by_job_name_and_content(tmp_path: Path) -> None:
    worker, local = ("output", "", "ComfyUI_00001_.png"), ("output", "", "ComfyUI_00007_.png")
    with JobStore(tmp_path / "jobs.sqlite") as store:
        store.add(submission("a"), 5)
        store.remember_file(PromptId("a"), worker, "f" * 64, local)

        assert store.saved_file(PromptId("a"), worker, "f" * 64) == local
        assert store.saved_file(PromptId("a"), worker, "0" * 64) is None
        assert store.names(PromptId("a")) == {worker: local}


def test_no_two_jobs_share_a_number_after_history_was_cleared(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        store.add(submission("a"), 5)
        store.add(submission("b"), 5)
        finish(store, "a")
        store.forget_all()

        assert store.add(submission("c"), 5).number == 2


def test_the_oldest_leave_the_history(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite", history=2) as store:
        for prompt_id in ("a", "b", "c", "active"):
            store.add(submission(prompt_id), 5)
        store.remember_file(PromptId("a"), ("output", "", "a"), "f", ("output", "", "a"))
        for prompt_id in ("a", "b", "c"):
            finish(store, prompt_id)
        for number, prompt_id in enumerate(("x", "y", "z")):
            store.add(submission(prompt_id), 5)
            store.end(PromptId(prompt_id), JobState.CANCELLED, None, number)

        assert history(store) == ["b", "c"]
        assert [name for name in ("a", "active", "x", "y", "z") if store.find(name)] == ["active", "y", "z"]
        assert store.names(PromptId("a")) == {}


def test_a_local_prompt_with_the_id_of_ours_is_not_shown_twice(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        store.add(submission("a"), 5)
        finish(store, "a")

        assert set(store.completions(["a", "b"])) == {"b"}


def first_database(path: Path) -> None:
    """As the first version left it: four jobs, and one prompt that ran locally."""
    extra = json.dumps({"create_time": 1, "extra_pnginfo": {"workflow": {"id": "w"}}})
    messages = [["execution_start", {"timestamp": 10}], ["execution_success", {"timestamp": 30}]]
    entry = json.dumps({"outputs": {"1": {"text": ["x"]}}, "status": {"messages": messages}, "meta": {}})
    empty = json.dumps({"outputs": {}, "status": {}, "meta": {}})
    rows = [
        ("done", 0.0, "completed", entry, 0),
        ("failed", 1.0, "failed", empty, 0),
        ("deleted", 2.0, "cancelled", None, 1),
        ("waiting", 3.0, "pending", None, 0),
    ]
    with closing(sqlite3.connect(path)) as database:
        database.executescript(f"BEGIN; {MIGRATIONS[0]} PRAGMA user_version = 1; COMMIT;")
        for prompt_id, number, state, outcome, hidden in rows:
            database.execute(
                "INSERT INTO jobs (prompt_id, number, state, prompt, extra_data, outputs_to_execute, created_ms,"
                " ended_ms, entry, hidden) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    prompt_id,
                    number,
                    state,
                    '{"1": {"seed": 18446744073709551615}}',
                    extra,
                    "[]",
                    5,
                    40,
                    outcome,
                    hidden,
                ),
            )
        database.executemany("INSERT INTO completions (prompt_id) VALUES (?)", [("local",), ("done",), ("failed",)])
        database.execute("INSERT INTO events VALUES ('waiting', 0, '{\"seq\": 0}')")
        database.commit()


def test_a_database_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    first_database(tmp_path / "jobs.sqlite")
    with JobStore(tmp_path / "jobs.sqlite") as store:
        views = store.lists.views([PromptId("done"), PromptId("waiting")])
        done, failed = store.get("done"), store.get("failed")

        assert store.lists.places(Window()) == [(2, "done"), (3, "failed")]
        assert [job.prompt_id for job in store.lists.queue()] == ["waiting"]
        assert done.prompt == {"1": {"seed": 18446744073709551615}}
        assert done.entry is not None
        assert done.entry.status["status_str"] == "success"
        assert failed.entry is not None
        assert failed.entry.status == {"status_str": "error", "completed": False, "messages": []}
        assert json.loads(views[PromptId("done")])["execution_end_time"] == 30
        assert json.loads(views[PromptId("waiting")])["workflow_id"] == "w"
        assert store.events(PromptId("waiting")) == [{"seq": 0}]
        assert store.completions(["local"]) == {"local": 1}


def test_a_database_that_was_taken_over_has_the_tables_of_a_new_one(tmp_path: Path) -> None:
    first_database(tmp_path / "old.sqlite")
    found = []
    for name in ("old.sqlite", "new.sqlite"):
        JobStore(tmp_path / name).close()
        with closing(sqlite3.connect(tmp_path / name)) as database:
            found.append(database.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall())
            assert database.execute("PRAGMA foreign_key_check").fetchall() == []

    assert found[0] == found[1]


def test_temp_files_that_are_gone_are_shown_no_more_and_the_rest_is(tmp_path: Path) -> None:
    a, temp, kept = PromptId("a"), ("temp", "", "p_00001_.png"), ("output", "", "s_00001_.png")
    items = [{"type": folder, "subfolder": "", "filename": name} for folder, _, name in (temp, kept)]
    with JobStore(tmp_path / "jobs.sqlite") as store:
        store.add(submission("a"), 1)
        for item in (temp, kept):
            store.remember_file(a, item, "0" * 64, item)
        store.move(a, JobState.SUBMITTING)
        store.move(a, JobState.QUEUED)
        store.end(a, JobState.COMPLETED, Entry(outputs={"9": {"images": items}}, status={"messages": []}), 2)
        newest, concerned = store.newest_temp_file(), store.with_temp_files()
        store.lose_temp_files(a)

        assert (newest, concerned) == (temp, [a])
        assert store.newest_temp_file() is None
        assert store.with_temp_files() == []
        assert store.local_files(a) == {temp: True, kept: False}
        assert (store.get("a").entry or Entry()).outputs == {"9": {"images": [items[1]]}}
        assert json.loads(store.lists.views([a])[a])["outputs_count"] == 1


def test_a_job_that_came_back_waits_again_in_one_step_and_its_files_count_as_lost(tmp_path: Path) -> None:
    job, missing = PromptId("a"), "0" * 64
    with JobStore(tmp_path / "jobs.sqlite") as store:
        store.add(submission("a"), 5)
        store.kept.add("endpoint", [missing, "1" * 64])
        store.move(job, JobState.SUBMITTING, endpoint_id="endpoint")
        store.move(job, JobState.QUEUED, runpod_id=RunPodJobId("r"))
        store.received(job, Progress("run", 1, 2), [NumberedEvent(seq=0, event=LogLine(text="x"))], restarted=False)
        store.send_back(job, [missing])

    with JobStore(tmp_path / "jobs.sqlite") as store:
        assert store.get("a").state is JobState.RETURNED
        assert (store.get("a").runpod_id, store.get("a").returns) == (None, 1)
        assert (store.progress(job), store.events(job)) == (Progress(), [])
        assert store.pending_ids() == ["a"]
        assert store.kept.among("endpoint", [missing, "1" * 64]) == {"1" * 64}
        assert store.kept.among("another", ["1" * 64]) == frozenset()
        store.discard([job], 9)
        assert store.get("a").state is JobState.CANCELLED
