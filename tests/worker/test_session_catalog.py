"""What a worker tells of itself with its jobs: at their end, when it is asked, and never in their way."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.support.models import MODELS, make_models
from tests.support.served import served
from tests.support.until import until
from tests.worker.conftest import FAKE, Reader, make_app
from tests.worker.test_on_comfyui import EITHER, NO_REAL, REAL, comfyui
from wire.catalog import Catalog, decode_catalog
from wire.events import CatalogPiece, CatalogTold, FilesCollected, PromptFinished, PromptRejected, WorkerFailed
from wire.files import decode_bytes
from wire.model_kinds import KINDS
from worker.app import App
from worker.catalog.model_inputs import LOADERS

PICTURE: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 255}},
    "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
}


def told(reader: Reader) -> tuple[str, Catalog | None]:
    """The SHA-256 and the catalog of a job's events; their place is right before the last one."""
    ours = [event for event in reader.events if isinstance(event, CatalogTold | CatalogPiece)]
    assert reader.events[-1 - len(ours) : -1] == ours
    (first, *pieces) = ours
    assert isinstance(first, CatalogTold)
    packed = b"".join(decode_bytes(piece.data) for piece in pieces if isinstance(piece, CatalogPiece))
    return first.sha256, decode_catalog(packed, first.sha256) if pieces else None


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_models(tmp_path_factory.mktemp("volume") / "models")


@pytest.fixture(scope="module")
def app(which: str, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    data = tmp_path_factory.mktemp("data")
    app = make_app(data=data, models_dir=models, downloads_allow_private=True, **comfyui(which))
    app.start()
    yield app
    app.stop()


async def asked(app: App, has: str = "") -> tuple[str, Catalog | None]:
    reader = Reader(app, {}, catalog=has)
    await reader.task
    assert reader.events[-1] == FilesCollected(sha256=())
    return told(reader)


async def until_told(app: App, has: str) -> tuple[str, Catalog | None]:
    """By one of the next jobs: a prompt of milliseconds is over before the worker has looked at its models."""

    async def one_told() -> tuple[str, Catalog | None] | None:
        reader = Reader(app, PICTURE, catalog=has)
        await reader.task
        assert isinstance(reader.events[-1], PromptFinished)
        return told(reader) if "catalog_told" in reader.kinds() else None

    found = await until(one_told)
    assert found is not None
    return found


@EITHER
async def test_a_job_that_only_asks_is_told_everything(app: App, which: str) -> None:
    name, catalog = await asked(app)

    assert catalog is not None
    assert catalog.comfyui
    assert catalog.models["checkpoints"]["sdxl/deep.safetensors"] == MODELS["checkpoints/sdxl/deep.safetensors"]
    assert catalog.models["text_encoders"] == {"old-name.safetensors": MODELS["clip/old-name.safetensors"]}
    assert catalog.on_volume["loras"] == ("style.safetensors",)
    assert "SaveImage" in catalog.nodes
    assert catalog.nodes["LoadImage"]["input"]["required"]["image"][0] == []
    loader, key = ("SandboxLora", "lora_name") if which == "sandbox" else ("LoraLoader", "lora_name")
    assert catalog.model_inputs[loader] == {key: "loras"}
    assert await asked(app, name) == (name, None)


@EITHER
async def test_a_job_tells_before_its_end_and_sends_only_what_is_new(app: App) -> None:
    name, _ = await asked(app)

    new, known = await until_told(app, ""), await until_told(app, name)
    silent = Reader(app, PICTURE)
    await silent.task

    assert (new[0], new[1] is not None) == (name, True)
    assert known == (name, None)
    assert not {"catalog_told", "catalog_piece"} & set(silent.kinds())


@EITHER
async def test_a_prompt_that_is_refused_tells_what_there_is(app: App) -> None:
    name, _ = await asked(app)
    reader = Reader(app, {"2": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}, catalog=name)

    await reader.task

    assert isinstance(reader.events[-1], PromptRejected)
    assert told(reader) == (name, None)


@EITHER
async def test_the_files_of_jobs_do_not_change_it_and_a_new_model_does(app: App, models: Path) -> None:
    before, _ = await asked(app)
    (app._services.folders.root("input") / "new.png").write_bytes(b"x")
    (models / "vae" / "passing.tmp").touch()
    (models / "vae" / "passing.tmp").unlink()
    assert (await asked(app))[0] == before
    make_models(models, {"loras/new.safetensors": 5})

    after, catalog = await asked(app, before)

    assert after != before
    assert catalog is not None
    assert catalog.models["loras"] == {"new.safetensors": 5, "style.safetensors": MODELS["loras/style.safetensors"]}
    (models / "loras" / "new.safetensors").unlink()


@EITHER
async def test_a_job_that_fetches_a_model_tells_of_it_itself(app: App, models: Path, tmp_path: Path) -> None:
    before, _ = await asked(app)
    (tmp_path / "fetched.safetensors").write_bytes(b"weights")
    host = web.Application()
    host.router.add_static("/", tmp_path)
    async with served(host) as url:
        wanted = [{"source": f"{url}/fetched.safetensors", "folder": "loras"}]
        reader = Reader(app, PICTURE, catalog=before, models=wanted)
        await reader.task
    (models / "loras" / "fetched.safetensors").unlink()

    _, catalog = told(reader)

    assert isinstance(reader.events[-1], PromptFinished)
    assert catalog is not None
    assert catalog.models["loras"]["fetched.safetensors"] == len(b"weights")


@pytest.mark.skipif(not REAL, reason=NO_REAL)
@pytest.mark.parametrize("which", ["real"], scope="module")
async def test_the_table_of_loaders_is_the_release_s_own(app: App, models: Path) -> None:
    """With one model in each folder, and no two alike, an input's choices say its kind."""
    endings = {"configs": ".yaml", "classifiers": ""}
    only = {f"{folders[0]}/only-{kind}{endings.get(kind, '.safetensors')}": 1 for kind, folders in KINDS.items()}
    make_models(models, only)

    _, catalog = await asked(app)

    assert catalog is not None
    found = {
        name: inputs
        for name, inputs in catalog.model_inputs.items()
        if catalog.nodes[name]["python_module"].startswith(("nodes", "comfy_extras."))
    }
    assert found == {name: inputs for name, inputs in LOADERS.items() if name in catalog.nodes}


async def test_a_comfyui_that_cannot_say_what_it_has_runs_its_jobs(tmp_path: Path) -> None:
    app = make_app(FAKE, tmp_path, comfyui_python=Path(sys.executable))
    app.start()
    try:
        job = Reader(app, {"1": {"class_type": "Save", "inputs": {"size": 5, "name": "x"}}}, catalog="")
        await job.task
        question = Reader(app, {}, catalog="")
        await question.task
    finally:
        app.stop()

    assert isinstance(job.events[-1], PromptFinished)
    assert "catalog_told" not in job.kinds()
    assert isinstance(question.events[-1], WorkerFailed)
    assert question.events[-1].error_type == "catalog_unavailable"
