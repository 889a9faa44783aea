"""scripts/doctor.py as a process, on good and bad set-ups."""

import json
import socket
import sys
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from mitmproxy import http

from client.doctor.checks import check_env_file
from proxy.addons.access import Access
from proxy.addons.token import Token
from sandbox.endpoint.server import Running, running_endpoint
from sandbox.endpoint.service import Options
from sandbox.endpoint.workers import WorkerCommand
from storage.objects import S3Location
from tests.proxy.addons.conftest import running_front
from tests.support.comfyui import SANDBOX
from tests.support.files import fill
from tests.support.flows import Sink
from tests.support.ports import free_port
from tests.support.s3 import ACCESS, SECRET
from tests.support.scripts import environment, run_script
from tests.support.served import served
from tests.support.told_comfyui import serving, told

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    environ = {"COMFYUI_HOME": str(SANDBOX), "COMFYUI_PYTHON": sys.executable}
    command = WorkerCommand((sys.executable, "-m", "worker"), tmp_path_factory.mktemp("worker"), environ)
    async with running_endpoint(Options(api_key="secret"), command=command) as running:
        yield running


@pytest.fixture
def variables(endpoint: Running, volume: S3Location, tmp_path: Path) -> dict[str, str]:
    return environment(
        RUNPOD_ENDPOINT_BASE_URL=endpoint.url,
        RUNPOD_ENDPOINT_ID="sandbox",
        RUNPOD_API_KEY="secret",
        RUNPOD_VOLUME_ID=volume.name,
        RUNPOD_S3_ENDPOINT_URL=volume.url,
        RUNPOD_S3_ACCESS_KEY=ACCESS,
        RUNPOD_S3_SECRET_KEY=SECRET,
        COMFYUI_URL=f"http://127.0.0.1:{free_port()}",
        PROXY_PORT=str(free_port()),
        COMFY_RUNPOD_HOME=str(tmp_path),
    )


