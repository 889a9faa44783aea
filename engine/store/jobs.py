"""JobStore: every job, and the only writer of a job's state. One transaction a method."""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from engine.model.job import Entry, Job, Submission, is_fetchable, workflow_id
from engine.model.naming import without
from engine.model.states import WAITING_HERE, JobState, require_transition
from engine.prompt.changed import changed_prompt
from engine.store.cached_inputs import CachedInputs
from engine.store.completions import Completions
from engine.store.database import Database
from engine.store.files import FileRecords
from engine.store.journal import Journal
from engine.store.lists import JobLists
from engine.store.runpod_jobs import Kind, RunPodJobs, SentState
from engine.store.schema import ACTIVE_STATES, ENDED_STATES, SHOWN_STATES, WAITING_STATES
from engine.views.history import complete_entry
from engine.views.job import duration_ms, job_view
from wire.events import PromptChanged
from wire.ids import ClientId, PromptId, RunPodJobId

logger = logging.getLogger(__name__)

MAXIMUM_HISTORY = 10_000
"""ended jobs that are kept; source: ComfyUI 0.8.0, execution.py MAXIMUM_HISTORY_SIZE"""

_FIELDS = (
    "number", "state", "prompt", "extra_data", "outputs_to_execute", "created_ms", "targets", "client_id",
    "endpoint_id", "runpod_id", "started_ms", "ended_ms", "seen_ms", "delay_ms", "execution_ms", "cancel_requested",
    "error", "attention", "shown_prompt", "shown_extra_data", "entry", "completion", "returns", "fetchable_until_ms",
)  # fmt: skip
_SELECT = f"SELECT prompt_id, {', '.join(_FIELDS)} FROM jobs JOIN documents USING (prompt_id)"  # noqa: S608
_READ_AGAIN: dict[str, Any] = {"run": "", "run_started": 0, "next_seq": 0}


