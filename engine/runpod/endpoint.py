"""The RunPod REST calls that the engine makes; the only RunPod HTTP client.

Source: RunPod docs, serverless/endpoints/operation-reference and send-requests. The key is in memory and in the
Authorization header, nowhere else.
"""

import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self

import aiohttp
from pydantic import SecretStr

from engine.runpod.replies import Health, StatusReply, StreamReply, health, status_reply
from engine.runpod.stream_json import StreamJson
from engine.runpod.submission import Accepted, Busy, Denied, Uncertain, verdict
from wire.errors import Unavailable
from wire.ids import RunPodJobId
from wire.limits import RUN_BODY_MAX

_CONNECT_S = 10.0
_ANSWER_S = 30.0
_RETRY_AFTER_MAX_S = 60.0
"""a longer wait would be somebody's mistake"""
_PIECE = 256 * 1024


class EndpointUnavailable(Unavailable):
    """RunPod cannot be reached, or cannot answer now; of a submission: it was certainly not accepted."""


class EndpointRejected(Exception):
    """Our request or our settings are at fault; the same request will fail again until they change."""


class SubmissionUncertain(Exception):
    """POST /run got no usable answer: the job may have been accepted, so it must not be sent again by itself."""


class JobGone(Exception):
    """The endpoint does not know the job: it expired, or never was."""


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
        """Submit a job, once. Raises EndpointRejected and EndpointUnavailable when there is certainly no job,
        SubmissionUncertain when nobody knows.
        """
        body = json.dumps({"input": job_input}).encode()
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
                for item in _elements(text, piece):
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
                    (await _Answer.of(response)).raise_for_failure()
                async for piece in response.content.iter_chunked(_PIECE):
                    yield piece
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise EndpointUnavailable(f"RunPod cannot be reached: {error or type(error).__name__}") from error

    async def status(self, job_id: RunPodJobId) -> StatusReply:
        return status_reply((await self._ask("GET", f"/status/{job_id}")).json())

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

    async def _ask(self, method: str, path: str, timeout_s: float = _ANSWER_S) -> "_Answer":
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
    ) -> "_Answer":
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_S)
        async with session.request(
            method, self._url + path, data=data, headers=self._headers(), timeout=timeout, allow_redirects=False
        ) as response:
            return await _Answer.of(response)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key.get_secret_value()}", "Content-Type": "application/json"}


def _elements(text: StreamJson, piece: bytes) -> list[Any]:
    try:
        return list(text.feed(piece))
    except UnicodeDecodeError as error:
        raise EndpointUnavailable("RunPod's answer is not JSON") from error


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]

    @classmethod
    async def of(cls, response: aiohttp.ClientResponse) -> Self:
        return cls(response.status, await response.read(), response.headers)

    def json(self) -> dict[str, Any]:
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise EndpointUnavailable(f"RunPod's answer is not JSON: {self.body[:80]!r}") from error
        if not isinstance(value, dict):
            raise EndpointUnavailable(f"RunPod's answer is not an object: {self.body[:80]!r}")
        return value

    def reason(self) -> str:
        return self.body[:200].decode(errors="replace")

    def raise_for_failure(self) -> None:
        """Of a question about a job that RunPod has accepted, or about the endpoint."""
        if self.status < 300:
            return
        if self.status == 404 and self._says_not_found():
            raise self.rejection() if b"endpoint" in self.body.lower() else JobGone(self.reason())
        if 400 <= self.status < 500 and self.status not in (404, 408, 429):
            raise self.rejection()
        raise EndpointUnavailable(f"RunPod answered {self.status}: {self.reason()}", self.retry_after_s())

    def _says_not_found(self) -> bool:
        """Whether a 404 is RunPod's own: whatever stands in between answers with a page."""
        return b"not found" in self.body.lower() and b"<" not in self.body

    def rejection(self) -> EndpointRejected:
        """What to look at for a refused request."""
        if self.status in (401, 403):
            return EndpointRejected(f"RunPod refused the key (HTTP {self.status}). Check RUNPOD_API_KEY.")
        if self.status == 404:
            return EndpointRejected(
                "RunPod does not know the endpoint (HTTP 404). Check RUNPOD_ENDPOINT_ID and RUNPOD_API_KEY."
            )
        return EndpointRejected(f"RunPod refused the request (HTTP {self.status}): {self.reason()}")

    def retry_after_s(self) -> float | None:
        """Seconds, at most _RETRY_AFTER_MAX_S; the header holds seconds or a date (RFC 9110, 10.2.3)."""
        told = self.headers.get("Retry-After", "")
        with contextlib.suppress(ValueError, OverflowError):
            seconds = float(told) if told[:1].isdigit() else _seconds_until(told)
            return min(max(seconds, 0.0), _RETRY_AFTER_MAX_S)
        return None


def _seconds_until(date: str) -> float:
    return (parsedate_to_datetime(date).astimezone(UTC) - datetime.now(UTC)).total_seconds()
