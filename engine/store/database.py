"""The job database as a file: opened, upgraded, and changed in transactions."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.errors import CannotStart
from engine.store.schema import OLDEST, TABLES, UPGRADES, VERSION
from storage.private import private_file, private_folder
from wire.errors import Unavailable

_PASSING = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY,
})  # fmt: skip
"""primary result codes of what goes away: the disk is full, or may not be written"""
_CACHE_KIB = 16_000
"""what a queue of a thousand jobs is read from; SQLite's own default holds a third of it"""


class DatabaseUnavailable(Unavailable):
    """The job database cannot be written just now."""


class Database:
    """One connection. Methods are short (well under a millisecond for one job) and are called on the event loop."""

    def __init__(self, path: Path) -> None:
        """Raises CannotStart for a file that cannot be opened, or that this version cannot read."""
        try:
            self._open(path)
        except (OSError, sqlite3.OperationalError) as error:
            raise CannotStart(f"COMFY_RUNPOD_HOME: {path} cannot be opened: {error}") from error
        except sqlite3.DatabaseError as error:
            raise CannotStart(
                f"COMFY_RUNPOD_HOME: {path} cannot be read: {error}. Move the file away to start with an empty list "
                "of jobs, or choose another COMFY_RUNPOD_HOME."
            ) from error

    def close(self) -> None:
        self._connection.close()

    def execute(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self._connection.execute(query, values)

    def execute_many(self, query: str, rows: Sequence[Sequence[Any]]) -> None:
        self._connection.executemany(query, rows)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()

    def row(self, query: str, values: Sequence[Any] = ()) -> Any:
        """The first row, or None."""
        return self._connection.execute(query, values).fetchone()

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[None]:
        """All or nothing. A process that is killed loses no transaction; a *durable* one survives a power cut too,
        and so does everything before it. That costs a write to the disk: for what money hangs on.

        Raises DatabaseUnavailable, and then nothing has changed.
        """
        if durable:
            self.execute("PRAGMA synchronous = FULL")
        try:
            self.execute("BEGIN IMMEDIATE")
            with self._connection:
                yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _PASSING:
                raise
            raise DatabaseUnavailable(f"the job database cannot be written: {error}") from error
        finally:
            if durable:
                self.execute("PRAGMA synchronous = NORMAL")

    def _open(self, path: Path) -> None:
        private_folder(path.parent)
        # SQLite gives the files that it makes beside the database the rights of the database
        self._connection = sqlite3.connect(private_file(path), isolation_level=None)
        try:
            self.execute("PRAGMA journal_mode = WAL")
            self.execute("PRAGMA synchronous = NORMAL")
            self.execute("PRAGMA foreign_keys = ON")
            self.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._upgrade(path)
        except BaseException:
            self._connection.close()
            raise

    def _upgrade(self, path: Path) -> None:
        (version,) = self.row("PRAGMA user_version")
        if version > VERSION:
            raise CannotStart(
                f"COMFY_RUNPOD_HOME: {path} was made by a newer version of this program (its format is {version}, this "
                f"version reads up to {VERSION}). Update this program, or choose another COMFY_RUNPOD_HOME."
            )
        if 0 < version < OLDEST:
            raise CannotStart(
                f"COMFY_RUNPOD_HOME: {path} has format {version}, which this version no longer reads (it reads "
                f"{OLDEST} to {VERSION}). Move the file away, or choose another COMFY_RUNPOD_HOME."
            )
        scripts = (
            {VERSION: TABLES}
            if version == 0
            else {number: UPGRADES[number] for number in range(version + 1, VERSION + 1)}
        )
        for number, script in scripts.items():
            self._connection.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")
