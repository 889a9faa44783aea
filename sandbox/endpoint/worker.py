"""One worker as the endpoint knows it. Pure: time comes in as seconds."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum


class Phase(Enum):
    INITIALIZING = "initializing"
    """its machine comes up; it has not asked for anything yet"""
    READY = "ready"
    STOPPING = "stopping"
    """it gets no more jobs: the SDK would take one while it drains, and never run it"""
    UNHEALTHY = "unhealthy"
    """it ended before it was ready, or says itself that it is not fit"""


@dataclass(slots=True)
class Worker:
    id: str
    seen: float
    phase: Phase = Phase.READY
    jobs: frozenset[str] = frozenset()
    """what it says that it works on"""


def worker_counts(workers: Iterable[Worker], busy: Collection[str | None]) -> dict[str, int]:
    """The six counts of /health; *busy* are the ids of the workers with a job in progress."""
    known = list(workers)
    phases = [worker.phase for worker in known]
    running = sum(worker.id in busy for worker in known if worker.phase in (Phase.READY, Phase.STOPPING))
    idle = sum(worker.id not in busy for worker in known if worker.phase is Phase.READY)
    return {
        "idle": idle,
        "initializing": phases.count(Phase.INITIALIZING),
        "ready": idle,
        "running": running,
        "throttled": 0,
        "unhealthy": phases.count(Phase.UNHEALTHY),
    }