class JobStore:
    """All jobs, over restarts; of the ended ones the newest *history*. Raises CannotStart for a foreign database."""

    def __init__(self, path: Path, history: int = MAXIMUM_HISTORY) -> None:
        self._history = history
        self._database = Database(path)
        self.lists = JobLists(self._database.rows)
        self.cached = CachedInputs(self._database.rows)
        self.files = FileRecords(self._database)
        self.journal = Journal(self._database)
        self.runpod_jobs = RunPodJobs(self._database)
        self.completions = Completions(self._database)
        self.runpod_jobs.forget_closed()

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- jobs

    def add(self, submission: Submission, now_ms: int) -> Job:
        """Keep a new pending job. An ended job of the same id is replaced, as ComfyUI does; its files stay."""
        prompt_id = submission.prompt_id
        with self._database.transaction():
            self._database.execute("DELETE FROM jobs WHERE prompt_id = ?", (prompt_id,))
            self.completions.forget(prompt_id)
            row = {
                "prompt_id": prompt_id,
                "number": self._number(submission),
                "state": JobState.PENDING.value,
                "outputs_to_execute": json.dumps(submission.outputs_to_execute),
                "targets": None if submission.targets is None else json.dumps(submission.targets),
                "client_id": submission.client_id,
                "created_ms": now_ms,
                "workflow_id": workflow_id(submission.extra_data),
            }
            self._insert("jobs", row)
            documents = {"prompt": json.dumps(submission.prompt), "extra_data": json.dumps(submission.extra_data)}
            self._insert("documents", {"prompt_id": prompt_id, **documents})
        return self.get(prompt_id)

    def _insert(self, table: str, row: Mapping[str, Any]) -> None:
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        self._database.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608

    def _number(self, submission: Submission) -> float:
        """As ComfyUI counts (server.py ``post_prompt``): a number that a client chose does not count."""
        if submission.number is not None:
            return submission.number
        row = self._database.row("SELECT value FROM counters WHERE name = 'number'")
        following = int(row[0]) if row else 0
        self._database.execute("INSERT OR REPLACE INTO counters VALUES ('number', ?)", (following + 1,))
        return float(-following if submission.front else following)

    def get(self, prompt_id: str) -> Job:
        """The job; raises KeyError."""
        job = self.find(prompt_id)
        if job is None:
            raise KeyError(prompt_id)
        return job

    def find(self, prompt_id: str) -> Job | None:
        row = self._database.row(f"{_SELECT} WHERE prompt_id = ?", (prompt_id,))
        return _job(*row) if row else None

    def active(self) -> list[Job]:
        """Jobs that have not ended, in queue order."""
        rows = self._database.rows(f"{_SELECT} WHERE state IN ({ACTIVE_STATES}) ORDER BY number, created_ms")
        return [_job(*row) for row in rows]

    def states(self) -> dict[PromptId, JobState]:
        """The state of each job that has not ended."""
        rows = self._database.rows(f"SELECT prompt_id, state FROM jobs WHERE state IN ({ACTIVE_STATES})")  # noqa: S608
        return {PromptId(prompt_id): JobState(state) for prompt_id, state in rows}

    def count_active(self) -> int:
        """How many jobs a person sees in the queue."""
        return int(self._database.row(f"SELECT count(*) FROM jobs WHERE state IN ({SHOWN_STATES})")[0])  # noqa: S608

    def pending_ids(self) -> list[PromptId]:
        """Jobs that wait in the proxy, in queue order."""
        rows = self._database.rows(
            f"SELECT prompt_id FROM jobs WHERE state IN ({WAITING_STATES}) ORDER BY number, created_ms"  # noqa: S608
        )
        return [PromptId(prompt_id) for (prompt_id,) in rows]

    def counts(self) -> list[tuple[JobState, bool, int]]:
        """How many jobs are in each state, and need a look or not."""
        rows = self._database.rows("SELECT state, attention IS NOT NULL, count(*) FROM jobs GROUP BY 1, 2")
        return [(JobState(state), bool(attention), count) for state, attention, count in rows]

    # -- the way to the endpoint, which costs money

    def begin_submission(self, prompt_id: PromptId, endpoint_id: str, now_ms: int) -> int:
        """The job is about to be submitted; the number of the submission. Survives a power cut from here on."""
        with self._database.transaction(durable=True):
            self._move(prompt_id, JobState.SUBMITTING, {"endpoint_id": endpoint_id})
            return self.runpod_jobs.sending(prompt_id, Kind.RUN, endpoint_id, now_ms)

    def accepted(self, prompt_id: PromptId, number: int, runpod_id: RunPodJobId, now_ms: int) -> None:
        """RunPod has the job. Survives a power cut from here on."""
        with self._database.transaction(durable=True):
            self._move(prompt_id, JobState.QUEUED, {"runpod_id": runpod_id, "seen_ms": now_ms})
            self.runpod_jobs.set(number, SentState.OPEN, runpod_id)

    def not_accepted(self, prompt_id: PromptId, number: int) -> None:
        """RunPod certainly does not have the job: it waits here again."""
        with self._database.transaction(durable=True):
            self._move(prompt_id, JobState.PENDING, {})
            self.runpod_jobs.set(number, SentState.NOT_ACCEPTED)

    def send_back(self, prompt_id: PromptId, missing: Iterable[str]) -> None:
        """The worker lacked input files and ran nothing: in one step the job waits here again, as if never submitted,
        and the files count as lost at its endpoint, so that a crash can neither lose the job nor submit it twice.
        """
        with self._database.transaction(durable=True):
            job = self.get(prompt_id)
            fresh = {**_READ_AGAIN, "runpod_id": None, "started_ms": None, "returns": job.returns + 1}
            self._move(prompt_id, JobState.RETURNED, fresh)
            self.runpod_jobs.ended(prompt_id)
            self.journal.forget(prompt_id)
            self.cached.forget(job.endpoint_id or "", missing)

    # -- other moves

    def move(self, prompt_id: PromptId, target: JobState, **columns: Any) -> None:
        """Move a job along the table and set *columns*; raises IllegalTransition."""
        with self._database.transaction():
            self._move(prompt_id, target, columns)

    def _move(self, prompt_id: PromptId, target: JobState, columns: Mapping[str, Any]) -> None:
        (current,) = self._database.row("SELECT state FROM jobs WHERE prompt_id = ?", (prompt_id,))
        require_transition(JobState(current), target)
        self._set(prompt_id, {"state": target.value, **columns})

    def end(
        self,
        prompt_id: PromptId,
        target: JobState,
        entry: Entry | None,
        now_ms: int,
        *,
        error: str | None = None,
        stop: bool = False,
        fetchable_until_ms: int | None = None,
    ) -> Job:
        """The job has ended: keep its *entry* as the newest of the history (None: it leaves no history).

        *stop*: RunPod does not know that yet, so the jobs that are open there are to be cancelled.
        *fetchable_until_ms*: until then RunPod may have more of the result than what came.
        """
        with self._database.transaction(durable=True):
            ended = {"ended_ms": now_ms, "hidden": int(entry is None), "attention": None, "error": error}
            self._move(prompt_id, target, {**ended, "fetchable_until_ms": fetchable_until_ms})
            if not stop:
                self.runpod_jobs.ended(prompt_id)
            self.runpod_jobs.stop(prompt_id)
            self.journal.forget(prompt_id)
            if entry is not None:
                self._keep(prompt_id, complete_entry(entry, completed=target is JobState.COMPLETED))
            job = self._keep_view(prompt_id)
            self._forget_oldest()
        return job

    def discard(self, prompt_ids: Iterable[PromptId], now_ms: int) -> None:
        """Cancel the jobs that wait here, all at once; they leave no history."""
        for waiting in WAITING_HERE:
            require_transition(waiting, JobState.CANCELLED)
        with self._database.transaction():
            self._database.execute_many(
                "UPDATE jobs SET state = ?, ended_ms = ?, hidden = 1 WHERE prompt_id = ?"  # noqa: S608
                f" AND state IN ({WAITING_STATES})",
                [(JobState.CANCELLED.value, now_ms, prompt_id) for prompt_id in prompt_ids],
            )
            self._forget_oldest()

    def reopen(self, prompt_id: PromptId, now_ms: int) -> Job | None:
        """An ended job of whose result RunPod may have more is followed again, from its first event; None when it
        cannot.
        """
        job = self.get(prompt_id)
        if not is_fetchable(job, now_ms):
            return None
        with self._database.transaction():
            self._reopen(job, cancel_requested=0)
        return self.get(prompt_id)

    def take_up(self, prompt_id: PromptId, runpod_id: RunPodJobId) -> Job | None:
        """RunPod has a job whose submission had no usable answer: it is followed; None when it is not looked for."""
        job = self.find(prompt_id)
        if job is None or job.state is not JobState.FAILED or job.runpod_id is not None:
            return None
        if not self.runpod_jobs.is_uncertain(prompt_id):
            return None
        with self._database.transaction(durable=True):
            self.runpod_jobs.found(prompt_id, runpod_id)
            self._reopen(job, runpod_id=runpod_id)  # a job that the person has cancelled is cancelled there
        return self.get(prompt_id)

    def _reopen(self, job: Job, **columns: Any) -> None:
        cleared = dict.fromkeys(("error", "attention", "completion", "ended_ms", "fetchable_until_ms"))
        self._set(job.prompt_id, {**_READ_AGAIN, **cleared, "state": JobState.QUEUED.value, "hidden": 0, **columns})
        self.completions.forget(job.prompt_id)
        self._database.execute("UPDATE documents SET entry = NULL, view = NULL WHERE prompt_id = ?", (job.prompt_id,))

    def _keep(self, prompt_id: PromptId, entry: Entry) -> None:
        """The job is the newest of the history."""
        self._database.execute("UPDATE documents SET entry = ? WHERE prompt_id = ?", (_entry_text(entry), prompt_id))
        self._set(prompt_id, {"completion": self.completions.append(prompt_id)})

    def _keep_view(self, prompt_id: PromptId) -> Job:
        """What lists show of the job, once and for all."""
        job = self.get(prompt_id)
        view = job_view(job)
        self._database.execute("UPDATE documents SET view = ? WHERE prompt_id = ?", (json.dumps(view), prompt_id))
        self._set(prompt_id, {"duration_ms": duration_ms(view)})
        return job

    def _forget_oldest(self) -> None:
        for kept, order in (("completion IS NOT NULL", "completion"), ("hidden = 1", "ended_ms")):
            self._database.execute(
                "DELETE FROM jobs WHERE prompt_id IN"  # noqa: S608  no input in it
                f" (SELECT prompt_id FROM jobs WHERE {kept} ORDER BY {order} DESC LIMIT -1 OFFSET ?)",
                (self._history,),
            )

    def show_changes(self, prompt_id: PromptId, changed: PromptChanged) -> None:
        """Show the job with the prompt that custom nodes of the worker made of it; run again, it is the person's."""
        job = self.get(prompt_id)
        shown = changed_prompt(job.prompt, job.extra_data, changed)
        if shown is None:
            logger.warning("%s: the worker's changes of the prompt cannot be shown", prompt_id)
            return
        with self._database.transaction():
            self._database.execute(
                "UPDATE documents SET shown_prompt = ?, shown_extra_data = ? WHERE prompt_id = ?",
                (*map(json.dumps, shown), prompt_id),
            )

    def update(self, prompt_id: PromptId, **columns: Any) -> None:
        """Set columns other than the state."""
        with self._database.transaction():
            self._set(prompt_id, columns)

    def _set(self, prompt_id: PromptId, columns: Mapping[str, Any]) -> None:
        assignments = ", ".join(f"{name} = ?" for name in columns)
        self._database.execute(f"UPDATE jobs SET {assignments} WHERE prompt_id = ?", (*columns.values(), prompt_id))  # noqa: S608

    def forget(self, prompt_ids: Iterable[str]) -> None:
        """Take ended jobs out of the history; their files stay."""
        with self._database.transaction():
            self._database.execute_many(
                f"DELETE FROM jobs WHERE prompt_id = ? AND state IN ({ENDED_STATES})",  # noqa: S608
                [(prompt_id,) for prompt_id in prompt_ids],
            )

    def forget_all(self) -> None:
        with self._database.transaction():
            self._database.execute(f"DELETE FROM jobs WHERE state IN ({ENDED_STATES})")  # noqa: S608

    def lose_temp_files(self, prompt_id: PromptId) -> None:
        """The job's temp files are gone: its history shows them no more."""
        with self._database.transaction():
            self.files.lose_temp_files(prompt_id)
            job = self.get(prompt_id)
            if job.entry is None:
                return
            gone = {item for item, is_gone in self.files.local(prompt_id).items() if is_gone}
            outputs = {node: without(output, gone) for node, output in job.entry.outputs.items()}
            text = _entry_text(replace(job.entry, outputs=outputs))
            self._database.execute("UPDATE documents SET entry = ? WHERE prompt_id = ?", (text, prompt_id))
            self._keep_view(prompt_id)


def _entry_text(entry: Entry) -> str:
    """An entry as it is stored: the members of a history item that follow its prompt."""
    return json.dumps({"outputs": entry.outputs, "status": entry.status, "meta": entry.meta})


def _job(prompt_id: str, *row: Any) -> Job:
    known = dict(zip(_FIELDS, row, strict=True))
    documents = ("prompt", "extra_data", "shown_prompt", "shown_extra_data", "entry")
    for name in (*documents, "outputs_to_execute", "targets"):
        known[name] = None if known[name] is None else json.loads(known[name])
    return Job(
        **{
            **known,
            "prompt_id": PromptId(prompt_id),
            "state": JobState(known["state"]),
            "outputs_to_execute": tuple(known["outputs_to_execute"]),
            "targets": None if known["targets"] is None else tuple(known["targets"]),
            "client_id": None if known["client_id"] is None else ClientId(known["client_id"]),
            "runpod_id": None if known["runpod_id"] is None else RunPodJobId(known["runpod_id"]),
            "cancel_requested": bool(known["cancel_requested"]),
            "entry": None if known["entry"] is None else Entry(**known["entry"]),
        }
    )
