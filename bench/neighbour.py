"""Somebody's queue while a crowd does its worst to the same proxy."""

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from bench.process import forget_peak, memory_mb
from bench.report import Limit, Row, percentile
from tests.support.stack import PROJECT, Stack, running_stack

_CROWD_S, _START_S = 15.0, 45.0
_PAUSE_S = 0.02


async def asked() -> list[Row]:
    """How long GET /queue takes alone and in the crowd. BENCH_CROWD=0.1 sends a tenth of it."""
    share = float(os.environ.get("BENCH_CROWD", "1"))
    with tempfile.TemporaryDirectory(prefix="comfy-runpod-bench-") as home:
        async with running_stack(Path(home)) as stack:
            alone = await _asked_for(stack, _CROWD_S / 3)
            forget_peak(stack.process.pid)
            before = memory_mb(stack.process.pid, "VmRSS")
            crowded, who = await _in_the_crowd(stack, share)
            grown = memory_mb(stack.process.pid) - before
    name = f"GET /queue beside {who['idle']:,} idle connections and {who['others']:,} others"
    return [
        Row(name, "ms", crowded, {}),
        Row(f"{name}, p99", "ms", [percentile(crowded, 99)], {"alone": [percentile(alone, 99)]}, Limit(50)),
        Row("the crowd, memory of the proxy", "MB", [grown]),
    ]


async def _in_the_crowd(stack: Stack, share: float) -> tuple[list[float], dict[str, Any]]:
    command = (sys.executable, "-m", "bench.crowd", stack.url, str(_CROWD_S), str(share))
    crowd = await asyncio.create_subprocess_exec(*command, cwd=PROJECT, stdout=asyncio.subprocess.PIPE)
    try:
        assert crowd.stdout is not None
        async with asyncio.timeout(_START_S):
            who = json.loads(await crowd.stdout.readline())
        samples = await _asked_for(stack, _CROWD_S)
        return samples, who
    finally:
        if crowd.returncode is None:
            crowd.kill()
        await crowd.wait()


async def _asked_for(stack: Stack, seconds: float) -> list[float]:
    """Milliseconds that each request took, on one connection, with pauses as a page makes them."""
    samples: list[float] = []
    until = time.monotonic() + seconds
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < until:
            began = time.perf_counter()
            async with session.get(f"{stack.url}/queue") as response:
                await response.read()
                response.raise_for_status()
            samples.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(_PAUSE_S)
    return samples
