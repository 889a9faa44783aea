"""The job database of the version before, as it left it: tests/data/jobs-format-4.sql."""

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from engine.model.states import JobState
from engine.store.jobs import JobStore
from engine.store.runpod_jobs import SentState
from engine.views.history import Window
from tests.support.jobs import submission
from wire.events import NodeOutput, PromptStarted
from wire.ids import PromptId

OLD = (Path(__file__).parents[2] / "data" / "jobs-format-4.sql").read_text(encoding="utf-8")
HOUR_MS = 3_600_000


def old_database(path: Path, *, ended_ago_ms: int = HOUR_MS) -> Path:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(OLD)
        ended_ms = time.time_ns() // 1_000_000 - ended_ago_ms
        database.execute("UPDATE jobs SET ended_ms = ? WHERE ended_ms IS NOT NULL", (ended_ms,))
        database.commit()
    return path


def test_a_database_of_the_version_before_is_taken_over(tmp_path: Path) -> None:
    with JobStore(old_database(tmp_path / "jobs.sqlite")) as store:
        done = PromptId("done")
        view = json.loads(store.lists.views([done])[done])

        assert store.get("done").prompt["1"]["inputs"]["seed"] == 18446744073709551615
        assert view["execution_end_time"] == 30
        assert store.files.names(done) == {("output", "", "a_00001_.png"): ("output", "", "a_00007_.png")}
        assert [name for _, name in store.lists.places(Window())] == ["done", "failed", "never"]
        assert store.completions.positions(["local"]) == {"local": 7}
        assert store.cached.among("ep", ["2" * 64]) == {"2" * 64}


def test_a_job_that_ran_meanwhile_goes_on_where_it_was(tmp_path: Path) -> None:
    with JobStore(old_database(tmp_path / "jobs.sqlite")) as store:
        running = store.get("running")
        events = [item.event for item in store.journal.events(running.prompt_id)]

        assert (running.state, running.runpod_id, running.endpoint_id) == (JobState.RUNNING, "running-u1", "other")
        assert store.journal.progress(running.prompt_id).next_seq == 5
        assert [type(event) for event in events] == [PromptStarted, NodeOutput]


def test_jobs_that_were_given_up_although_runpod_had_them_are_taken_up_again(tmp_path: Path) -> None:
    with JobStore(old_database(tmp_path / "jobs.sqlite")) as store:
        states = {name: store.get(name).state for name in ("refused", "unknown", "bug", "failed", "never")}
        again = store.get("refused")

        assert states == {
            "refused": JobState.QUEUED,
            "unknown": JobState.QUEUED,
            "bug": JobState.QUEUED,
            "failed": JobState.FAILED,
            "never": JobState.FAILED,
        }
        assert (again.error, again.entry, again.completion, again.runpod_id) == (None, None, None, "refused-u1")
        assert [sent.state for sent in store.runpod_jobs.of(again.prompt_id)] == [SentState.OPEN]


def test_what_runpod_cannot_have_any_more_is_not_taken_up(tmp_path: Path) -> None:
    with JobStore(old_database(tmp_path / "jobs.sqlite", ended_ago_ms=25 * HOUR_MS)) as store:
        assert store.get("refused").state is JobState.FAILED


def test_counting_goes_on_behind_sane_numbers(tmp_path: Path) -> None:
    with JobStore(old_database(tmp_path / "jobs.sqlite")) as store:
        assert store.get("huge").number == 1e308
        assert store.add(submission("next"), 5).number == 9


def test_a_database_that_was_taken_over_has_the_tables_of_a_new_one(tmp_path: Path) -> None:
    found = []
    for path in (old_database(tmp_path / "old.sqlite"), tmp_path / "new.sqlite"):
        JobStore(path).close()
        with closing(sqlite3.connect(path)) as database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            columns = {table: sorted(database.execute(f"PRAGMA table_info({table})"), key=str) for table in tables}
            indexes = sorted(database.execute("SELECT name, tbl_name FROM sqlite_schema WHERE type = 'index'"))
            found.append(({name: {column[1:5] for column in listed} for name, listed in columns.items()}, indexes))
            assert database.execute("PRAGMA foreign_key_check").fetchall() == []

    assert found[0] == found[1]
