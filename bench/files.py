"""Files both ways: 10 pictures of 4 MB, and a film of 300 MB, with and without a bucket."""

import asyncio
import io
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from PIL import Image

from bench.jobs import four_megabytes
from bench.meter import Meter, metered
from bench.process import forget_peak, memory_mb
from bench.report import Limit, Row
from sandbox.endpoint.__main__ import worker_environ
from sandbox.endpoint.server import running_endpoint
from sandbox.endpoint.service import Options
from sandbox.endpoint.workers import WorkerCommand
from tests.support.s3 import ACCESS, SECRET, s3_server, weed
from tests.support.stack import Stack, running_stack

_PICTURES = 10
_FILM_MB = 300
_PATIENCE_S = 300


@dataclass(frozen=True, slots=True)
class Bench:
    stack: Stack
    meters: tuple[Meter, ...]

    def sent(self) -> int:
        return sum(meter.sent for meter in self.meters)

    def worker(self) -> psutil.Process:
        """The endpoint runs in this process, so the workers are its children."""
        workers = (
            each for each in psutil.Process().children(recursive=True) if each.cmdline()[-2:] == ["-m", "worker"]
        )
        return max(workers, key=lambda each: each.memory_info().rss)


async def both_ways() -> list[Row]:
    rows = await _measured("no bucket", bucket=False)
    if weed() is None:
        return [*rows, Row("files, bucket", "", [], skipped="needs SeaweedFS")]
    return rows + await _measured("bucket", bucket=True)


@asynccontextmanager
async def _bench(folder: Path, bucket: bool) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as exits:
        ours, theirs, meters = {}, dict[str, str](), []
        if bucket:
            place = exits.enter_context(s3_server(folder, "bench"))
            meters.append(await exits.enter_async_context(metered(place.url)))
            theirs = {
                "BUCKET_ENDPOINT_URL": meters[0].url,
                "BUCKET_NAME": place.name,
                "BUCKET_ACCESS_KEY_ID": ACCESS,
                "BUCKET_SECRET_ACCESS_KEY": SECRET,
            }
        command = WorkerCommand(
            (sys.executable, "-m", "worker"), folder / "workers", {**worker_environ(None, None, ()), **theirs}
        )
        endpoint = await exits.enter_async_context(running_endpoint(Options(), command=command))
        meters.append(await exits.enter_async_context(metered(endpoint.url.removesuffix("/v2"))))
        ours = {"RUNPOD_API_KEY": "k", "RUNPOD_ENDPOINT_ID": "sandbox", **theirs}
        ours["RUNPOD_ENDPOINT_BASE_URL"] = f"{meters[-1].url}/v2"
        (folder / "home").mkdir()
        yield Bench(await exits.enter_async_context(running_stack(folder / "home", **ours)), tuple(meters))


async def _measured(name: str, *, bucket: bool) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="comfy-runpod-bench-") as folder:
        async with _bench(Path(folder), bucket) as bench:
            await _run(bench.stack, _film(1, "warm"))
            rows = [Row(f"10 × 4 MB PNG, results, {name}", "s", [await _run(bench.stack, _pictures())])]
            rows += await _film_rows(bench, name)
            return rows + await _input_rows(bench, name, _PICTURES if bucket else 1)


async def _film_rows(bench: Bench, name: str) -> list[Row]:
    proxy, worker = bench.stack.process.pid, bench.worker().pid
    before = {pid: memory_mb(pid, "VmRSS") for pid in (proxy, worker)}
    for pid in before:
        forget_peak(pid)
    took = await _run(bench.stack, _film(_FILM_MB, "film"))
    grown = {pid: memory_mb(pid) - before[pid] for pid in before}
    film = f"300 MB video, result, {name}"
    return [
        Row(film, "s", [took]),
        Row(f"{film}: proxy grows by", "MB", [grown[proxy]], limit=Limit(64)),
        Row(f"{film}: worker grows by", "MB", [grown[worker]], limit=Limit(64)),
    ]


async def _input_rows(bench: Bench, name: str, count: int) -> list[Row]:
    await asyncio.gather(*(_upload(bench.stack, f"{number}.png", _noise(number)) for number in range(count)))
    seconds, sent = [], []
    for turn in range(2):
        before = bench.sent()
        seconds.append(await _run(bench.stack, _reading(count, f"turn{turn}")))
        sent.append(bench.sent() - before)
    inputs = f"{count} × 4 MB PNG, inputs, {name}"
    return [
        Row(f"{inputs}, first run", "s", seconds[:1]),
        Row(f"{inputs}, second run", "s", seconds[1:]),
        Row(f"{inputs}: sent in the first run", "MB", [sent[0] / 1e6]),
        Row(f"{inputs}: second run, share of it", "%", [100 * sent[1] / sent[0]], limit=Limit(1)),
    ]


def _pictures() -> dict[str, Any]:
    prompt: dict[str, Any] = {}
    for number in range(_PICTURES):
        one = four_megabytes(number)
        one["2"]["inputs"]["images"] = [f"{number}1", 0]
        prompt |= {f"{number}{node}": body for node, body in one.items()}
    return prompt


def _film(megabytes: int, prefix: str) -> dict[str, Any]:
    inputs = {"megabytes": megabytes, "seed": 1, "filename_prefix": f"video/{prefix}"}
    return {"1": {"class_type": "SandboxFilm", "inputs": inputs}}


def _reading(count: int, prefix: str) -> dict[str, Any]:
    """A new preview each time, so that the second run is not the first one's cache."""
    show = {"class_type": "SandboxShowText", "inputs": {"text": prefix}}
    files = ({"class_type": "SandboxReadFile", "inputs": {"file": f"{number}.png"}} for number in range(count))
    return {"t": show, **{str(number): node for number, node in enumerate(files)}}


def _noise(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.frombytes("RGB", (1170, 1170), random.Random(seed).randbytes(3 * 1170 * 1170)).save(buffer, "PNG")
    return buffer.getvalue()


async def _upload(stack: Stack, name: str, content: bytes) -> None:
    form = aiohttp.FormData()
    form.add_field("image", content, filename=name, content_type="image/png")
    async with stack.session.post(f"{stack.comfyui_url}/upload/image", data=form) as response:
        response.raise_for_status()


async def _run(stack: Stack, prompt: dict[str, Any]) -> float:
    """Seconds until the prompt's results are stored."""
    began = time.perf_counter()
    entry = await stack.history(await stack.queue_prompt(prompt), _PATIENCE_S)
    if entry["status"]["status_str"] != "success":
        raise RuntimeError(f"a prompt failed: {entry['status']}")
    return time.perf_counter() - began
