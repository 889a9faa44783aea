"""Large files both ways, on a real S3 server which stands for a bucket and for a network volume."""

import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from client.send.folders import LocalFolders
from engine.files.large_files import LargeFileLost, LargeFiles
from engine.files.results import ResultFiles
from engine.model.job import Submission
from engine.store.jobs import JobStore
from storage.objects import S3Location, StorageRefused
from storage.s3 import Bucket
from tests.support.ports import free_port
from tests.support.s3 import modified
from wire.errors import Unavailable
from wire.events import NodeOutput
from wire.files import FileRef, Source, Url, Volume, input_key, output_key
from wire.ids import PromptId
from wire.limits import MIB
from wire.s3 import PART_BYTES

JOB = PromptId("7b2c1d0e-0000-4000-8000-000000000000")
CONTENT = os.urandom(3 * MIB + 7)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
KEY = output_key(JOB, SHA256)


def reference(source: Source, content: bytes = CONTENT) -> FileRef:
    sha256 = hashlib.sha256(content).hexdigest()
    return FileRef(filename="x.mp4", type="output", sha256=sha256, size=len(content), source=source)


@pytest.fixture
def bucket(volume: S3Location) -> Bucket:
    return Bucket(volume, tries=2)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize("size", [0, 5, PART_BYTES + 3], ids=["empty", "small", "in parts"])
async def test_an_input_is_uploaded_once_and_its_address_needs_no_key(
    session: aiohttp.ClientSession, bucket: Bucket, tmp_path: Path, size: int
) -> None:
    content = os.urandom(size)
    sha256, path = hashlib.sha256(content).hexdigest(), tmp_path / "x"
    path.write_bytes(content)
    large = LargeFiles(session, bucket=bucket, volume=None)
    source = await large.put(sha256, path)
    first = modified(bucket.place, input_key(sha256))
    await large.put(sha256, path)

    assert isinstance(source, Url)
    async with session.get(source.url) as answer:
        assert await answer.read() == content
    assert modified(bucket.place, input_key(sha256)) == first


async def test_with_a_volume_it_lies_in_the_cache_of_all_workers(
    session: aiohttp.ClientSession, bucket: Bucket, tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(CONTENT)
    source = await LargeFiles(session, bucket=bucket, volume=bucket).put(SHA256, tmp_path / "x")

    assert source == Volume(path=f"comfy-runpod/inputs/{SHA256}")
    assert b"".join(bucket.read(input_key(SHA256))) == CONTENT


@pytest.mark.parametrize("kind", ["address", "address that was not kept", "volume"])
async def test_an_output_goes_on_where_it_stopped_and_is_then_removed(
    session: aiohttp.ClientSession, bucket: Bucket, tmp_path: Path, kind: str
) -> None:
    bucket.put(KEY, CONTENT)
    large = LargeFiles(session, bucket=bucket, volume=bucket)
    sources: dict[str, Source] = {
        "address": Url(url=bucket.address(KEY)),
        "address that was not kept": Url(url=""),
        "volume": Volume(path=KEY),
    }
    file = reference(sources[kind])
    part = tmp_path / "parts" / "x"
    part.parent.mkdir()
    part.write_bytes(b"?" * MIB)  # what an earlier process received
    await large.fetch(JOB, file, part)
    fetched = part.read_bytes()
    await large.fetch(JOB, file, part)
    await large.drop(JOB, file)

    assert fetched == b"?" * MIB + CONTENT[MIB:]
    assert part.read_bytes() == fetched
    assert bucket.size(KEY) is None
    with pytest.raises(LargeFileLost):
        await large.fetch(JOB, file, tmp_path / "again")


async def test_only_what_is_this_jobs_is_fetched_and_removed(
    session: aiohttp.ClientSession, bucket: Bucket, tmp_path: Path
) -> None:
    bucket.put("models/mine", CONTENT)
    large = LargeFiles(session, bucket=bucket, volume=bucket)
    on_volume, at_address = (
        reference(Volume(path="models/mine")),
        reference(Url(url=bucket.address("models/mine"))),
    )
    for file in (on_volume, at_address):
        await large.drop(JOB, file)
    with pytest.raises(LargeFileLost):
        await large.fetch(JOB, on_volume, tmp_path / "x")

    assert bucket.size("models/mine") == len(CONTENT)


async def test_a_foreign_address_is_asked_only_over_https_and_never_named(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    large = LargeFiles(session, bucket=None, volume=None)
    with pytest.raises(LargeFileLost) as caught:
        await large.fetch(JOB, reference(Url(url="http://127.0.0.1/?X-Amz-Signature=secret")), tmp_path / "x")

    assert "secret" not in str(caught.value)


async def test_a_storage_that_is_away_is_nobodys_fault_and_wrong_keys_are_somebodys(
    session: aiohttp.ClientSession, volume: S3Location, tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(CONTENT)
    away = Bucket(replace(volume, url=f"http://127.0.0.1:{free_port()}"), tries=1)
    locked = Bucket(replace(volume, secret_key=volume.access_key), tries=1)
    with pytest.raises(Unavailable):
        await LargeFiles(session, bucket=away, volume=None).put(SHA256, tmp_path / "x")
    with pytest.raises(StorageRefused):
        await LargeFiles(session, bucket=locked, volume=None).put(SHA256, tmp_path / "x")
    with pytest.raises(Unavailable):
        file = reference(Url(url=away.address(KEY)))
        await LargeFiles(session, bucket=away, volume=None).fetch(JOB, file, tmp_path / "y")


async def test_a_result_that_two_nodes_name_is_fetched_once_and_removed_when_the_job_has_ended(
    session: aiohttp.ClientSession, bucket: Bucket, tmp_path: Path
) -> None:
    bucket.put(KEY, CONTENT)
    output = tmp_path / "output"
    folders = LocalFolders(prompt={}, named={}, inputs=tmp_path, output=output, comfyui=None)
    file = reference(Volume(path=KEY))
    with JobStore(tmp_path / "jobs.sqlite") as store:
        store.add(Submission(JOB, {}, {}, ()), 0)
        files = ResultFiles(folders, tmp_path / "parts", store.files, LargeFiles(session, bucket=bucket, volume=bucket))
        for node, name in (("1", "one.mp4"), ("2", "two.mp4")):
            named = file.model_copy(update={"filename": name})
            await files.save(JOB, "run", NodeOutput(node=node, output={}, files=(named,)))
        there = bucket.size(KEY)
        (output / "one.mp4").write_bytes(b"edited")
        await files.finish(JOB)

    assert there == len(CONTENT)
    assert bucket.size(KEY) is None
    assert (output / "two.mp4").read_bytes() == CONTENT
    assert not list((tmp_path / "parts").iterdir())
