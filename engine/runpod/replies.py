"""RunPod's answers as types. Pure: what has another shape than expected is left out, and never an error.

Source: RunPod docs, serverless/endpoints/operation-reference; recorded answers.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"})
"""statuses of a job that has ended"""


@dataclass(frozen=True, slots=True)
class StatusReply:
    """An answer of ``/status/{id}``; times in milliseconds."""

    status: str
    output: Any = None
    error: str | None = None
    delay_ms: int | None = None
    execution_ms: int | None = None
    worker_id: str | None = None

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL


@dataclass(frozen=True, slots=True)
class Health:
    """``/health``: how many workers and jobs are in each state."""

    workers: Mapping[str, int] = field(default_factory=dict)
    jobs: Mapping[str, int] = field(default_factory=dict)


def status_reply(body: Mapping[str, Any]) -> StatusReply:
    error, worker = body.get("error"), body.get("workerId")
    return StatusReply(
        status=str(body.get("status", "")),
        output=body.get("output"),
        error=error if error is None or isinstance(error, str) else json.dumps(error),
        delay_ms=_count(body.get("delayTime")),
        execution_ms=_count(body.get("executionTime")),
        worker_id=worker if isinstance(worker, str) else None,
    )


def health(body: Mapping[str, Any]) -> Health:
    return Health(workers=_counts(body.get("workers")), jobs=_counts(body.get("jobs")))


def total_health(healths: "list[Health]") -> Health:
    """All *healths* added up."""
    return Health(workers=_total([one.workers for one in healths]), jobs=_total([one.jobs for one in healths]))


def _total(counted: list[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for counts in counted:
        for name, number in counts.items():
            total[name] = total.get(name, 0) + number
    return total


def _counts(value: Any) -> dict[str, int]:
    if not isinstance(value, dict):
        return {}
    known = ((str(name), _count(number)) for name, number in value.items())
    return {name: number for name, number in known if number is not None}


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        return None
    return int(value)
