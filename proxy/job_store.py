"""SQLite: the only import of sqlite3 and the only writer of a job's state.

One transaction a method. Methods are short (well under a millisecond for one job) and are called on the event loop.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

from proxy.core.intake import Progress
from proxy.core.job import Entry, Job, Submission
from proxy.core.lifecycle import ACTIVE, ENDED, JobState, require_transition
from wire.events import Numbered, encode_event
from wire.ids import ClientId, PromptId, RunPodJobId

ItemKey = tuple[str, str, str]

_MIGRATIONS = (
    """
    CREATE TABLE jobs (
        prompt_id TEXT PRIMARY KEY,
        number REAL NOT NULL,
        state TEXT NOT NULL,
        prompt TEXT NOT NULL,
        extra_data TEXT NOT NULL,
        outputs_to_execute TEXT NOT NULL,
        targets TEXT,
        client_id TEXT,
        created_ms INTEGER NOT NULL,
        endpoint_id TEXT,
        runpod_id TEXT,
        started_ms INTEGER,
        ended_ms INTEGER,
        delay_ms INTEGER,
        execution_ms INTEGER,
        cancel_requested INTEGER NOT NULL DEFAULT 0,
        error TEXT,
        entry TEXT,
        hidden INTEGER NOT NULL DEFAULT 0,
        run TEXT NOT NULL DEFAULT '',
        run_started INTEGER NOT NULL DEFAULT 0,
        next_seq INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX jobs_by_state ON jobs (state, number);
    CREATE TABLE events (
        prompt_id TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (prompt_id, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE files (
        prompt_id TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
        worker_item TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        local_item TEXT NOT NULL,
        PRIMARY KEY (prompt_id, worker_item, sha256)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX files_by_content ON files (sha256);
    CREATE TABLE completions (
        place INTEGER PRIMARY KEY AUTOINCREMENT,
        prompt_id TEXT NOT NULL UNIQUE
    ) STRICT;
    """,
)

_COLUMNS = (
    "jobs.prompt_id, number, state, prompt, extra_data, outputs_to_execute, created_ms, targets, client_id, "
    "endpoint_id, runpod_id, started_ms, ended_ms, delay_ms, execution_ms, cancel_requested, error, entry, place"
)
_SELECT = f"SELECT {_COLUMNS} FROM jobs LEFT JOIN completions USING (prompt_id)"  # noqa: S608  no input in it
_ACTIVE = ", ".join(f"'{state.value}'" for state in sorted(ACTIVE, key=lambda state: state.value))
_ENDED = ", ".join(f"'{state.value}'" for state in sorted(ENDED, key=lambda state: state.value))


class JobStore:
    """All jobs of this proxy, over restarts."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._migrate()

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _migrate(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        for number, script in enumerate(_MIGRATIONS[version:], version + 1):
            self._db.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")

    def _transaction(self) -> AbstractContextManager[object]:
        self._db.execute("BEGIN IMMEDIATE")
        return self._db

    # -- jobs

    def add(self, submission: Submission, now_ms: int) -> Job:
        """Keep a new pending job. An ended job of the same id is replaced, as ComfyUI does; its files stay."""
        with self._transaction():
            self._db.execute("DELETE FROM jobs WHERE prompt_id = ?", (submission.prompt_id,))
            self._db.execute("DELETE FROM completions WHERE prompt_id = ?", (submission.prompt_id,))
            self._db.execute(
                "INSERT INTO jobs (prompt_id, number, state, prompt, extra_data, outputs_to_execute, targets,"
                " client_id, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    submission.prompt_id,
                    self._number(submission),
                    JobState.PENDING.value,
                    json.dumps(submission.prompt),
                    json.dumps(submission.extra_data),
                    json.dumps(submission.outputs_to_execute),
                    None if submission.targets is None else json.dumps(submission.targets),
                    submission.client_id,
                    now_ms,
                ),
            )
        return self.get(submission.prompt_id)

    def _number(self, submission: Submission) -> float:
        if submission.number is not None:
            return submission.number
        (highest,) = self._db.execute("SELECT coalesce(max(abs(number)), -1) FROM jobs").fetchone()
        following = float(highest) + 1
        return -following if submission.front else following

    def get(self, prompt_id: str) -> Job:
        """The job; raises KeyError."""
        job = self.find(prompt_id)
        if job is None:
            raise KeyError(prompt_id)
        return job

    def find(self, prompt_id: str) -> Job | None:
        row = self._db.execute(f"{_SELECT} WHERE jobs.prompt_id = ?", (prompt_id,)).fetchone()
        return _job(row) if row else None

    def active(self) -> list[Job]:
        """Jobs that have not ended, in queue order."""
        rows = self._db.execute(f"{_SELECT} WHERE state IN ({_ACTIVE}) ORDER BY number, created_ms")
        return [_job(row) for row in rows]

    def count_active(self) -> int:
        (count,) = self._db.execute(f"SELECT count(*) FROM jobs WHERE state IN ({_ACTIVE})").fetchone()  # noqa: S608
        return int(count)

    def pending_ids(self) -> list[PromptId]:
        """Jobs that wait in the proxy, in queue order."""
        rows = self._db.execute(
            "SELECT prompt_id FROM jobs WHERE state = ? ORDER BY number, created_ms", (JobState.PENDING.value,)
        )
        return [PromptId(prompt_id) for (prompt_id,) in rows]

    def ended(self, limit: int | None = None) -> list[Job]:
        """Jobs with a history entry, in completion order, oldest first; the last *limit* of them."""
        rows = self._db.execute(
            f"{_SELECT} WHERE state IN ({_ENDED}) AND NOT hidden ORDER BY place DESC LIMIT ?",
            (-1 if limit is None else limit,),
        ).fetchall()
        return [_job(row) for row in reversed(rows)]

    def counts(self) -> dict[JobState, int]:
        rows = self._db.execute("SELECT state, count(*) FROM jobs GROUP BY state")
        return dict.fromkeys(JobState, 0) | {JobState(state): count for state, count in rows}

    # -- moves

    def move(self, prompt_id: PromptId, target: JobState, **columns: Any) -> Job:
        """Move a job along the table and set *columns*; raises IllegalTransition."""
        with self._transaction():
            (current,) = self._db.execute("SELECT state FROM jobs WHERE prompt_id = ?", (prompt_id,)).fetchone()
            require_transition(JobState(current), target)
            self._set(prompt_id, {"state": target.value, **columns})
        return self.get(prompt_id)

    def end(self, prompt_id: PromptId, target: JobState, entry: Entry | None, now_ms: int, **columns: Any) -> Job:
        """The job has ended: keep its *entry* as the newest of the history (None: it leaves no history)."""
        with self._transaction():
            (current,) = self._db.execute("SELECT state FROM jobs WHERE prompt_id = ?", (prompt_id,)).fetchone()
            require_transition(JobState(current), target)
            body = None if entry is None else _entry_text(entry)
            values = {"state": target.value, "ended_ms": now_ms, "entry": body, "hidden": int(entry is None)}
            self._set(prompt_id, {**values, **columns})
            self._db.execute("DELETE FROM events WHERE prompt_id = ?", (prompt_id,))
            if entry is not None:
                self._db.execute("INSERT OR IGNORE INTO completions (prompt_id) VALUES (?)", (prompt_id,))
        return self.get(prompt_id)

    def update(self, prompt_id: PromptId, **columns: Any) -> None:
        """Set columns other than the state."""
        with self._transaction():
            self._set(prompt_id, columns)

    def _set(self, prompt_id: PromptId, columns: Mapping[str, Any]) -> None:
        assignments = ", ".join(f"{name} = ?" for name in columns)
        self._db.execute(f"UPDATE jobs SET {assignments} WHERE prompt_id = ?", (*columns.values(), prompt_id))  # noqa: S608

    def forget(self, prompt_ids: Iterable[str]) -> None:
        """Take ended jobs out of the history; their files stay."""
        with self._transaction():
            for prompt_id in prompt_ids:
                self._db.execute(f"DELETE FROM jobs WHERE prompt_id = ? AND state IN ({_ENDED})", (prompt_id,))  # noqa: S608

    def forget_all(self) -> None:
        with self._transaction():
            self._db.execute(f"DELETE FROM jobs WHERE state IN ({_ENDED})")  # noqa: S608

    # -- what was received

    def progress(self, prompt_id: PromptId) -> Progress:
        row = self._db.execute("SELECT run, run_started, next_seq FROM jobs WHERE prompt_id = ?", (prompt_id,))
        return Progress(*row.fetchone())

    def received(self, prompt_id: PromptId, progress: Progress, kept: Iterable[Numbered], *, restarted: bool) -> None:
        """Remember how far the job was read, and those events that a restart needs in order to show it again."""
        with self._transaction():
            if restarted:
                self._db.execute("DELETE FROM events WHERE prompt_id = ?", (prompt_id,))
            self._db.executemany(
                "INSERT OR REPLACE INTO events (prompt_id, seq, body) VALUES (?, ?, ?)",
                [(prompt_id, item.seq, json.dumps(encode_event(item.seq, item.event))) for item in kept],
            )
            values = {"run": progress.run, "run_started": progress.started, "next_seq": progress.next_seq}
            self._set(prompt_id, values)

    def events(self, prompt_id: PromptId) -> list[dict[str, Any]]:
        """The kept events, encoded, in order."""
        rows = self._db.execute("SELECT body FROM events WHERE prompt_id = ? ORDER BY seq", (prompt_id,))
        return [json.loads(body) for (body,) in rows]

    # -- files

    def saved_file(self, prompt_id: PromptId, worker_item: ItemKey, sha256: str) -> ItemKey | None:
        """Where this content of this job was stored; None when it was not."""
        row = self._db.execute(
            "SELECT local_item FROM files WHERE prompt_id = ? AND worker_item = ? AND sha256 = ?",
            (prompt_id, json.dumps(worker_item), sha256),
        ).fetchone()
        return _item(row[0]) if row else None

    def remember_file(self, prompt_id: PromptId, worker_item: ItemKey, sha256: str, local_item: ItemKey) -> None:
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
                (prompt_id, json.dumps(worker_item), sha256, json.dumps(local_item)),
            )

    def stored_before(self, worker_item: ItemKey, sha256: str) -> ItemKey | None:
        """Where the newest job that had this file stored it; None when none had."""
        row = self._db.execute(
            "SELECT local_item FROM files JOIN jobs USING (prompt_id) WHERE worker_item = ? AND sha256 = ?"
            " ORDER BY created_ms DESC LIMIT 1",
            (json.dumps(worker_item), sha256),
        ).fetchone()
        return _item(row[0]) if row else None

    def names(self, prompt_id: PromptId) -> dict[ItemKey, ItemKey]:
        """The worker's name of each stored file, and its local name."""
        rows = self._db.execute("SELECT worker_item, local_item FROM files WHERE prompt_id = ?", (prompt_id,))
        return {_item(worker): _item(local) for worker, local in rows}

    # -- the one order of completions

    def completions(self, prompt_ids: Iterable[str]) -> dict[str, int]:
        """Each prompt's place in the common order of completions; those not seen before come last, in this order."""
        wanted = list(prompt_ids)
        with self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO completions (prompt_id) VALUES (?)", [(w,) for w in wanted])
        rows = self._db.execute(
            "SELECT prompt_id, place FROM completions WHERE prompt_id IN (SELECT value FROM json_each(?))",
            (json.dumps(wanted),),
        )
        return dict(rows.fetchall())


def _item(text: str) -> ItemKey:
    folder, subfolder, filename = json.loads(text)
    return folder, subfolder, filename


def _entry_text(entry: Entry) -> str:
    return json.dumps({"outputs": entry.outputs, "status": entry.status, "meta": entry.meta})


def _job(row: tuple[Any, ...]) -> Job:
    (prompt_id, number, state, prompt, extra_data, outputs, created_ms, targets, client_id, *rest) = row
    (endpoint_id, runpod_id, started_ms, ended_ms, delay_ms, execution_ms, cancel, error, entry, place) = rest
    return Job(
        prompt_id=PromptId(prompt_id),
        number=number,
        state=JobState(state),
        prompt=json.loads(prompt),
        extra_data=json.loads(extra_data),
        outputs_to_execute=tuple(json.loads(outputs)),
        created_ms=created_ms,
        targets=None if targets is None else tuple(json.loads(targets)),
        client_id=None if client_id is None else ClientId(client_id),
        endpoint_id=endpoint_id,
        runpod_id=None if runpod_id is None else RunPodJobId(runpod_id),
        started_ms=started_ms,
        ended_ms=ended_ms,
        delay_ms=delay_ms,
        execution_ms=execution_ms,
        cancel_requested=bool(cancel),
        error=error,
        entry=None if entry is None else Entry(**json.loads(entry)),
        completion=place,
    )
