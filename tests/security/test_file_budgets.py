"""Files without a budget: none is written beyond the size that was announced, and none fills the disk.

Promise: as for requests; what arrives beyond its size is damaged, and is dealt with like everything that is.
"""

import hashlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from client.send.folders import LocalFolders
from engine.files.large_files import LargeFiles
from engine.files.results import OutputIncomplete, ResultFiles
from engine.model.job import Submission
from engine.store.jobs import JobStore
from storage.disk import DiskUnavailable
from storage.objects import ObjectStore, S3Location
from storage.s3 import Bucket
from tests.support.disks import small_disk
from tests.support.measured import cost_of, needs_proc
from wire.events import FileChunk, NodeOutput, Preview
from wire.files import FileRef, Source, Streamed, Url, Volume, encode_bytes, output_key
from wire.ids import PromptId
from wire.limits import PICTURE_MAX, UNANNOUNCED_MAX
from wire.models import ModelRef
from worker.files.input_fetch import InputFetch
from worker.models.downloads import Downloads, ModelUnavailable
from worker.models.sources import ModelSources, SourceFailed

MB = 1_000_000
JOB, RUN = PromptId("7b2c1d0e-0000-4000-8000-000000000000"), "run"
PIECE = bytes(MB)
SMALL = hashlib.sha256(PIECE).hexdigest()


@asynccontextmanager
async def results(home: Path, volume: ObjectStore | None = None) -> AsyncIterator[ResultFiles]:
    folders = LocalFolders(prompt={}, named={}, inputs=home / "input", output=home / "output", comfyui=None)
    async with aiohttp.ClientSession() as session:
        with JobStore(home / "jobs.sqlite") as store:
            store.add(Submission(JOB, {}, {}, ()), 0)
            large = LargeFiles(session, bucket=volume, volume=volume)
            yield ResultFiles(folders, home / "parts", store.files, large)


def written(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def announced(source: Source, size: int = MB) -> NodeOutput:
    file = FileRef(filename="a.png", type="output", sha256=SMALL, size=size, source=source)
    return NodeOutput(node="1", output={"images": [{"filename": "a.png", "type": "output"}]}, files=(file,))


# -- from the worker's stream


@pytest.mark.parametrize(("said", "kept"), [(MB, MB), (5 * MB, 5 * MB), (0, 0), (None, UNANNOUNCED_MAX // MB * MB)])
async def test_a_file_of_the_stream_is_not_longer_than_its_worker_said(
    tmp_path: Path, said: int | None, kept: int
) -> None:
    data = encode_bytes(PIECE)
    async with results(tmp_path) as files:
        for number in range(80):
            chunk = FileChunk(transfer=0, offset=number * MB, data=data, size=said)
            await files.add_chunk(JOB, RUN, chunk)

        assert written(tmp_path / "parts") == kept
        if said == MB:
            await files.save(JOB, RUN, announced(Streamed(transfer=0)))
            assert (tmp_path / "output" / "a.png").read_bytes() == PIECE
        else:
            with pytest.raises(OutputIncomplete):
                await files.save(JOB, RUN, announced(Streamed(transfer=0)))


async def test_a_file_that_is_sent_again_is_not_longer_than_it_was(tmp_path: Path) -> None:
    event = announced(Streamed(transfer=0))
    async with results(tmp_path) as files:
        for number in range(20):
            chunk = FileChunk(transfer=0, offset=number * MB, data=encode_bytes(PIECE), size=99 * MB)
            await files.append(JOB, RUN, event.files[0], chunk)

        assert written(tmp_path / "parts") == MB


async def look_at_a_picture(home: str, size: int) -> bool:
    """Whether a picture that came in chunks, which are *size* bytes together, is shown."""
    async with results(Path(home)) as files:
        for number in range(size // MB):
            chunk = FileChunk(transfer=0, offset=number * MB, data=encode_bytes(PIECE), size=size)
            await files.add_chunk(JOB, RUN, chunk)
        return await files.with_picture(JOB, RUN, Preview(node="1", image_type="image/png", transfer=0)) is not None


@needs_proc
@pytest.mark.parametrize(("size", "shown"), [(PICTURE_MAX // MB * MB, True), (200 * MB, False)])
async def test_a_picture_has_a_budget(tmp_path: Path, size: int, shown: bool) -> None:
    cost = await cost_of(look_at_a_picture, str(tmp_path), size)

    assert cost.outcome is shown
    cost.require()


# -- from somewhere else


@asynccontextmanager
async def generous(said: int) -> AsyncIterator[str]:
    """A server that says *said* bytes of a file and sends 200 MB."""

    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {"ETag": "one", "Content-Range": f"bytes 0-{said - 1}/{said}"}
        response = web.StreamResponse(status=206, headers=headers)
        await response.prepare(request)
        for _ in range(200):
            await response.write(PIECE)
        return response

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def bucket_at(url: str) -> Bucket:
    return Bucket(S3Location(url, "b", "us-east-1", SecretStr("a"), SecretStr("s")))


async def test_a_file_of_a_bucket_is_not_longer_than_its_worker_said(tmp_path: Path) -> None:
    async with generous(MB) as url, results(tmp_path, bucket_at(url)) as files:
        await files.save(JOB, RUN, announced(Url(url=f"{url}/b/a")))

        assert (tmp_path / "output" / "a.png").read_bytes() == PIECE
        assert written(tmp_path / "output") == MB


async def test_a_file_of_the_volume_is_not_longer_than_its_worker_said(tmp_path: Path, volume: S3Location) -> None:
    store, key = Bucket(volume), output_key(JOB, SMALL)
    store.put(key, PIECE * 50)
    async with results(tmp_path, store) as files:
        await files.save(JOB, RUN, announced(Volume(path=key)))

        assert written(tmp_path / "output") == MB


async def test_an_input_of_the_worker_is_not_longer_than_it_was_announced(tmp_path: Path) -> None:
    path = tmp_path / "part"
    path.touch()
    async with generous(MB) as url:
        with pytest.raises(SourceFailed, match="sends more"):
            await InputFetch(None, allow_private=True, retry_s=0.001).fetch(f"{url}/a", path, MB)

    assert path.stat().st_size <= MB


async def test_a_model_of_the_worker_is_not_longer_than_it_was_announced(tmp_path: Path) -> None:
    async def silent(_: str) -> None:
        """Nobody listens."""

    sources = ModelSources(None, {}, allow_private=True)
    async with generous(MB) as url:
        model = ModelRef(source=f"{url}/a.safetensors", folder="loras")
        with pytest.raises(ModelUnavailable, match="sends more"):
            await Downloads(tmp_path, sources, piece_size=MB // 4, retry_s=0.001).ensure([model], silent)

    assert written(tmp_path) <= 2 * MB


# -- the disk


async def test_a_file_of_any_size_leaves_room_on_the_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "60m") as disk:
        async with results(disk) as files:
            with pytest.raises(DiskUnavailable, match="nearly full"):
                for number in range(100):
                    chunk = FileChunk(transfer=0, offset=number * MB, data=encode_bytes(PIECE), size=10**18)
                    await files.add_chunk(JOB, RUN, chunk)

        assert shutil.disk_usage(disk).free >= MB


async def test_a_file_from_elsewhere_leaves_room_on_the_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "60m") as disk:
        async with generous(10**18) as url, results(disk, bucket_at(url)) as files:
            with pytest.raises(DiskUnavailable, match="nearly full"):
                await files.save(JOB, RUN, announced(Url(url=f"{url}/b/a"), 10**18))

        assert shutil.disk_usage(disk).free >= MB
