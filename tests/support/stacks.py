"""The stacks that tests run on: the sandbox always, a real ComfyUI at both ends when COMFYUI_DIR names one."""

import os
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.comfyui import OWN_NODES, comfyui_process
from tests.support.prompts import inverted_image
from tests.support.stack import Stack, running_stack

REAL = bool(os.environ.get("COMFYUI_DIR") and os.environ.get("COMFYUI_PYTHON"))
NO_REAL = "set COMFYUI_DIR and COMFYUI_PYTHON to run this on a real ComfyUI"
KINDS = ["sandbox", pytest.param("real", marks=pytest.mark.skipif(not REAL, reason=NO_REAL))]
SAME_ORDER = {"PYTHONHASHSEED": "0"}
"""ComfyUI keeps a prompt's outputs in a set: two processes run them in the same order only with the same seed"""
_COLD_START_S = 150
"""of the worker's ComfyUI, which on a busy machine is longer than a test waits for anything else"""


@asynccontextmanager
async def stack_of(kind: str, folders: pytest.TempPathFactory, **settings: str) -> AsyncIterator[Stack]:
    """A running stack with *settings*. Both ends have the sandbox's ComfyUI, or the real one with its nodes."""
    home = folders.mktemp("home")
    if kind == "sandbox":
        async with running_stack(home, **SAME_ORDER, **settings) as sandbox:
            yield sandbox
        return
    checkout, python = Path(os.environ["COMFYUI_DIR"]), Path(os.environ["COMFYUI_PYTHON"])
    data = folders.mktemp("local")
    async with comfyui_process(checkout, python, data, ("--cpu", *OWN_NODES), environment=SAME_ORDER) as url:
        environment = {
            "COMFYUI_URL": url,
            "COMFYUI_DIR": str(checkout),
            "COMFYUI_PYTHON": str(python),
            "COMFYUI_ARGS": shlex.join(OWN_NODES),
        }
        async with running_stack(home, **environment, **SAME_ORDER, **settings) as real:
            real.output, real.kind = data / "output", "real"
            await real.history(await real.queue_prompt(inverted_image(prefix="warm-up")), _COLD_START_S)
            yield real
