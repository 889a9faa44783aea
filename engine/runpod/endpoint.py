"""The RunPod REST calls that the proxy makes; the only RunPod HTTP client.

Source: RunPod docs, serverless/endpoints/operation-reference and send-requests. The key is in memory and in the
Authorization header, nowhere else.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self

import aiohttp
from pydantic import SecretStr

from engine.runpod.stream_json import StreamJson
from wire.ids import RunPodJobId
from wire.limits import RUN_BODY_MAX

TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"})
_CONNECT_S = 10.0
_ANSWER_S = 30.0
_PIECE = 256 * 1024


class EndpointRejected(Exception):
    """Our request or our settings are at fault; the same request will fail again."""


class EndpointUnavailable(Exception):
    """Nobody's fault, and certainly nothing was accepted: try again later."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SubmissionUncertain(Exception):
    """POST /run got no usable answer: the job may have been accepted, so it must not be sent again by itself."""


class JobGone(Exception):
    """The endpoint does not know the job: it expired, or never was."""


@dataclass(frozen=True, slots=True)
class StreamReply:
    status: str
    outputs: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class StatusReply:
    status: str
    output: Any = None
    error: str | None = None
    delay_ms: int | None = None
    execution_ms: int | None = None
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    workers: Mapping[str, int]
    jobs: Mapping[str, int]


