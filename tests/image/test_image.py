"""The worker's image, run as RunPod runs it: no --init, no shell, jobs from an endpoint (``make image-test``).

It needs a Docker Engine and IMAGE_UNDER_TEST. ComfyUI gets ``--cpu``; everything else is as on a machine with a GPU.
"""

import asyncio
import json
import os
import re
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from sandbox.endpoint.server import Running, running_endpoint
from sandbox.endpoint.service import Options
from sandbox.endpoint.workers import sdk_environment
from tests.support.job_client import JobClient, events
from tests.support.ports import free_port

IMAGE = os.environ.get("IMAGE_UNDER_TEST", "")
START_S, STOP_S = 240.0, 3.0
PICTURE = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 1024, "height": 1024, "batch_size": 1, "color": 4321}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "image-test"}},
}
SECRET = "rpa_THISISNOTAREALKEY0123456789"
pytestmark = [
    pytest.mark.skipif(not IMAGE, reason="IMAGE_UNDER_TEST is not set; `make image-test` builds an image and tests it"),
    pytest.mark.timeout(600),
]


def noisy(number: int, steps: int = 12) -> dict[str, Any]:
    """A prompt that keeps a CPU busy for some seconds: blurs of a picture, one after the other."""
    blur = {"blur_radius": 15, "sigma": 9.0}
    prompt: dict[str, Any] = {
        "0": {"class_type": "EmptyImage", "inputs": {"width": 1024, "height": 1024, "batch_size": 1, "color": number}}
    }
    for step in range(1, steps + 1):
        prompt[str(step)] = {"class_type": "ImageBlur", "inputs": {"image": [str(step - 1), 0], **blur}}
    prompt["save"] = {"class_type": "SaveImage", "inputs": {"images": [str(steps), 0], "filename_prefix": "noisy"}}
    return prompt


async def docker(*arguments: str, check: bool = True) -> str:
    process = await asyncio.create_subprocess_exec(
        "docker", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0 or not check, output
    return output.strip()


class Container(JobClient):
    def __init__(self, name: str, endpoint: Running, http: aiohttp.ClientSession, port: int) -> None:
        super().__init__(endpoint.url, http)
        self.name, self._http, self._port = name, http, port
        self.began = time.monotonic()

    async def ready(self) -> dict[str, Any]:
        """ComfyUI's ``/system_stats``."""
        async with asyncio.timeout(START_S):
            while True:
                try:
                    async with self._http.get(f"http://127.0.0.1:{self._port}/system_stats") as answer:
                        stats: dict[str, Any] = await answer.json()
                        return stats
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)

    async def inside(self, command: str, user: str = "root") -> str:
        return await docker("exec", "--user", user, self.name, "sh", "-c", command)

    async def comfyui(self) -> str:
        """The process id of ComfyUI in the container."""
        find = "import glob; print(*[p.split('/')[2] for p in glob.glob('/proc/[0-9]*/cmdline')"
        return await self.inside(f"python -c \"{find} if b'\\0main.py\\0' in open(p, 'rb').read()])\"")

    async def stop(self) -> tuple[float, int]:
        """Seconds, and the exit status."""
        began = time.monotonic()
        await docker("stop", self.name)
        took = time.monotonic() - began
        return took, int(await docker("inspect", "--format", "{{.State.ExitCode}}", self.name))


