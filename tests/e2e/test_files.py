"""Files both ways, through the whole product: sent once, sent again when a worker lacks them, large ones by storage."""

import asyncio
import hashlib
import io
import os
import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import pytest_asyncio
from PIL import Image

from engine.model.job import Submission
from engine.model.states import JobState
from engine.store.jobs import JobStore
from tests.support.comfyui import comfyui_process
from tests.support.prompts import Prompt
from tests.support.stack import Stack, running_stack, start_proxy
from tests.support.until import until
from wire.ids import PromptId, RunPodJobId
from wire.limits import KEPT_MIN

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """With a local ComfyUI that lists its files as 0.8.0 does; the other modules have one that does so as 0.33.0."""
    data = tmp_path_factory.mktemp("local")
    async with (
        comfyui_process(data=data, args=("--as-version", "0.8.0")) as url,
        running_stack(tmp_path_factory.mktemp("home"), COMFYUI_URL=url) as stack,
    ):
        stack.output = data / "output"
        yield stack


async def upload(stack: Stack, name: str, content: bytes) -> None:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("image", content, filename=name, content_type="application/octet-stream")
    async with stack.session.post(stack.url + "/api/upload/image", data=form) as response:
        assert response.status == 200


def noise(size: int) -> bytes:
    """A picture that does not compress."""
    buffer = io.BytesIO()
    Image.frombytes("RGB", (size, size), os.urandom(3 * size * size)).save(buffer, "PNG")
    return buffer.getvalue()


def loaded(name: str, prefix: str = "loaded") -> Prompt:
    """LoadImage (1) → SaveImage (2)."""
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "SaveImage", "inputs": {"filename_prefix": prefix, "images": ["1", 0]}},
    }


def sent(stack: Stack, prompt_id: str) -> list[int]:
    """Bytes of input files that were sent, for each submission of the job."""
    lines = [
        line for line in stack.log().splitlines() if prompt_id in line and "input files" in line and "sent" in line
    ]
    return [int(line.split(" bytes of them sent")[0].rpartition(" ")[2]) for line in lines]


def column(stack: Stack, prompt_id: str, name: str) -> Any:
    with closing(sqlite3.connect(f"file:{stack.home / 'jobs.sqlite'}?mode=ro", uri=True)) as database:
        return database.execute(f"SELECT {name} FROM jobs WHERE prompt_id = ?", (prompt_id,)).fetchone()[0]


def caches(stack: Stack) -> list[Path]:
    return list((stack.home / "sandbox" / "endpoint").glob("*/data/input-cache/*"))


async def test_a_file_is_sent_once_and_again_only_when_the_worker_lost_it(stack: Stack) -> None:
    content = noise(200)
    await upload(stack, "noise.png", content)
    first = await stack.queue_prompt(loaded("noise.png", "one"))
    await stack.history(first)
    second = await stack.queue_prompt(loaded("noise.png", "two"))
    await stack.history(second)
    (kept,) = caches(stack)
    kept.unlink()
    third = await stack.queue_prompt(loaded("noise.png", "three"))
    entry = await stack.history(third)

    assert len(content) > KEPT_MIN
    assert kept.name == hashlib.sha256(content).hexdigest()
    assert (sent(stack, first), sent(stack, second)) == ([len(content)], [0])
    assert sent(stack, third) == [0, len(content)]
    assert [column(stack, job, "returns") for job in (first, second, third)] == [0, 0, 1]
    assert entry["status"]["status_str"] == "success"
    assert [item["filename"] for item in entry["outputs"]["2"]["images"]] == ["three_00001_.png"]
    assert (stack.output / "three_00001_.png").exists()


async def test_a_link_out_of_the_input_folder_is_refused_like_a_name_that_leads_out(
    stack: Stack, tmp_path: Path
) -> None:
    (tmp_path / "secret.png").write_bytes(noise(8))
    (stack.output.with_name("input") / "link.png").symlink_to(tmp_path / "secret.png")
    status, body = await stack.post("/api/prompt", {"prompt": loaded("link.png")})

    assert status == 400
    assert "is a link to a file outside" in body["node_errors"]["1"]["errors"][0]["details"]


def film(megabytes: int, seed: int = 1, prefix: str = "video/film") -> Prompt:
    inputs = {"megabytes": megabytes, "seed": seed, "filename_prefix": prefix}
    return {"1": {"class_type": "SandboxFilm", "inputs": inputs}}


