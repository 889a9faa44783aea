"""Each answer of RunPod is an event; none is the end of a job."""

from pathlib import Path

import pytest

from engine.jobs.endpoint_calls import EndpointCalls
from engine.jobs.events import CannotNow, Fault, HealthSeen, Received, StatusSeen, StreamEnded, Unreadable, Wait
from engine.jobs.run_times import RunTimes
from engine.model.states import JobState
from engine.runpod.endpoint import Endpoint
from engine.store.jobs import JobStore
from tests.support.jobs import added
from tests.support.playbook import job
from tests.support.runpod import Answer, RunPod
from wire.ids import RunPodJobId

JSON = {"Content-Type": "application/json"}
Seen = list[Received | Unreadable]


async def no_sleep(seconds: float) -> None:
    """Of a test that waits for nothing."""


class Calls(EndpointCalls):
    """About the first job at RunPod, remembering what was received."""

    def __init__(self, endpoint: Endpoint | None, store: JobStore) -> None:
        times = RunTimes(added(store, "p"), store, no_sleep)
        super().__init__(job(JobState.QUEUED, runpod_id=RunPodJobId("job-1")), endpoint, times)
        self.seen: Seen = []

    async def receive(self, event: Received | Unreadable) -> None:
        self.seen.append(event)


@pytest.fixture
async def accepted(endpoint: Endpoint) -> Endpoint:
    """An endpoint that has a job."""
    await endpoint.run({"workflow": {"1": {}}})
    return endpoint


async def test_the_stream_gives_batches_and_the_status(accepted: Endpoint, tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        calls = Calls(accepted, store)
        ended = await calls.follow(calls.receive)

    assert ended == StreamEnded("COMPLETED")
    assert [type(event) for event in calls.seen] == [Received]


async def test_the_status_gives_the_whole_output_first_and_the_times(
    accepted: Endpoint, runpod: RunPod, tmp_path: Path
) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        calls = Calls(accepted, store)
        await calls.follow(calls.receive)
        seen = await calls.status(calls.receive)

    assert isinstance(seen, StatusSeen)
    assert seen.reply.status == "COMPLETED"
    assert calls.seen[0] == calls.seen[1]


async def test_cancel_asks_whether_the_job_has_ended(accepted: Endpoint, runpod: RunPod, tmp_path: Path) -> None:
    runpod.holds = True
    with JobStore(tmp_path / "jobs.sqlite") as store:
        seen = await Calls(accepted, store).cancel()

    assert isinstance(seen, StatusSeen)
    assert seen.reply.status == "CANCELLED"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Answer(500), Fault.UNAVAILABLE),
        (Answer(429, "{}", JSON), Fault.UNAVAILABLE),
        (Answer(200, "<html>"), Fault.UNAVAILABLE),
        (Answer(404, "<html>nginx</html>"), Fault.UNAVAILABLE),
        (Answer(401, "{}", JSON), Fault.REJECTED),
        (Answer(403, "{}", JSON), Fault.REJECTED),
        (Answer(404, '{"error": "endpoint not found"}', JSON), Fault.REJECTED),
        (Answer(404, '{"error": "job not found"}', JSON), Fault.GONE),
    ],
    ids=str,
)
async def test_whatever_else_runpod_answers_says_why_it_cannot_be_asked(
    accepted: Endpoint, runpod: RunPod, tmp_path: Path, fault: Answer, expected: Fault
) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        calls = Calls(accepted, store)
        for operation, ask in (("stream", calls.follow), ("status", calls.status)):
            runpod.spoil(operation, fault)
            outcome = await ask(calls.receive)
            assert isinstance(outcome, CannotNow)
            assert (outcome.wait, outcome.fault) == (Wait.FOLLOW, expected)
            assert outcome.reason
        runpod.spoil("status", fault)
        refused = await calls.cancel()
        runpod.spoil("health", fault)
        nothing = await calls.health()

    assert isinstance(refused, CannotNow)
    assert (refused.wait, refused.fault) == (Wait.CANCEL, expected)
    assert nothing is None


async def test_an_endpoint_that_the_settings_lack_is_said(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        calls = Calls(None, store)
        outcome = await calls.follow(calls.receive)

    assert isinstance(outcome, CannotNow)
    assert outcome.fault is Fault.REJECTED
    assert "which is not in RUNPOD_ENDPOINT_ID. Add it there and restart" in outcome.reason


@pytest.mark.parametrize("output", ['{"protocol": 99, "events": []}', '"text"', "7"])
async def test_an_output_that_this_version_cannot_read_is_an_event_too(
    accepted: Endpoint, runpod: RunPod, tmp_path: Path, output: str
) -> None:
    runpod.spoil("stream", Answer(200, f'{{"status": "IN_PROGRESS", "stream": [{{"output": {output}}}]}}', JSON))
    runpod.spoil("status", Answer(200, f'{{"status": "COMPLETED", "output": {output}}}', JSON))
    with JobStore(tmp_path / "jobs.sqlite") as store:
        calls = Calls(accepted, store)
        await calls.follow(calls.receive)
        outcome = await calls.status(calls.receive)

    assert [type(event) for event in calls.seen] == [Unreadable]
    assert isinstance(outcome, Unreadable)


async def test_health_tells_what_the_workers_do(accepted: Endpoint, tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        assert await Calls(accepted, store).health() == HealthSeen({"idle": 1})
