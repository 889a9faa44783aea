"""What an answer to ``POST /run`` says about the job. Pure.

It is the one call that is not idempotent: a second one is a second job, and is paid. So only what is *certain* counts
as not accepted; every other odd answer may hide a job that runs.
Source: RunPod docs, serverless/endpoints/send-requests and operation-reference.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wire.ids import RunPodJobId

_SHOWN = 200
_TOO_MANY = 429
_RATE_HEADERS = ("retry-after", "ratelimit", "ratelimit-policy", "x-ratelimit-limit")


@dataclass(frozen=True, slots=True)
class Accepted:
    """There is a job."""

    job_id: RunPodJobId


@dataclass(frozen=True, slots=True)
class Busy:
    """There is certainly no job, and there may be one later."""

    reason: str


@dataclass(frozen=True, slots=True)
class Denied:
    """There is certainly no job, and the same request will be refused again."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Uncertain:
    """Nobody knows whether there is a job: it must not be sent again by itself."""

    reason: str


Verdict = Accepted | Busy | Denied | Uncertain


def verdict(status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
    """What the answer with *status*, *headers* and *body* says about the job.

    >>> verdict(200, {}, b'{"id": "a-u1", "status": "IN_QUEUE"}')
    Accepted(job_id='a-u1')
    >>> verdict(502, {}, b"<html>")
    Uncertain(reason='RunPod answered the submission with 502: <html>')
    """
    said = body[:_SHOWN].decode(errors="replace")
    if 200 <= status < 300:
        job_id = _object(body).get("id")
        if isinstance(job_id, str) and job_id:
            return Accepted(RunPodJobId(job_id))
        return Uncertain(f"RunPod's answer to the submission has no job id: {said!r}")
    if status == _TOO_MANY and _is_runpods(headers, body):
        return Busy(f"RunPod answered {status}: {said}")
    if 400 <= status < 500 and status != _TOO_MANY:
        return Denied(status, said)
    return Uncertain(f"RunPod answered the submission with {status}: {said}")


def _is_runpods(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the rate limit was RunPod's own word, and not that of something in between."""
    told = _object(body)
    by_header = not {name.lower() for name in headers}.isdisjoint(_RATE_HEADERS)
    return by_header or any(isinstance(told.get(key), str) for key in ("error", "detail"))


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
