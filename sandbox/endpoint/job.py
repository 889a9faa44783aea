"""One job as RunPod keeps it. Pure: time comes in as seconds."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Status(Enum):
    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"


TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.IN_QUEUE: frozenset({Status.IN_PROGRESS, Status.CANCELLED, Status.TIMED_OUT}),
    Status.IN_PROGRESS: frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.IN_QUEUE}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset({Status.IN_QUEUE}),  # /retry
    Status.TIMED_OUT: frozenset({Status.IN_QUEUE}),  # /retry
    Status.CANCELLED: frozenset(),
}

TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.TIMED_OUT})


class NotAllowed(Exception):
    """The job cannot do that now; the text says why."""


@dataclass(slots=True)
class EndpointJob:
    id: str
    input: dict[str, Any]
    created: float
    execution_timeout_s: float
    ttl_s: float
    sync: bool = False
    status: Status = Status.IN_QUEUE
    queued: float = 0.0
    taken: float | None = None
    ended: float | None = None
    worker: str | None = None
    output: Any = None
    error: str | None = None
    retries: int = 0
    stream: list[str] = field(default_factory=list)
    """chunks that nobody has read yet, as JSON text"""

    def move(self, target: Status, now: float) -> None:
        """Change the status along the table; raises NotAllowed."""
        if target not in TRANSITIONS[self.status]:
            raise NotAllowed(f"a job that is {self.status.value} cannot become {target.value}")
        self.status = target
        if target is Status.IN_QUEUE:
            self.queued, self.taken, self.ended, self.worker = now, None, None, None
            self.output, self.error = None, None
        elif target is Status.IN_PROGRESS:
            self.taken = now
        else:
            self.ended = now

    def view(self) -> dict[str, Any]:
        """The body of /status; what does not apply is left out."""
        body: dict[str, Any] = {"id": self.id, "status": self.status.value}
        if self.taken is not None:
            body["delayTime"] = round((self.taken - self.queued) * 1000)
            body["workerId"] = self.worker
            if self.ended is not None:
                body["executionTime"] = round((self.ended - self.taken) * 1000)
        optional = {"output": self.output, "error": self.error, "retries": self.retries or None}
        return body | {name: value for name, value in optional.items() if value is not None}
