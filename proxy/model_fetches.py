"""The ways out that a page offers for a prompt that the endpoint cannot run: fetch a model, or run it anyway."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.catalog.approved_models import ApprovedModel, ApprovedModels
from engine.catalog.model_sizes import ModelSizes, SizeUnknown
from engine.prompt.named_models import Hosts, NamedModel, checked
from proxy.fetch_costs import FetchCosts
from proxy.run_anyway import RunAnyway
from wire.ids import ClientId

Answer = Callable[[Mapping[str, Any], bool], Awaitable[dict[str, Any]]]

_AT_ONCE_MAX = 200


class _Wanted(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str
    name: str
    url: str
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-fA-F]{64}$")


class _Fetch(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    models: tuple[_Wanted, ...] = Field(min_length=1, max_length=_AT_ONCE_MAX)


class _Trust(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    client_id: str = Field(min_length=1, max_length=200)


class ModelFetches:
    """What Panel answers to a person who has a model fetched, or runs a prompt anyway."""

    def __init__(
        self, approved: ApprovedModels, sizes: ModelSizes, hosts: Hosts, costs: FetchCosts, run_anyway: RunAnyway
    ) -> None:
        self._approved, self._sizes, self._hosts = approved, sizes, hosts
        self._costs, self._run_anyway = costs, run_anyway

    @property
    def answers(self) -> dict[tuple[str, str], Answer]:
        """By method and path."""
        return {("POST", "/runpod/api/models/fetch"): self.fetch, ("POST", "/runpod/api/catalog/trust"): self.trust}

    async def trust(self, body: Mapping[str, Any], dry: bool) -> dict[str, Any]:
        """The next prompt of the page is not refused by the catalog. Raises ValueError."""
        page = _read(_Trust, body).client_id
        if not dry:
            self._run_anyway.allow(ClientId(page))
        return {}

    async def fetch(self, body: Mapping[str, Any], dry: bool) -> dict[str, Any]:
        """What it takes to fetch the models; unless *dry*, the person has said yes to it. Raises ValueError."""
        models = await self._with_sizes([self._checked(one) for one in _read(_Fetch, body).models])
        if not dry:
            await self._approved.approve(models)
        return self._costs.told(models)

    def _checked(self, wanted: _Wanted) -> NamedModel:
        entry: dict[str, Any] = {"name": wanted.name, "url": wanted.url, "directory": wanted.kind}
        model = checked({**entry, "hash": wanted.sha256, "hash_type": "SHA256"}, self._hosts)
        if model is None:
            raise ValueError(
                f"{wanted.name[:200]}: a model may come from {self._hosts} only, by https and without a password in its"
                " address, and its name must lie inside the models folder. MODEL_HOSTS allows more hosts."
            )
        return model

    async def _with_sizes(self, models: Sequence[NamedModel]) -> list[ApprovedModel]:
        sizes = await asyncio.gather(*(self._size(model.url) for model in models))
        return [
            ApprovedModel(kind=model.kind, name=model.name, url=model.url, sha256=model.sha256, size=size)
            for model, size in zip(models, sizes, strict=True)
        ]

    async def _size(self, url: str) -> int | None:
        try:
            return await self._sizes.size(url)
        except SizeUnknown:
            return None


def _read[M: BaseModel](kind: type[M], body: Mapping[str, Any]) -> M:
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
