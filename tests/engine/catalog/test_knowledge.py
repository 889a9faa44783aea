"""What is known of an endpoint, as the job that is sent to it."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from client.send.folders import LocalFolders
from engine.catalog.approved_models import ApprovedModel, ApprovedModels
from engine.catalog.catalogs import Catalogs
from engine.catalog.definitions import Definitions
from engine.catalog.knowledge import Knowledge
from engine.files.inputs import InputFiles
from engine.files.large_files import LargeFiles
from engine.files.prompt_paths import PromptPaths
from engine.model.job import Submission
from engine.store.jobs import JobStore
from tests.support.catalogs import endpoint, info, node
from wire.ids import PromptId

PICTURES = info({"picture": [[], {"image_upload": True}], "ckpt": ["STRING"]}, [], output_node=True)
PROMPT = {"1": node("FarLoader", picture="a.png", ckpt="x.pt")}


@pytest.mark.parametrize(("nodes", "files"), [({"FarLoader": PICTURES}, ["a.png"]), ({}, [])])
async def test_files_of_a_node_that_only_the_endpoint_has_travel_with_the_models_that_were_approved(
    tmp_path: Path, nodes: dict[str, Any], files: list[str]
) -> None:
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "a.png").write_bytes(b"picture")
    folders = LocalFolders(prompt=PROMPT, named={}, inputs=tmp_path / "input", output=tmp_path, comfyui=None)
    catalogs = Catalogs(["e"], lambda: 0)
    catalogs.received("e", endpoint(nodes=nodes), "sha")
    approved = ApprovedModels(tmp_path / "approved.json", catalogs, lambda: 0)
    await approved.approve([ApprovedModel(kind="checkpoints", name="x.pt", url="https://huggingface.co/a/b")])
    knowledge = Knowledge(catalogs, Definitions(_nothing, catalogs, lambda: 0), approved)
    async with aiohttp.ClientSession() as session:
        with JobStore(tmp_path / "jobs.sqlite") as store:
            job = store.add(Submission(PromptId("p"), PROMPT, {}, ("1",)), 0)
            large, paths = LargeFiles(session, bucket=None, volume=None), PromptPaths(folders)
            inputs = InputFiles(folders, tmp_path / "spool", store.cached, large, paths, knowledge)
            request = await inputs.stage(job, "e")

    assert [file.filename for file in request.files] == files
    assert [(model.folder, model.filename) for model in request.models] == [("checkpoints", "x.pt")]


async def _nothing(_: str) -> None:
    return None
