"""The RunPod REST calls that the engine makes; the only RunPod HTTP client.

Source: RunPod docs, serverless/endpoints/operation-reference and send-requests. The key is in memory and in the
Authorization header, nowhere else.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from pydantic import SecretStr

from engine.runpod.answer import Answer, EndpointRejected, EndpointUnavailable, JobGone
from engine.runpod.replies import Health, StatusReply, health, status_reply
from engine.runpod.stream_json import NotJson, StreamJson
from engine.runpod.submission import Accepted, Busy, Denied, Uncertain, verdict
from wire.ids import RunPodJobId
from wire.limits import MIB, RUN_BODY_MAX

__all__ = ["Endpoint", "EndpointRejected", "EndpointUnavailable", "JobGone", "SubmissionUncertain"]

_CONNECT_S = 10.0
_ANSWER_S = 30.0
_PIECE = 16 * 1024
"""bytes that are looked at in one go, which takes a few milliseconds whatever they are"""
_STREAM_MAX = 4096 * MIB
"""bytes, after they were decompressed: what a job yields in the half hour for which RunPod keeps it"""
_STATUS_MAX = 128 * MIB
"""RunPod keeps at most 20 MB of a job's output, which may be escaped"""
_EMPTY_MAX = 1_000
"""elements of a stream without an output in one answer; RunPod sends a few at most"""

Take = Callable[[Any], Awaitable[None]]


class SubmissionUncertain(Exception):
    """POST /run got no usable answer: the job may have been accepted, so it must not be sent again by itself."""


