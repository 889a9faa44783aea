"""A ComfyUI of the worker's, without the worker."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.conftest import FAKE
from worker.comfyui.launch import ComfyLaunch
from worker.settings import WorkerSettings


def launched(data: Path) -> ComfyLaunch:
    """On its way."""
    settings = WorkerSettings(
        comfyui_home=FAKE, worker_data_dir=data, comfyui_port=0, comfyui_python=Path(sys.executable)
    )
    launch = ComfyLaunch(settings)
    launch.start()
    return launch


@pytest.fixture(scope="module")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyLaunch]:
    launch = launched(tmp_path_factory.mktemp("comfyui"))
    yield launch
    launch.process.stop()
