import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import CannotStart
from engine.store.database import Database, DatabaseUnavailable
from engine.store.schema import VERSION


@pytest.mark.parametrize(("version", "says"), [(VERSION + 1, "newer version"), (1, "no longer reads")])
def test_a_database_of_another_format_is_refused_in_one_sentence_and_left_alone(
    tmp_path: Path, version: int, says: str
) -> None:
    path = tmp_path / "jobs.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE jobs (theirs TEXT)")
        other.execute(f"PRAGMA user_version = {version}")
    before = path.read_bytes()

    with pytest.raises(CannotStart, match=rf"^COMFY_RUNPOD_HOME: .*jobs\.sqlite.*{says}"):
        Database(path)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (version,)
        assert [name for (name,) in other.execute("SELECT name FROM sqlite_schema")] == ["jobs"]
    assert len(before) == len(path.read_bytes())


def test_a_file_that_is_no_database_is_refused_in_one_sentence_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    path.write_bytes(b"not a database at all " * 100)

    with pytest.raises(CannotStart, match=r"^COMFY_RUNPOD_HOME: .*jobs\.sqlite cannot be read: .*Move the file away"):
        Database(path)
    assert path.read_bytes() == b"not a database at all " * 100


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")

    with pytest.raises(CannotStart, match=r"^COMFY_RUNPOD_HOME: .*cannot be opened"):
        Database(tmp_path / "home" / "jobs.sqlite")
    with pytest.raises(CannotStart, match=r"^COMFY_RUNPOD_HOME: .*cannot be opened"):
        Database(tmp_path)


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "jobs.sqlite")) as database:
        with pytest.raises(ZeroDivisionError), database.transaction():
            database.execute("INSERT INTO counters VALUES ('a', 1)")
            _ = 1 / 0
        with database.transaction(durable=True):
            database.execute("INSERT INTO counters VALUES ('b', 2)")

        assert database.rows("SELECT * FROM counters") == [("b", 2)]


def test_only_a_durable_transaction_waits_for_the_disk(tmp_path: Path) -> None:
    normal, full = 1, 2
    with closing(Database(tmp_path / "jobs.sqlite")) as database:
        with database.transaction():
            usual = database.row("PRAGMA synchronous")
        with database.transaction(durable=True):
            durable = database.row("PRAGMA synchronous")

        assert (usual, durable, database.row("PRAGMA synchronous")) == ((normal,), (full,), (normal,))


def test_a_full_disk_is_said_and_changes_nothing(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "jobs.sqlite")) as database:
        (pages,) = database.row("PRAGMA page_count")
        database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(DatabaseUnavailable, match="full"), database.transaction(durable=True):
            database.execute("INSERT INTO counters VALUES (?, 1)", ("x" * 100_000,))
        database.execute("PRAGMA max_page_count = 100000")
        with database.transaction():
            database.execute("INSERT INTO counters VALUES ('a', 1)")

        assert database.rows("SELECT * FROM counters") == [("a", 1)]


def test_our_own_bug_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    refused = pytest.raises(sqlite3.OperationalError, match="no such table")
    with closing(Database(tmp_path / "jobs.sqlite")) as database, refused, database.transaction():
        database.execute("INSERT INTO nowhere VALUES (1)")
