"""What it costs that a submission and a job's end survive a power cut: the job database waits for the disk."""

import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench.report import Limit, Row
from engine.model.job import Entry, Submission
from engine.model.states import JobState
from engine.store.jobs import JobStore
from tests.support.prompts import inverted_image
from wire.ids import PromptId, RunPodJobId

_JOBS = 200


async def committed() -> list[Row]:
    """Both beside a change that only survives the end of the program."""
    submitted: list[float] = []
    ended: list[float] = []
    plain: list[float] = []
    with tempfile.TemporaryDirectory(prefix="comfy-runpod-bench-") as home, JobStore(Path(home) / "jobs") as store:
        for _ in range(_JOBS):
            prompt_id = PromptId(str(uuid.uuid4()))
            store.add(Submission(prompt_id, inverted_image(), {}, ("3",)), 0)
            submitted.append(_took(partial(_submit, store, prompt_id)))
            plain.append(_took(partial(store.update, prompt_id, delay_ms=1)))
            ended.append(_took(partial(store.end, prompt_id, JobState.COMPLETED, Entry(), 1)))
    peers: dict[str, Sequence[float]] = {"a plain change": plain}
    return [
        Row("job database: a submission, two durable commits", "ms", submitted, peers, Limit(50)),
        Row("job database: the end of a job, one durable commit", "ms", ended, peers, Limit(25)),
    ]


def _submit(store: JobStore, prompt_id: PromptId) -> None:
    number = store.begin_submission(prompt_id, "endpoint", 0)
    store.accepted(prompt_id, number, RunPodJobId(f"{prompt_id}-u1"), 0)


def _took(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000
