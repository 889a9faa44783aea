"""What has come of a job goes with the job, however it ends: nobody finds it later, and no disk fills with it."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from client.send.folders import LocalFolders
from engine.files.large_files import LargeFiles
from engine.files.results import ResultFiles
from engine.model.job import Submission
from engine.model.states import JobState
from engine.store.jobs import JobStore
from tests.support.engine import PROMPT, engine
from tests.support.held_threads import held
from tests.support.runpod import RunPod, endpoint_of, pictures, serving
from tests.support.until import until
from wire.events import FileChunk, HistoryEntry, PromptFailed, PromptFinished, PromptRejected, WorkerEvent, WorkerFailed
from wire.files import FileRef, Volume, encode_bytes
from wire.ids import PromptId, RunPodJobId
from wire.job import JobRequest
from worker.files.input_cache import InputCache
from worker.files.input_fetch import InputFetch
from worker.files.input_staging import InputSources, InputStaging
from worker.folders import Folders

JOB = PromptId("job")
PART = FileChunk(transfer=0, offset=0, data=encode_bytes(b"the first half of a result"))
_ERROR = {"exception_type": "ValueError", "exception_message": "boom", "node_id": "1", "node_type": "SaveImage"}
ENDS: dict[str, tuple[WorkerEvent, ...]] = {
    "a node fails": (
        PART,
        PromptFailed(error=_ERROR, history=HistoryEntry(outputs={}, status={"status_str": "error"})),
    ),
    "the worker fails": (PART, WorkerFailed(error_type="comfyui_died", message="ComfyUI ended")),
    "ComfyUI refuses the prompt": (PART, PromptRejected(error={"type": "x", "message": "y"}, node_errors={})),
    "the prompt ends without the file": (
        PART,
        PromptFinished(timestamp=9, history=HistoryEntry(outputs={}, status={"status_str": "success"})),
    ),
}


def parts(home: Path) -> list[str]:
    return [path.relative_to(home).as_posix() for path in (home / "parts").glob("*")]


@pytest.mark.parametrize("events", ENDS.values(), ids=ENDS.keys())
async def test_nothing_is_left_of_a_job_that_ended(tmp_path: Path, events: Sequence[WorkerEvent]) -> None:
    def script(_: JobRequest) -> Sequence[WorkerEvent]:
        return events

    async with (
        serving(RunPod(script)) as runpod,
        endpoint_of(runpod) as endpoint,
        engine(tmp_path, [endpoint]) as one,
    ):
        await one.ended(one.submit())

        async def tidy() -> bool:
            return not parts(tmp_path)

        await until(tidy)


async def test_nothing_is_left_of_a_job_that_is_cancelled_while_its_result_arrives(tmp_path: Path) -> None:
    script = pictures(streamed=True, contents={"x.png": bytes(500_000)})
    async with (
        serving(RunPod(script, holds=True)) as runpod,
        endpoint_of(runpod) as endpoint,
        engine(tmp_path, [endpoint]) as one,
    ):
        prompt_id = one.submit()
        await one.becomes(prompt_id, JobState.QUEUED)
        with held("open", tmp_path / "parts") as thread:
            runpod.finish()
            await asyncio.to_thread(thread.reached.wait, 20)
            one.dispatcher.cancel(prompt_id)
            await asyncio.sleep(0.1)
        await one.ended(prompt_id)

        async def tidy() -> bool:
            return not parts(tmp_path)

        await until(tidy)


@pytest.mark.parametrize("step", ["os.mkdir", "open"])
async def test_a_part_that_is_being_written_when_the_job_ends_goes_too(tmp_path: Path, step: str) -> None:
    folders = LocalFolders(prompt={}, named={}, inputs=tmp_path, output=tmp_path / "output", comfyui=None)
    async with aiohttp.ClientSession() as session:
        with JobStore(tmp_path / "jobs.sqlite") as store:
            large = LargeFiles(session, bucket=None, volume=None)
            files = ResultFiles(folders, tmp_path / "parts", store.files, large)
            with held(step, tmp_path / "parts") as thread:
                writing = asyncio.create_task(files.add_chunk(JOB, "run", PART))
                await asyncio.to_thread(thread.reached.wait, 20)
                writing.cancel()
                discarding = asyncio.create_task(files.discard(JOB))
                await asyncio.wait({discarding}, timeout=0.5)
            await discarding
            with contextlib.suppress(asyncio.CancelledError):
                await writing
            await asyncio.get_running_loop().shutdown_default_executor()  # the thread has ended

    assert parts(tmp_path) == []


async def test_nothing_is_left_when_we_fail_right_after_the_end_of_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People cannot be told of the end: nobody thought of that."""

    def broken(*_: Any) -> None:
        raise RuntimeError("a bug of ours")

    def script(_: JobRequest) -> Sequence[WorkerEvent]:
        return ENDS["a node fails"]

    async with (
        serving(RunPod(script, holds=True)) as runpod,
        endpoint_of(runpod) as endpoint,
        engine(tmp_path, [endpoint]) as one,
    ):
        prompt_id = one.submit()
        await one.becomes(prompt_id, JobState.QUEUED)
        (tmp_path / "parts" / prompt_id).mkdir(parents=True)
        monkeypatch.setattr(one.heard, "publish", broken)
        runpod.finish()
        job = await one.ended(prompt_id)

        async def tidy() -> bool:
            return not parts(tmp_path)

        await until(tidy)

    assert job.state is JobState.FAILED


async def test_what_has_come_of_a_job_that_must_be_sent_again_is_swept_away_at_the_start(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        store.add(Submission(JOB, PROMPT, {}, ("0",)), 0)
        store.move(JOB, JobState.SUBMITTING, endpoint_id="unknown")
        store.move(JOB, JobState.QUEUED, runpod_id=RunPodJobId("r"))
        store.send_back(JOB, [])
    (tmp_path / "parts" / JOB).mkdir(parents=True)
    async with engine(tmp_path, [], max_in_flight=0):

        async def tidy() -> bool:
            return not parts(tmp_path)

        await until(tidy)


# -- at the worker


@pytest.mark.parametrize("again", [False, True], ids=["alone", "with the next job's file of that name there"])
async def test_an_input_that_is_being_written_when_the_job_ends_is_not_left_for_the_next(
    tmp_path: Path, *, again: bool
) -> None:
    content, folders, volume = bytes(100_000), Folders(tmp_path / "data"), tmp_path / "volume"
    volume.mkdir()
    (volume / "film").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    source = Volume(path="film")
    file = FileRef(filename="a.mp4", type="input", sha256=digest, size=len(content), source=source)
    cache = InputCache(tmp_path / "cache", 10**9, time.time)
    staging = InputStaging(folders, InputSources(cache, InputFetch(None, allow_private=False), volume))
    target = folders.root("input") / "a.mp4"
    with held("os.link", tmp_path) as thread:
        writing = asyncio.create_task(staging.write([file]))
        await asyncio.to_thread(thread.reached.wait, 20)
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing
        for path in staging.close():
            path.unlink(missing_ok=True)
        if again:
            target.write_bytes(b"the next job's")
    await asyncio.get_running_loop().shutdown_default_executor()  # the thread has ended

    assert [path.name for path in folders.root("input").iterdir()] == (["a.mp4"] if again else [])
    assert not again or target.read_bytes() == b"the next job's"
