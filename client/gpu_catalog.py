"""RunPod's catalogue of GPUs: which pools there are, what is in them, and what a worker on one costs.

Source: https://docs.runpod.io/api-reference-v2, GET /v2/catalog/gpus (``ListGpuTypesResponse``).
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, Field, ValidationError

from wire.plain_text import one_line

_GPUS_MAX = 1000


class GpusUnreadable(ValueError):
    """The answer is not a catalogue of GPUs."""


class _Price(BaseModel):
    serverless: float | None = Field(None, ge=0, allow_inf_nan=False)


class _Datacenter(BaseModel):
    id: str


class _GpuType(BaseModel):
    id: str
    name: str
    pool: str | None
    memory: int
    price: _Price
    datacenters: tuple[_Datacenter, ...] = Field((), alias="dataCenters")


class _Answer(BaseModel):
    gpus: tuple[_GpuType, ...] = Field(max_length=_GPUS_MAX)


@dataclass(frozen=True, slots=True)
class GpuPool:
    """GPUs that RunPod offers together: *types* are their ids, *names* what people call them."""

    id: str
    names: tuple[str, ...]
    types: frozenset[str]
    memory_gb: int
    usd_per_hour: float | None
    """of a worker with one GPU; None when the catalogue does not say it"""
    datacenters: frozenset[str]
    """where a worker can start now; empty when there is none, or when it is not known"""

    def __str__(self) -> str:
        price = "price unknown" if self.usd_per_hour is None else f"${self.usd_per_hour:.2f}/h"
        return f"{self.id} ({', '.join(self.names)}; {self.memory_gb} GB; {price})"


GpuPools = Mapping[str, GpuPool]
"""by their ids"""


def read_pools(answer: object) -> GpuPools:
    """The pools of an answer to ``GET /v2/catalog/gpus``. Raises GpusUnreadable."""
    try:
        gpus = _Answer.model_validate(answer).gpus
    except ValidationError as error:
        first = error.errors()[0]
        raise GpusUnreadable(f"not a catalogue of GPUs: {first['loc'][:3]}: {first['msg']}") from None
    by_pool = dict[str, list[_GpuType]]()
    for gpu in gpus:
        if gpu.pool:
            by_pool.setdefault(one_line(gpu.pool, 50), []).append(gpu)
    return {name: _pool(name, types) for name, types in sorted(by_pool.items())}


def _pool(name: str, types: list[_GpuType]) -> GpuPool:
    prices = [gpu.price.serverless for gpu in types if gpu.price.serverless is not None]
    return GpuPool(
        name,
        tuple(sorted({one_line(gpu.name, 50) for gpu in types})),
        frozenset(gpu.id for gpu in types),
        min(gpu.memory for gpu in types),
        max(prices, default=None),
        frozenset(place.id for gpu in types for place in gpu.datacenters),
    )


def unknown_pool(wanted: Iterable[str], pools: GpuPools) -> str | None:
    """A sentence about the first of *wanted* that RunPod does not have; it lists the ones that there are."""
    for name in wanted:
        if name not in pools:
            near = difflib.get_close_matches(name.upper(), pools, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            return f"there is no GPU pool {name}{meant} RunPod has: " + ", ".join(map(str, pools.values()))
    return None


def usd_per_hour(wanted: Iterable[str], pools: GpuPools) -> float | None:
    """The most that a worker on one of *wanted* costs; None when the price of one is not known."""
    prices = [pools[name].usd_per_hour if name in pools else None for name in wanted]
    known = [price for price in prices if price is not None]
    return max(known) if known and len(known) == len(prices) else None
