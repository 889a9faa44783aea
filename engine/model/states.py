"""The states of a job, as a table; every other list of states is derived from it."""

from enum import Enum


class IllegalTransition(Exception):
    """Our own bug: a job was moved along an arrow that the table does not have."""


class JobState(Enum):
    PENDING = "pending"
    """in the proxy only: free to reorder, delete, clear"""
    SUBMITTING = "submitting"
    """POST /run is under way: the only moment in which a crash leaves it open whether money is spent"""
    QUEUED = "queued"
    """accepted by RunPod, no worker has begun"""
    RETURNED = "returned"
    """in the proxy again: the worker lacked input files, so nothing ran, and it is submitted once more with them"""
    RUNNING = "running"
    CANCELLING = "cancelling"
    """the person wants it stopped; RunPod has not confirmed yet"""
    WITHDRAWING = "withdrawing"
    """the same before a worker has begun: as in ComfyUI, what is deleted while it waits is gone at once"""
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


_S = JobState

TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    _S.PENDING: frozenset({_S.SUBMITTING, _S.FAILED, _S.CANCELLED}),
    _S.SUBMITTING: frozenset({_S.PENDING, _S.QUEUED, _S.FAILED, _S.CANCELLED}),
    _S.RETURNED: frozenset({_S.SUBMITTING, _S.FAILED, _S.CANCELLED}),
    _S.QUEUED: frozenset({_S.RUNNING, _S.RETURNED, _S.WITHDRAWING, _S.COMPLETED, _S.FAILED, _S.CANCELLED}),
    _S.RUNNING: frozenset({_S.QUEUED, _S.RETURNED, _S.CANCELLING, _S.COMPLETED, _S.FAILED, _S.CANCELLED}),
    _S.CANCELLING: frozenset({_S.CANCELLED, _S.COMPLETED, _S.FAILED}),
    _S.WITHDRAWING: frozenset({_S.CANCELLED, _S.COMPLETED, _S.FAILED}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
}

ENDED = frozenset(state for state, targets in TRANSITIONS.items() if not targets)
ACTIVE = frozenset(JobState) - ENDED
SHOWN_RUNNING = frozenset({_S.RUNNING, _S.CANCELLING})
SHOWN_PENDING = ACTIVE - SHOWN_RUNNING - {_S.WITHDRAWING}
SHOWN_ACTIVE = SHOWN_RUNNING | SHOWN_PENDING
"""in the queue that a person sees, and counted there"""
WAITING_HERE = frozenset(state for state, targets in TRANSITIONS.items() if _S.SUBMITTING in targets)
"""not at the endpoint: free to reorder, delete, clear"""
AT_ENDPOINT = ACTIVE - WAITING_HERE - {_S.SUBMITTING}
"""has a RunPod id and must be followed after a restart"""


def require_transition(current: JobState, target: JobState) -> None:
    """Raises IllegalTransition when the table has no arrow from *current* to *target*."""
    if target not in TRANSITIONS[current]:
        raise IllegalTransition(f"{current.value} -> {target.value}")


PUBLIC_STATES = ("pending", "running", "completed", "failed", "cancelled", "attention")


def public_state(state: JobState, *, needs_attention: bool = False) -> str:
    """One of PUBLIC_STATES: what /runpod/api shows."""
    if state in ENDED:
        return state.value
    if needs_attention:
        return "attention"
    return "running" if state in SHOWN_RUNNING else "pending"
