"""What the sandbox answers where nothing is."""

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sandbox.comfyui.models import model_folders
from sandbox.comfyui.routes_models import ModelRoutes
from tests.support.models import make_models


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/models/none", 404),
        ("/experiment/models/none", 404),
        ("/models/vae", 200),
        ("/view_metadata/none?filename=a.safetensors", 404),
        ("/view_metadata/vae?filename=plain.safetensors", 200),
        ("/view_metadata/vae?filename=tiny.safetensors", 404),
    ],
)
async def test_each_path_has_its_status(tmp_path: Path, path: str, status: int) -> None:
    make_models(tmp_path / "models", {"vae/plain.safetensors": 500, "vae/tiny.safetensors": 4})
    app, routes = web.Application(), web.RouteTableDef()
    ModelRoutes(model_folders(tmp_path, tmp_path, None)).add_to(routes)
    app.add_routes(routes)

    async with TestClient(TestServer(app)) as client, client.get(path) as response:
        assert response.status == status
