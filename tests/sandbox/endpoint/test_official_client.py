"""RunPod's own Python client, unmodified, in a process of its own, pointed at the sandbox endpoint.

Source of the variable: runpod/__init__.py ``endpoint_url_base``.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sandbox.endpoint.server import Running, running_endpoint
from sandbox.endpoint.service import Options
from sandbox.endpoint.workers import WorkerCommand

pytestmark = pytest.mark.asyncio(loop_scope="module")

SYNC = """
import json, os, runpod
runpod.api_key = os.environ["RUNPOD_API_KEY"]
endpoint = runpod.Endpoint("sandbox")
said = {"runsync": endpoint.run_sync({"input": {"yields": 1}}, timeout=30)}
job = endpoint.run({"input": {"yields": 3}})
said["stream"] = list(job.stream())
said["output"] = job.output(timeout=30)
said["status"] = job.status()
hanging = endpoint.run({"input": {"then": "hang"}})
said["cancel"] = hanging.cancel()["status"]
said["cancelled"] = hanging.status()
failing = endpoint.run({"input": {"then": "raise"}})
failing.output(timeout=30)
said["failed"] = failing.status()
said["health"] = sorted(endpoint.health())
said["purged"] = endpoint.purge_queue()["removed"]
print(json.dumps(said))
"""

ASYNC = """
import asyncio, json, os, aiohttp, runpod
runpod.api_key = os.environ["RUNPOD_API_KEY"]
from runpod import AsyncioEndpoint
async def main():
    async with aiohttp.ClientSession() as session:
        endpoint = AsyncioEndpoint("sandbox", session)
        job = await endpoint.run({"yields": 2})
        said = {"stream": [chunk async for chunk in job.stream()]}
        said["output"] = await job.output(timeout=30)
        said["status"] = await job.status()
        hanging = await endpoint.run({"then": "hang"})
        await hanging.cancel()
        said["cancelled"] = await hanging.status()
        print(json.dumps(said))
asyncio.run(main())
"""

WRONG_KEY = """
import os, runpod
runpod.api_key = os.environ["RUNPOD_API_KEY"]
try:
    runpod.Endpoint("sandbox").health()
except RuntimeError as error:
    print(f'"{error}"')
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    worker = (sys.executable, str(Path(__file__).with_name("sdk_worker.py")))
    command = WorkerCommand(worker, tmp_path_factory.mktemp("workers"))
    async with running_endpoint(Options(api_key="secret"), command=command) as running:
        yield running


async def said(program: str, endpoint: Running, home: Path, key: str = "secret") -> Any:
    environ = {
        **os.environ,
        "RUNPOD_ENDPOINT_BASE_URL": endpoint.url,
        "RUNPOD_API_KEY": key,
        "HOME": str(home),  # the client would prefer credentials in ~/.runpod
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env=environ, stdout=asyncio.subprocess.PIPE, cwd=home
    )
    out, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0
    return json.loads(out.splitlines()[-1])


def chunk(number: int) -> dict[str, Any]:
    return {"number": number, "text": ""}


async def test_its_endpoint_runs_streams_cancels_and_asks(endpoint: Running, tmp_path: Path) -> None:
    answer = await said(SYNC, endpoint, tmp_path)

    assert answer["runsync"] == [chunk(0)]
    assert answer["stream"] == answer["output"] == [chunk(0), chunk(1), chunk(2)]
    assert answer["status"] == "COMPLETED"
    assert (answer["cancel"], answer["cancelled"]) == ("CANCELLED", "CANCELLED")
    assert answer["failed"] == "FAILED"
    assert answer["health"] == ["jobs", "workers"]
    assert answer["purged"] == 0


async def test_its_asyncio_endpoint_does_too(endpoint: Running, tmp_path: Path) -> None:
    answer = await said(ASYNC, endpoint, tmp_path)

    assert answer["stream"] == answer["output"] == [chunk(0), chunk(1)]
    assert (answer["status"], answer["cancelled"]) == ("COMPLETED", "CANCELLED")


async def test_a_wrong_key_is_an_error_that_it_knows(endpoint: Running, tmp_path: Path) -> None:
    assert "401" in await said(WRONG_KEY, endpoint, tmp_path, key="wrong")
