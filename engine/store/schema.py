"""The tables of the job database, as the steps that made them; a database of any older step is led through the rest.

``jobs`` has a small row for each job, so that lists can be filtered, sorted and counted quickly; ``documents`` has the
large texts, of which only those on a page are read.
"""

import json
from collections.abc import Callable
from typing import Any

from engine.model.job import Entry, Job, workflow_id
from engine.model.states import ACTIVE, ENDED, SHOWN_ACTIVE, WAITING_HERE, JobState
from engine.views.history import complete_entry
from engine.views.job import duration_ms, job_view
from wire.ids import PromptId


def states_text(states: frozenset[JobState]) -> str:
    """``'pending', 'queued'``, for SQL."""
    return ", ".join(f"'{state.value}'" for state in sorted(states, key=lambda state: state.value))


ACTIVE_STATES, ENDED_STATES, SHOWN_STATES = states_text(ACTIVE), states_text(ENDED), states_text(SHOWN_ACTIVE)
WAITING_STATES = states_text(WAITING_HERE)

MIGRATIONS = (
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
    f"""
    CREATE TABLE documents (
        prompt_id TEXT PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
        view TEXT,
        entry TEXT,
        prompt TEXT NOT NULL,
        extra_data TEXT NOT NULL
    ) STRICT;
    INSERT INTO documents SELECT
        prompt_id,
        iif(state IN ({ENDED_STATES}), ended_view(
            prompt_id, number, state, extra_data, created_ms, started_ms, ended_ms, entry), NULL),
        whole_entry(entry, state),
        prompt,
        extra_data
    FROM jobs;
    ALTER TABLE jobs DROP COLUMN prompt;
    ALTER TABLE jobs DROP COLUMN extra_data;
    ALTER TABLE jobs DROP COLUMN entry;
    ALTER TABLE jobs ADD COLUMN workflow_id TEXT;
    ALTER TABLE jobs ADD COLUMN duration_ms REAL NOT NULL DEFAULT 0;
    ALTER TABLE jobs ADD COLUMN completion INTEGER;
    UPDATE jobs SET workflow_id =
        (SELECT workflow_id_of(extra_data) FROM documents WHERE documents.prompt_id = jobs.prompt_id);
    UPDATE jobs SET
        duration_ms = (SELECT duration_of(view) FROM documents WHERE documents.prompt_id = jobs.prompt_id),
        completion = (SELECT place FROM completions WHERE completions.prompt_id = jobs.prompt_id)
    WHERE state IN ({ENDED_STATES}) AND NOT hidden;
    CREATE INDEX jobs_by_size_of_number ON jobs (abs(number));
    CREATE INDEX jobs_listed ON jobs (created_ms, state, workflow_id, prompt_id) WHERE hidden = 0;
    CREATE INDEX jobs_completed ON jobs (completion, prompt_id) WHERE completion IS NOT NULL;
    CREATE INDEX jobs_hidden ON jobs (ended_ms, prompt_id) WHERE hidden = 1;
    """,  # noqa: S608  no input in it
    """
    ALTER TABLE files ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX files_in_temp ON files (prompt_id) WHERE local_item LIKE '["temp"%' AND NOT gone;
    """,
    """
    ALTER TABLE jobs ADD COLUMN returns INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE kept_inputs (
        endpoint_id TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        PRIMARY KEY (endpoint_id, sha256)
    ) STRICT, WITHOUT ROWID;
    """,
)


def entry_text(entry: Entry) -> str:
    """An entry as it is stored: the members of a history item that follow its prompt."""
    return json.dumps({"outputs": entry.outputs, "status": entry.status, "meta": entry.meta})


def _ended_view(*columns: Any) -> str:
    prompt_id, number, state, extra_data, created_ms, started_ms, ended_ms, entry = columns
    job = Job(
        prompt_id=PromptId(prompt_id),
        number=number,
        state=JobState(state),
        prompt={},
        extra_data=json.loads(extra_data),
        outputs_to_execute=(),
        created_ms=created_ms,
        started_ms=started_ms,
        ended_ms=ended_ms,
        entry=None if entry is None else Entry(**json.loads(entry)),
    )
    return json.dumps(job_view(job))


def _whole_entry(entry: str | None, state: str) -> str | None:
    if entry is None:
        return None
    completed = JobState(state) is JobState.COMPLETED
    return entry_text(complete_entry(Entry(**json.loads(entry)), completed=completed))


FUNCTIONS: dict[str, tuple[int, Callable[..., str | float | None]]] = {
    "ended_view": (8, _ended_view),
    "whole_entry": (2, _whole_entry),
    "workflow_id_of": (1, lambda extra_data: workflow_id(json.loads(extra_data))),
    "duration_of": (1, lambda view: float(duration_ms(json.loads(view)))),
}
"""What the steps call: name in SQL, number of arguments, and the function."""
