"""scripts/deploy.py against a server that takes what RunPod's published schemas allow, and nothing else."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from jsonschema import Draft202012Validator

PROJECT = Path(__file__).parents[2]
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


def complaints(schema: str, body: Any) -> list[str]:
    validator = Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": SPEC["components"]})
    return [error.message for error in validator.iter_errors(body)]


class RestApi:
    def __init__(self) -> None:
        self.kept: dict[str, list[dict[str, Any]]] = {"templates": [], "serverless": []}
        self.writes: list[tuple[str, str, Any]] = []
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
        known |= body
        self.writes.append(("PATCH", kind, body))
        return web.json_response(known)

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


@pytest.fixture
async def api() -> AsyncIterator[RestApi]:
    api = RestApi()
    app = web.Application()
    app.add_routes([
        web.get("/v2/{kind}", api.listed), web.post("/v2/{kind}", api.create), web.patch("/v2/{kind}/{id}", api.change),
    ])  # fmt: skip
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v2"
    yield api
    await runner.cleanup()


async def deploy(api: RestApi | None, *arguments: str, key: str = KEY, **more: str) -> tuple[int, str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("RUNPOD_", "DOCKER_"))}
    environ |= {"RUNPOD_API_KEY": key, "RUNPOD_REST_BASE_URL": api.url if api else "http://127.0.0.1:1/v2", **more}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROJECT / "scripts" / "deploy.py"), "--image", "me/worker:1", *arguments,
        env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output = (await process.communicate())[0].decode()
    assert process.returncode is not None
    return process.returncode, output


async def test_template_and_endpoint_are_made_as_the_api_wants_them(api: RestApi) -> None:
    status, output = await deploy(api, "--volume", "vol1", "--datacenter", "EU-RO-1", "--gpu-pool", "AMPERE_24")

    (_, _, template), (_, _, endpoint) = api.writes
    assert status == 0, output
    assert template["image"] == endpoint["image"] == "me/worker:1"
    assert endpoint["gpu"]["pools"] == ["AMPERE_24"]
    assert endpoint["flashboot"] == "FLASHBOOT"
    assert endpoint["networkVolumes"] == ["vol1"]
    assert output.splitlines()[-1] == "RUNPOD_ENDPOINT_ID=serverless-1"


async def test_the_second_time_nothing_is_written(api: RestApi) -> None:
    await deploy(api)
    api.writes.clear()

    status, output = await deploy(api)

    assert status == 0
    assert api.writes == []
    assert output.count("is as it should be") == 2


async def test_a_change_is_patched_and_variables_set_elsewhere_stay(api: RestApi) -> None:
    await deploy(api)
    api.kept["serverless"][0]["env"] = {"SET_IN_CONSOLE": "1"}
    api.writes.clear()

    status, output = await deploy(api, "--max-workers", "5", "--env", "HF_TOKEN", HF_TOKEN="hf_value")

    assert status == 0, output
    assert [method for method, _, _ in api.writes] == ["PATCH", "PATCH"]
    assert api.writes[1][2]["env"] == {"SET_IN_CONSOLE": "1", "HF_TOKEN": "hf_value"}
    assert api.writes[1][2]["workers"] == {"min": 0, "max": 5, "idleTimeout": 10}
    assert len(api.kept["serverless"]) == 1
    assert "hf_value" not in output


async def test_a_dry_run_asks_nobody_and_shows_no_value() -> None:
    status, output = await deploy(None, "--dry-run", "--env", "TOKEN=very-secret", key="")

    assert status == 0
    assert "POST http://127.0.0.1:1/v2/serverless" in output
    assert "very-secret" not in output


async def test_a_refusal_is_told_in_the_apis_words(api: RestApi) -> None:
    status, output = await deploy(api, "--flashboot", "MAYBE")

    assert status == 1
    assert "422 validation failed" in output
    assert "'MAYBE' is not one of" in output


async def test_a_wrong_key_names_the_variable(api: RestApi) -> None:
    status, output = await deploy(api, key="rpa_other")

    assert status == 1
    assert "invalid api key" in output
    assert "RUNPOD_API_KEY" in output


async def test_two_of_one_name_are_not_guessed_between(api: RestApi) -> None:
    await deploy(api)
    api.kept["serverless"].append({**api.kept["serverless"][0], "id": "twin"})

    status, output = await deploy(api)

    assert status == 1
    assert "2 serverless called comfy-runpod" in output
