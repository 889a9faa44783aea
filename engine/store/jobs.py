"""SQLite: the only import of sqlite3 and the only writer of a job's state.

One transaction a method. Methods are short (well under a millisecond for one job) and are called on the event loop.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from engine.model.job import Entry, Job, Submission, workflow_id
from engine.model.naming import ItemKey, without
from engine.model.sequence import Progress
from engine.model.states import WAITING_HERE, JobState, require_transition
from engine.store.cached_inputs import CachedInputs
from engine.store.lists import JobLists
from engine.store.schema import (
    ACTIVE_STATES,
    ENDED_STATES,
    FUNCTIONS,
    MIGRATIONS,
    SHOWN_STATES,
    WAITING_STATES,
    entry_text,
)
from engine.views.history import complete_entry
from engine.views.job import duration_ms, job_view
from wire.events import NumberedEvent, encode_event
from wire.ids import ClientId, PromptId, RunPodJobId

MAXIMUM_HISTORY = 10_000
"""ended jobs that are kept; source: ComfyUI 0.8.0, execution.py MAXIMUM_HISTORY_SIZE"""
_CACHE_KIB = 16_000
"""what a queue of a thousand jobs is read from; SQLite's own default holds a third of it"""

_COLUMNS = (
    "prompt_id, number, state, prompt, extra_data, outputs_to_execute, created_ms, targets, client_id, "
    "endpoint_id, runpod_id, started_ms, ended_ms, delay_ms, execution_ms, cancel_requested, error, entry, completion, "
    "returns"
)
_IN_TEMP = """local_item LIKE '["temp"%' AND NOT gone"""
_SELECT = f"SELECT {_COLUMNS} FROM jobs JOIN documents USING (prompt_id)"  # noqa: S608  no input in it


