"""The questions that a run asks RunPod. Each answer is an event: whatever it is, it ends no job that was accepted."""

import asyncio
from collections.abc import Awaitable, Callable

from engine.jobs.events import (
    CannotNow,
    Fault,
    HealthSeen,
    LimitNear,
    Received,
    RunEvent,
    StatusSeen,
    StreamEnded,
    Unreadable,
    Wait,
)
from engine.jobs.run_times import RunTimes
from engine.model.job import Job
from engine.runpod.endpoint import Endpoint, EndpointRejected, JobGone
from engine.runpod.replies import StatusReply
from wire.batch import decode_pieces
from wire.errors import Unavailable, WireError
from wire.ids import RunPodJobId
from wire.job import decode_result

_STREAM_WAIT_MS = 10_000

Receive = Callable[[Received | Unreadable], Awaitable[None]]
"""returns when what was received is kept: until then no more is read"""


class EndpointCalls:
    """About one job; *endpoint* is None when the settings lack the one that the job was sent to."""

    def __init__(self, job: Job, endpoint: Endpoint | None, times: RunTimes) -> None:
        self.job = job
        self._endpoint, self._times = endpoint, times

    @property
    def endpoint(self) -> Endpoint:
        """Raises EndpointRejected."""
        if self._endpoint is None:
            raise EndpointRejected(
                f"The job runs at the endpoint {self.job.endpoint_id}, which is not in RUNPOD_ENDPOINT_ID. "
                "Add it there and restart to get the result."
            )
        return self._endpoint

    async def follow(self, receive: Receive) -> RunEvent:
        """Read one answer of the stream."""

        async def ask() -> RunEvent:
            return StreamEnded(await self.endpoint.follow(self._runpod_id(), _STREAM_WAIT_MS, _received_by(receive)))

        return await self._asked(Wait.FOLLOW, ask)

    async def status(self, receive: Receive) -> RunEvent:
        """The job's status, and its output, which repeats what the stream had."""

        async def ask() -> RunEvent:
            reply = await self.endpoint.result(self._runpod_id(), _received_by(receive))
            self._times.note(reply)
            decode_result(reply.output)  # a list has been taken by now, and anything else is refused
            return StatusSeen(reply)

        return await self._asked(Wait.FOLLOW, ask)

    async def cancel(self) -> RunEvent:
        """Ask RunPod to stop the job, and whether it has."""

        async def ask() -> RunEvent:
            await self.endpoint.cancel(self._runpod_id())
            reply = await self.endpoint.status(self._runpod_id())
            self._times.note(reply)
            return StatusSeen(StatusReply(reply.status, error=reply.error))  # nobody looks at the output

        return await self._asked(Wait.CANCEL, ask)

    async def health(self) -> RunEvent | None:
        """Why a job waits is worth no trouble."""
        try:
            return HealthSeen((await self.endpoint.health()).workers)
        except (Unavailable, EndpointRejected, JobGone):
            return None

    async def limit(self, after_s: float) -> RunEvent:
        """Nothing is asked: RunPod keeps the time."""
        await self._times.pass_by(after_s)
        return LimitNear()

    async def times(self) -> None:
        """Ask how long the job took, when it has ended."""
        if self._endpoint is not None and self.job.runpod_id is not None:
            await self._times.ask(self._endpoint, self.job.runpod_id)

    async def _asked(self, wait: Wait, ask: Callable[[], Awaitable[RunEvent]]) -> RunEvent:
        try:
            return await ask()
        except Unavailable as error:
            return CannotNow(wait, str(error), retry_after_s=error.retry_after_s)
        except EndpointRejected as error:
            return CannotNow(wait, str(error), Fault.REJECTED)
        except JobGone as error:
            return CannotNow(wait, f"RunPod does not know the job: {error}", Fault.GONE)
        except WireError as error:
            return Unreadable(str(error))

    def _runpod_id(self) -> RunPodJobId:
        if self.job.runpod_id is None:
            raise RuntimeError(f"{self.job.prompt_id} is followed without a RunPod id")
        return self.job.runpod_id


def _received_by(receive: Receive) -> Callable[[object], Awaitable[None]]:
    async def take(output: object) -> None:
        try:
            for piece in decode_pieces(output):
                await asyncio.sleep(0)  # a batch may be long, and others wait
                await receive(Received(piece))
                await asyncio.sleep(0)
        except WireError as error:
            await receive(Unreadable(str(error)))

    return take
