"""scripts/push.sh against a real registry that wants a login; the image is a tiny one."""

import asyncio
import os
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.ports import free_port
from tests.support.stack import PROJECT, stop
from tests.support.until import until

REGISTRY = shutil.which("docker-registry")
pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("IMAGE_UNDER_TEST"), reason="IMAGE_UNDER_TEST is not set; see `make image-test`"
    ),
    pytest.mark.skipif(not REGISTRY, reason="there is no docker-registry (Debian's package) on this machine"),
]
USER, PASSWORD = "pusher", "not-a-secret"


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[str]:
    bcrypt = pytest.importorskip("bcrypt")
    port = free_port()
    (tmp_path / "htpasswd").write_text(f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}\n")
    (tmp_path / "registry.yml").write_text(
        f"version: 0.1\nhttp: {{addr: '127.0.0.1:{port}'}}\nlog: {{level: error}}\n"
        f"storage: {{filesystem: {{rootdirectory: {tmp_path}/data}}}}\n"
        f"auth: {{htpasswd: {{realm: test, path: {tmp_path}/htpasswd}}}}\n"
    )
    assert REGISTRY
    with (tmp_path / "registry.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            REGISTRY, "serve", str(tmp_path / "registry.yml"), stdout=log, stderr=log
        )
    async with aiohttp.ClientSession() as http:
        await until(lambda: answers(http, port), 20, (tmp_path / "registry.log").read_text)
    yield f"127.0.0.1:{port}"
    await stop(process)


async def answers(http: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with http.get(f"http://127.0.0.1:{port}/v2/") as answer:
            return answer.status == 401
    except aiohttp.ClientError:
        return False


async def call(*command: str, given: str = "", **environ: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, env=os.environ | environ, cwd=PROJECT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output = (await process.communicate(given.encode()))[0].decode()
    assert process.returncode is not None
    return process.returncode, output


async def test_a_push_needs_a_login_and_ends_with_the_digest(registry: str, tmp_path: Path) -> None:
    tag = uuid.uuid4().hex[:8]
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    reference = f"{registry}/me/worker:{tag}"
    await call("docker", "build", "--tag", reference, str(tmp_path / "context"))
    names = ("--registry", f"{registry}/me", "--image", "worker", "--tag", tag)

    refused, why = await call("scripts/push.sh", *names)
    await call("docker", "login", registry, "--username", USER, "--password-stdin", given=PASSWORD)
    status, output = await call("scripts/push.sh", *names)
    await call("docker", "logout", registry)
    await call("docker", "rmi", reference)

    assert refused != 0
    assert "docker login" in why
    assert status == 0, output
    assert output.splitlines()[-1].startswith(f"image  {registry}/me/worker@sha256:")