@asynccontextmanager
async def container(*options: str) -> AsyncIterator[Container]:
    name, port = f"image-test-{uuid.uuid4().hex[:8]}", free_port()
    async with running_endpoint(Options(wanted_workers=0, take_hold_s=60)) as endpoint, aiohttp.ClientSession() as http:
        endpoint.service.state.start_worker("w1", endpoint.service.clock())
        environ = sdk_environment(endpoint.url, endpoint.service.options, "w1") | {
            "COMFYUI_ARGS": "--cpu", "COMFYUI_PORT": str(port), "RUNPOD_API_KEY": SECRET, "COMFYUI_HANG_S": "10",
        }  # fmt: skip
        variables = [word for key, value in environ.items() for word in ("-e", f"{key}={value}")]
        await docker("run", "--detach", "--network", "host", "--name", name, *variables, *options, IMAGE)
        try:
            yield Container(name, endpoint, http, port)
        finally:
            await docker("rm", "--force", "--volumes", name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one() -> AsyncIterator[Container]:
    async with container() as running:
        await running.ready()
        yield running


pytestmark.append(pytest.mark.asyncio(loop_scope="module"))


async def test_the_image_says_what_it_has(one: Container) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", await one.inside("head -n 1 /opt/image.catalog"))


async def test_a_job_brings_its_picture(one: Container, record_property: Any) -> None:
    answer = await one.ends(await one.submit(PICTURE), 60)

    told = events(answer)
    assert told[-1]["kind"] == "prompt_finished"
    assert [event["files"][0]["filename"] for event in told if event["kind"] == "node_output"] == [
        "image-test_00001_.png"
    ]


async def test_comfyui_is_another_user_and_knows_no_key(one: Container) -> None:
    pid = await one.comfyui()

    owner = await one.inside(f"stat -c %U /proc/{pid}")
    environ = await one.inside(f"tr '\\0' '\\n' < /proc/{pid}/environ", "comfyui")
    spying = await docker("exec", "--user", "comfyui", one.name, "cat", "/proc/1/environ", check=False)

    assert owner == "comfyui"
    assert "HOME=/home/comfyui" in environ
    assert "RUNPOD" not in environ
    assert SECRET not in environ + spying


async def test_a_killed_comfyui_fails_its_job_and_the_next_one_runs(one: Container) -> None:
    job = await one.submit(noisy(1, 60))
    await one.runs(job)
    await one.inside(f"kill -9 {await one.comfyui()}")

    failed = events(await one.ends(job, 60))[-1]
    following = events(await one.ends(await one.submit(PICTURE), START_S))[-1]

    assert failed["error_type"] == "comfyui_died"
    assert failed["diagnostics"]["comfyui_version"]
    assert failed["diagnostics"]["log_tail"]
    assert SECRET not in json.dumps(failed)
    assert following["kind"] == "prompt_finished"


async def test_a_cancelled_job_frees_comfyui(one: Container) -> None:
    job = await one.submit(noisy(2, 60))
    await one.runs(job)
    await one.cancel(job)

    following = events(await one.ends(await one.submit(PICTURE), START_S))[-1]

    assert following["kind"] == "prompt_finished"


async def test_a_full_disk_is_told_and_the_next_job_runs() -> None:
    async with container("--tmpfs", "/comfyui/output:size=64k,mode=0777") as small:
        await small.ready()
        await small.inside("head -c 100000 /dev/zero > /comfyui/output/fill || true")
        failed = events(await small.ends(await small.submit(PICTURE), 60))[-1]
        await small.inside("rm /comfyui/output/fill")
        following = events(await small.ends(await small.submit(PICTURE), 60))[-1]

    assert failed["kind"] == "prompt_failed"
    assert "No space left" in failed["error"]["exception_message"]
    assert failed["diagnostics"]["disk"]
    assert following["kind"] == "prompt_finished"


async def test_without_a_comfyui_the_handler_starts_and_says_so() -> None:
    async with container("-e", "COMFYUI_HOME=/nowhere") as empty:
        failed = events(await empty.ends(await empty.submit(PICTURE), 60))[-1]

    assert failed["error_type"] == "comfyui_died"
    assert "there is no ComfyUI in /nowhere" in failed["message"]


async def test_the_container_gets_healthy_and_stops_at_once() -> None:
    async with container("--health-interval", "1s") as fresh:
        await fresh.ready()
        started = time.monotonic() - fresh.began
        async with asyncio.timeout(60):
            while await docker("inspect", "--format", "{{.State.Health.Status}}", fresh.name) != "healthy":
                await asyncio.sleep(0.2)
        took, status = await fresh.stop()

    print(f"ready after {started:.1f} s, stopped in {took:.2f} s")
    assert took < STOP_S
    assert status == 0


async def test_the_image_says_what_it_is_and_holds_no_key() -> None:
    labels = json.loads(await docker("inspect", "--format", "{{json .Config.Labels}}", IMAGE))
    history = await docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", IMAGE)

    assert labels["org.opencontainers.image.version"] != "unknown"
    assert labels["org.opencontainers.image.revision"] != "unknown"
    assert not [word for word in ("token", "secret", "password", "api_key") if word in history.lower()]
