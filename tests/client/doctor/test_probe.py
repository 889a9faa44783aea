"""A worker is asked for its protocol by a job that it must refuse, and nothing goes on afterwards."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

from client.doctor.probe import ProbeFailed, worker_protocol
from engine.runpod.endpoint import Endpoint
from sandbox.endpoint.server import Running, running_endpoint
from sandbox.endpoint.service import Options
from sandbox.endpoint.workers import WorkerCommand
from tests.support.comfyui import SANDBOX
from tests.support.stack import PROJECT
from wire.limits import PROTOCOL

FOREIGN = PROJECT / "tests" / "sandbox" / "endpoint" / "sdk_worker.py"


@asynccontextmanager
async def endpoint_with(*worker: str, folder: Path, key: str = "secret") -> AsyncIterator[tuple[Running, Endpoint]]:
    environ = {"COMFYUI_HOME": str(SANDBOX), "COMFYUI_PYTHON": sys.executable}
    command = WorkerCommand(worker, folder, environ) if worker else None
    async with running_endpoint(Options(api_key="secret"), command=command) as running, aiohttp.ClientSession() as http:
        yield running, Endpoint(running.url, "sandbox", SecretStr(key), http, http)


def statuses(running: Running) -> list[str]:
    return [job.status.value for job in running.service.state.jobs.values()]


async def test_our_worker_speaks_our_protocol(tmp_path: Path) -> None:
    async with endpoint_with(sys.executable, "-m", "worker", folder=tmp_path) as (running, endpoint):
        assert await worker_protocol(endpoint, 60) == PROTOCOL
        assert len(running.service.state.jobs) == 1


async def test_another_worker_is_told_from_ours(tmp_path: Path) -> None:
    async with endpoint_with(sys.executable, str(FOREIGN), folder=tmp_path) as (_, endpoint):
        with pytest.raises(ProbeFailed, match="the worker answers otherwise"):
            await worker_protocol(endpoint, 60)


async def test_without_a_worker_the_job_is_cancelled(tmp_path: Path) -> None:
    async with endpoint_with(folder=tmp_path) as (running, endpoint):
        with pytest.raises(ProbeFailed, match=r"within 0\.1 s"):
            await worker_protocol(endpoint, 0.1)

        assert statuses(running) == ["CANCELLED"]


async def test_a_wrong_key_is_reported_and_nothing_is_submitted(tmp_path: Path) -> None:
    async with endpoint_with(folder=tmp_path, key="wrong") as (running, endpoint):
        with pytest.raises(ProbeFailed, match="401"):
            await worker_protocol(endpoint, 5)

        assert statuses(running) == []
