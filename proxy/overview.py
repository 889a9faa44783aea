"""What /runpod/api tells: the state of ComfyUI, of the endpoint and of the jobs. Never a secret."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.catalog.catalogs import Catalogs
from engine.comfyui import ComfyUI
from engine.model.job import Brief
from engine.model.states import ACTIVE, PUBLIC_STATES, JobState, public_state
from engine.runpod.endpoint import Endpoint, EndpointRejected, JobGone
from engine.runpod.replies import total_health
from engine.store.jobs import JobStore
from proxy.job_actions import possible_actions
from wire.errors import Unavailable
from wire.outputs import ItemKey

_NOTHING_KNOWN = (
    "Nothing is known of the endpoint yet. Its nodes and models appear in the page as soon as a worker has told them, "
    "which is at the end of the first run."
)


def first_steps(catalogs: Catalogs, *, stand_in: bool) -> str:
    """The hint for a page without a ComfyUI of the person's own: its lists can only come from the endpoint."""
    known = catalogs.current()
    return _NOTHING_KNOWN if stand_in and (known is None or not known.catalog.nodes) else ""


class Overview:
    """Answers both routes; *kind* is ``runpod`` or ``sandbox``, *clock* counts seconds, *now_ms* since 1970.

    *hint* is what a person should know who opens the page, empty for nothing.
    """

    def __init__(
        self,
        *,
        version: str,
        kind: str,
        comfyui: ComfyUI,
        endpoints: Sequence[Endpoint],
        store: JobStore,
        clock: Callable[[], float],
        now_ms: Callable[[], int],
        hint: Callable[[], str],
    ) -> None:
        self._version = version
        self._kind = kind
        self._comfyui = comfyui
        self._endpoints = endpoints
        self._store = store
        self._clock = clock
        self._now_ms = now_ms
        self._hint = hint
        self._started = clock()

    async def status(self) -> dict[str, Any]:
        """Body of GET /runpod/api/status."""
        comfyui, endpoint = await asyncio.gather(self._comfyui.version(), self._endpoint())
        return {
            "version": self._version,
            "uptime_s": round(self._clock() - self._started, 1),
            "hint": self._hint(),
            "comfyui": {"url": self._comfyui.url, "reachable": comfyui is not None, "version": comfyui},
            "endpoint": endpoint,
            "jobs": self._counts(),
        }

    def jobs(self, status: str | None = None, limit: int = 100) -> dict[str, Any]:
        """Body of GET /runpod/api/jobs, newest first; raises ValueError for a status that no job can have."""
        if status is not None and status not in PUBLIC_STATES:
            raise ValueError(f"status must be one of {', '.join(PUBLIC_STATES)}")
        wanted = frozenset(state for state in JobState if status in (None, public_state(state)))
        if status == "attention":
            wanted = ACTIVE
        found = self._store.lists.newest(wanted, limit, attention=None if status is None else status == "attention")
        now_ms = self._now_ms()
        return {"jobs": [shown_job(job, self._store.files.local(job.prompt_id), now_ms) for job in found]}

    async def _endpoint(self) -> dict[str, Any]:
        ids = ",".join(endpoint.id for endpoint in self._endpoints)
        about: dict[str, Any] = {"kind": self._kind, "id": ids, "reachable": False, "workers": {}, "jobs": {}}
        try:
            health = total_health(list(await asyncio.gather(*(endpoint.health() for endpoint in self._endpoints))))
        except (Unavailable, EndpointRejected, JobGone) as error:
            return {**about, "error": str(error)}
        return {**about, "reachable": True, "workers": dict(health.workers), "jobs": dict(health.jobs)}

    def _counts(self) -> dict[str, int]:
        counts = dict.fromkeys(PUBLIC_STATES, 0)
        for state, needs_attention, count in self._store.counts():
            counts[public_state(state, needs_attention=needs_attention)] += count
        return counts


def shown_job(job: Brief, files: Mapping[ItemKey, bool], now_ms: int) -> dict[str, Any]:
    """A job in the body of GET /runpod/api/jobs; *files* are the saved ones, and whether they are gone."""
    return {
        "prompt_id": job.prompt_id,
        "runpod_id": job.runpod_id,
        "state": public_state(job.state, needs_attention=job.attention is not None),
        "created_at": job.created_ms / 1000,
        "queued_s": _seconds(job.delay_ms),
        "executed_s": _seconds(job.execution_ms),
        "cost_usd": None,  # the price of the endpoint's GPU is not known to the proxy
        "files": [_file(*item, gone=gone) for item, gone in files.items()],
        "error": job.attention or job.error,
        "actions": possible_actions(job, now_ms),
    }


def _file(folder: str, subfolder: str, filename: str, *, gone: bool) -> dict[str, Any]:
    item = {"type": folder, "subfolder": subfolder, "filename": filename}
    return {**item, "gone": True} if gone else item


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
