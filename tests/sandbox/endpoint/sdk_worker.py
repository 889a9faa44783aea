"""A worker under RunPod's unmodified SDK, for tests of the endpoint: does what its input says."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import runpod


async def handler(job: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """``yields``: how many chunks; ``then``: what follows; ``mark``: a file that tells how it ended."""
    wish = job["input"]
    mark = Path(wish["mark"]) if "mark" in wish else None
    if mark is not None:
        with mark.open("a") as file:
            file.write("started\n")
    try:
        for number in range(wish.get("yields", 0)):
            yield {"number": number, "text": "x" * wish.get("size", 0)}
        match wish.get("then"):
            case "hang":
                await asyncio.sleep(3600)
            case "raise":
                raise ValueError("boom")
            case "die":
                os._exit(3)
    except asyncio.CancelledError:
        if mark is not None:
            with mark.open("a") as file:
                file.write("cancelled\n")
        raise


runpod.serverless.start({"handler": handler, "return_aggregate_stream": True})
