"""What the history shows of temp files, when ComfyUI has been restarted."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from engine.comfyui import ComfyUI
from engine.model.job import Entry, Submission
from engine.model.states import JobState
from engine.store.jobs import JobStore
from proxy.temp_files import TempFiles
from tests.support.files import fill
from tests.support.ports import free_port
from tests.support.told_comfyui import serving
from tests.support.until import until
from wire.ids import PromptId

KEPT = {"filename": "a.png", "subfolder": "", "type": "output"}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    """Two jobs that have ended: each with a temp file and an output file."""
    with JobStore(tmp_path / "jobs.sqlite") as opened:
        for number in (1, 2):
            ended_job(opened, PromptId(f"job-{number}"), f"preview-{number}.png")
        yield opened


def ended_job(store: JobStore, prompt_id: PromptId, preview: str) -> None:
    store.add(Submission(prompt_id, {}, {}, ()), 0)
    for folder, name in (("temp", preview), ("output", "a.png")):
        store.files.remember(prompt_id, (folder, "", name), "0" * 64, (folder, "", name))
    temp = {"filename": preview, "subfolder": "", "type": "temp"}
    for state in (JobState.SUBMITTING, JobState.QUEUED):
        store.move(prompt_id, state)
    store.end(prompt_id, JobState.COMPLETED, Entry(outputs={"1": {"images": [temp, KEPT]}}), 0)


def shown(store: JobStore) -> list[list[str]]:
    """The names of the files that the history shows for each job."""
    entries = [store.get(PromptId(f"job-{number}")).entry for number in (1, 2)]
    return [[item["filename"] for item in entry.outputs["1"]["images"]] for entry in entries if entry]


async def nothing_to_sweep() -> None:
    """No killed proxy has left anything."""


@asynccontextmanager
async def watched(comfyui: ComfyUI, store: JobStore) -> AsyncIterator[TempFiles]:
    temp_files = TempFiles(comfyui, store)
    task = asyncio.create_task(temp_files.run(nothing_to_sweep))
    try:
        yield temp_files
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_temp_files_leave_the_history_when_comfyui_has_emptied_its_folder(
    store: JobStore, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    fill(tmp_path / "temp", ["preview-1.png", "preview-2.png"])
    async with serving(tmp_path / "temp", {}) as url, watched(ComfyUI(url, session), store) as temp_files:
        await TempFiles(ComfyUI(url, session), store)._look()
        before = shown(store)
        shutil.rmtree(tmp_path / "temp")
        temp_files.look()

        async def gone() -> bool:
            return shown(store) == [["a.png"], ["a.png"]]

        await until(gone, 5)

    assert before == [["preview-1.png", "a.png"], ["preview-2.png", "a.png"]]


async def test_without_temp_files_comfyui_is_not_asked(store: JobStore, session: aiohttp.ClientSession) -> None:
    for number in (1, 2):
        store.lose_temp_files(PromptId(f"job-{number}"))

    await TempFiles(ComfyUI(f"http://127.0.0.1:{free_port()}", session), store)._look()


async def test_a_comfyui_that_does_not_answer_changes_nothing_and_is_asked_again(
    store: JobStore, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    caplog.set_level("INFO")
    async with watched(ComfyUI(f"http://127.0.0.1:{port}", session), store) as temp_files:
        temp_files.look()

        async def told() -> bool:
            return "does not answer" in caplog.text

        await until(told, 5)
        temp_files.look()

    assert shown(store) == [["preview-1.png", "a.png"], ["preview-2.png", "a.png"]]