class Growth:
    """The most that the proxy and the workers grow, in MB, sampled while the block runs."""

    def __init__(self, stack: Stack) -> None:
        proxy = psutil.Process(stack.process.pid)
        self._processes = {"proxy": proxy, "worker": max(stack.workers(), key=lambda worker: worker.memory_info().rss)}
        self._before = {name: process.memory_info().rss for name, process in self._processes.items()}
        self.most = dict.fromkeys(self._processes, 0.0)

    async def __aenter__(self) -> "Growth":
        self._task = asyncio.create_task(self._sample())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _sample(self) -> None:
        while True:
            for name, process in self._processes.items():
                grown = (process.memory_info().rss - self._before[name]) / 1e6
                self.most[name] = max(self.most[name], grown)
            await asyncio.sleep(0.05)


async def test_a_film_of_300_mb_arrives_whole_without_a_bucket_and_in_little_memory(stack: Stack) -> None:
    await stack.history(await stack.queue_prompt(film(5, prefix="warm")))
    async with Growth(stack) as growth:
        prompt_id = await stack.queue_prompt(film(300))
        entry = await stack.history(prompt_id, 170)
    (item,) = entry["outputs"]["1"]["images"]
    path = stack.output / item["subfolder"] / item["filename"]

    assert path.stat().st_size == 300 * 1024 * 1024
    assert max(growth.most.values()) < 64


async def restarted(stack: Stack) -> None:
    """A new proxy at the same endpoint, where the first one's left off."""
    stack.environ |= {
        "RUNPOD_API_KEY": stack.endpoint_key,
        "RUNPOD_ENDPOINT_ID": "sandbox",
        "RUNPOD_ENDPOINT_BASE_URL": stack.endpoint_url,
    }
    stack.process = await start_proxy(stack.environ, stack.home)


async def test_a_film_of_which_the_proxy_had_a_part_goes_on_where_it_stopped(stack: Stack) -> None:
    """The rest comes from the stream, and what RunPod had handed out to the dead proxy from the worker once more."""
    prompt_id = await stack.queue_prompt(film(120, seed=7, prefix="video/killed"))
    parts = stack.home / "parts" / prompt_id
    received = await until(lambda: size_of(parts), 60)
    await stack.kill()
    (part,) = parts.iterdir()
    os.truncate(part, part.stat().st_size // 2)  # as if the disk had not had time
    await restarted(stack)
    await until(lambda: listens(stack), 60)
    (item,) = (await stack.history(prompt_id, 120))["outputs"]["1"]["images"]
    content = (stack.output / item["subfolder"] / item["filename"]).read_bytes()

    assert 0 < received < len(content) == 120 * 1024 * 1024
    assert "1 files are fetched again by" in stack.log()
    assert "asking for the rest (2)" not in stack.log()
    assert item["filename"] == "killed_00001_.mp4"
    assert not parts.exists()


async def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*")) if folder.is_dir() else 0


async def test_a_job_that_came_back_is_submitted_once_more_after_a_crash_and_no_other(stack: Stack) -> None:
    """The crash came right after the worker had said that it lacks files."""
    content = noise(200)
    await upload(stack, "crash.png", content)
    before = await stack.jobs_at_endpoint()
    await stack.kill()
    prompt_id = PromptId(str(uuid.uuid4()))
    with JobStore(stack.home / "jobs.sqlite") as store:
        store.add(Submission(prompt_id, loaded("crash.png", "crash"), {}, ("2",)), 0)
        store.cached.add("sandbox", [hashlib.sha256(content).hexdigest()])
        store.move(prompt_id, JobState.SUBMITTING, endpoint_id="sandbox")
        store.move(prompt_id, JobState.QUEUED, runpod_id=RunPodJobId("gone-u1"))
        store.send_back(prompt_id, [hashlib.sha256(content).hexdigest()])
    await restarted(stack)
    await until(lambda: listens(stack), 60)
    entry = await stack.history(prompt_id)

    assert entry["status"]["status_str"] == "success"
    assert sent(stack, prompt_id) == [len(content)]
    assert await stack.jobs_at_endpoint() == before + 1


async def listens(stack: Stack) -> bool:
    try:
        return bool(await stack.get("/runpod/api/status"))
    except (aiohttp.ClientError, OSError):
        return False