class Endpoint:
    """One serverless endpoint."""

    def __init__(
        self,
        base_url: str,
        endpoint_id: str,
        api_key: SecretStr,
        session: aiohttp.ClientSession,
        fresh: aiohttp.ClientSession,
    ) -> None:
        """*fresh* never reuses a connection: on a stale one it is unknown whether a submission arrived."""
        self.id = endpoint_id
        self._fresh = fresh
        self._url = f"{base_url.rstrip('/')}/{endpoint_id}"
        self._key = api_key
        self._session = session

    async def run(self, job_input: Mapping[str, Any]) -> RunPodJobId:
        """Submit a job. Raises EndpointRejected, EndpointUnavailable, SubmissionUncertain."""
        body = json.dumps({"input": job_input}).encode()
        if len(body) > RUN_BODY_MAX:
            raise EndpointRejected(
                f"The job is {len(body) / 1048576:.1f} MiB; RunPod accepts {RUN_BODY_MAX // 1048576} MiB."
            )
        try:
            answer = await self._call(self._fresh, "POST", "/run", data=body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise EndpointUnavailable(f"RunPod cannot be reached: {error}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SubmissionUncertain(
                f"RunPod did not answer the submission: {error or type(error).__name__}"
            ) from error
        if answer.status in (500, 502, 504):
            raise SubmissionUncertain(f"RunPod answered the submission with {answer.status}: {answer.reason()}")
        answer.raise_for_failure(job_known=False)
        job_id = answer.json().get("id")
        if not isinstance(job_id, str):
            raise SubmissionUncertain(f"RunPod's answer has no job id: {answer.reason()}")
        return RunPodJobId(job_id)

    async def stream(self, job_id: RunPodJobId, wait_ms: int) -> StreamReply:
        """What the job yielded since the last call; waits up to *wait_ms* for it. A chunk is handed out once."""
        outputs: list[Any] = []

        async def take(output: Any) -> None:
            outputs.append(output)

        return StreamReply(await self.follow(job_id, wait_ms, take), tuple(outputs))

    async def follow(self, job_id: RunPodJobId, wait_ms: int, take: Callable[[Any], Awaitable[None]]) -> str:
        """The same, each chunk given to *take* while the rest still arrives; the job's status.

        When the answer breaks off, what came of it was taken, and EndpointUnavailable is raised.
        """
        path, timeout_s = f"/stream/{job_id}?wait={wait_ms}", wait_ms / 1000 + _ANSWER_S
        text, pieces = StreamJson(), self._pieces("GET", path, timeout_s)
        async with contextlib.aclosing(pieces):
            async for piece in pieces:
                for item in text.feed(piece):
                    if isinstance(item, dict) and "output" in item:
                        await take(item["output"])
        if not text.whole:
            raise EndpointUnavailable("RunPod's answer is not JSON, or broke off")
        return str(text.members.get("status", ""))

    async def _pieces(self, method: str, path: str, timeout_s: float) -> AsyncGenerator[bytes, None]:
        """The body of an answer as it arrives; the time in which it is worked on does not count."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=timeout_s)
        try:
            async with self._session.request(
                method, self._url + path, headers=self._headers(), timeout=timeout, allow_redirects=False
            ) as response:
                if response.status >= 300:
                    (await _Answer.of(response)).raise_for_failure(job_known=True)
                async for piece in response.content.iter_chunked(_PIECE):
                    yield piece
        except (aiohttp.ClientError, TimeoutError) as error:
            raise EndpointUnavailable(f"RunPod cannot be reached: {error or type(error).__name__}") from error

    async def status(self, job_id: RunPodJobId) -> StatusReply:
        body = (await self._ask("GET", f"/status/{job_id}")).json()
        error = body.get("error")
        return StatusReply(
            status=str(body.get("status", "")),
            output=body.get("output"),
            error=error if error is None or isinstance(error, str) else json.dumps(error),
            delay_ms=body.get("delayTime"),
            execution_ms=body.get("executionTime"),
            retries=int(body.get("retries") or 0),
        )

    async def cancel(self, job_id: RunPodJobId) -> None:
        """Ask RunPod to stop the job; idempotent."""
        await self._ask("POST", f"/cancel/{job_id}")

    async def health(self) -> Health:
        body = (await self._ask("GET", "/health", timeout_s=_CONNECT_S)).json()
        return Health(workers=body.get("workers") or {}, jobs=body.get("jobs") or {})

    async def date(self) -> datetime | None:
        """RunPod's clock; None when it does not tell."""
        answer = await self._ask("GET", "/health", timeout_s=_CONNECT_S)
        with contextlib.suppress(ValueError):
            return parsedate_to_datetime(answer.date) if answer.date else None
        return None

    async def _ask(self, method: str, path: str, timeout_s: float = _ANSWER_S) -> "_Answer":
        try:
            answer = await self._call(self._session, method, path, timeout_s=timeout_s)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise EndpointUnavailable(f"RunPod cannot be reached: {error or type(error).__name__}") from error
        answer.raise_for_failure(job_known=True)
        return answer

    async def _call(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        *,
        data: bytes | None = None,
        timeout_s: float = _ANSWER_S,
    ) -> "_Answer":
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_S)
        async with session.request(
            method, self._url + path, data=data, headers=self._headers(), timeout=timeout, allow_redirects=False
        ) as response:
            return await _Answer.of(response)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key.get_secret_value()}", "Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    retry_after: str | None
    date: str | None

    @classmethod
    async def of(cls, response: aiohttp.ClientResponse) -> Self:
        told = response.headers
        return cls(response.status, await response.read(), told.get("Retry-After"), told.get("Date"))

    def json(self) -> dict[str, Any]:
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise EndpointUnavailable(f"RunPod's answer is not JSON: {self.body[:80]!r}") from error
        if not isinstance(value, dict):
            raise EndpointUnavailable(f"RunPod's answer is no object: {self.body[:80]!r}")
        return value

    def reason(self) -> str:
        return self.body[:200].decode(errors="replace")

    def raise_for_failure(self, *, job_known: bool) -> None:
        if self.status < 300:
            return
        if self.status in (401, 403):
            raise EndpointRejected(f"RunPod refused the key (HTTP {self.status}). Check RUNPOD_API_KEY.")
        if self.status == 404 and job_known and b"endpoint" not in self.body:
            raise JobGone(self.reason())
        if self.status == 404:
            raise EndpointRejected(
                "RunPod knows no such endpoint (HTTP 404). Check RUNPOD_ENDPOINT_ID and RUNPOD_API_KEY."
            )
        if self.status == 429 or self.status >= 500:
            raise EndpointUnavailable(f"RunPod answered {self.status}: {self.reason()}", self._retry_after_s())
        raise EndpointRejected(f"RunPod refused the request (HTTP {self.status}): {self.reason()}")

    def _retry_after_s(self) -> float | None:
        try:
            return float(self.retry_after) if self.retry_after else None
        except ValueError:
            return None  # the HTTP-date form


async def total_health(*endpoints: Endpoint) -> Health:
    """Health of all *endpoints* added up; raises what the first failing one raised."""
    healths = await asyncio.gather(*(endpoint.health() for endpoint in endpoints))
    return Health(workers=_total(h.workers for h in healths), jobs=_total(h.jobs for h in healths))


def _total(counts: Any) -> dict[str, int]:
    total: dict[str, int] = {}
    for count in counts:
        for name, number in count.items():
            total[name] = total.get(name, 0) + int(number)
    return total
