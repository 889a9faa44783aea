"""A key that a command prints (RUNPOD_API_KEY_COMMAND): used by every program, and shown by none."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.endpoint.server import running_endpoint
from sandbox.endpoint.service import Options
from tests.support.ports import free_port
from tests.support.rest_api import KEY, rest_api_server
from tests.support.scripts import Finished, environment, finished, run_script
from tests.support.stack import PROJECT, running_stack

KEEPER = """#!/bin/sh
echo called >> "$0.calls"
env >> "$0.environ"
cat >> "$0.input"
echo {key}
echo second-line
"""
OTHERS = {
    "RUNPOD_S3_ACCESS_KEY": "user_other",
    "RUNPOD_S3_SECRET_KEY": "rps_other",
    "BUCKET_ACCESS_KEY_ID": "bucket_other",
    "BUCKET_SECRET_ACCESS_KEY": "bucket_other",
}


@pytest.fixture
async def endpoint() -> AsyncIterator[str]:
    async with running_endpoint(Options(api_key=KEY, wanted_workers=0)) as running:
        yield running.url


@pytest.fixture
def keeper(tmp_path: Path) -> Path:
    """A password manager."""
    path = tmp_path / "keeper"
    path.write_text(KEEPER.format(key=KEY))
    path.chmod(0o700)
    return path


def variables(command: object, endpoint: str, tmp_path: Path) -> dict[str, str]:
    return {
        "RUNPOD_API_KEY_COMMAND": f"'{command}' show runpod",
        "RUNPOD_ENDPOINT_ID": "sandbox",
        "RUNPOD_ENDPOINT_BASE_URL": endpoint,
        "COMFYUI_URL": f"http://127.0.0.1:{free_port()}",
        "COMFY_RUNPOD_HOME": str(tmp_path / "home"),
        **OTHERS,
    }


def assert_asked_once(keeper: Path) -> None:
    """And told nothing that it must not know."""
    told = keeper.with_name("keeper.environ").read_text()

    assert keeper.with_name("keeper.calls").read_text() == "called\n"
    assert keeper.with_name("keeper.input").read_text() == ""
    assert "PATH=" in told
    assert not [name for name in (*OTHERS, "RUNPOD_API_KEY_COMMAND") if f"{name}=" in told]


def assert_hidden(done: Finished) -> None:
    assert KEY not in done.out + done.err
    assert "second-line" not in done.out + done.err
    assert "Traceback" not in done.err


async def test_the_proxy_uses_it(keeper: Path, endpoint: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    chosen = variables(keeper, endpoint, tmp_path)
    del chosen["COMFYUI_URL"]
    async with running_stack(home, **chosen) as stack:
        status = (await stack.get("/runpod/api/status"))["endpoint"]
        inherited = [value for child in stack.children() for value in child.environ().values()]

    assert (status["kind"], status["reachable"]) == ("runpod", True)
    assert KEY not in stack.log()
    assert not [value for value in inherited if "keeper" in value or value == KEY]
    assert_asked_once(keeper)


async def test_doctor_uses_it(keeper: Path, endpoint: str, tmp_path: Path) -> None:
    environ = environment(**variables(keeper, endpoint, tmp_path))
    done = await run_script("doctor.py", "--json", environ=environ, cwd=tmp_path)
    found = [check for check in json.loads(done.out)["checks"] if check["name"] == "endpoint"]

    assert [check["state"] for check in found] == ["ok"]
    assert_hidden(done)
    assert_asked_once(keeper)


async def test_send_to_runpod_uses_it(keeper: Path, endpoint: str, tmp_path: Path) -> None:
    workflow = tmp_path / "workflow.json"
    workflow.write_text('{"1": {"class_type": "SaveImage", "inputs": {"a": 1}}}')
    environ = environment(**variables(keeper, endpoint, tmp_path))
    done = await run_script(
        "send-to-runpod.py", "-w", workflow, "--timeout", "1", "--no-open", environ=environ, cwd=tmp_path
    )

    assert "cancelling" in done.err  # so it was accepted
    assert_hidden(done)
    assert_asked_once(keeper)


async def test_deploy_uses_it(keeper: Path, endpoint: str, tmp_path: Path) -> None:
    async with rest_api_server() as api:
        environ = environment(RUNPOD_REST_BASE_URL=api.url, **variables(keeper, endpoint, tmp_path))
        done = await run_script("deploy.py", "--image", "me/worker:1", environ=environ, cwd=tmp_path)

    assert done.status == 0, done.err
    assert len(api.writes) == 2
    assert_hidden(done)
    assert_asked_once(keeper)


@pytest.mark.parametrize(
    ("script", "arguments"),
    [("sync-models.py", ("list", "volume1"))],
    ids=["sync-models"],
)
async def test_who_needs_no_key_does_not_ask(
    keeper: Path, endpoint: str, tmp_path: Path, script: str, arguments: tuple[str, ...]
) -> None:
    environ = environment(RUNPOD_S3_ENDPOINT_URL="http://127.0.0.1:1", **variables(keeper, endpoint, tmp_path))
    await run_script(script, *arguments, environ=environ, cwd=tmp_path)

    assert not keeper.with_name("keeper.calls").exists()


@pytest.mark.parametrize("program", ["proxy", "send-to-runpod.py", "doctor.py", "deploy.py"])
@pytest.mark.parametrize(
    ("ends", "says"),
    [
        ("exit 7", "ended with exit status 7; run it in a terminal to see why"),
        ("exit 0 # two words", "prints something other than a key"),
    ],
    ids=["it fails", "it prints something else"],
)
async def test_its_failure_is_one_sentence_that_names_the_variable(
    tmp_path: Path, program: str, ends: str, says: str
) -> None:
    broken = tmp_path / "broken"
    broken.write_text(f"#!/bin/sh\necho printed {KEY}\n{ends}\n")
    broken.chmod(0o700)
    chosen = variables(broken, "http://127.0.0.1:1/v2", tmp_path) | {"PROXY_PORT": str(free_port())}
    environ = environment(**chosen, RUNPOD_REST_BASE_URL="http://127.0.0.1:1/v2")
    if program == "proxy":
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "proxy"), cwd=PROJECT, env=environ, stdout=pipe, stderr=pipe
        )
        done = await finished(process)
    else:
        done = await run_script(program, environ=environ, cwd=tmp_path)
    (line,) = [text for text in (done.out + done.err).splitlines() if "RUNPOD_API_KEY_COMMAND" in text]

    assert done.status != 0
    assert f"RUNPOD_API_KEY_COMMAND: {says}" in line
    assert "printed" not in done.out + done.err
    assert_hidden(done)
