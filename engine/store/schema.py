"""The tables of the job database, and how those of an earlier version become these.

``jobs`` has a small row for each job, so that lists can be filtered, sorted and counted quickly; ``documents`` has the
large texts. ``runpod_jobs`` has every job that was ever sent to RunPod for one of ours, written before it was sent.
"""

from engine.model.states import ACTIVE, ENDED, SHOWN_ACTIVE, WAITING_HERE, JobState


def states_text(states: frozenset[JobState]) -> str:
    """``'pending', 'queued'``, for SQL."""
    return ", ".join(f"'{state.value}'" for state in sorted(states, key=lambda state: state.value))


ACTIVE_STATES, ENDED_STATES, SHOWN_STATES = states_text(ACTIVE), states_text(ENDED), states_text(SHOWN_ACTIVE)
WAITING_STATES = states_text(WAITING_HERE)

VERSION = 7
"""``PRAGMA user_version``"""
OLDEST = 4
"""the oldest format that is upgraded"""

_RUNPOD_JOBS = """
    CREATE TABLE runpod_jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        prompt_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        endpoint_id TEXT NOT NULL,
        state TEXT NOT NULL,
        runpod_id TEXT,
        wanted TEXT NOT NULL DEFAULT '[]',
        sent_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX runpod_jobs_of_prompt ON runpod_jobs (prompt_id);
    CREATE INDEX runpod_jobs_open ON runpod_jobs (state) WHERE state IN ('sending', 'open', 'stopping');
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""

TABLES = f"""
    CREATE TABLE jobs (
        prompt_id TEXT PRIMARY KEY,
        number REAL NOT NULL,
        state TEXT NOT NULL,
        outputs_to_execute TEXT NOT NULL,
        targets TEXT,
        client_id TEXT,
        workflow_id TEXT,
        created_ms INTEGER NOT NULL,
        endpoint_id TEXT,
        runpod_id TEXT,
        started_ms INTEGER,
        ended_ms INTEGER,
        seen_ms INTEGER,
        delay_ms INTEGER,
        execution_ms INTEGER,
        fetchable_until_ms INTEGER,
        duration_ms REAL NOT NULL DEFAULT 0,
        cancel_requested INTEGER NOT NULL DEFAULT 0,
        returns INTEGER NOT NULL DEFAULT 0,
        error TEXT,
        attention TEXT,
        hidden INTEGER NOT NULL DEFAULT 0,
        completion INTEGER,
        run TEXT NOT NULL DEFAULT '',
        run_started INTEGER NOT NULL DEFAULT 0,
        next_seq INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX jobs_by_state ON jobs (state, number);
    CREATE INDEX jobs_listed ON jobs (created_ms, state, workflow_id, prompt_id) WHERE hidden = 0;
    CREATE INDEX jobs_completed ON jobs (completion, prompt_id) WHERE completion IS NOT NULL;
    CREATE INDEX jobs_hidden ON jobs (ended_ms, prompt_id) WHERE hidden = 1;
    CREATE TABLE documents (
        prompt_id TEXT PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
        view TEXT,
        entry TEXT,
        prompt TEXT NOT NULL,
        extra_data TEXT NOT NULL,
        shown_prompt TEXT,
        shown_extra_data TEXT
    ) STRICT;
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
        gone INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (prompt_id, worker_item, sha256)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX files_by_content ON files (sha256);
    CREATE INDEX files_in_temp ON files (prompt_id) WHERE local_item LIKE '["temp"%' AND NOT gone;
    CREATE TABLE completions (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        prompt_id TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE cached_inputs (
        endpoint_id TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        PRIMARY KEY (endpoint_id, sha256)
    ) STRICT, WITHOUT ROWID;
    {_RUNPOD_JOBS}
"""

_RETENTION_MS = (24 * 60 + 30) * 60_000
"""for how long RunPod may have a result: a day in the queue, half an hour after the end"""
_GIVEN_UP = (
    "RunPod refused the key%",
    "RunPod knows no such endpoint%",
    "RunPod refused the request%",
    "RunPod says that the job completed%",
    "The proxy itself failed%",
    "The worker sent a file under a name%",
)
"""how errors begin with which an earlier version ended jobs that RunPod had accepted"""
_IS_GIVEN_UP = " OR ".join(f"error LIKE '{text}'" for text in _GIVEN_UP)

UPGRADES = {
    5: f"""
    DROP INDEX jobs_by_size_of_number;
    ALTER TABLE jobs ADD COLUMN attention TEXT;
    ALTER TABLE jobs ADD COLUMN seen_ms INTEGER;
    ALTER TABLE completions RENAME COLUMN place TO position;
    ALTER TABLE kept_inputs RENAME TO cached_inputs;
    {_RUNPOD_JOBS}
    INSERT INTO counters SELECT 'number', CAST(coalesce(max(abs(number)), -1) AS INTEGER) + 1
        FROM jobs WHERE abs(number) < 9007199254740992;
    INSERT INTO runpod_jobs (prompt_id, kind, endpoint_id, state, runpod_id, sent_ms)
        SELECT prompt_id, 'run', coalesce(endpoint_id, ''), iif(state IN ({ENDED_STATES}), 'ended', 'open'), runpod_id,
            created_ms FROM jobs WHERE runpod_id IS NOT NULL;
    CREATE TEMP TABLE given_up AS SELECT prompt_id FROM jobs
        WHERE state = 'failed' AND runpod_id IS NOT NULL AND ({_IS_GIVEN_UP})
        AND ended_ms > unixepoch() * 1000 - {_RETENTION_MS};
    UPDATE runpod_jobs SET state = 'open' WHERE prompt_id IN (SELECT prompt_id FROM given_up);
    DELETE FROM completions WHERE prompt_id IN (SELECT prompt_id FROM given_up);
    UPDATE documents SET entry = NULL, view = NULL WHERE prompt_id IN (SELECT prompt_id FROM given_up);
    UPDATE jobs SET state = 'queued', error = NULL, completion = NULL, hidden = 0, duration_ms = 0, run = '',
        run_started = 0, next_seq = 0, seen_ms = ended_ms, ended_ms = NULL
        WHERE prompt_id IN (SELECT prompt_id FROM given_up);
    DROP TABLE given_up;
    """,  # noqa: S608  no input in it
    6: "ALTER TABLE jobs ADD COLUMN fetchable_until_ms INTEGER;",
    7: """
    ALTER TABLE documents ADD COLUMN shown_prompt TEXT;
    ALTER TABLE documents ADD COLUMN shown_extra_data TEXT;
    """,
}
"""by the format that each leads to"""
