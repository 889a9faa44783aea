"""The lists of nodes and models that the page asks for, in the shapes that the proxy merges."""

import pytest

from engine.catalog.merge import merged_nodes
from engine.catalog.model_lists import shown_files, shown_folders, shown_kinds
from tests.contract.comfyui.conftest import Server
from wire.catalog import Catalog

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_every_definition_of_comfyui_itself_is_shown_unchanged(server: Server) -> None:
    nodes = await server.get("/object_info")
    merged = merged_nodes(nodes, Catalog(nodes=nodes))

    assert [name for name in nodes if merged.get(name) != nodes[name]] == []


async def test_every_definition_is_shown_where_only_the_endpoint_has_it(server: Server) -> None:
    nodes = await server.get("/object_info")

    assert list(merged_nodes({}, Catalog(nodes=nodes))) == list(nodes)


async def test_a_single_definition_is_the_one_of_the_list(server: Server) -> None:
    nodes = await server.get("/object_info")

    assert await server.get("/object_info/SaveImage") == {"SaveImage": nodes["SaveImage"]}
    assert await server.get("/object_info/Nobodys") == {}


async def test_the_kinds_of_models_are_lists_that_can_be_joined(server: Server) -> None:
    kinds, folders = await server.get("/models"), await server.get("/experiment/models")
    known = Catalog(models={kinds[0]: {}, "only there": {"a.pt": 1}})
    entry = next(one for one in folders if one["name"] == "checkpoints")

    assert shown_kinds(kinds, known) == [*kinds, "only there"]
    assert shown_folders(folders, known)[-1].keys() == entry.keys()
    assert all(isinstance(name, str) for name in await server.get("/embeddings"))
    assert shown_files(await server.get("/experiment/models/checkpoints"), known, "only there")[0]["name"] == "a.pt"


@pytest.mark.parametrize("path", ["/models/no-such-kind", "/experiment/models/no-such-kind"])
async def test_a_kind_that_comfyui_does_not_know_is_404(server: Server, path: str) -> None:
    async with server.session.get(server.url + path) as response:
        assert response.status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/view_metadata/checkpoints?filename=only-there.safetensors",
        "/view_metadata/no-such-kind?filename=only-there.safetensors",
    ],
)
async def test_a_model_that_is_not_here_has_no_metadata(server: Server, path: str) -> None:
    async with server.session.get(server.url + path) as response:
        assert response.status == 404
