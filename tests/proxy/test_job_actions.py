"""The buttons of our page, over real sockets and a real engine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from engine.jobs.setbacks import RETENTION_MS
from engine.model.states import ENDED, JobState
from engine.runpod.endpoint import Endpoint
from proxy.addons.guard import Guard
from proxy.addons.panel import Panel
from proxy.addons.streaming import Streaming
from proxy.job_actions import JobActions, possible_actions
from proxy.websocket.sockets import Sockets
from tests.proxy.addons.conftest import running_front
from tests.support.engine import Engine, engine
from tests.support.playbook import finished
from tests.support.runpod import CONTENT, RunPod, endpoint_of, pictures, serving
from wire.events import HistoryEntry, PromptFailed
from wire.ids import PromptId


@asynccontextmanager
async def page(one: Engine) -> AsyncIterator[str]:
    """Where the API of our page is served."""
    actions = JobActions(one.dispatcher, one.store, lambda: PromptId("again"), one.clock.now_ms)

    async def no_status() -> dict[str, Any]:
        return {}

    async with aiohttp.ClientSession() as session:
        sink = Sockets("http://127.0.0.1:1", session, lambda: 0, lambda: None, lambda: None)
        panel = Panel(no_status, lambda status, limit: {}, actions.act)
        addons = [Guard(sink, allow_remote=False), Streaming(), panel]
        async with running_front("http://127.0.0.1:1", addons) as url:
            yield f"{url}/runpod/api/jobs"


@pytest.fixture
async def runpod() -> AsyncIterator[RunPod]:
    """Its jobs run until they are told to finish."""
    async with serving(RunPod(pictures(), holds=True)) as server:
        yield server


@pytest.fixture
async def endpoint(runpod: RunPod) -> AsyncIterator[Endpoint]:
    async with endpoint_of(runpod) as client:
        yield client


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client


async def post(session: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, Any]:
    async with session.post(url, headers=headers) as response:
        return response.status, await response.json()


async def test_cancel_stops_a_job_at_runpod(
    runpod: RunPod, endpoint: Endpoint, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with engine(tmp_path, [endpoint]) as one, page(one) as url:
        prompt_id = one.submit()
        await one.becomes(prompt_id, JobState.QUEUED)
        assert await post(session, f"{url}/{prompt_id}/cancel?dry=1") == (200, {"cancelled": True})
        assert one.store.get(prompt_id).state is JobState.QUEUED
        assert await post(session, f"{url}/{prompt_id}/cancel") == (200, {"cancelled": True})
        await one.ended(prompt_id)
        again = await post(session, f"{url}/{prompt_id}/cancel")

    assert again == (200, {"cancelled": False})
    assert runpod.running == []


async def test_retry_submits_the_prompt_once_more_and_only_when_the_job_has_ended(
    runpod: RunPod, endpoint: Endpoint, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with engine(tmp_path, [endpoint]) as one, page(one) as url:
        prompt_id = one.submit()
        await one.becomes(prompt_id, JobState.QUEUED)
        too_early, body = await post(session, f"{url}/{prompt_id}/retry")
        runpod.finish()
        await one.ended(prompt_id)
        dry = await post(session, f"{url}/{prompt_id}/retry?dry=1")
        assert len(runpod.jobs) == 1
        answer = await post(session, f"{url}/{prompt_id}/retry")
        job = await one.ended("again")

    assert (too_early, body["error"]["message"]) == (409, "Cannot retry")
    assert "paid twice" in body["error"]["details"]
    assert dry == (200, {"prompt_id": None, "cost_usd": None})
    assert answer == (200, {"prompt_id": "again", "cost_usd": None})
    assert (job.state, len(runpod.jobs)) == (JobState.COMPLETED, 2)


async def test_fetch_gets_the_result_of_a_job_that_was_given_up(
    runpod: RunPod, endpoint: Endpoint, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with engine(tmp_path, [endpoint]) as one:
        prompt_id = one.submit()
        await one.becomes(prompt_id, JobState.QUEUED)
    async with engine(tmp_path, []) as one, page(one) as url:
        await one.needs_attention(prompt_id)
        assert await post(session, f"{url}/{prompt_id}/fetch") == (200, {"fetching": True})
        one.store.end(prompt_id, JobState.FAILED, None, 9, fetchable_until_ms=2**53)
    runpod.finish()
    async with engine(tmp_path, [endpoint]) as one, page(one) as url:
        assert await post(session, f"{url}/{prompt_id}/fetch?dry=1") == (200, {"fetching": True})
        assert one.store.get(prompt_id).state is JobState.FAILED
        assert await post(session, f"{url}/{prompt_id}/fetch") == (200, {"fetching": True})
        job = await one.ended(prompt_id)
        nothing, body = await post(session, f"{url}/{prompt_id}/fetch")

    assert (job.state, one.saved()) == (JobState.COMPLETED, CONTENT)
    assert (nothing, body["error"]["message"]) == (409, "Cannot fetch")


async def test_a_job_that_failed_in_a_node_has_nothing_to_fetch_and_keeps_its_error(
    endpoint: Endpoint, session: aiohttp.ClientSession, runpod: RunPod, tmp_path: Path
) -> None:
    error = {"node_id": "1", "node_type": "SaveImage", "exception_message": "disk on fire"}
    runpod.script = lambda _: [PromptFailed(error=error, history=HistoryEntry(outputs={}, status={}))]
    runpod.finish()
    async with engine(tmp_path, [endpoint]) as one, page(one) as url:
        job = await one.ended(one.submit())
        runpod.known = False
        refused, _ = await post(session, f"{url}/{job.prompt_id}/fetch")
        (listed,) = one.store.lists.newest(ENDED, 9)

        assert possible_actions(listed, one.clock.now_ms()) == ("retry",)
        assert (refused, one.store.get(job.prompt_id)) == (409, job)
    assert job.error == "SaveImage #1: disk on fire"


async def test_an_incomplete_result_can_be_fetched_for_as_long_as_runpod_keeps_it(
    endpoint: Endpoint, session: aiohttp.ClientSession, runpod: RunPod, tmp_path: Path
) -> None:
    runpod.script = lambda _: [finished("never-sent.png")]
    runpod.finish()
    async with engine(tmp_path, [endpoint]) as one, page(one) as url:
        job = await one.ended(one.submit())
        actions = possible_actions(job, one.clock.now_ms())
        one.clock.ahead_ms = RETENTION_MS
        too_late, body = await post(session, f"{url}/{job.prompt_id}/fetch")
        one.clock.ahead_ms = 0
        in_time = await post(session, f"{url}/{job.prompt_id}/fetch?dry=1")

    assert (job.state, actions) == (JobState.FAILED, ("retry", "fetch"))
    assert (too_late, body["error"]["message"]) == (409, "Cannot fetch")
    assert in_time == (200, {"fetching": True})


async def test_what_is_no_action_of_a_job_is_refused(
    endpoint: Endpoint, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with engine(tmp_path, [endpoint]) as one, page(one) as url:
        prompt_id = one.submit()
        found = [
            (await post(session, f"{url}/unknown/cancel"))[0],
            (await post(session, f"{url}/{prompt_id}/destroy"))[0],
            (await post(session, url))[0],
            (await session.get(f"{url}/{prompt_id}/cancel")).status,
            (await post(session, f"{url}/{prompt_id}/cancel", Origin="http://evil.example"))[0],
            (await post(session, f"{url}/{prompt_id}/cancel", **{"Sec-Fetch-Site": "cross-site"}))[0],
        ]

        assert found == [404, 404, 404, 405, 403, 403]
        assert one.store.get(prompt_id).state is not JobState.CANCELLED
