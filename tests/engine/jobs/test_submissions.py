"""The one door for money."""

import ast
from pathlib import Path
from typing import Any

import pytest

from engine.jobs.events import CannotNow, Failed, SubmissionUnknown, Submitted
from engine.jobs.retry import Retry
from engine.jobs.submissions import Submissions
from engine.jobs.troubles import Troubles
from engine.model.states import JobState
from engine.runpod.endpoint import Endpoint, EndpointUnavailable, SubmissionUncertain
from engine.store.jobs import JobStore
from engine.store.runpod_jobs import SentState
from tests.support.jobs import added
from tests.support.runpod import LOST, Answer, RunPod

PROJECT = Path(__file__).resolve().parents[3]
BODY: dict[str, Any] = {"workflow": {"1": {}}}
BUSY = Answer(429, '{"error": "slow down"}')


async def no_sleep(seconds: float) -> None:
    """Of a test that waits for nothing."""


def submissions(store: JobStore) -> Submissions:
    return Submissions(store, Retry("job", Troubles(lambda *_: None), no_sleep), lambda: 5)


@pytest.mark.parametrize(
    ("fault", "outcome", "state", "sent"),
    [
        (None, Submitted, JobState.QUEUED, SentState.OPEN),
        (BUSY, CannotNow, JobState.PENDING, SentState.NOT_ACCEPTED),
        (Answer(400, "no input"), Failed, JobState.SUBMITTING, SentState.NOT_ACCEPTED),
        (Answer(502, "<html>"), SubmissionUnknown, JobState.SUBMITTING, SentState.UNCERTAIN),
        (LOST, SubmissionUnknown, JobState.SUBMITTING, SentState.UNCERTAIN),
    ],
    ids=str,
)
async def test_what_becomes_of_a_submission_is_written_down(
    runpod: RunPod,
    endpoint: Endpoint,
    tmp_path: Path,
    fault: Answer | str | None,
    outcome: type[object],
    state: JobState,
    sent: SentState,
) -> None:
    if fault is not None:
        runpod.spoil("run", fault)
    with JobStore(tmp_path / "jobs.sqlite") as store:
        prompt_id = added(store, "a")
        result = await submissions(store).run(prompt_id, endpoint, BODY)
        job, (written,) = store.get(prompt_id), store.runpod_jobs.of(prompt_id)

    assert isinstance(result, outcome)
    assert (job.state, job.endpoint_id) == (state, "ep")
    assert (written.state, written.runpod_id) == (sent, job.runpod_id)
    assert runpod.calls["run"] == 1


async def test_nothing_is_sent_that_cannot_be_written_down_first(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path
) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store, JobStore(tmp_path / "jobs.sqlite") as other:
        prompt_id = added(store, "a")
        store._database.execute("PRAGMA busy_timeout = 0")
        with other._database.transaction():
            result = await submissions(store).run(prompt_id, endpoint, BODY)

    assert isinstance(result, CannotNow)
    assert runpod.calls["run"] == 0


@pytest.mark.parametrize(
    ("fault", "error", "sent"),
    [
        (BUSY, EndpointUnavailable, SentState.NOT_ACCEPTED),
        (LOST, SubmissionUncertain, SentState.UNCERTAIN),
    ],
    ids=str,
)
async def test_a_refetch_is_written_down_too(
    runpod: RunPod, endpoint: Endpoint, tmp_path: Path, fault: Answer | str, error: type[Exception], sent: SentState
) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        prompt_id = added(store, "a")
        runpod.spoil("run", fault)
        with pytest.raises(error):
            await submissions(store).refetch(prompt_id, endpoint, BODY, ["f" * 64])
        number, runpod_id = await submissions(store).refetch(prompt_id, endpoint, BODY, ["f" * 64])
        written = store.runpod_jobs.of(prompt_id)

    assert [item.state for item in written] == [sent, SentState.OPEN]
    assert (written[1].number, written[1].runpod_id, written[1].wanted) == (number, runpod_id, ("f" * 64,))


def test_there_is_no_other_door() -> None:
    """``endpoint.run(…)`` is called here, and by the doctor's probe, which says what it costs before it asks."""
    rooms = [path for room in ("engine", "proxy", "client") for path in (PROJECT / room).rglob("*.py")]
    callers = {path.relative_to(PROJECT).as_posix() for path in rooms if _submits(path)}

    assert callers == {"engine/jobs/submissions.py", "client/doctor/probe.py"}


def _submits(path: Path) -> bool:
    calls = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    return any(
        isinstance(call.func, ast.Attribute) and call.func.attr == "run" and "endpoint" in ast.unparse(call.func.value)
        for call in calls
    )
