"""RunPod's REST API on loopback, as its published schemas describe it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from jsonschema import Draft202012Validator

from tests.support.served import served
from tests.support.stack import PROJECT

SPEC = json.loads((PROJECT / "tests" / "data" / "runpod-api-v2-schemas.json").read_text(encoding="utf-8"))
KEY = "rpa_notakey"
DEFAULTS: dict[str, dict[str, Any]] = {
    "templates": {"args": "", "disk": 20, "mounts": {}, "ports": [], "env": {}, "registry": None, "serverless": False,
                  "public": False, "category": "NVIDIA", "startSsh": True, "startJupyter": True,
                  "allowedCudaVersions": []},
    "serverless": {"args": "", "ports": [], "env": {}, "registry": None, "dataCenterIds": [], "networkVolumes": [],
                   "flashboot": "OFF", "timeout": 300000, "createdAt": "2026-11-24T00:00:00Z"},
}  # fmt: skip
NOUNS = {"templates": "Template", "serverless": "Endpoint"}
GPUS: dict[str, Any] = {"gpus": [
    {"id": f"NVIDIA {name}", "name": name, "pool": pool, "manufacturer": "NVIDIA", "memory": memory, "secure": True,
     "community": True, "price": {"secure": 1.0, "community": 0.5, **({"serverless": price} if pool else {})},
     "maxCount": {"secure": 8, "community": 8}, "availability": "HIGH",
     "dataCenters": [{"id": place, "name": place, "availability": "HIGH"} for place in places]}
    for name, pool, memory, price, places in (
        ("RTX 4090", "ADA_24", 24, 1.1, ("EU-RO-1", "US-KS-2")), ("L4", "AMPERE_24", 24, 0.69, ("EU-RO-1",)),
        ("A5000", "AMPERE_24", 24, 0.69, ()), ("H200", "HOPPER_141", 141, 5.58, ("US-KS-2",)),
        ("Tesla V100", None, 16, 0.0, ()),
    )
]}  # fmt: skip


def complaints(schema: str, body: Any) -> list[str]:
    validator = Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": SPEC["components"]})
    return [error.message for error in validator.iter_errors(body)]


class RestApiServer:
    """Takes what RunPod's published schemas allow, and nothing else."""

    def __init__(self) -> None:
        self.kept: dict[str, list[dict[str, Any]]] = {"templates": [], "serverless": []}
        self.writes: list[tuple[str, str, Any]] = []
        self.gpus: Any = GPUS
        """what the catalogue of GPUs answers; None: this key may not read it"""
        self.url = ""

    async def listed(self, request: web.Request) -> web.Response:
        self._authorise(request)
        kind = request.match_info["kind"]
        key = "templates" if kind == "templates" else "endpoints"
        assert not complaints(f"List{key.title()}Response", {key: self.kept[kind]})
        return web.json_response({key: self.kept[kind]})

    async def create(self, request: web.Request) -> web.Response:
        self._authorise(request)
        kind, body = request.match_info["kind"], await request.json()
        self._check(f"Create{NOUNS[kind]}Request", body)
        made = {**DEFAULTS[kind], **body, "id": f"{kind}-{len(self.kept[kind]) + 1}"}
        if kind == "serverless":
            made["gpu"] = {"allowedCudaVersions": [], **made["gpu"]}
        self.kept[kind].append(made)
        self.writes.append(("POST", kind, body))
        return web.json_response(made, status=201)

    async def change(self, request: web.Request) -> web.Response:
        self._authorise(request)
        kind, body = request.match_info["kind"], await request.json()
        self._check(f"Update{NOUNS[kind]}Request", body)
        (known,) = [item for item in self.kept[kind] if item["id"] == request.match_info["id"]]
        if "pools" in body.get("gpu", {}):
            known["gpu"].pop("excludedTypes", None)  # the two are one selection
        for name, value in body.items():
            merged = name in ("gpu", "workers") and known.get(name)
            known[name] = {**known[name], **value} if merged else value
        self.writes.append(("PATCH", kind, body))
        return web.json_response(known)

    async def catalog(self, request: web.Request) -> web.Response:
        self._authorise(request)
        assert request.query == {"include": "AVAILABILITY", "product": "SERVERLESS"}
        if self.gpus is None:
            raise self._problem(web.HTTPForbidden, "Forbidden", "access denied")
        return web.json_response(self.gpus)

    def _authorise(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            raise self._problem(web.HTTPUnauthorized, "Unauthorized", "invalid api key")

    def _check(self, schema: str, body: Any) -> None:
        if wrong := complaints(schema, body):
            raise self._problem(web.HTTPUnprocessableEntity, "Unprocessable Entity", "validation failed", wrong)

    def _problem(
        self, kind: type[web.HTTPException], title: str, detail: str, errors: list[str] | None = None
    ) -> Exception:
        body = {"title": title, "status": kind.status_code, "detail": detail, "errors": errors or []}
        assert not complaints("ErrorResponse", body)
        return kind(text=json.dumps(body), content_type="application/problem+json")


@asynccontextmanager
async def rest_api_server() -> AsyncIterator[RestApiServer]:
    api = RestApiServer()
    app = web.Application()
    app.add_routes([
        web.get("/v2/catalog/gpus", api.catalog),
        web.get("/v2/{kind}", api.listed), web.post("/v2/{kind}", api.create), web.patch("/v2/{kind}/{id}", api.change),
    ])  # fmt: skip
    async with served(app, access_log=None) as url:
        api.url = f"{url}/v2"
        yield api
