"""Asks a worker for its protocol, with a job that it must refuse at once. This may start a worker, which costs."""

import asyncio
import contextlib
from typing import Any

from engine.runpod.endpoint import Endpoint, EndpointRejected, EndpointUnavailable, JobGone, SubmissionUncertain
from engine.runpod.replies import TERMINAL
from wire.batch import decode_batch
from wire.errors import WireError
from wire.ids import RunPodJobId
from wire.limits import PROTOCOL

_WAIT_MS = 10_000


class ProbeFailed(Exception):
    """The worker did not answer, or is not one of ours; the text says which."""


async def worker_protocol(endpoint: Endpoint, timeout_s: float) -> int:
    """The protocol of the endpoint's worker. Raises ProbeFailed when it does not answer, or has another protocol."""
    try:
        job_id = await endpoint.run({"protocol": PROTOCOL, "workflow": {}})
    except (EndpointRejected, EndpointUnavailable, SubmissionUncertain) as error:
        raise ProbeFailed(str(error)) from error
    try:
        async with asyncio.timeout(timeout_s):
            return await _answer(endpoint, job_id)
    except TimeoutError as error:
        raise ProbeFailed(f"no worker answered within {timeout_s:g} s") from error
    except JobGone as error:
        raise ProbeFailed("RunPod does not know the job that it was just sent") from error
    except (EndpointUnavailable, WireError) as error:
        raise ProbeFailed(str(error)) from error
    finally:
        with contextlib.suppress(EndpointUnavailable, EndpointRejected, JobGone):
            await endpoint.cancel(job_id)


async def _answer(endpoint: Endpoint, job_id: RunPodJobId) -> int:
    answered = False

    async def take(output: Any) -> None:
        nonlocal answered
        decode_batch(output)
        answered = True

    while True:
        status = await endpoint.follow(job_id, _WAIT_MS, take)
        if answered:
            return PROTOCOL
        if status in TERMINAL:
            ended = await endpoint.status(job_id)
            raise ProbeFailed(f"the worker answers otherwise ({status}): {ended.error or ended.output}"[:300])
