"""What /queue, /history and /api/jobs read: filtered, sorted and cut by SQLite, so that only a page is loaded.

Nothing is parsed here: documents go from the database into the answer as the text that they are.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from engine.model.job import Brief, StoredJob
from engine.model.states import ACTIVE, ENDED, JobState
from engine.store.schema import SHOWN_STATES, states_text
from engine.views.history import Position, Window
from engine.views.job import brief_view
from engine.views.jobs import JobsQuery, Listed
from wire.ids import PromptId

Rows = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
"""runs one query on the job database"""

_STORED = (
    "SELECT prompt_id, state, number, completion, coalesce(shown_prompt, prompt),"
    " coalesce(shown_extra_data, extra_data), outputs_to_execute"
)
_BRIEF = (
    "SELECT prompt_id, number, state, created_ms, workflow_id, runpod_id, delay_ms, execution_ms, error, attention,"
    " fetchable_until_ms FROM jobs"
)
_NO_LIMIT, _LARGEST = -1, 2**62
_STATES = {state.value: state for state in JobState}  # half the time of JobState(…), a thousand times an answer


class JobLists:
    """The lists of a JobStore."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def queue(self) -> list[StoredJob]:
        """Jobs of the queue that a person sees, in its order."""
        # sorted before the documents come in: sorting those takes three times as long
        active = f"SELECT * FROM jobs WHERE state IN ({SHOWN_STATES}) ORDER BY number, created_ms LIMIT -1"  # noqa: S608
        return [_stored(row) for row in self._rows(f"{_STORED} FROM ({active}) JOIN documents USING (prompt_id)", ())]

    def stored(self, prompt_ids: Iterable[str]) -> dict[PromptId, StoredJob]:
        """Those jobs of *prompt_ids* that are in the history."""
        rows = self._rows(
            f"{_STORED}, entry FROM json_each(?) CROSS JOIN jobs ON prompt_id = value JOIN documents USING (prompt_id)"
            " WHERE completion IS NOT NULL",
            (json.dumps(list(prompt_ids)),),
        )
        return {job.prompt_id: job for job in map(_stored, rows)}

    def places(self, window: Window, skipped: int = 0) -> list[Position]:
        """Places of the jobs in the history that can be in *window*, which is over a list without *skipped* of them."""
        direction = "ASC" if window.from_oldest else "DESC"
        rows = self._rows(
            "SELECT completion, prompt_id FROM jobs WHERE completion IS NOT NULL"  # noqa: S608  no input in it
            f" ORDER BY completion {direction} LIMIT ? OFFSET ?",
            (_limit(window.reach), _limit(skipped)),
        )
        return [(place, prompt_id) for place, prompt_id in rows]

    def listed(self, query: JobsQuery, local: int) -> Listed:
        """The jobs that *query* wants and that can be on its page, when there are *local* others in the list."""
        # the plus keeps SQLite from sorting what the index has in order
        where = f"hidden = 0 AND +state IN ({states_text(query.states)}) AND (? IS NULL OR workflow_id = ?)"
        chosen = (query.workflow_id, query.workflow_id)
        key, direction = "duration_ms" if query.by_duration else "created_ms", "DESC" if query.descending else "ASC"
        skipped = max(0, query.offset - local)
        wanted = None if query.reach is None else query.reach - skipped
        keys = self._rows(
            f"SELECT {key}, prompt_id FROM jobs WHERE {where}"  # noqa: S608  no input in it
            f" ORDER BY {key} {direction}, rowid {direction} LIMIT ? OFFSET ?",
            (*chosen, _limit(wanted), _limit(skipped)),
        )
        ((total,),) = self._rows(f"SELECT count(*) FROM jobs WHERE {where}", chosen)  # noqa: S608
        return Listed([(key, PromptId(prompt_id)) for key, prompt_id in keys], total, skipped)

    def views(self, prompt_ids: Sequence[PromptId]) -> dict[PromptId, str]:
        """Each job as /api/jobs shows it, as JSON."""
        wanted = "FROM json_each(?) CROSS JOIN {} ON prompt_id = value WHERE {}"
        ids = json.dumps(prompt_ids)
        ended = self._rows(f"SELECT prompt_id, view {wanted.format('documents', 'view IS NOT NULL')}", (ids,))
        views = {PromptId(prompt_id): view for prompt_id, view in ended}
        active = wanted.format("jobs", f"state IN ({SHOWN_STATES})")
        for row in self._rows(_BRIEF.replace("FROM jobs", active), (ids,)):
            views[row[0]] = json.dumps(brief_view(_brief(row)))
        return views

    def newest(self, states: frozenset[JobState], limit: int, *, attention: bool | None = None) -> list[Brief]:
        """At most *limit* jobs in *states*: the ones that have not ended first, the last of the queue leading.

        *attention*: only jobs that need a look, or only the others.
        """
        looked = "" if attention is None else f" AND attention IS {'NOT ' if attention else ''}NULL"
        found: list[Brief] = []
        for order in ("number DESC, created_ms DESC", "completion DESC"):
            wanted = states & (ENDED if order.startswith("completion") else ACTIVE)
            rows = self._rows(
                f"{_BRIEF} WHERE hidden = 0 AND state IN ({states_text(wanted)}){looked} ORDER BY {order} LIMIT ?",
                (_limit(limit - len(found)),),
            )
            found += [_brief(row) for row in rows]
        return found


def _limit(count: int | None) -> int:
    return _NO_LIMIT if count is None else max(0, min(count, _LARGEST))


def _stored(row: tuple[Any, ...]) -> StoredJob:
    prompt_id, state, *rest = row
    return StoredJob(PromptId(prompt_id), _STATES[state], *rest)


def _brief(row: tuple[Any, ...]) -> Brief:
    prompt_id, number, state, *rest = row
    return Brief(PromptId(prompt_id), number, JobState(state), *rest)
