"""What a person does about one job on our page: cancel it, run its prompt again, fetch its result again."""

from collections.abc import Callable
from typing import Any

from engine.jobs.dispatcher import Dispatcher
from engine.model.job import Brief, Job, is_fetchable
from engine.model.states import ENDED
from engine.store.jobs import JobStore
from wire.ids import PromptId

CANCEL, RETRY, FETCH = "cancel", "retry", "fetch"


class NoSuchJob(Exception):
    """No job has that id."""


class NotNow(Exception):
    """The job is not in a state in which this can be done."""


def possible_actions(job: Brief | Job, now_ms: int) -> tuple[str, ...]:
    """Which buttons the page shows beside the job."""
    if job.state not in ENDED:
        return (CANCEL, FETCH) if job.attention else (CANCEL,)
    return (RETRY, FETCH) if is_fetchable(job, now_ms) else (RETRY,)


class JobActions:
    """Answers POST /runpod/api/jobs/{id}/{action}; *new_id* makes the id of a new prompt."""

    def __init__(
        self, dispatcher: Dispatcher, store: JobStore, new_id: Callable[[], PromptId], now_ms: Callable[[], int]
    ) -> None:
        self._dispatcher, self._store, self._new_id, self._now_ms = dispatcher, store, new_id, now_ms

    def act(self, prompt_id: str, action: str, *, dry: bool = False) -> dict[str, Any]:
        """The body of the answer. *dry* only tells what would happen and what it would cost, None when nobody knows.

        Raises NoSuchJob, NotNow.
        """
        job = self._store.find(prompt_id)
        if job is None:
            raise NoSuchJob("No job has this id.")
        match action:
            case "cancel":
                return {"cancelled": job.state not in ENDED if dry else self._dispatcher.cancel(prompt_id)}
            case "retry":
                return {"prompt_id": self._retry(job, dry=dry), "cost_usd": None}
            case _:
                return {"fetching": self._fetch(job, dry=dry)}

    def _retry(self, job: Job, *, dry: bool) -> PromptId | None:
        if job.state not in ENDED:
            raise NotNow("The job has not ended: running it again now would be paid twice. Cancel it first.")
        again = None if dry else self._dispatcher.run_again(job.prompt_id, self._new_id())
        return None if again is None else again.prompt_id

    def _fetch(self, job: Job, *, dry: bool) -> bool:
        if job.state in ENDED and not is_fetchable(job, self._now_ms()):
            raise NotNow(
                "There is nothing to fetch: everything that came of this job is here, and RunPod keeps a result for "
                "half an hour."
            )
        return dry or self._dispatcher.fetch(job.prompt_id)
