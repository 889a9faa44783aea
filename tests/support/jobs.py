"""Jobs in a store, brought as far as a test needs them."""

from engine.model.job import Entry, Submission
from engine.model.states import JobState
from engine.store.jobs import JobStore
from wire.ids import PromptId, RunPodJobId

ENDPOINT = "endpoint"


def submission(prompt_id: str, *, front: bool = False, number: float | None = None) -> Submission:
    prompt = {"1": {"class_type": "A", "inputs": {"seed": 18446744073709551615}}}
    return Submission(PromptId(prompt_id), prompt, {"create_time": 1}, ("1",), front=front, number=number)


def added(store: JobStore, prompt_id: str) -> PromptId:
    """A job that waits here."""
    return store.add(submission(prompt_id), 5).prompt_id


def submitted(store: JobStore, prompt_id: PromptId, *, endpoint: str = ENDPOINT) -> None:
    """RunPod has the job."""
    number = store.begin_submission(prompt_id, endpoint, 6)
    store.accepted(prompt_id, number, RunPodJobId(f"{prompt_id}-u1"), 7)


def completed(store: JobStore, prompt_id: PromptId, entry: Entry | None = None, now_ms: int = 9) -> None:
    """A job that waited here has run and ended."""
    submitted(store, prompt_id)
    store.end(prompt_id, JobState.COMPLETED, entry or Entry(), now_ms)
