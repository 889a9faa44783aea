"""What the relay does to requests, and that it writes down what RunPod got."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from chaos.faults import BUSY, LOST, RequestFault
from chaos.relay import Relay, Submission, relaying
from tests.support.runpod import RunPod, pictures, serving

REQUEST_LOST, ANSWER_LOST, ANSWER_CUT = LOST
BROKEN_AFTERWARDS = RequestFault("502", arrives=True, status=502, body="<html>", kind="text/html")
RUN = {"input": {"workflow": {"1": {}}, "prompt_id": "p"}}


@asynccontextmanager
async def relayed(fault: RequestFault | None = None) -> AsyncIterator[tuple[Relay, RunPod, aiohttp.ClientSession]]:
    async with serving(RunPod(pictures())) as runpod, aiohttp.ClientSession() as session:
        relay = Relay(runpod.url, session)
        relay.fault = lambda operation: fault
        async with relaying(relay):
            yield relay, runpod, session


async def test_without_a_fault_it_passes_everything_on() -> None:
    async with relayed() as (relay, _, session):
        async with session.post(f"{relay.url}/ep/run", json=RUN) as response:
            answer = await response.json()
        async with session.get(f"{relay.url}/ep/status/job-1?x=1") as response:
            status = await response.json()

    assert answer == {"id": "job-1", "status": "IN_QUEUE"}
    assert status["id"] == "job-1"
    assert relay.submissions == [Submission("p", "job-1")]


async def test_a_refetch_is_told_apart_from_a_prompt() -> None:
    wanted = {"filename": "a_00001_.png", "type": "output", "sha256": "a" * 64, "start": 0}
    async with relayed() as (relay, _, session):
        body = {"input": {"workflow": {}, "collect": [wanted], "protocol": 3}}
        await (await session.post(f"{relay.url}/ep/run", json=body)).read()

    assert relay.submissions == [Submission(None, "job-1")]


@pytest.mark.parametrize(("fault", "arrived"), [(REQUEST_LOST, 0), (ANSWER_LOST, 1), (ANSWER_CUT, 1)], ids=str)
async def test_a_broken_connection_may_or_may_not_have_done_the_work(fault: RequestFault, arrived: int) -> None:
    async with relayed(fault) as (relay, runpod, session):
        with pytest.raises(aiohttp.ClientError):
            await (await session.post(f"{relay.url}/ep/run", json=RUN)).read()

    assert (len(runpod.jobs), len(relay.submissions)) == (arrived, arrived)
    assert relay.faults == {fault.name: 1}


@pytest.mark.parametrize(("fault", "arrived"), [(BUSY, 0), (BROKEN_AFTERWARDS, 1)], ids=str)
async def test_another_answer_is_given(fault: RequestFault, arrived: int) -> None:
    async with relayed(fault) as (relay, runpod, session):
        response = await session.post(f"{relay.url}/ep/run", json=RUN)
        answer = response.status, await response.text()

    assert answer == (fault.status, fault.body)
    assert len(runpod.jobs) == arrived
