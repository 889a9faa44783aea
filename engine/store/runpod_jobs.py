"""Every job that was sent to RunPod, written down before it was sent: what costs money is never forgotten."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from engine.model.states import JobState
from engine.store.database import Database
from wire.ids import PromptId, RunPodJobId


class Kind(Enum):
    RUN = "run"
    """it runs the prompt"""
    REFETCH = "refetch"
    """it runs nothing: it sends again what was lost of the result on its way, or tells what the endpoint has"""


class SentState(Enum):
    SENDING = "sending"
    """POST /run is under way, or was when the program ended: nobody knows whether there is a job"""
    OPEN = "open"
    STOPPING = "stopping"
    """nobody needs it any more: it is cancelled until RunPod says that it has ended"""
    ENDED = "ended"
    NOT_ACCEPTED = "not accepted"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class RunPodJob:
    """One job at RunPod; *number* is ours."""

    number: int
    prompt_id: PromptId
    kind: Kind
    endpoint_id: str
    state: SentState
    runpod_id: RunPodJobId | None
    wanted: tuple[str, ...]
    """SHA-256 of the files that a refetch asks for, in its order"""
    sent_ms: int


UNCERTAIN_MS = 24 * 3600 * 1000
"""for how long RunPod may have a job that nobody knows of: a day in its queue (RunPod docs, ``policy.ttl``)"""
_FIND_MAX = 100
_OPEN = (SentState.SENDING, SentState.OPEN, SentState.STOPPING)
_COLUMNS = "id, prompt_id, kind, endpoint_id, state, runpod_id, wanted, sent_ms"


class RunPodJobs:
    """The jobs of one database. What is written here survives a power cut."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sending(
        self, prompt_id: PromptId, kind: Kind, endpoint_id: str, now_ms: int, wanted: Sequence[str] = ()
    ) -> int:
        """A job is about to be sent; its number. Part of the caller's transaction."""
        cursor = self._database.execute(
            "INSERT INTO runpod_jobs (prompt_id, kind, endpoint_id, state, wanted, sent_ms) VALUES (?, ?, ?, ?, ?, ?)",
            (prompt_id, kind.value, endpoint_id, SentState.SENDING.value, json.dumps(wanted), now_ms),
        )
        return int(cursor.lastrowid or 0)

    def set(self, number: int, state: SentState, runpod_id: RunPodJobId | None = None) -> None:
        """What became of the job; part of the caller's transaction."""
        self._database.execute(
            "UPDATE runpod_jobs SET state = ?, runpod_id = coalesce(?, runpod_id) WHERE id = ?",
            (state.value, runpod_id, number),
        )

    def begin_refetch(self, prompt_id: PromptId, endpoint_id: str, wanted: Sequence[str], now_ms: int) -> int:
        """A job is about to be sent that fetches the files with these SHA-256 again; its number."""
        with self._database.transaction(durable=True):
            return self.sending(prompt_id, Kind.REFETCH, endpoint_id, now_ms, wanted)

    def became(self, number: int, state: SentState, runpod_id: RunPodJobId | None = None) -> None:
        """As :meth:`set`, in a transaction of its own."""
        with self._database.transaction(durable=True):
            self.set(number, state, runpod_id)

    def ended(self, prompt_id: PromptId) -> None:
        """RunPod has said that the prompt's run has ended; part of the caller's transaction."""
        self._move(prompt_id, Kind.RUN, (SentState.SENDING, SentState.OPEN), SentState.ENDED)

    def stop(self, prompt_id: PromptId) -> None:
        """Whatever is open for the prompt is to be stopped; part of the caller's transaction."""
        for kind in Kind:
            self._move(prompt_id, kind, (SentState.OPEN,), SentState.STOPPING)

    def stop_refetch(self, prompt_id: PromptId) -> None:
        """The files are not wanted any more."""
        with self._database.transaction(durable=True):
            self._move(prompt_id, Kind.REFETCH, (SentState.OPEN,), SentState.STOPPING)

    def open_refetch(self, prompt_id: PromptId) -> "RunPodJob | None":
        """The one that is under way, as before a restart."""
        return next(
            (job for job in self.of(prompt_id) if (job.kind, job.state) == (Kind.REFETCH, SentState.OPEN)), None
        )

    def uncertain(self, endpoint_id: str, now_ms: int) -> list[PromptId]:
        """Prompts that the endpoint may have, and whose job is not known; the newest, of the last day."""
        rows = self._database.rows(
            "SELECT DISTINCT prompt_id FROM runpod_jobs JOIN jobs USING (prompt_id) WHERE kind = ? AND"
            " runpod_jobs.state = ? AND runpod_jobs.endpoint_id = ? AND sent_ms > ? AND jobs.runpod_id IS NULL"
            " AND jobs.state = ? ORDER BY sent_ms DESC LIMIT ?",
            (Kind.RUN.value, SentState.UNCERTAIN.value, endpoint_id, now_ms - UNCERTAIN_MS,
             JobState.FAILED.value, _FIND_MAX),
        )  # fmt: skip
        return [PromptId(prompt_id) for (prompt_id,) in rows]

    def is_uncertain(self, prompt_id: PromptId) -> bool:
        """Whether RunPod may have a job for the prompt that is not known."""
        return any((job.kind, job.state) == (Kind.RUN, SentState.UNCERTAIN) for job in self.of(prompt_id))

    def found(self, prompt_id: PromptId, runpod_id: RunPodJobId) -> None:
        """RunPod has the prompt after all; part of the caller's transaction."""
        self._database.execute(
            "UPDATE runpod_jobs SET state = ?, runpod_id = ? WHERE prompt_id = ? AND kind = ? AND state = ?",
            (SentState.OPEN.value, runpod_id, prompt_id, Kind.RUN.value, SentState.UNCERTAIN.value),
        )

    def recover(self) -> None:
        """The program ended while these were sent: whether RunPod has them is not known, so they are not sent again."""
        with self._database.transaction(durable=True):
            self._database.execute(
                "UPDATE runpod_jobs SET state = ? WHERE state = ?",
                (SentState.UNCERTAIN.value, SentState.SENDING.value),
            )

    def _move(self, prompt_id: PromptId, kind: Kind, old: Sequence[SentState], new: SentState) -> None:
        states = ", ".join(f"'{state.value}'" for state in old)
        self._database.execute(
            f"UPDATE runpod_jobs SET state = ? WHERE prompt_id = ? AND kind = ? AND state IN ({states})",  # noqa: S608
            (new.value, prompt_id, kind.value),
        )

    def forget_closed(self) -> None:
        """Those of prompts that the history has forgotten."""
        closed = ", ".join(f"'{state.value}'" for state in SentState if state not in _OPEN)
        with self._database.transaction():
            self._database.execute(
                f"DELETE FROM runpod_jobs WHERE state IN ({closed})"  # noqa: S608  no input in it
                " AND prompt_id NOT IN (SELECT prompt_id FROM jobs)"
            )

    def of(self, prompt_id: PromptId) -> list[RunPodJob]:
        """All that was ever sent for the prompt, the oldest first."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM runpod_jobs WHERE prompt_id = ? ORDER BY id",  # noqa: S608  no input in it
            (prompt_id,),
        )
        return [_runpod_job(*row) for row in rows]

    def to_stop(self) -> list[RunPodJob]:
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM runpod_jobs WHERE state = ? ORDER BY id",  # noqa: S608  no input in it
            (SentState.STOPPING.value,),
        )
        return [_runpod_job(*row) for row in rows]


def _runpod_job(
    number: int, prompt_id: str, kind: str, endpoint_id: str, state: str, runpod_id: str | None, *more: Any
) -> RunPodJob:
    wanted, sent_ms = more
    job_id = None if runpod_id is None else RunPodJobId(runpod_id)
    where = (endpoint_id, SentState(state), job_id)
    return RunPodJob(number, PromptId(prompt_id), Kind(kind), *where, tuple(json.loads(wanted)), sent_ms)