class Endpoint:
    """One serverless endpoint."""

    def __init__(
        self,
        base_url: str,
        endpoint_id: str,
        api_key: SecretStr,
        session: aiohttp.ClientSession,
        fresh: aiohttp.ClientSession,
        job_max_s: int = 0,
    ) -> None:
        """*fresh* never reuses a connection: on a stale one it is unknown whether a submission arrived. *job_max_s* is
        the limit of a prompt's jobs here; 0: the endpoint's own.
        """
        self.id, self.job_max_s = endpoint_id, job_max_s
        self._fresh = fresh
        self._url = f"{base_url.rstrip('/')}/{endpoint_id}"
        self._key = api_key
        self._session = session

    async def run(self, job_input: Mapping[str, Any], *, limit_s: int = 0) -> RunPodJobId:
        """Submit a job, once; RunPod stops it after *limit_s* of a worker's time, if that is not 0. Raises
        EndpointRejected and EndpointUnavailable when there is certainly no job, SubmissionUncertain when nobody knows.
        """
        policy = {"policy": {"executionTimeout": limit_s * 1000}} if limit_s else {}
        body = json.dumps({"input": job_input, **policy}).encode()
        if len(body) > RUN_BODY_MAX:
            raise EndpointRejected(
                f"The job is {len(body) / 1048576:.1f} MiB; RunPod accepts {RUN_BODY_MAX // 1048576} MiB."
            )
        try:
            answer = await self._call(self._fresh, "POST", "/run", data=body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise EndpointUnavailable(f"RunPod cannot be reached: {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SubmissionUncertain(
                f"RunPod did not answer the submission: {error or type(error).__name__}"
            ) from error
        match verdict(answer.status, answer.headers, answer.body):
            case Accepted(job_id=job_id):
                return job_id
            case Busy(reason=reason):
                raise EndpointUnavailable(reason, answer.retry_after_s())
            case Denied():
                raise answer.rejection()
            case Uncertain(reason=reason):
                raise SubmissionUncertain(reason)

    async def follow(self, job_id: RunPodJobId, wait_ms: int, take: Take) -> str:
        """What the job yielded since the last call: each chunk is given to *take* while the rest still arrives; the
        job's status. Waits up to *wait_ms* for the first one. A chunk is handed out once.

        When the answer breaks off, what came of it was taken, and EndpointUnavailable is raised. Raises WireError for
        a chunk that no worker of this project sends.
        """
        empty = 0

        async def take_output(item: Any) -> None:
            nonlocal empty
            if isinstance(item, dict) and "output" in item:
                await take(item["output"])
                return
            empty += 1
            if empty > _EMPTY_MAX:
                raise EndpointUnavailable("RunPod's answer has nothing in its chunks")

        path, timeout_s = f"/stream/{job_id}?wait={wait_ms}", wait_ms / 1000 + _ANSWER_S
        members = await self._read("stream", self._pieces(path, timeout_s, _STREAM_MAX), take_output)
        return str(members.get("status", ""))

    async def status(self, job_id: RunPodJobId) -> StatusReply:
        """RunPod's word about the job; a large output is left out."""
        return status_reply(await self._read("", self._pieces(f"/status/{job_id}", _ANSWER_S, _STATUS_MAX), _nothing))

    async def result(self, job_id: RunPodJobId, take: Take) -> StatusReply:
        """The same; each element of the job's output is given to *take*, and any other output is in the reply.

        Raises WireError for an output that no worker of this project has.
        """
        pieces = self._pieces(f"/status/{job_id}", _ANSWER_S, _STATUS_MAX)
        return status_reply(await self._read("output", pieces, take))

    async def _read(self, name: str, pieces: AsyncGenerator[bytes, None], take: Take) -> dict[str, Any]:
        """The members of an answer, but for the list *name*, whose elements are given to *take*."""
        text = StreamJson(name)
        async with contextlib.aclosing(pieces):
            try:
                async for piece in pieces:
                    for item in text.feed(piece):
                        await take(item)
                    await asyncio.sleep(0)  # what has arrived already must not keep all others waiting
            except NotJson as error:
                raise EndpointUnavailable(f"RunPod's answer is not JSON: {error}") from error
        if not text.whole:
            raise EndpointUnavailable("RunPod's answer is not JSON, or broke off")
        return text.members

    async def _pieces(self, path: str, timeout_s: float, size_max: int) -> AsyncGenerator[bytes, None]:
        """The body of an answer as it arrives; the time in which it is worked on does not count."""
        timeout, size = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=timeout_s), 0
        try:
            async with self._session.get(
                self._url + path, headers=self._headers(), timeout=timeout, allow_redirects=False
            ) as response:
                if response.status >= 300:
                    (await Answer.of(response)).raise_for_failure()
                async for piece in response.content.iter_chunked(_PIECE):
                    size += len(piece)
                    if size > size_max:
                        raise EndpointUnavailable(f"RunPod's answer is longer than {size_max // MIB} MiB")
                    yield piece
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise EndpointUnavailable(f"RunPod cannot be reached: {error or type(error).__name__}") from error

    async def cancel(self, job_id: RunPodJobId) -> None:
        """Ask RunPod to stop the job; idempotent."""
        await self._ask("POST", f"/cancel/{job_id}")

    async def health(self) -> Health:
        return health((await self._ask("GET", "/health", timeout_s=_CONNECT_S)).json())

    async def date(self) -> datetime | None:
        """RunPod's clock; None when it does not tell."""
        answer = await self._ask("GET", "/health", timeout_s=_CONNECT_S)
        with contextlib.suppress(ValueError):
            return parsedate_to_datetime(answer.headers["Date"]) if "Date" in answer.headers else None
        return None

    async def _ask(self, method: str, path: str, timeout_s: float = _ANSWER_S) -> Answer:
        try:
            answer = await self._call(self._session, method, path, timeout_s=timeout_s)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise EndpointUnavailable(f"RunPod cannot be reached: {error or type(error).__name__}") from error
        answer.raise_for_failure()
        return answer

    async def _call(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        *,
        data: bytes | None = None,
        timeout_s: float = _ANSWER_S,
    ) -> Answer:
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_S)
        async with session.request(
            method, self._url + path, data=data, headers=self._headers(), timeout=timeout, allow_redirects=False
        ) as response:
            return await Answer.of(response)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key.get_secret_value()}", "Content-Type": "application/json"}


async def _nothing(_: Any) -> None:
    """For an answer that has no list to be looked at."""
