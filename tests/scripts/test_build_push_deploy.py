"""``make build push`` and then ``scripts/deploy.py``, as README says, with a program in Docker's place."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.rest_api import KEY, RestApiServer, rest_api_server

PROJECT = Path(__file__).parents[2]
DIGEST = "sha256:" + "12" * 32
DOCKER = f"""#!/bin/sh
case "$*" in
*RepoDigests*) echo "${{KNOWN_AS:-alice/comfyui-serverless}}@{DIGEST}" ;;
*.Size*) echo 1000 ;;
*.Id*) echo sha256:{"34" * 32} ;;
push*) exit "${{PUSH_STATUS:-0}}" ;;
esac
"""


@pytest.fixture
async def api() -> AsyncIterator[RestApiServer]:
    async with rest_api_server() as server:
        yield server


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the scripts need, so that nothing is noted in the project itself."""
    folder = tmp_path / "project"
    unwanted = shutil.ignore_patterns("__pycache__")
    for room in ("scripts", "client", "engine", "storage", "wire"):
        shutil.copytree(PROJECT / room, folder / room, ignore=unwanted)
    (folder / "docker" / "ComfyUI").mkdir(parents=True)
    (folder / "docker" / "ComfyUI" / "main.py").touch()
    shutil.copy(PROJECT / "pyproject.toml", folder)
    shutil.copy(PROJECT / "Makefile", folder)
    (folder / ".venv").symlink_to(PROJECT / ".venv")
    (folder / "bin").mkdir()
    (folder / "bin" / "docker").write_text(DOCKER)
    (folder / "bin" / "docker").chmod(0o755)
    return folder


async def run(project: Path, *command: str, **more: str) -> tuple[int, str]:
    ours = ("RUNPOD_", "DOCKER_", "REGISTRY", "IMAGE", "TAG")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environ |= {"PATH": f"{project / 'bin'}:{os.environ['PATH']}", "RUNPOD_API_KEY": KEY, **more}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=project, env=environ, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output = (await process.communicate())[0].decode()
    assert process.returncode is not None
    return process.returncode, output


async def deploy(project: Path, api: RestApiServer, *arguments: str) -> tuple[int, str]:
    command = (sys.executable, "scripts/deploy.py", *arguments)
    return await run(project, *command, RUNPOD_REST_BASE_URL=api.url)


async def test_what_was_pushed_from_here_is_deployed(project: Path, api: RestApiServer) -> None:
    pushed, said = await run(project, "make", "build", "push", "REGISTRY=alice")
    first, output = await deploy(project, api, "--gpu-pool", "ADA_24")
    await run(project, "make", "build", "push", "REGISTRY=alice", "TAG=v2")
    _, kept = await deploy(project, api, "--max-workers", "5")
    second, again = await deploy(project, api)

    images = [body.get("image") for _, kind, body in api.writes if kind == "serverless"]
    assert (pushed, first, second) == (0, 0, 0), said + output + again
    assert images == [
        f"alice/comfyui-serverless:latest@{DIGEST}", None, f"alice/comfyui-serverless:v2@{DIGEST}",
    ]  # fmt: skip
    assert f"without other options, alice/comfyui-serverless:v2@{DIGEST} is deployed" in kept


async def test_without_a_push_nothing_is_deployed(project: Path, api: RestApiServer) -> None:
    (project / ".env").write_text("DOCKER_REGISTRY=alice\n")
    await run(project, "make", "build")

    status, output = await deploy(project, api)

    assert status == 1
    assert output.splitlines() == [
        "Error: no image was pushed from here: push one by `make build push REGISTRY=your-docker-hub-name`, "
        "or name one by --image"
    ]
    assert api.writes == []


@pytest.mark.parametrize(
    ("variables", "noted"),
    [
        ({"PUSH_STATUS": "1"}, None),
        ({"DRY_RUN": "1"}, None),
        ({"KNOWN_AS": "somebody/else"}, "image=alice/comfyui-serverless:latest\ndigest=\n"),
        ({}, f"image=alice/comfyui-serverless:latest\ndigest={DIGEST}\n"),
    ],
)
async def test_only_a_push_that_succeeded_is_noted(project: Path, variables: dict[str, str], noted: str | None) -> None:
    await run(project, "scripts/push.sh", "--registry", "alice", **variables)

    record = project / "docker" / "pushed-image"
    assert (record.read_text() if record.exists() else None) == noted
