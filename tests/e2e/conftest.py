"""The stacks that the end-to-end tests run on: the sandbox always, a real ComfyUI when COMFYUI_DIR names one."""

import os
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.comfyui import comfyui_process
from tests.support.stack import Stack, running_stack

FAILED = pytest.StashKey[bool]()
"""set on a test whose body has failed, for fixtures that then keep a picture of the page"""

REAL = bool(os.environ.get("COMFYUI_DIR") and os.environ.get("COMFYUI_PYTHON"))
NO_REAL = "set COMFYUI_DIR and COMFYUI_PYTHON to run this on a real ComfyUI"


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=["sandbox", pytest.param("real", marks=pytest.mark.skipif(not REAL, reason=NO_REAL))],
)
async def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One stack for the tests of a module; ComfyUI at both ends is the sandbox's or the real one."""
    home = tmp_path_factory.mktemp("home")
    if request.param == "sandbox":
        async with running_stack(home) as sandbox:
            yield sandbox
        return
    checkout, python = Path(os.environ["COMFYUI_DIR"]), Path(os.environ["COMFYUI_PYTHON"])
    data = tmp_path_factory.mktemp("local")
    async with comfyui_process(checkout, python, data, ("--cpu",)) as url:
        environment = {"COMFYUI_URL": url, "COMFYUI_DIR": str(checkout), "COMFYUI_PYTHON": str(python)}
        async with running_stack(home, **environment) as real:
            real.output, real.kind = data / "output", "real"
            yield real


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = report.failed
    return report