class JobStore:
    """All jobs of this proxy, over restarts; of those that ended, the newest *history*."""

    def __init__(self, path: Path, history: int = MAXIMUM_HISTORY) -> None:
        self._history = history
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._migrate()
        self.lists = JobLists(lambda query, values: self._db.execute(query, values).fetchall())
        self.kept = CachedInputs(lambda query, values: self._db.execute(query, values).fetchall())

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _migrate(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        for name, (arguments, function) in FUNCTIONS.items():
            self._db.create_function(name, arguments, function)
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
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
                "INSERT INTO jobs (prompt_id, number, state, outputs_to_execute, targets, client_id, created_ms,"
                " workflow_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    submission.prompt_id,
                    self._number(submission),
                    JobState.PENDING.value,
                    json.dumps(submission.outputs_to_execute),
                    None if submission.targets is None else json.dumps(submission.targets),
                    submission.client_id,
                    now_ms,
                    workflow_id(submission.extra_data),
                ),
            )
            self._db.execute(
                "INSERT INTO documents (prompt_id, prompt, extra_data) VALUES (?, ?, ?)",
                (submission.prompt_id, json.dumps(submission.prompt), json.dumps(submission.extra_data)),
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
        row = self._db.execute(f"{_SELECT} WHERE prompt_id = ?", (prompt_id,)).fetchone()
        return _job(row) if row else None

    def active(self) -> list[Job]:
        """Jobs that have not ended, in queue order."""
        rows = self._db.execute(f"{_SELECT} WHERE state IN ({ACTIVE_STATES}) ORDER BY number, created_ms")
        return [_job(row) for row in rows]

    def states(self) -> dict[PromptId, JobState]:
        """The state of each job that has not ended."""
        rows = self._db.execute(f"SELECT prompt_id, state FROM jobs WHERE state IN ({ACTIVE_STATES})")  # noqa: S608
        return {PromptId(prompt_id): JobState(state) for prompt_id, state in rows}

    def count_active(self) -> int:
        """How many jobs a person sees in the queue."""
        (count,) = self._db.execute(f"SELECT count(*) FROM jobs WHERE state IN ({SHOWN_STATES})").fetchone()  # noqa: S608
        return int(count)

    def pending_ids(self) -> list[PromptId]:
        """Jobs that wait in the proxy, in queue order."""
        rows = self._db.execute(
            f"SELECT prompt_id FROM jobs WHERE state IN ({WAITING_STATES}) ORDER BY number, created_ms"  # noqa: S608
        )
        return [PromptId(prompt_id) for (prompt_id,) in rows]

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

    def send_back(self, prompt_id: PromptId, missing: Iterable[str]) -> Job:
        """The worker lacked input files and ran nothing: in one step the job waits here again, as if never submitted,
        and the files count as lost at its endpoint, so that a crash can neither lose the job nor submit it twice.
        """
        with self._transaction():
            job = self.get(prompt_id)
            require_transition(job.state, JobState.RETURNED)
            fresh = {"run": "", "run_started": 0, "next_seq": 0, "runpod_id": None, "started_ms": None}
            self._set(prompt_id, {"state": JobState.RETURNED.value, "returns": job.returns + 1, **fresh})
            self._db.execute("DELETE FROM events WHERE prompt_id = ?", (prompt_id,))
            self.kept.forget(job.endpoint_id or "", missing)
        return self.get(prompt_id)

    def end(self, prompt_id: PromptId, target: JobState, entry: Entry | None, now_ms: int, **columns: Any) -> Job:
        """The job has ended: keep its *entry* as the newest of the history (None: it leaves no history)."""
        with self._transaction():
            (current,) = self._db.execute("SELECT state FROM jobs WHERE prompt_id = ?", (prompt_id,)).fetchone()
            require_transition(JobState(current), target)
            self._set(prompt_id, {"state": target.value, "ended_ms": now_ms, "hidden": int(entry is None), **columns})
            self._db.execute("DELETE FROM events WHERE prompt_id = ?", (prompt_id,))
            if entry is not None:
                self._keep(prompt_id, complete_entry(entry, completed=target is JobState.COMPLETED))
            job = self._keep_view(prompt_id)
            self._forget_oldest()
        return job

    def discard(self, prompt_ids: Iterable[PromptId], now_ms: int) -> None:
        """Cancel those of *prompt_ids* that wait here, all at once; they leave no history."""
        for waiting in WAITING_HERE:
            require_transition(waiting, JobState.CANCELLED)
        with self._transaction():
            self._db.executemany(
                "UPDATE jobs SET state = ?, ended_ms = ?, hidden = 1 WHERE prompt_id = ?"  # noqa: S608
                f" AND state IN ({WAITING_STATES})",
                [(JobState.CANCELLED.value, now_ms, prompt_id) for prompt_id in prompt_ids],
            )
            self._forget_oldest()

    def _keep(self, prompt_id: PromptId, entry: Entry) -> None:
        """The job is the newest of the history."""
        self._db.execute("UPDATE documents SET entry = ? WHERE prompt_id = ?", (entry_text(entry), prompt_id))
        self._db.execute("INSERT OR IGNORE INTO completions (prompt_id) VALUES (?)", (prompt_id,))
        (place,) = self._db.execute("SELECT place FROM completions WHERE prompt_id = ?", (prompt_id,)).fetchone()
        self._set(prompt_id, {"completion": place})

    def _keep_view(self, prompt_id: PromptId) -> Job:
        """What lists show of the job, once and for all."""
        job = self.get(prompt_id)
        view = job_view(job)
        self._db.execute("UPDATE documents SET view = ? WHERE prompt_id = ?", (json.dumps(view), prompt_id))
        self._set(prompt_id, {"duration_ms": duration_ms(view)})
        return job

    def _forget_oldest(self) -> None:
        for kept, order in (("completion IS NOT NULL", "completion"), ("hidden = 1", "ended_ms")):
            self._db.execute(
                "DELETE FROM jobs WHERE prompt_id IN"  # noqa: S608  no input in it
                f" (SELECT prompt_id FROM jobs WHERE {kept} ORDER BY {order} DESC LIMIT -1 OFFSET ?)",
                (self._history,),
            )

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
                self._db.execute(f"DELETE FROM jobs WHERE prompt_id = ? AND state IN ({ENDED_STATES})", (prompt_id,))  # noqa: S608

    def forget_all(self) -> None:
        with self._transaction():
            self._db.execute(f"DELETE FROM jobs WHERE state IN ({ENDED_STATES})")  # noqa: S608

    # -- what was received

    def progress(self, prompt_id: PromptId) -> Progress:
        row = self._db.execute("SELECT run, run_started, next_seq FROM jobs WHERE prompt_id = ?", (prompt_id,))
        return Progress(*row.fetchone())

    def received(
        self, prompt_id: PromptId, progress: Progress, kept: Iterable[NumberedEvent], *, restarted: bool
    ) -> None:
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
                "INSERT OR REPLACE INTO files (prompt_id, worker_item, sha256, local_item) VALUES (?, ?, ?, ?)",
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

    def local_files(self, prompt_id: PromptId) -> dict[ItemKey, bool]:
        """The local name of each stored file, and whether it is gone."""
        rows = self._db.execute("SELECT local_item, gone FROM files WHERE prompt_id = ?", (prompt_id,))
        return {_item(local): bool(gone) for local, gone in rows}

    def newest_temp_file(self) -> ItemKey | None:
        """The temp file that was stored last, of those that are not known to be gone."""
        row = self._db.execute(
            "SELECT local_item FROM files JOIN jobs USING (prompt_id)"  # noqa: S608  no input in it
            f" WHERE {_IN_TEMP} ORDER BY created_ms DESC LIMIT 1"
        ).fetchone()
        return _item(row[0]) if row else None

    def with_temp_files(self) -> list[PromptId]:
        """Jobs with temp files that are not known to be gone."""
        rows = self._db.execute(f"SELECT DISTINCT prompt_id FROM files WHERE {_IN_TEMP}")  # noqa: S608
        return [PromptId(prompt_id) for (prompt_id,) in rows]

    def lose_temp_files(self, prompt_id: PromptId) -> None:
        """The job's temp files are gone: its history shows them no more."""
        with self._transaction():
            self._db.execute(f"UPDATE files SET gone = 1 WHERE prompt_id = ? AND {_IN_TEMP}", (prompt_id,))  # noqa: S608
            job = self.get(prompt_id)
            if job.entry is None:
                return
            gone = {item for item, is_gone in self.local_files(prompt_id).items() if is_gone}
            outputs = {node: without(output, gone) for node, output in job.entry.outputs.items()}
            text = entry_text(replace(job.entry, outputs=outputs))
            self._db.execute("UPDATE documents SET entry = ? WHERE prompt_id = ?", (text, prompt_id))
            self._keep_view(prompt_id)

    # -- the one order of completions

    def completions(self, prompt_ids: Iterable[str]) -> dict[str, int]:
        """Each local prompt's place in the common order of completions; those not seen before come last, in this order.

        Those of *prompt_ids* that are in our own history are left out.
        """
        wanted = list(prompt_ids)
        known = self._known_completions(wanted)
        new = [(prompt_id,) for prompt_id in wanted if prompt_id not in known]
        if new:
            with self._transaction():
                self._db.executemany("INSERT OR IGNORE INTO completions (prompt_id) VALUES (?)", new)
            known = self._known_completions(wanted)
        return {prompt_id: place for prompt_id, (place, ours) in known.items() if not ours}

    def _known_completions(self, prompt_ids: Sequence[str]) -> dict[str, tuple[int, bool]]:
        rows = self._db.execute(
            "SELECT prompt_id, place, completion IS NOT NULL FROM completions LEFT JOIN jobs USING (prompt_id)"
            " WHERE prompt_id IN (SELECT value FROM json_each(?))",
            (json.dumps(prompt_ids),),
        )
        return {prompt_id: (place, bool(ours)) for prompt_id, place, ours in rows}


def _item(text: str) -> ItemKey:
    folder, subfolder, filename = json.loads(text)
    return folder, subfolder, filename


def _job(row: tuple[Any, ...]) -> Job:
    (prompt_id, number, state, prompt, extra_data, outputs, created_ms, targets, client_id, *rest) = row
    (endpoint_id, runpod_id, started_ms, ended_ms, delay_ms, execution_ms, cancel, error, entry, place, returns) = rest
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
        returns=returns,
    )
