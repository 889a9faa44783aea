"""Which models a ComfyUI has, and how it says so."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from PIL import Image

from tests.contract.comfyui.conftest import COMFYUIS, Server, program
from tests.support.comfyui import comfyui_process
from tests.support.models import MODELS, make_models, model_arguments

pytestmark = pytest.mark.asyncio(loop_scope="module")
CHECKPOINTS = ["plain.safetensors", "sdxl/deep.safetensors"]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=COMFYUIS)
async def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    data = tmp_path_factory.mktemp("comfyui")
    home, python, args = program(request.param)
    more = model_arguments(make_models(data / "models"), data / "models.json")
    async with comfyui_process(home, python, data, (*args, *more)) as url, aiohttp.ClientSession() as session:
        yield Server(url, data, session, request.param)


async def test_the_names_of_a_kind_are_paths_below_its_folders(server: Server) -> None:
    assert await server.get("/models/checkpoints") == CHECKPOINTS
    assert await server.get("/models/text_encoders") == ["old-name.safetensors"]
    assert "checkpoints" in await server.get("/models")


async def test_the_sizes_are_in_the_newer_list(server: Server) -> None:
    listed = await server.get("/experiment/models/checkpoints")
    folders = {item["name"]: item["folders"] for item in await server.get("/experiment/models")}

    assert {item["name"]: item["size"] for item in listed} == {
        name: MODELS[f"checkpoints/{name}"] for name in CHECKPOINTS
    }
    assert {folders["checkpoints"][item["pathIndex"]] for item in listed} == {str(server.data / "models/checkpoints")}


async def test_the_folders_of_a_kind_are_told_in_their_order(server: Server) -> None:
    folders = await server.get("/internal/folder_paths")

    assert folders["checkpoints"][1:] == [
        str(server.data / "models" / "checkpoints"),
        str(server.data / "output" / "checkpoints"),
    ]


async def test_embeddings_have_no_ending(server: Server) -> None:
    assert await server.get("/embeddings") == ["word"]


@pytest.mark.parametrize(
    ("query", "status"),
    [("filename=plain.safetensors", 200), ("filename=none.safetensors", 404), ("filename=word.pt", 404), ("", 404)],
)
async def test_a_model_says_what_it_is(server: Server, query: str, status: int) -> None:
    async with server.session.get(f"{server.url}/view_metadata/checkpoints?{query}") as response:
        assert response.status == status
        if status == 200:
            assert await response.json() == {"modelspec.title": "A plain one"}


async def test_models_can_be_chosen_and_run(server: Server) -> None:
    prompt = drawn("sdxl/deep.safetensors", "style.safetensors")
    info = (await server.get("/object_info/SandboxCheckpoint"))["SandboxCheckpoint"]
    entry = await server.history(await server.queue(prompt))
    (saved,) = entry["outputs"]["3"]["images"]
    with Image.open(server.data / "temp" / "temp" / saved["filename"]) as image:
        shades = image.convert("L").tobytes()

    assert info["input"]["required"]["ckpt_name"][0] == CHECKPOINTS
    assert entry["status"]["status_str"] == "success"
    assert (min(shades), max(shades) > 200) == (0, True)


async def test_a_model_that_is_not_there_is_refused(server: Server) -> None:
    status, body = await server.post("/prompt", {"prompt": drawn("gone.safetensors", "style.safetensors")})

    assert status == 400
    assert body["node_errors"]["1"]["errors"][0]["type"] == "value_not_in_list"


def drawn(checkpoint: str, lora: str) -> dict[str, Any]:
    return {
        "1": {"class_type": "SandboxCheckpoint", "inputs": {"ckpt_name": checkpoint}},
        "2": {"class_type": "SandboxLora", "inputs": {"image": ["1", 0], "lora_name": lora, "strength": 0.5}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }
