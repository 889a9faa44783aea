"""The RunPod client against a server that answers as told."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from engine.runpod.endpoint import (
    Endpoint,
    EndpointRejected,
    EndpointUnavailable,
    JobGone,
    SubmissionUncertain,
)
from engine.runpod.replies import StatusReply
from tests.support.served import served
from wire.ids import RunPodJobId
from wire.limits import RUN_BODY_MAX

JOB = RunPodJobId("job-u1")


@dataclass
class Platform:
    """Answers every request with *status* and *body*; 0 drops the connection."""

    status: int = 200
    body: object = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.requests.append((request.method, request.path_qs, request.headers["Authorization"]))
        if self.status == 0:
            assert request.transport is not None
            request.transport.close()
        return web.json_response(self.body, status=self.status or 200, headers=self.headers)


class Taken:
    """What was handed out."""

    def __init__(self) -> None:
        self.outputs: list[object] = []

    async def take(self, output: object) -> None:
        self.outputs.append(output)


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
async def endpoint(platform: Platform) -> AsyncIterator[Endpoint]:
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", platform.answer)
    connector = aiohttp.TCPConnector(force_close=True)
    async with (
        served(app) as url,
        aiohttp.ClientSession() as session,
        aiohttp.ClientSession(connector=connector) as fresh,
    ):
        yield Endpoint(f"{url}/v2/", "ep", SecretStr("key"), session, fresh)


async def test_a_job_is_submitted_with_the_key(endpoint: Endpoint, platform: Platform) -> None:
    platform.body = {"id": "job-u1", "status": "IN_QUEUE"}

    assert await endpoint.run({"workflow": {}}) == "job-u1"
    assert platform.requests == [("POST", "/v2/ep/run", "Bearer key")]


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (401, EndpointRejected, "RUNPOD_API_KEY"),
        (404, EndpointRejected, "RUNPOD_ENDPOINT_ID"),
        (400, EndpointRejected, "400"),
        (429, SubmissionUncertain, "429"),
        (503, SubmissionUncertain, "503"),
        (500, SubmissionUncertain, "500"),
        (502, SubmissionUncertain, "502"),
        (504, SubmissionUncertain, "504"),
        (0, SubmissionUncertain, "did not answer"),
        (200, SubmissionUncertain, "no job id"),
    ],
)
async def test_a_submission_is_retried_only_when_it_was_certainly_not_accepted(
    endpoint: Endpoint, platform: Platform, status: int, error: type[Exception], says: str
) -> None:
    platform.status = status
    with pytest.raises(error, match=says):
        await endpoint.run({"workflow": {}})


async def test_a_rate_limit_of_runpods_own_is_certain_and_says_how_long_to_wait(
    endpoint: Endpoint, platform: Platform
) -> None:
    platform.status, platform.headers = 429, {"Retry-After": "7"}
    with pytest.raises(EndpointUnavailable) as caught:
        await endpoint.run({"workflow": {}})

    assert caught.value.retry_after_s == 7
    assert len(platform.requests) == 1


async def test_a_closed_port_is_certainly_not_accepted() -> None:
    async with aiohttp.ClientSession() as session:
        endpoint = Endpoint("http://127.0.0.1:1/v2", "ep", SecretStr("key"), session, session)
        with pytest.raises(EndpointUnavailable, match="cannot be reached"):
            await endpoint.run({})


async def test_an_oversized_job_is_not_even_sent(endpoint: Endpoint, platform: Platform) -> None:
    with pytest.raises(EndpointRejected, match="RunPod accepts 10 MiB"):
        await endpoint.run({"x": "x" * RUN_BODY_MAX})

    assert platform.requests == []


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("7", 7), ("1e9", 60), ("1e999", 60), ("0", 0), ("Fri, 31 Dec 2100 23:59:59 GMT", 60), ("soon", None), ("", None),
     ("Mon, 01 Jan 2001 00:00:00 GMT", 0)],
)  # fmt: skip
async def test_the_time_to_wait_is_heard_and_capped(
    endpoint: Endpoint, platform: Platform, told: str, seconds: float | None
) -> None:
    platform.status, platform.headers = 429, {"Retry-After": told}
    with pytest.raises(EndpointUnavailable) as caught:
        await endpoint.status(JOB)

    assert caught.value.retry_after_s == seconds


async def test_the_stream_is_unwrapped(endpoint: Endpoint, platform: Platform) -> None:
    taken = Taken()
    platform.body = {"status": "IN_PROGRESS", "stream": [{"output": {"a": 1}}, {"metrics": {}}]}

    assert await endpoint.follow(JOB, 2000, taken.take) == "IN_PROGRESS"
    assert taken.outputs == [{"a": 1}]
    assert platform.requests[0][1] == "/v2/ep/stream/job-u1?wait=2000"


async def test_status_keeps_times_and_error(endpoint: Endpoint, platform: Platform) -> None:
    platform.body = {"status": "FAILED", "error": "boom", "delayTime": 5, "executionTime": 6, "workerId": "w"}

    assert await endpoint.status(JOB) == StatusReply("FAILED", None, "boom", 5, 6, "w")


async def test_the_result_is_handed_out_piece_by_piece(endpoint: Endpoint, platform: Platform) -> None:
    taken = Taken()
    platform.body = {"status": "COMPLETED", "output": [{"a": 1}, {"b": 2}], "executionTime": 6}

    assert await endpoint.result(JOB, taken.take) == StatusReply("COMPLETED", execution_ms=6)
    assert taken.outputs == [{"a": 1}, {"b": 2}]


async def test_a_result_that_is_no_list_is_in_the_reply(endpoint: Endpoint, platform: Platform) -> None:
    platform.body = {"status": "COMPLETED", "output": {"images": []}}

    assert (await endpoint.result(JOB, Taken().take)).output == {"images": []}


async def test_an_expired_job_is_gone_and_a_missing_endpoint_is_not(endpoint: Endpoint, platform: Platform) -> None:
    platform.status, platform.body = 404, {"error": "job not found"}
    with pytest.raises(JobGone):
        await endpoint.status(JOB)

    platform.body = {"detail": "endpoint not found"}
    with pytest.raises(EndpointRejected):
        await endpoint.status(JOB)


async def test_a_page_that_something_in_between_answers_with_is_not_runpods_word(
    endpoint: Endpoint, platform: Platform
) -> None:
    platform.status, platform.body = 404, "<html>404 Not Found</html>"
    with pytest.raises(EndpointUnavailable, match="404"):
        await endpoint.status(JOB)


@pytest.mark.parametrize("status", [0, 302, 408, 500, 502, 429, 520])
async def test_following_is_retried_whatever_happened(endpoint: Endpoint, platform: Platform, status: int) -> None:
    platform.status = status
    for call in (
        endpoint.follow(JOB, 1000, Taken().take),
        endpoint.result(JOB, Taken().take),
        endpoint.status(JOB),
        endpoint.cancel(JOB),
        endpoint.health(),
    ):
        with pytest.raises(EndpointUnavailable):
            await asyncio.wait_for(call, 60)


async def test_an_html_error_page_is_no_crash(endpoint: Endpoint, platform: Platform) -> None:
    platform.body = ["not an object"]
    with pytest.raises(EndpointUnavailable, match="not an object"):
        await endpoint.health()
    with pytest.raises(EndpointUnavailable, match="not JSON"):
        await endpoint.status(JOB)
