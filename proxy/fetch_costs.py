"""FetchCosts: what it takes until a worker has fetched models, in minutes and money, as far as that can be said."""

from collections.abc import Callable, Sequence
from typing import Any

from engine.catalog.approved_models import ApprovedModel

BYTES_PER_S = 100_000_000
"""a worker's download from Hugging Face, as RunPod's datacenters reach it"""
_NAMED = 3


class FetchCosts:
    """*price_per_hour* is that of the endpoint's GPU in dollars, 0 when it is not known. *has_volume* tells whether
    models stay at the endpoint.
    """

    def __init__(self, price_per_hour: float, has_volume: Callable[[], bool]) -> None:
        self._price_per_hour, self._has_volume = price_per_hour, has_volume

    def told(self, models: Sequence[ApprovedModel]) -> dict[str, Any]:
        """The answer to ``POST /runpod/api/models/fetch``."""
        to = "volume" if self._has_volume() else "worker"
        return {"models": [self._model(model, to) for model in models], "text": self._text(models, to)}

    def _model(self, model: ApprovedModel, to: str) -> dict[str, Any]:
        return {
            "kind": model.kind,
            "name": model.name,
            "host": model.host,
            "size": model.size,
            "to": to,
            "minutes": None if model.size is None else round(_minutes(model.size), 1),
            "cost_usd": None if model.size is None else self._cost(model.size),
        }

    def _cost(self, size: int) -> float | None:
        return round(_minutes(size) / 60 * self._price_per_hour, 4) if self._price_per_hour else None

    def _text(self, models: Sequence[ApprovedModel], to: str) -> str:
        names = ", ".join(model.name for model in models[:_NAMED])
        more = f" and {len(models) - _NAMED} more" if len(models) > _NAMED else ""
        hosts = " and ".join(sorted({model.host for model in models}))
        where = (
            "to the network volume, where it stays"
            if to == "volume"
            else "to its own disk, and it goes with the worker"
        )
        return f"The next worker that needs it fetches {names}{more} from {hosts} {where}. {self._estimate(models)}"

    def _estimate(self, models: Sequence[ApprovedModel]) -> str:
        sizes = [model.size for model in models if model.size is not None]
        if len(sizes) < len(models):
            return "Its host does not say how large it is."
        cost = self._cost(sum(sizes))
        price = "" if cost is None else ", less than $0.01" if cost < 0.01 else f", about ${cost:.2f}"
        return f"{_shown(sum(sizes))}, about {max(1, round(_minutes(sum(sizes))))} min of a worker's time{price}."


def _shown(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"


def _minutes(size: int) -> float:
    return size / BYTES_PER_S / 60
