"""Asks an endpoint what it has, by a short job that runs nothing: the only job that is sent for the catalog alone.

It starts a worker where none is ready, which costs money, so only a person asks for it. It is recorded as a refetch is.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import median
from typing import Any

from engine.jobs.retry import Retry
from engine.jobs.services import Services
from engine.jobs.submissions import Submissions
from engine.model.states import JobState
from engine.runpod.endpoint import Endpoint, EndpointRejected, JobGone, SubmissionUncertain
from engine.runpod.replies import TERMINAL
from engine.store.runpod_jobs import SentState
from wire.batch import decode_pieces
from wire.errors import Unavailable, WireError
from wire.events import CatalogPiece, CatalogTold, WorkerFailed
from wire.ids import PromptId, RunPodJobId
from wire.job import JobRequest, encode_request

logger = logging.getLogger(__name__)

JOB = PromptId("catalog")
"""as which it is recorded; no prompt has such an id"""
DEADLINE_S = 600.0
"""after that it is given up and stopped"""
_WAIT_MS = 10_000
_ASK_S, _IDLE_S, _START_S = 5, 5, 60
"""the job itself; the time for which a worker idles after it, RunPod's default; a start, while none was seen"""
_STARTED_S = 3.0
"""a job that waited longer has probably waited for a worker's start"""
_RECENT = 50
_DOING = "ask the endpoint what it has"


@dataclass(frozen=True, slots=True)
class Estimate:
    """*cost_usd* is None when the price of the endpoint's GPU is not known."""

    seconds: int
    starts_worker: bool
    cost_usd: float | None

    @property
    def text(self) -> str:
        """A sentence for the person, before the click."""
        what = "Starts a worker" if self.starts_worker else "Uses a worker that is ready"
        about = f"{what} to ask what the endpoint has: about {self.seconds} seconds, which is an estimate."
        if self.cost_usd is None:
            return f"{about} Set RUNPOD_PRICE_PER_HOUR to the price of its GPU to see what that costs."
        return f"{about} It costs about ${self.cost_usd:.3f}." if self.cost_usd else f"{about} It costs nothing."


class _Refused(Exception):
    """The worker cannot tell; the text says why."""


class CatalogRefresh:
    """Of the first of *endpoints*, one at a time; :meth:`run` owns the work. *stop_unwanted* is called when there is a
    job to be stopped at RunPod; *price_per_hour* is in dollars, None if it is not known.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        services: Services,
        stop_unwanted: Callable[[], None],
        price_per_hour: float | None,
    ) -> None:
        self._endpoints, self._services, self._stop_unwanted = endpoints, services, stop_unwanted
        self._price = price_per_hour
        self._retry = Retry(JOB, services.troubles, services.sleep)
        self.problem = ""
        """why the endpoint did not tell when it was last asked"""
        self._wanted = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None

    # -- called by the page

    async def estimate(self) -> Estimate:
        """What it takes to ask now, as far as RunPod and earlier jobs tell."""
        is_ready = await self._is_ready()
        seconds = _ASK_S + _IDLE_S + (0 if is_ready else self._usual_start_s())
        cost = None if self._price is None else round(seconds * self._price / 3600, 4)
        return Estimate(seconds, not is_ready, cost)

    @property
    def is_asking(self) -> bool:
        return self._wanted.is_set()

    def start(self) -> bool:
        """Ask soon; False when it is being asked already, or no endpoint is set."""
        if self._wanted.is_set() or not self._endpoints:
            return False
        self.problem = ""
        self._wanted.set()
        return True

    def cancel(self) -> bool:
        """Stop asking; False when nobody does."""
        if self._asking is None:
            return False
        self._asking.cancel()
        return True

    async def _is_ready(self) -> bool:
        try:
            workers = (await self._endpoints[0].health()).workers if self._endpoints else {}
        except (Unavailable, EndpointRejected, JobGone):
            return False
        return any(workers.get(state) for state in ("idle", "ready", "running"))

    def _usual_start_s(self) -> int:
        """As long as recent jobs waited for a worker."""
        recent = self._services.store.lists.newest(frozenset({JobState.COMPLETED}), _RECENT)
        waits = [job.delay_ms / 1000 for job in recent if job.delay_ms is not None]
        starts = [wait for wait in waits if wait > _STARTED_S]
        return round(median(starts)) if starts else _START_S

    # -- the work

    async def run(self) -> None:
        """Until cancelled. A job of before a restart is stopped: nobody follows it any more."""
        try:
            self._services.store.runpod_jobs.stop_refetch(JOB)
        except Unavailable as error:
            logger.warning("an earlier job that asked the endpoint is not stopped: %s", error)
        self._stop_unwanted()
        while True:
            await self._wanted.wait()
            self._asking = asyncio.create_task(self._ask(self._endpoints[0]), name=JOB)
            try:
                await asyncio.wait([self._asking])
            finally:
                self._asking.cancel()
                await asyncio.gather(self._asking, return_exceptions=True)
                self._asking = None
                self._wanted.clear()

    async def _ask(self, endpoint: Endpoint) -> None:
        try:
            await self._asked(endpoint)
        except (EndpointRejected, SubmissionUncertain, JobGone, Unavailable, WireError, _Refused) as error:
            self.problem = str(error)
        except TimeoutError:
            self.problem = f"No worker answered within {DEADLINE_S:g} s."
        except Exception:  # a bug of ours must not end the proxy
            logger.exception("the endpoint could not be asked what it has")
            self.problem = "The proxy itself failed; its log says how."
        notice = self._services.publisher.notice
        if self.problem:
            notice("warn", "The endpoint did not tell what it has", self.problem)
        else:
            notice("info", "The endpoint has told what it has", "The page's lists show it.")

    async def _asked(self, endpoint: Endpoint) -> None:
        services = self._services
        body = encode_request(JobRequest(workflow={}, catalog=services.catalogs.has(endpoint.id) or ""))
        submissions = Submissions(services.store, self._retry, services.now_ms)
        number, runpod_id = await submissions.refetch(JOB, endpoint, body, ())
        state = SentState.STOPPING
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self._follow(endpoint, runpod_id)
            state = SentState.ENDED
        finally:
            services.store.runpod_jobs.became(number, state)
            self._stop_unwanted()

    async def _follow(self, endpoint: Endpoint, runpod_id: RunPodJobId) -> None:
        """Read the job's stream to its end."""
        heard, refusal = 0, "The worker told nothing. Deploy the image of this version."

        async def take(output: Any) -> None:
            nonlocal heard, refusal
            heard += 1
            for item in chain.from_iterable(piece.events for piece in decode_pieces(output)):
                if isinstance(item.event, CatalogTold | CatalogPiece):
                    refusal = ""
                    self._services.catalogs.hear(endpoint.id, runpod_id, item.event)
                elif isinstance(item.event, WorkerFailed):
                    refusal = f"{item.event.message[:500]} Deploy the image of this version if the worker is older."

        status = ""
        while status not in TERMINAL or heard:
            heard = 0
            status = await self._retry.until(lambda: endpoint.follow(runpod_id, _WAIT_MS, take), _DOING)
        if refusal or status != "COMPLETED":
            raise _Refused(refusal or f"The job ended as {status}.")
