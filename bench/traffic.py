"""Passed-through requests: what they cost beside a bare mitmproxy and beside no proxy; memory for a large download."""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from bench.process import Target, cpu_s, forget_peak, memory_mb
from bench.report import Limit, Row

_ROUNDS, _REQUESTS = 15, 100
_PATH = "/system_stats"
_DOWNLOAD = 500_000_000


async def passed_through(proxy: Target, bare: Target, direct: Target) -> list[Row]:
    """Latency and CPU time of one GET, in rounds that ask each of the three in turn."""
    targets = (proxy, bare, direct)
    latency: dict[str, list[float]] = {target.name: [] for target in targets}
    cpu: dict[str, list[float]] = {target.name: [] for target in targets}
    async with aiohttp.ClientSession() as session:
        for turn in range(-1, _ROUNDS):
            for target in _rotated(targets, turn):
                median_ms, cpu_ms = await _round(session, target)
                if turn >= 0:  # the first round warms up
                    latency[target.name].append(median_ms)
                    cpu[target.name].append(cpu_ms)
    return [
        Row("passed-through GET, latency", "ms", latency.pop(proxy.name), dict(latency)),
        Row(
            *("passed-through GET, CPU of the proxy", "ms", cpu[proxy.name]),
            {bare.name: cpu[bare.name]},
            Limit(1.1, bare.name),
        ),
    ]


def _rotated(targets: Sequence[Target], turn: int) -> Sequence[Target]:
    start = turn % len(targets)
    return [*targets[start:], *targets[:start]]


async def _round(session: aiohttp.ClientSession, target: Target) -> tuple[float, float]:
    """Median latency and mean CPU time of a request, in milliseconds."""
    samples = []
    cpu_before = cpu_s(target.pid) if target.pid else 0.0
    for _ in range(_REQUESTS):
        began = time.perf_counter()
        async with session.get(target.url + _PATH) as response:
            await response.read()
        samples.append((time.perf_counter() - began) * 1000)
        response.raise_for_status()
    cpu_after = cpu_s(target.pid) if target.pid else 0.0
    return statistics.median(samples), (cpu_after - cpu_before) * 1000 / _REQUESTS


async def large_download(proxy: Target, bare: Target, direct: Target, output: Path) -> list[Row]:
    """Peak memory of the proxy and the time for a file of 500 MB in ComfyUI's *output* folder."""
    (output / "bench.bin").touch()
    with (output / "bench.bin").open("ab") as file:
        file.truncate(_DOWNLOAD)
    peaks, seconds = {}, {}
    try:
        for target in (direct, bare, proxy):
            seconds[target.name], peaks[target.name] = await _download(target)
    finally:
        (output / "bench.bin").unlink()
    return [
        Row("500 MB download, peak memory", "MB", [peaks[proxy.name]], {bare.name: [peaks[bare.name]]}, Limit(100)),
        Row("500 MB download, time", "s", [seconds.pop(proxy.name)], {name: [took] for name, took in seconds.items()}),
    ]


async def _download(target: Target) -> tuple[float, float]:
    """Seconds for the whole file, and the peak memory meanwhile."""
    if target.pid:
        forget_peak(target.pid)
    received, began = 0, time.perf_counter()
    timeout = aiohttp.ClientTimeout(total=120)
    query = {"filename": "bench.bin", "type": "output"}
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"{target.url}/view", params=query) as response,
    ):
        response.raise_for_status()
        async for chunk in response.content.iter_any():
            received += len(chunk)
    if received != _DOWNLOAD:
        raise ValueError(f"{target.name}: {received} of {_DOWNLOAD} bytes came")
    return time.perf_counter() - began, memory_mb(target.pid) if target.pid else 0.0
