"""The endpoint with real workers under RunPod's unmodified SDK."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from sandbox.endpoint.server import Running, running_endpoint
from sandbox.endpoint.service import Options
from sandbox.endpoint.workers import WorkerCommand
from tests.support.until import until

WORKER = Path(__file__).with_name("sdk_worker.py")
TERMINAL = {"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Client:
    endpoint: Running
    session: aiohttp.ClientSession

    async def call(self, method: str, path: str, body: Any = None, key: str = "Bearer any") -> tuple[int, Any]:
        url = f"{self.endpoint.url}/sandbox/{path}"
        async with self.session.request(method, url, json=body, headers={"Authorization": key}) as response:
            return response.status, await response.json()

    async def run(self, **wish: Any) -> str:
        status, body = await self.call("POST", "run", {"input": wish})
        assert (status, body["status"]) == (200, "IN_QUEUE")
        return str(body["id"])

    async def ended(self, job: str) -> dict[str, Any]:
        async def terminal() -> Any:
            _, body = await self.call("GET", f"status-sync/{job}?wait=1000")
            return body if body["status"] in TERMINAL else None

        found: dict[str, Any] = await until(terminal, 30)
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    command = WorkerCommand((sys.executable, str(WORKER)), tmp_path_factory.mktemp("workers"))
    options = Options(run_max=200_000, chunk_max=50_000)
    async with running_endpoint(options, command=command) as endpoint, aiohttp.ClientSession() as session:
        yield Client(endpoint, session)


async def test_a_job_is_streamed_once_and_its_aggregate_stays(client: Client) -> None:
    job = await client.run(yields=3)
    done = await client.ended(job)
    _, first = await client.call("GET", f"stream/{job}")
    _, second = await client.call("GET", f"stream/{job}")

    assert [chunk["output"]["number"] for chunk in first["stream"]] == [0, 1, 2]
    assert second == {"status": "COMPLETED", "stream": []}
    assert [chunk["number"] for chunk in done["output"]] == [0, 1, 2]
    assert done["workerId"].startswith("sandbox0-")
    assert done["delayTime"] >= 0


async def test_a_raising_handler_fails_the_job(client: Client) -> None:
    done = await client.ended(await client.run(yields=1, then="raise"))

    assert done["status"] == "FAILED"
    assert "boom" in done["error"]


async def test_cancel_reaches_the_handler_and_the_worker_goes_on(client: Client, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    job = await client.run(then="hang", mark=str(mark))
    await until(lambda: _says(mark, "started"))
    status, body = await client.call("POST", f"cancel/{job}")
    await until(lambda: _says(mark, "cancelled"), 2)

    assert (status, body) == (200, {"id": job, "status": "CANCELLED"})
    assert (await client.ended(await client.run(yields=1)))["status"] == "COMPLETED"
    assert (await client.call("GET", f"status/{job}"))[1]["status"] == "CANCELLED"


async def test_a_job_cancelled_in_the_queue_is_never_run(client: Client, tmp_path: Path) -> None:
    busy = await client.run(then="hang")
    waiting = await client.run(mark=str(tmp_path / "never"))
    await client.call("POST", f"cancel/{waiting}")
    await client.call("POST", f"cancel/{busy}")
    await client.ended(await client.run(yields=1))

    assert not (tmp_path / "never").exists()


async def test_results_beyond_the_limit_are_lost_as_on_the_platform(client: Client) -> None:
    job = await client.run(yields=6, size=40_000)
    done = await client.ended(job)
    _, streamed = await client.call("GET", f"stream/{job}")

    assert done["status"] == "COMPLETED"
    assert "output" not in done
    assert len(streamed["stream"]) == 6


async def test_a_chunk_beyond_the_limit_is_lost(client: Client) -> None:
    job = await client.run(yields=1, size=60_000)
    await client.ended(job)

    assert (await client.call("GET", f"stream/{job}"))[1]["stream"] == []


async def test_an_oversized_request_is_refused(client: Client) -> None:
    status, body = await client.call("POST", "run", {"input": {"x": "x" * 200_001}})

    assert status == 400
    assert "exceeded max body size" in body["error"]


async def test_a_worker_that_dies_is_replaced_and_the_job_runs_once_more(client: Client, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    done = await client.ended(await client.run(then="die", mark=str(mark)))

    assert mark.read_text() == "started\n" * 2
    assert (done["status"], done["error"], done["retries"]) == ("FAILED", "job timed out after 1 retries", 1)


async def test_runpods_own_client_works_unchanged(client: Client) -> None:
    script = (
        "import runpod; runpod.api_key = 'k'; endpoint = runpod.Endpoint('sandbox');"
        "job = endpoint.run({'input': {'yields': 2}});"
        "print([chunk['number'] for chunk in job.stream()], job.status(), endpoint.health()['jobs']['inQueue'])"
    )
    environ = {**os.environ, "RUNPOD_ENDPOINT_BASE_URL": client.endpoint.url}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout.strip() == "[0, 1] COMPLETED 0", done.stderr


async def test_health_counts_jobs_and_workers(client: Client) -> None:
    _, body = await client.call("GET", "health")

    assert set(body["workers"]) == {"idle", "initializing", "ready", "running", "throttled", "unhealthy"}
    assert body["jobs"]["completed"] > 0
    assert body["jobs"]["failed"] > 0


async def test_keys_and_endpoints_are_checked(client: Client) -> None:
    assert (await client.call("GET", "health", key=""))[0] == 401
    assert (await client.call("GET", "health", key="raw-key"))[0] == 200
    assert (await client.call("GET", "status/unknown"))[0] == 404
    async with client.session.get(f"{client.endpoint.url}/other/health", headers={"Authorization": "k"}) as response:
        assert (response.status, await response.json()) == (404, {"detail": "endpoint not found"})


async def test_a_wrong_key_is_refused_when_one_is_set() -> None:
    async with running_endpoint(Options(api_key="right")) as endpoint, aiohttp.ClientSession() as session:
        client = Client(endpoint, session)

        assert (await client.call("GET", "health", key="Bearer wrong"))[0] == 401
        assert (await client.call("GET", "health", key="Bearer right"))[0] == 200


async def _says(mark: Path, word: str) -> bool:
    return await asyncio.to_thread(lambda: mark.exists() and word in mark.read_text())
