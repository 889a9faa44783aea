"""Answer: what RunPod said to one request, read up to a budget, and what that means for whoever asked.

Source: RunPod docs, serverless/endpoints/operation-reference and send-requests.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self

import aiohttp

from storage.http_body import read_up_to
from wire import plain_json
from wire.errors import Unavailable
from wire.limits import MIB

ANSWER_MAX = MIB
"""bytes, after they were decompressed: an answer without a job's output has some hundreds"""
_RETRY_AFTER_MAX_S = 60.0
"""a longer wait would be somebody's mistake"""


class EndpointUnavailable(Unavailable):
    """RunPod cannot be reached, or cannot answer now; of a submission: it was certainly not accepted."""


class EndpointRejected(Exception):
    """Our request or our settings are at fault; the same request will fail again until they change."""


class JobGone(Exception):
    """The endpoint does not know the job: it expired, or never was."""


@dataclass(frozen=True, slots=True)
class Answer:
    """*body* is cut at ANSWER_MAX when *is_too_long*."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    is_too_long: bool = False

    @classmethod
    async def of(cls, response: aiohttp.ClientResponse) -> Self:
        body, is_whole = await read_up_to(response, ANSWER_MAX)
        return cls(response.status, body, response.headers, is_too_long=not is_whole)

    def json(self) -> dict[str, Any]:
        """Raises EndpointUnavailable when it is not an object."""
        if self.is_too_long:
            raise EndpointUnavailable(f"RunPod's answer is longer than {ANSWER_MAX // MIB} MiB: {self.body[:80]!r}")
        try:
            value = plain_json.loads(self.body)
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