async def examined(environ: dict[str, str], cwd: Path, *arguments: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """The exit status and the findings by name."""
    done = await run_script("doctor.py", "--json", *arguments, environ=environ, cwd=cwd)
    assert "Traceback" not in done.err
    assert SECRET not in done.out + done.err
    found: dict[str, list[dict[str, Any]]] = {}
    for check in json.loads(done.out)["checks"]:
        found.setdefault(check["name"], []).append(check)
    return done.status, found


async def test_a_good_set_up_is_all_right(variables: dict[str, str], tmp_path: Path) -> None:
    status, found = await examined(variables, tmp_path, "--worker")

    assert found["python"][0]["state"] == "wrong" or status == 0  # the lock may be newer than what is installed
    for name in ("port", "endpoint", "workers", "worker", "clock", "volume", "disk"):
        assert [check["state"] for check in found[name]] == ["ok"], found[name]
    assert found["comfyui"][0]["state"] == "skipped"
    assert "make proxy" in found["comfyui"][0]["mend"]


async def test_people_read_a_line_a_check_and_what_to_do(variables: dict[str, str], tmp_path: Path) -> None:
    done = await run_script("doctor.py", environ=variables | {"RUNPOD_API_KEY": "wrong"}, cwd=tmp_path)

    assert done.status == 1
    assert "WRONG   endpoint" in done.out
    assert "Check RUNPOD_API_KEY" in done.out
    assert "→" in done.out


@pytest.mark.parametrize(
    ("change", "name", "says"),
    [
        ({"RUNPOD_API_KEY": "wrong"}, "endpoint", "RUNPOD_API_KEY"),
        ({"RUNPOD_ENDPOINT_ID": "other"}, "endpoint", "RUNPOD_ENDPOINT_ID"),
        ({"RUNPOD_ENDPOINT_BASE_URL": "http://127.0.0.1:9/v2"}, "endpoint", "cannot be reached"),
        ({"RUNPOD_S3_SECRET_KEY": "rps_wrong"}, "volume", "refuses"),
        ({"RUNPOD_VOLUME_ID": "another"}, "volume", "does not exist"),
        ({"COMFYUI_URL": "http://192.0.2.1:8188"}, "comfyui", "does not answer"),
        ({"PROXY_PORT": "abc"}, "settings", "PROXY_PORT=abc"),
    ],
)
async def test_what_is_wrong_is_named(
    variables: dict[str, str], tmp_path: Path, change: dict[str, str], name: str, says: str
) -> None:
    status, found = await examined(variables | change, tmp_path)

    assert status == 1
    assert found[name][0]["state"] == "wrong"
    assert says in found[name][0]["detail"]
    assert found[name][0]["mend"]


async def test_a_taken_port_is_named_with_its_occupant(variables: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = str(server.getsockname()[1])
        status, found = await examined(variables | {"PROXY_PORT": taken}, tmp_path)

    assert status == 1
    assert "(pid " in found["port"][0]["detail"]


class Noting:
    """An addon that notes what is sent as a token."""

    def __init__(self) -> None:
        self.sent = set[str | None]()

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self.sent.add(flow.request.headers.get("Authorization"))


async def test_a_proxy_that_asks_for_its_token_is_ours_and_need_not_get_it(
    variables: dict[str, str], tmp_path: Path
) -> None:
    token, noting = "Zq3x-7Kp_0aT9.uVw", Noting()
    async with running_front("http://127.0.0.1:1", [noting, Token(Sink(), Access(token, 8189))]) as url:
        port = url.rpartition(":")[2]
        _, found = await examined(variables | {"PROXY_PORT": port, "PROXY_TOKEN": token}, tmp_path)

    assert found["port"][0]["detail"] == f"PROXY_PORT={port}: in use by this project"
    assert noting.sent == {None}


@pytest.mark.parametrize(("bits", "state"), [(0o644, "wrong"), (0o600, "ok")])
async def test_a_key_that_other_users_can_read_is_said(tmp_path: Path, bits: int, state: str) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("RUNPOD_API_KEY=rpa_secret\n")
    env_file.chmod(bits)
    finding = check_env_file(env_file)

    assert finding.state == state
    assert finding.mend == ("" if state == "ok" else f"run: chmod 600 {env_file}")
    assert "rpa_secret" not in finding.detail


class Foreign:
    """An endpoint whose worker is not ours, whose clock is slow and whose workers crash."""

    async def answer(self, request: web.Request) -> web.Response:
        body: dict[str, Any] = {"workers": {"unhealthy": 2}, "jobs": {}}
        if request.path.endswith("/run"):
            body = {"id": "x", "status": "IN_QUEUE"}
        elif "/stream/" in request.path:
            body = {"status": "COMPLETED", "stream": [{"output": {"images": []}}]}
        return web.json_response(body, headers={"Date": formatdate(0, usegmt=True)})


async def test_a_foreign_worker_a_wrong_clock_and_crashing_workers_are_told(
    variables: dict[str, str], tmp_path: Path
) -> None:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", Foreign().answer)
    async with served(app) as url:
        base = {"RUNPOD_ENDPOINT_BASE_URL": f"{url}/v2"}
        status, found = await examined(variables | base, tmp_path, "--worker")

    assert status == 1
    assert found["clock"][0]["state"] == "wrong"
    assert "check that the endpoint runs this project's image" in found["worker"][0]["detail"]
    assert found["workers"][0]["detail"] == "2 unhealthy"


async def test_old_comfyui_is_too_old(variables: dict[str, str], tmp_path: Path) -> None:
    async def stats(_: web.Request) -> web.Response:
        return web.json_response({"system": {"comfyui_version": "0.3.10"}})

    app = web.Application()
    app.router.add_get("/system_stats", stats)
    async with served(app) as url:
        _, found = await examined(variables | {"COMFYUI_URL": url}, tmp_path)

    assert "too old" in found["comfyui"][0]["detail"]


@pytest.mark.parametrize(
    ("named", "remote", "state", "says"),
    [
        ("program", "0", "ok", "output: {program}/output"),
        ("program", "1", "ok", "output: not on this machine"),
        ("copy", "0", "wrong", "output: the folder that ComfyUI uses was not recognised"),
        ("nowhere", "0", "ok", "output: not on this machine"),
    ],
)
async def test_which_of_comfyuis_folders_are_here_is_said(
    variables: dict[str, str], tmp_path: Path, named: str, remote: str, state: str, says: str
) -> None:
    fill(tmp_path / "program", ["custom_nodes/x.py", "output/a.png"])
    fill(tmp_path / "copy", ["custom_nodes/x.py", "output/other.png"])
    async with serving(tmp_path / "program" / "output", told(tmp_path / named)) as url:
        _, found = await examined(variables | {"COMFYUI_URL": url, "COMFYUI_REMOTE": remote}, tmp_path)
    _, output = found["folders"]

    assert output["state"] == state
    assert says.format(program=tmp_path / "program") in output["detail"]
    assert ("COMFYUI_REMOTE=1" in output["mend"]) == (state == "wrong")
