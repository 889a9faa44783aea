"""A local ComfyUI, a proxy at the port where the test expects ComfyUI, and a worker with a ComfyUI of its own.

``python -m tests.comfyui_own.both_ends --port 8188 …`` takes ComfyUI's arguments, prints ``ready``, ends on SIGTERM.
"""

import argparse
import asyncio
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.comfyui import comfyui_process
from tests.support.prompts import inverted_image
from tests.support.stack import Stack, running_stack

_COLD_START_S = 150


def parsed(arguments: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    """The port of the proxy, and what each ComfyUI gets: both have folders and ports of their own."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--listen")
    parser.add_argument("--output-directory")
    ours, rest = parser.parse_known_args(arguments)
    return ours.port, tuple(rest)


async def serve(port: int, arguments: tuple[str, ...]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    checkout, python = Path(os.environ["COMFYUI_DIR"]), Path(os.environ["COMFYUI_PYTHON"])
    with tempfile.TemporaryDirectory(prefix="comfyui-own-") as folder:
        data, home = Path(folder, "local"), Path(folder, "home")
        data.mkdir()
        home.mkdir()
        async with comfyui_process(checkout, python, data, arguments) as url:
            environment = {
                "PROXY_PORT": str(port),
                "COMFYUI_URL": url,
                "COMFYUI_DIR": str(checkout),
                "COMFYUI_PYTHON": str(python),
                "COMFYUI_ARGS": shlex.join(arguments),
            }
            async with running_stack(home, **environment) as stack:
                await _warm_up(stack)
                print("ready", flush=True)
                await stop.wait()


async def _warm_up(stack: Stack) -> None:
    """The worker's ComfyUI has started when this returns, and nobody sees that it has run anything."""
    await stack.history(await stack.queue_prompt(inverted_image(prefix="warm-up")), _COLD_START_S)
    await stack.post("/history", {"clear": True})


if __name__ == "__main__":
    asyncio.run(serve(*parsed(sys.argv[1:])))
