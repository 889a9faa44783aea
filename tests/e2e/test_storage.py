"""Files that are too large for a job: through a bucket, or over the network volume, in both directions."""

import hashlib
import os

import pytest

from tests.e2e.test_files import film, sent, upload
from tests.support.files import files_with
from tests.support.s3 import SECRET
from tests.support.storage_bed import StorageBed
from tests.support.until import until
from wire.limits import INLINE_INPUTS_MAX, MIB

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_large_result_takes_the_way_by_the_storage_and_is_removed_there(bed: StorageBed) -> None:
    prompt_id = await bed.stack.queue_prompt(film(20))
    (item,) = (await bed.stack.history(prompt_id))["outputs"]["1"]["images"]
    content = (bed.stack.output / item["subfolder"] / item["filename"]).read_bytes()
    events = [event["kind"] for event in await bed.events(prompt_id)]

    assert len(content) == 20 * MIB
    assert item == {"filename": "film_00001_.mp4", "subfolder": "video", "type": "output"}
    assert "node_output" in events
    assert "file_chunk" not in events
    assert events.count("omitted") <= events.count("catalog_told")  # of its catalog, which has one piece

    async def is_removed() -> bool:
        return bed.storage.sizes("comfy-runpod/outputs/") == {}

    await until(is_removed)


async def test_inputs_that_do_not_fit_into_a_job_are_uploaded_once(bed: StorageBed) -> None:
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


async def test_a_prompt_with_embedded_pictures_that_does_not_fit_into_a_job_runs(bed: StorageBed) -> None:
    picture = os.urandom(15 * MIB // 4).hex()
    digest = hashlib.sha256(picture.encode()).hexdigest()
    extra = {"extra_pnginfo": {"workflow": {"nodes": [{"id": 1, "widgets_values": [picture]}]}}}
    prompt = {"1": {"class_type": "SandboxDigestText", "inputs": {"text": picture}}}
    job = await bed.stack.queue_prompt(prompt, extra_data=extra)
    entry = await bed.stack.history(job)

    assert entry["outputs"]["1"]["text"] == [f"{len(picture)} {digest}"]
    assert bed.storage.sizes("comfy-runpod/inputs/")[f"comfy-runpod/inputs/{digest}"] == len(picture)
    assert sent(bed.stack, job) == [len(picture)]


async def test_no_key_and_no_signed_address_is_kept_anywhere(bed: StorageBed) -> None:
    folders = (bed.stack.home, bed.workers)
    names = {path.name for folder in folders for path in folder.rglob("*")}
    found = [path for folder in folders for path in files_with(folder, SECRET.encode(), b"X-Amz-Signature")]

    assert {"jobs.sqlite", "worker.log"} <= names
    assert found == []
