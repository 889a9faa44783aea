"""The ways out that a page offers for a prompt that the endpoint cannot run: fetch a model, or run it anyway."""

import asyncio
from collections.abc import Sequence
from typing import Any

from mitmproxy import http
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.catalog.approved_models import ApprovedModel, ApprovedModels
from engine.catalog.model_sizes import ModelSizes, SizeUnknown
from engine.prompt.named_models import Hosts, NamedModel, checked
from proxy.addons.fail_closed import fail_closed
from proxy.addons.json_bodies import body_object
from proxy.addons.responses import comfy_error, json_response
from proxy.addons.routes import Route, route
from proxy.fetch_costs import FetchCosts
from proxy.run_anyway import RunAnyway
from wire.ids import ClientId

FETCH, TRUST = "/runpod/api/models/fetch", "/runpod/api/catalog/trust"
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


class NotAllowed(ValueError):
    """A model may not be fetched; the text is for the person."""


class Remedies:
    """The addon; it comes before Panel, which answers whatever else is asked below /runpod/."""

    def __init__(
        self, approved: ApprovedModels, sizes: ModelSizes, hosts: Hosts, costs: FetchCosts, run_anyway: RunAnyway
    ) -> None:
        self._approved, self._sizes, self._hosts = approved, sizes, hosts
        self._costs, self._run_anyway = costs, run_anyway

    @fail_closed
    async def request(self, flow: http.HTTPFlow) -> None:
        path = flow.request.path.partition("?")[0]
        if path not in (FETCH, TRUST) or route(flow.request.method, flow.request.path).route is not Route.OURS:
            return
        if flow.request.method != "POST":
            flow.response = comfy_error(405, "method_not_allowed", "This route takes POST only", path)
            return
        try:
            flow.response = await self._fetch(flow) if path == FETCH else self._trust(flow)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            details = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            flow.response = comfy_error(400, "bad_request", "The request cannot be read", details)
        except NotAllowed as error:
            flow.response = comfy_error(400, "not_allowed", "The model may not be fetched", str(error))

    def _trust(self, flow: http.HTTPFlow) -> http.Response:
        self._run_anyway.allow(ClientId(_Trust.model_validate(body_object(flow)).client_id))
        return json_response(200, {})

    async def _fetch(self, flow: http.HTTPFlow) -> http.Response:
        wanted = [self._checked(one) for one in _Fetch.model_validate(body_object(flow)).models]
        models = await self._with_sizes(wanted)
        if flow.request.query.get("dry", "0") == "0":
            await self._approved.approve(models)
        return json_response(200, self._costs.told(models))

    def _checked(self, wanted: _Wanted) -> NamedModel:
        entry: dict[str, Any] = {"name": wanted.name, "url": wanted.url, "directory": wanted.kind}
        model = checked({**entry, "hash": wanted.sha256, "hash_type": "SHA256"}, self._hosts)
        if model is None:
            raise NotAllowed(
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
