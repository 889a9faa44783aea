"""What /runpod/api tells of the endpoints' catalogs, and what a person can have done about them. Never a secret."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from typing import Any

from engine.catalog.catalogs import Catalogs, KnownCatalog
from engine.catalog.comparison import missing_models, only_here, only_there
from engine.comfyui import ComfyUI, ComfyUIRejected
from engine.files.model_sending import CannotSend, ModelSending
from engine.jobs.catalog_refresh import CatalogRefresh
from wire.errors import Unavailable

logger = logging.getLogger(__name__)

Answer = Callable[[Mapping[str, Any], bool], Awaitable[dict[str, Any]]]
"""the body of an answer, to a request with this body; True: only say what would happen. Raises ValueError."""

_LOCAL_S = 10.0
"""for the local ComfyUI's own lists; without them the rest is told"""
_KINDS_MAX = 100
_SHOWN_MAX = 20_000
"""items of one list or table: a worker may have sent any number of them"""


class CatalogApi:
    """*look* lists the volume's models anew; *now_ms* is the wall's clock."""

    def __init__(
        self,
        catalogs: Catalogs,
        comfyui: ComfyUI,
        refresh: CatalogRefresh,
        sending: ModelSending,
        look: Callable[[], None],
        now_ms: Callable[[], int],
    ) -> None:
        self._catalogs, self._comfyui, self._refresh, self._sending = catalogs, comfyui, refresh, sending
        self._look, self._now_ms = look, now_ms

    @property
    def answers(self) -> dict[tuple[str, str], Answer]:
        """By method and path."""
        return {
            ("GET", "/runpod/api/catalog"): self.show,
            ("POST", "/runpod/api/catalog/refresh"): self.refresh,
            ("POST", "/runpod/api/catalog/refresh/cancel"): self.cancel,
            ("POST", "/runpod/api/models/send"): self.send,
        }

    async def show(self, _: Mapping[str, Any], __: bool) -> dict[str, Any]:
        """What is known of each endpoint, and how the first one that is known differs from the local ComfyUI."""
        current = self._catalogs.current()
        shown = {
            "endpoints": [self._endpoint(endpoint_id) for endpoint_id in self._catalogs.endpoint_ids],
            "only_there": [],
            "only_here": [],
            "model_inputs": {} if current is None else _some(current.catalog.model_inputs),
            "missing_there": {},
            "asking": self._refresh.is_asking,
            "problem": self._refresh.problem,
        }
        if current is None:
            return shown
        try:
            async with asyncio.timeout(_LOCAL_S):
                return shown | await self._compared(current)
        except (Unavailable, ComfyUIRejected, TimeoutError) as error:
            logger.debug("not compared with the local ComfyUI: %s", error)
            return shown

    async def _compared(self, current: KnownCatalog) -> dict[str, Any]:
        known, kinds = current.catalog, list(current.catalog.models)[:_KINDS_MAX]
        infos = await self._comfyui.node_infos()
        local = dict(zip(kinds, await asyncio.gather(*map(self._local_models, kinds)), strict=True))
        return {
            "only_there": only_there(infos, known)[:_SHOWN_MAX],
            "only_here": only_here(infos, known)[:_SHOWN_MAX],
            "missing_there": missing_models(local, known),
        }

    async def _local_models(self, kind: str) -> list[str]:
        try:
            return list(await self._comfyui.models(kind))
        except ComfyUIRejected:
            return []  # a kind that only the endpoint has

    def _endpoint(self, endpoint_id: str) -> dict[str, Any]:
        known = self._catalogs.of(endpoint_id)
        if known is None:
            return {"id": endpoint_id, "known": False}
        catalog = known.catalog
        return {
            "id": endpoint_id,
            "known": True,
            "sha256": known.sha256,
            "source": known.source,
            "confirmed_at": known.confirmed_ms / 1000,
            "age_s": max(0, self._now_ms() - known.confirmed_ms) // 1000,
            **catalog.model_dump(mode="json", include={"comfyui", "frontend", "protocol", "gpu", "vram", "packs"}),
            "nodes": len(catalog.nodes),
            "models": {kind: len(names) for kind, names in _some(catalog.models).items()},
        }

    async def refresh(self, _: Mapping[str, Any], dry: bool) -> dict[str, Any]:
        """Ask a worker, which may start one; the volume is listed anew in any case."""
        estimate = await self._refresh.estimate()
        if dry:
            return {"text": estimate.text, "cost_usd": estimate.cost_usd, "started": False}
        self._look()
        started = self._refresh.start()
        text = estimate.text if started else "The endpoint is being asked already."
        return {"text": text, "cost_usd": estimate.cost_usd, "started": started}

    async def cancel(self, _: Mapping[str, Any], dry: bool) -> dict[str, Any]:
        """Stop asking the endpoint."""
        return {"cancelled": not dry and self._refresh.cancel()}

    async def send(self, body: Mapping[str, Any], dry: bool) -> dict[str, Any]:
        """Send a model of this machine to the volume."""
        kind, name = body.get("kind"), body.get("name")
        if not isinstance(kind, str) or not isinstance(name, str):
            raise ValueError("needs the `kind` and the `name` of a model")  # noqa: TRY004  the request is at fault
        try:
            plan = await self._sending.plan(kind, name)
        except CannotSend as error:
            return {"size": None, "minutes": None, "text": str(error), "started": False}
        started = not dry and self._sending.start(plan)
        text = plan.text
        if not (dry or started or plan.is_there):
            text = "Another model is being sent; try again when it is there."
        return {"size": plan.size, "minutes": plan.minutes, "text": text, "started": started}


def _some[T](table: Mapping[str, T]) -> dict[str, T]:
    return dict(islice(table.items(), _SHOWN_MAX))
