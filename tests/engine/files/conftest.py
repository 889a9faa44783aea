from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from engine.comfyui import ComfyUI
from engine.files.inputs import InputFiles
from engine.files.large_files import LargeFiles
from engine.files.prompt_paths import PromptPaths
from engine.files.results import ResultFiles
from engine.store.jobs import JobStore
from tests.support.comfyui import comfyui_process
from tests.support.file_bed import Bed


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bed]:
    data = tmp_path_factory.mktemp("comfyui")
    async with comfyui_process(data=data) as url, aiohttp.ClientSession() as session:
        comfyui, large = ComfyUI(url, session), LargeFiles(session, bucket=None, volume=None)
        with JobStore(data / "jobs.sqlite") as store:
            yield Bed(
                url,
                data,
                session,
                comfyui,
                store,
                ResultFiles(comfyui, data / "parts", store.files, large),
                InputFiles(comfyui, data / "spool", store.cached, large, PromptPaths(comfyui)),
            )
